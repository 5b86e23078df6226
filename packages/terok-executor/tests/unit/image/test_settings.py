from __future__ import annotations

from pathlib import Path

import pytest
from terok_executor.image.settings import ExecutorConfigView, ImageSettings, set_image_agents
from terok_util import ConfigError

TEXT = """\
# mine
shield:  # of another wheel
  anything: goes
image:
  base_image: debian:trixie  # why
"""


def test_the_section_is_read_and_written_with_its_comments(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    assert ExecutorConfigView.load(file).image.base_image == "mmdebstrap:trixie"
    set_image_agents("all,-vibe", file)
    assert ExecutorConfigView.load(file).image.agents == "all,-vibe"
    file.write_text(TEXT)
    set_image_agents("claude", file)
    assert file.read_text() == TEXT + "  agents: claude\n"
    image = ExecutorConfigView.load(file).image
    assert (image.base_image, image.agents) == ("debian:trixie", "claude")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("image:\n  base: x\n", "config.yml:2: image.base"),
        ("\nimage:\n  base_image: $(id)\n", "config.yml:3: image.base_image"),
        ("image:\n  family: apk\n", "config.yml:2: image.family"),
        ("image: [\n", "config.yml"),
        ("- a\n", "config.yml must be a mapping"),
        ("shield: {}\nimages:\n  family: deb\n", "config.yml:2: images: unknown section"),
    ],
)
def test_what_is_wrong_names_file_line_and_key(tmp_path: Path, text: str, where: str) -> None:
    (tmp_path / "config.yml").write_text(text)
    for action in (ExecutorConfigView.load, lambda path: set_image_agents("all", path)):
        with pytest.raises(ConfigError, match=where.replace(".", r"\.")) as error:
            action(tmp_path / "config.yml")
        assert error.value.exit_code == 78


def test_the_system_s_file_counts_below_the_user_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    for layer, text in (("etc", "image: {agents: demo, family: rpm}\n"), ("config", "image:\n  agents: pi\n")):
        (tmp_path / layer).mkdir()
        (tmp_path / layer / "config.yml").write_text(text)
    settings = ImageSettings.load()
    assert (settings.agents, settings.family) == ("pi", "rpm")
    (tmp_path / "etc/config.yml").write_text("image:\n  family: apk\n")
    with pytest.raises(ConfigError, match=rf"{tmp_path}/etc/config.yml:2: image.family"):
        ImageSettings.load()
