from __future__ import annotations

from pathlib import Path

import pytest
from terok.integrations.executor import ImageSettings, StoredImage
from terok.services.images import owner, snippet_of, unneeded_of
from terok_util import ConfigError


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    return tmp_path


def image(reference: str, kind: str, project: str = "", whose: str = "", containers: int = 0) -> StoredImage:
    return StoredImage(reference, f"id-{reference}", kind, 9, 5, "now", (), project, whose, containers)


def test_only_leftovers_and_images_of_projects_that_are_gone_are_not_needed() -> None:
    mine = owner()
    images = [
        image("base", "base"),
        image("agents", "agents"),
        image("l2:web", "project", "web", mine),
        image("l2:gone", "project", "gone", mine),
        image("l2:used", "project", "gone", mine, containers=1),
        image("l2:theirs", "project", "gone", "of-another-configuration"),
        image("", "leftover"),
        image("x", "leftover", containers=2),
    ]
    assert [(one.image, one.size, one.reason) for one in unneeded_of(images, {"web": None})] == [
        ("l2:gone", 5, "there is no project gone"),
        ("id-", 5, "left over from a build"),
    ]


def test_the_lines_of_the_file_come_before_those_of_the_configuration(root: Path) -> None:
    file = root / "own"
    file.write_text("RUN first\n\n")
    assert snippet_of(ImageSettings(user_snippet_file=str(file), user_snippet_inline="RUN second\n")) == (
        "RUN first\nRUN second"
    )
    for content in (None, b"\xff"):
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ConfigError, match=r"image\.user_snippet_file: .*own cannot be read"):
            snippet_of(ImageSettings(user_snippet_file=str(file)))
