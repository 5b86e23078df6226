"""The builder against a program called podman that keeps its images in a directory."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from terok_executor.cli.setup import remove_images
from terok_executor.errors import BuildError, PrerequisiteError
from terok_executor.image.builder import ImageBuilder, our_images
from terok_executor.image.podman import ImagePodman
from terok_executor.roster.loader import load_agents, load_tools
from terok_executor.roster.roster import AgentRoster

AGENTS = load_agents(Path("/nonexistent"))
PODMAN = r"""import json, os, pathlib, signal, sys, uuid
store = pathlib.Path(os.environ["FAKE_STORE"])
args = sys.argv[1:]
with open(store / "calls", "a") as log: log.write(json.dumps(args) + "\n")
def file(ref): return store / ("image-" + ref.replace("/", "%"))
def put(ref, labels=None): file(ref).write_text(json.dumps([{"Id": uuid.uuid4().hex, "Labels": labels}]))
if args[:2] == ["image", "exists"]:
    if os.environ.get("FAKE_BROKEN"): sys.exit(125)
    sys.exit(0 if file(args[2]).exists() else 1)
if args[:2] == ["image", "inspect"]:
    found = [json.loads(file(ref).read_text())[0] for ref in args[2:] if file(ref).exists()]
    print(json.dumps(found)); sys.exit(0 if len(found) == len(args) - 2 else 125)
if args[:2] == ["image", "prune"]:
    if os.environ.get("FAKE_PRUNE") == "hangs": signal.pause()
    sys.exit(os.environ.get("FAKE_PRUNE"))
if args[:2] == ["image", "rm"]:
    if args[2] in os.environ.get("FAKE_USED", "").split():
        print("Error: image used by 12ab: image is in use by a container\x1b[2J", file=sys.stderr); sys.exit(2)
    file(args[2]).unlink(); sys.exit(0)
if args[:2] == ["images", "--quiet"]: print(os.environ.get("FAKE_USED", "")); sys.exit(0)
if args[0] == "images":
    for entry in store.glob("image-*"): print(entry.name[6:].replace("%", "/"))
    sys.exit(0)
if args[0] == "ps":
    print(json.dumps([json.loads(one.read_text()) for one in store.glob("working-*")])); sys.exit(0)
if args[0] == "rm": (store / ("working-" + args[2])).unlink(); sys.exit(0)
if args[0] == "pull":
    if os.environ.get("FAKE_PULL"): put(args[1]); sys.exit(0)
    print("Error: initializing source: connection refused"); sys.exit(125)
if args[0] == "import": put(args[3]); sys.exit(0)
if args[0] == "build":
    for working in os.environ.get("FAKE_WORKING", "").split():
        name, image = working.split("=")
        found = {"Id": name, "Image": image, "ImageID": name, "State": "storage", "Command": ["buildah"]}
        (store / ("working-" + name)).write_text(json.dumps(found))
    text = (pathlib.Path(args[-1]) / "Containerfile").read_text()
    (store / ("containerfile-%d" % len(list(store.glob("containerfile-*"))))).write_text(text)
    (pathlib.Path(os.environ["TMPDIR"]) / "buildah123").mkdir(exist_ok=True)
    if why := os.environ.get("FAKE_FAIL"): print("STEP 1/2: FROM x", why, "exit status 1", sep="\n"); sys.exit(1)
    labels = dict(a[8:].split("=", 1) for a in args if a.startswith("--label="))
    tag = args[args.index("--tag") + 1]
    assert (pathlib.Path(args[-1]) / "Containerfile").is_file()
    put(tag, labels); sys.exit(0)
sys.exit(99)
"""


class Store:
    def __init__(self, path: Path) -> None:
        self.path = path

    def calls(self, verb: str) -> list[list[str]]:
        lines = (self.path / "calls").read_text().splitlines() if (self.path / "calls").exists() else []
        return [call for call in map(json.loads, lines) if call[0] == verb]

    def image(self, reference: str) -> Path:
        return self.path / ("image-" + reference.replace("/", "%"))

    def put(self, reference: str, labels: dict[str, str] | None = None) -> None:
        name = reference if labels else "b" * 64
        self.image(reference).write_text(json.dumps([{"Id": name, "Labels": labels}]))

    def containerfile(self) -> str:
        """Return the newest one that was built."""
        return (self.path / f"containerfile-{len(list(self.path.glob('containerfile-*'))) - 1}").read_text()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "store").mkdir()
    (programs / "podman").write_text(f"#!{sys.executable} -IS\n{PODMAN}")
    (programs / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("terok_executor.image.builder.host_bundle_path", lambda: None)
    monkeypatch.setattr("terok_executor.image.builder.build_variables", lambda: {"PIP_INDEX_URL": "https://mirror/"})
    return Store(tmp_path / "store")


@pytest.fixture
def program(store: Store, tmp_path: Path) -> Callable[[str, str], None]:
    def write(name: str, text: str) -> None:
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)

    return write


def test_a_second_build_does_nothing_and_a_changed_agent_rebuilds_only_its_layer(store: Store) -> None:
    store.put("localhost/base")
    builder = ImageBuilder("localhost/base")
    images = builder.build([AGENTS["demo"]])
    assert images.built
    assert len(store.calls("build")) == 2
    asked = len(store.calls("image"))
    assert not builder.build([AGENTS["demo"]]).built
    assert len(store.calls("build")) == 2
    assert len(store.calls("image")) == asked + 1
    assert builder.build([AGENTS["demo"]], rebuild=True).built
    assert len(store.calls("build")) == 3
    assert "--no-cache" in store.calls("build")[-1]
    registry = "--build-arg=PIP_INDEX_URL=https://mirror/"
    assert registry not in store.calls("build")[-1]
    builder.build([AGENTS["claude"]])
    assert registry in store.calls("build")[-1]
    podman = ImagePodman.find()
    assert ImageBuilder.image_agents(images.l1) == {"demo"}
    assert sorted(our_images(podman)[:2]) == [builder.l1_tag([AGENTS["claude"]]), images.l1]
    assert our_images(podman)[2:] == ["localhost/terok-build:localhost-base", images.l0]


def test_a_selection_of_names_is_built_and_what_it_is_built_from_stays_where_asked(
    store: Store, tmp_path: Path
) -> None:
    store.put("localhost/base")
    builder = ImageBuilder("localhost/base")
    roster = AgentRoster(AGENTS, {}, load_tools(Path("/nonexistent")))
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").write_text("mine")
    for wrong in (full, full / "file"):
        with pytest.raises(ValueError, match="empty directory"):
            builder.build_base("demo", roster=roster, build_dir=wrong)
    assert store.calls("build") == []
    images = builder.build_base(["demo"], roster=roster, build_dir=tmp_path / "kept", sidecar="coderabbit")
    assert images.l1 == builder.l1_tag([AGENTS["demo"]])
    assert images.l1_sidecar == builder.l1_sidecar_tag(roster.tools["coderabbit"])
    assert (tmp_path / "kept/l0/Containerfile").read_text().startswith("FROM localhost/base")
    assert (tmp_path / "kept/l1/terok-init").stat().st_mode & 0o111
    assert builder.ensure_default_l1([AGENTS["demo"]], AGENTS) == images.l1
    assert len(store.calls("build")) == 3
    staged = tmp_path / "staged"
    staged.mkdir()
    ImageBuilder.stage_scripts(staged)
    ImageBuilder.stage_tmux_config(staged)
    assert {path.name for path in staged.iterdir()} >= {"terok-help", "terok-init", "tmux.conf"}


def test_an_image_with_more_agents_will_do_as_long_as_it_is_up_to_date(store: Store) -> None:
    store.put("localhost/base")
    builder = ImageBuilder("localhost/base")
    assert builder.present([AGENTS["demo"]], AGENTS) is None
    both = builder.build([AGENTS["demo"], AGENTS["claude"]]).l1
    assert builder.present([AGENTS["demo"]], AGENTS) == both
    asked = len(store.calls("image")), len(store.calls("images"))
    assert builder.present([AGENTS["demo"]], AGENTS) == both
    assert (len(store.calls("image")), len(store.calls("images"))) == (asked[0] + 1, asked[1]), "one question is enough"
    assert builder.present([AGENTS["codex"]], AGENTS) is None
    install = replace(AGENTS["claude"].install, version="99")
    assert builder.present([AGENTS["demo"]], {**AGENTS, "claude": replace(AGENTS["claude"], install=install)}) is None
    assert builder.present([AGENTS["demo"]], {"demo": AGENTS["demo"]}) is None
    store.put("localhost/base")
    store.image("localhost/base").write_text(json.dumps([{"Id": "c" * 64, "Labels": None}]))
    assert builder.present([AGENTS["demo"]], AGENTS) is None


def test_what_lost_its_tag_and_stages_are_removed_after_a_build(store: Store) -> None:
    store.put("localhost/base")
    ImageBuilder("localhost/base").build([AGENTS["claude"]])
    calls = [call for call in store.calls("image") if call[1] == "prune"]
    assert calls == [["image", "prune", "--force", "--filter", "label=ai.terok.content"]] * 3


@pytest.mark.parametrize(("end", "reason"), [("Error: image is in use", "image is in use"), ("hangs", "0.2 s")])
def test_a_build_is_there_although_older_images_could_not_be_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch, end: str, reason: str
) -> None:
    monkeypatch.setenv("FAKE_PRUNE", end)
    monkeypatch.setattr("terok_executor.image.podman.PRUNE_SECONDS", 0.2)
    store.put("localhost/base")
    said: list[str] = []
    assert ImageBuilder("localhost/base", on_line=said.append).build([AGENTS["demo"]]).built
    notes = [line for line in said if line.startswith("note: ")]
    assert notes and all(reason in line for line in notes)


def test_an_agent_that_did_not_change_is_copied_from_the_image_that_has_it(store: Store) -> None:
    store.put("localhost/base")
    builder = ImageBuilder("localhost/base")
    tag = builder.build([AGENTS["claude"], AGENTS["pi"], AGENTS["vibe"]]).l1
    before = json.loads(store.image(tag).read_text())[0]["Id"]
    newer = replace(AGENTS["vibe"], install=replace(AGENTS["vibe"].install, version="99"))
    builder.build([AGENTS["claude"], AGENTS["pi"], newer])
    text = store.containerfile()
    stages = re.findall(r"(?m)^FROM \S+ AS (\S+)$", text)
    assert stages == ["stage-vibe"]
    copied = re.findall(rf"(?m)^COPY --from={before} (\S+) (\S+)$", text)
    programs = ("/usr/local/bin/node", "/usr/local/bin/claude", "/opt/pi")
    adapters = ("/opt/acp/claude/node_modules", "/opt/acp/pi/node_modules")
    assert sorted(copied) == sorted((path, path) for path in (*programs, *adapters))
    builder.build([AGENTS["pi"], AGENTS["demo"]])
    assert " AS " not in store.containerfile(), "another selection takes its agents from there too"
    assert not builder.build([AGENTS["claude"], AGENTS["pi"], newer]).built
    builder.build([AGENTS["claude"], AGENTS["pi"], newer], rebuild=True)
    assert "FROM localhost/terok-build:localhost-base AS stage-claude" in store.containerfile(), (
        "made anew when asked to"
    )


def test_what_ran_as_root_in_a_copied_directory_is_not_run_there_again(store: Store) -> None:
    store.put("localhost/base")
    builder = ImageBuilder("localhost/base")
    odd = replace(AGENTS["pi"], install=replace(AGENTS["pi"].install, run_as_root=("mv /opt/pi/a /opt/pi/b",)))
    builder.build([odd])
    builder.build([odd, AGENTS["demo"]])
    assert " AS stage-pi" in store.containerfile()


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, None])
def test_a_build_that_is_cut_short_leaves_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: type[BaseException] | None
) -> None:
    """Containers of builds that are somebody else's stay, and so does one of the same base that was there before."""
    store.put("localhost/base")
    store.put("with-label", {"ai.terok.content": "x"})
    (store.path / "working-old").write_text(
        json.dumps(
            {"Id": "old", "Image": "localhost/base", "ImageID": "old", "State": "storage", "Command": ["buildah"]}
        )
    )
    made = "one=localhost/terok-l0:x two=localhost/base with-label=docker.io/library/1234-tmp:latest other=debian:12"
    monkeypatch.setenv("FAKE_WORKING", made)
    monkeypatch.setenv("FAKE_FAIL", "E: no")

    def interrupt(line: str) -> None:
        if ending is not None and line.startswith("E: no"):
            raise ending

    with pytest.raises(ending or BuildError):
        ImageBuilder("localhost/base", on_line=interrupt).build([AGENTS["demo"]])
    assert sorted(path.name for path in store.path.glob("working-*")) == ["working-old", "working-other"]
    assert not list((tmp_path / "root").rglob("build")), "neither contexts nor Podman's temporary files"


def test_a_new_base_makes_both_layers_stale(store: Store) -> None:
    store.put("localhost/base")
    builder = ImageBuilder("localhost/base")
    builder.build([AGENTS["demo"]])
    store.image("localhost/base").write_text(json.dumps([{"Id": "c" * 64, "Labels": None}]))
    assert builder.build([AGENTS["demo"]]).built
    assert len(store.calls("build")) == 4


def test_a_failed_build_moves_no_tag_leaves_no_files_and_says_why(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("localhost/base")
    monkeypatch.setenv("FAKE_FAIL", "E: Unable to fetch some archives")
    seen: list[str] = []
    with pytest.raises(BuildError, match="E: Unable to fetch") as caught:
        ImageBuilder("localhost/base", on_line=seen.append).build([AGENTS["demo"]])
    assert caught.value.exit_code == 6
    assert "E: Unable to fetch some archives" in seen
    assert not store.image(ImageBuilder("localhost/base").l0_tag()).exists()
    assert list((tmp_path / "root").rglob("Containerfile")) == []


def test_a_full_disk_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("localhost/base")
    monkeypatch.setenv("FAKE_FAIL", "write /x: no space left on device")
    with pytest.raises(BuildError, match="the disk is full"):
        ImageBuilder("localhost/base").build([AGENTS["demo"]])


def test_a_missing_local_base_is_not_asked_of_a_registry(store: Store) -> None:
    with pytest.raises(BuildError, match="no local image localhost/nothing"):
        ImageBuilder("localhost/nothing").build([AGENTS["demo"]])
    assert store.calls("pull") == []


def test_a_registry_base_is_pulled_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BuildError, match="connection refused"):
        ImageBuilder("debian:trixie").build([AGENTS["demo"]])
    monkeypatch.setenv("FAKE_PULL", "1")
    ImageBuilder("debian:trixie").build([AGENTS["demo"]])
    ImageBuilder("debian:trixie").build([AGENTS["demo"]])
    assert len(store.calls("pull")) == 2


def test_a_suite_is_bootstrapped_and_imported(
    store: Store, program: Callable[[str, str], None], tmp_path: Path
) -> None:
    program("mmdebstrap", "#!/bin/sh\nfor last; do case $last in *.tar) echo root >$last;; esac; done\n")
    ImageBuilder("mmdebstrap:trixie").build([AGENTS["demo"]])
    assert [call[3] for call in store.calls("import")] == ["localhost/terok-base:trixie"]
    assert list(tmp_path.glob("terok-base-*")) == []
    program("mmdebstrap", "#!/bin/sh\necho 'E: no such suite'; exit 1\n")
    with pytest.raises(BuildError, match="no such suite"):
        ImageBuilder("mmdebstrap:nosuch").build([AGENTS["demo"]])


def test_podman_that_does_not_answer_is_not_an_absent_image(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_BROKEN", "1")
    with pytest.raises(BuildError, match="cannot say"):
        ImageBuilder("localhost/base").build([AGENTS["demo"]])


def test_no_podman_is_a_prerequisite(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terok_executor.image.podman.find_tool", _not_found)
    with pytest.raises(PrerequisiteError) as caught:
        ImageBuilder("localhost/base").build([AGENTS["demo"]])
    assert caught.value.exit_code == 5


def _not_found(name: str) -> str:
    from terok_util.process import ToolNotFound

    raise ToolNotFound(name)


def test_what_cannot_be_removed_is_said_with_its_reason(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store.put("localhost/base")
    images = ImageBuilder("localhost/base").build([AGENTS["demo"]])
    (store.path / "working-killed").write_text(
        json.dumps({"Id": "killed", "Image": images.l0, "ImageID": "x", "State": "storage", "Command": ["buildah"]})
    )
    monkeypatch.setenv("FAKE_USED", f"{images.l0}")
    assert remove_images(ImagePodman.find()) == 2
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{images.l1}: removed"
    assert said[1] == f"{images.l0}: not removed: image used by 12ab: image is in use by a container\\x1b[2J"
    assert said[2].endswith("without a name: not removed: image used by 12ab: image is in use by a container\\x1b[2J")
    assert not (store.path / "working-killed").exists()
    monkeypatch.setenv("FAKE_USED", "")
    assert remove_images(ImagePodman.find()) == 0
