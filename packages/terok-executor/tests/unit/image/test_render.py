from __future__ import annotations

import os
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from terok_executor.image.context import BuildContext, ContextFile
from terok_executor.image.lock import Lock
from terok_executor.image.render import part_digests, render_build, render_l0, render_l1, stage_toad_agents
from terok_executor.roster.loader import load_agents, load_tools

GOLDEN = Path(__file__).parent / "golden"
AGENTS = load_agents(Path("/nonexistent"))
TOOLS = load_tools(Path("/nonexistent"))
LOCK = Lock({"@anthropic-ai/claude-code-linux-x64@0": "sha512-" + "A" * 86 + "=="})
PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def context(name: str) -> BuildContext:
    return {
        "l0": lambda: render_l0("localhost/terok-base:trixie"),
        "l0-certificates": lambda: render_l0("debian:trixie", [PEM]),
        "build": lambda: render_build("localhost/terok-l0:x"),
        "l0-rpm": lambda: render_l0("fedora:44", [PEM], "rpm"),
        "l1-rpm": lambda: render_l1(
            "localhost/terok-l0:x", "localhost/terok-build:x", [*AGENTS.values(), *TOOLS.values()], LOCK, "rpm"
        ),
        "l1-tools": lambda: render_l1(
            "localhost/terok-l0:x", "localhost/terok-build:x", [AGENTS["demo"], *TOOLS.values()], LOCK
        ),
        "l1-demo": lambda: render_l1("localhost/terok-l0:x", "localhost/terok-build:x", [AGENTS["demo"]], LOCK),
        "l1-all": lambda: render_l1("localhost/terok-l0:x", "localhost/terok-build:x", AGENTS.values(), LOCK),
        "l1-claude-demo": lambda: render_l1(
            "localhost/terok-l0:x", "localhost/terok-build:x", [AGENTS["demo"], AGENTS["claude"]], LOCK
        ),
    }[name]()


@pytest.mark.parametrize(
    "name", ["l0", "l0-certificates", "l0-rpm", "build", "l1-demo", "l1-claude-demo", "l1-tools", "l1-all"]
)
def test_containerfiles(name: str) -> None:
    path = GOLDEN / f"{name}.Containerfile"
    text = context(name).containerfile
    if os.environ.get("TEROK_UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_everything_that_is_copied_is_in_the_context() -> None:
    for name in ("l0-certificates", "l0-rpm", "build", "l1-demo", "l1-claude-demo", "l1-rpm", "l1-tools", "l1-all"):
        built = context(name)
        for line in built.containerfile.splitlines():
            if line.startswith("COPY") and "--from=" not in line:
                for source in (word.rstrip("/") for word in line.split()[1:-1] if not word.startswith("--")):
                    assert any(file == source or file.startswith(source + "/") for file in built.files), line


def test_a_front_end_knows_the_agents_of_its_image_that_speak_acp(tmp_path: Path) -> None:
    silent = replace(AGENTS["pi"], acp=None)
    built = render_l1("x", "b", [AGENTS["opencode"], AGENTS["vibe"], silent, TOOLS["toad"]], LOCK)
    copied = re.findall(
        r"(?m)^COPY --chown=root:root (files/toad-of-\d) /etc/terok/toad/(.+)\.toml$", built.containerfile
    )
    said = {name: tomllib.loads(built.files[source].data.decode()) for source, name in copied}
    assert {name: one["run_command"] for name, one in said.items()} == {
        "opencode": {"*": "terok-adapter run opencode"},
        "vibe": {"*": "terok-adapter run vibe"},
    }
    assert (said["vibe"]["identity"], said["vibe"]["actions"]) == ("vibe", {"*": {}})
    odd = replace(AGENTS["vibe"], label='say "hi" \\ {acp} ü')
    stage_toad_agents(tmp_path, TOOLS["toad"], [odd, silent])
    (file,) = tmp_path.iterdir()
    read = tomllib.loads(file.read_text())
    assert (file.name, read["name"], read["run_command"]["*"]) == ("vibe.toml", odd.label, "terok-adapter run vibe")
    assert not re.findall("toad-of", render_l1("x", "b", [AGENTS["vibe"], AGENTS["demo"]], LOCK).containerfile)


def test_an_adapter_of_npm_is_installed_by_its_checksums_beside_its_agent() -> None:
    agent = AGENTS["codex"]
    assert agent.acp is not None
    (package,) = agent.acp.packages
    text = render_l1("x", "b", [agent], Lock({package: "sha512-" + "A" * 86 + "=="})).containerfile
    assert f'{{"{package}":"sha512-{"A" * 86}=="}}' in text
    assert "COPY --from=stage-codex.acp /opt/stage/modules /opt/acp/codex/node_modules" in text
    assert agent.acp.command[1].startswith("/opt/acp/codex/node_modules/@agentclientprotocol/codex-acp/")
    newer = replace(agent, acp=replace(agent.acp, packages=("@agentclientprotocol/codex-acp@9",)))
    old, new = (part_digests("id", [one], LOCK) for one in (agent, newer))
    assert old["codex"] == new["codex"], "a new adapter leaves the agent as it is"
    assert old["codex.acp"] != new["codex.acp"]


def test_the_order_of_agents_changes_nothing_and_their_version_does() -> None:
    first = render_l1("x", "b", [AGENTS["demo"], AGENTS["claude"]], LOCK)
    second = render_l1("x", "b", [AGENTS["claude"], AGENTS["demo"]], LOCK)
    assert first.content_hash("p") == second.content_hash("p")
    newer = replace(AGENTS["claude"], install=replace(AGENTS["claude"].install, version="99"))
    assert render_l1("x", "b", [newer, AGENTS["demo"]], LOCK).content_hash("p") != first.content_hash("p")


def test_the_hash_covers_parent_names_modes_and_contents() -> None:
    base = BuildContext("FROM x", {"a": ContextFile(b"1"), "b": ContextFile(b"2")})
    others = [
        BuildContext("FROM y", base.files),
        BuildContext("FROM x", {"a": ContextFile(b"12"), "b": ContextFile(b"")}),
        BuildContext("FROM x", {"a": ContextFile(b"1", executable=True), "b": ContextFile(b"2")}),
        BuildContext("FROM x", {"a": ContextFile(b"1"), "c": ContextFile(b"2")}),
    ]
    hashes = {other.content_hash("p") for other in others} | {base.content_hash("p"), base.content_hash("q")}
    assert len(hashes) == 6


def test_a_context_writes_only_below_its_directory(tmp_path: Path) -> None:
    context("l1-demo").write(tmp_path)
    assert (tmp_path / "terok-init").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "Containerfile").is_file()
    with pytest.raises(ValueError, match="outside"):
        BuildContext("", {"../x": ContextFile(b"")}).write(tmp_path)


@pytest.mark.parametrize("name", ["l0-certificates", "l0-rpm", "build", "l1-rpm", "l1-tools", "l1-all"])
def test_images_hold_no_caches_and_no_documentation(name: str) -> None:
    for line in instructions(context(name).containerfile):
        if "apt-get" in line and " install " in line:
            assert "rm -rf /var/lib/apt/lists/* /var/cache/apt/*" in line, line
        if "dnf" in line and " install " in line:
            assert "--setopt=tsflags=nodocs" in line and "rm -rf /var/cache/dnf" in line, line
    if name == "l0-certificates":
        text = context(name).containerfile
        assert text.index("path-exclude") < text.index("apt-get"), "before anything is installed"
        assert "path-include=/usr/share/doc/*/copyright" in text, "licenses ask for it"


def test_a_file_of_a_maker_is_installed_by_its_checksum_or_not_at_all() -> None:
    tool = replace(TOOLS["coderabbit"], install=replace(TOOLS["coderabbit"].install, version="1.2"))
    address = "https://cli.coderabbit.ai/releases/1.2/coderabbit-linux-x64.zip"
    pinned = render_l1("x", "b", [tool], Lock(files={address: "sha256:" + "a" * 64})).containerfile
    assert f"x86_64) url={address}; digest={'a' * 64};; " in pinned
    assert "aarch64)" not in pinned, "of the other architecture nothing is known"
    unpinned = render_l1("x", "b", [tool], Lock()).containerfile
    for text in (pinned, unpinned):
        assert "has no pinned checksum for $(uname -m): run terok-executor agents update coderabbit" in text
    assert "url=" not in unpinned
    assert "COPY --from=stage-coderabbit /usr/local/bin/coderabbit /usr/local/bin/coderabbit" in pinned


def instructions(text: str) -> list[str]:
    joined = re.sub(r"\\\n", " ", text)
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


@pytest.mark.parametrize("name", ["l0-certificates", "l0-rpm", "l1-claude-demo", "l1-rpm", "l1-tools", "l1-all"])
def test_containerfiles_follow_the_rules(name: str) -> None:
    """What hadolint would ask for, as far as it matters here."""
    lines = instructions(context(name).containerfile)
    words = [line.split(None, 1)[0] for line in lines]
    assert set(words) <= {"FROM", "LABEL", "USER", "COPY", "RUN", "ENV", "ARG", "WORKDIR", "CMD"}, (
        "no ADD, no VOLUME, no EXPOSE"
    )
    assert [line for line in lines if line.startswith("USER")][-1] == "USER dev", "the image does not end as root"
    for line in lines:
        if line.startswith("RUN") and ";" in line:
            assert "set -eu" in line, line
        if "apt-get" in line and " install " in line:
            assert "--no-install-recommends" in line, line
            assert "rm -rf /var/lib/apt/lists" in line, line
        if "dnf" in line and " install " in line:
            assert "install_weak_deps=False" in line, line
            assert "dnf -q clean all" in line, line
        assert "apt-get" not in line or "rpm" not in name, line
        assert not re.search(r"(curl|wget)[^|;]*\|\s*(ba)?sh", line), f"a download piped into a shell: {line}"
        assert "sudo" not in line
        if " pip " in f" {line} " and "install" in line:
            assert "--no-cache-dir" in line
            assert "==" in line or "-r " in line, f"an unpinned package: {line}"
    targets = {line.split()[3] for line in lines if line.startswith("FROM") and " AS " in line}
    targets.add("localhost/terok-build:x")  # whence Node comes
    assert {word.removeprefix("--from=") for line in lines for word in line.split() if "--from=" in word} <= targets
