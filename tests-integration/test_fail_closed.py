"""What is missing stops a launch: one line, a hint, a documented exit code, and nothing left behind."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from supervised import wait_for
from support import BASE, Done, Shell, host_address, tool

Own = Callable[..., Done]
"""Runs a command in an installation of the test's own; takes what `Shell` takes."""
Listener = Callable[[str], tuple[int, Callable[[], int]]]


def one_line_with_hint(text: str) -> None:
    lines = [line for line in text.strip().splitlines() if not line.startswith(("hint:", "=="))]
    errors = [line for line in lines if "error:" in line and not line.startswith(" ")]  # indented: a build's output
    assert len(errors) == 1, text
    assert "hint:" in text, text


def nothing_left(sh: Shell | Own, name: str, root: Path | None = None) -> None:
    assert sh("podman", "ps", "-aq", "--filter", f"name=^{name}$").out == ""
    root = root or Path(sh.environment["TEROK_ROOT"])
    left = [str(path) for path in root.rglob(f"*{name}*") if "storage" not in path.relative_to(root).parts]
    assert left == []


@pytest.fixture
def own_fork_server(ready: Shell, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give an environment with a runtime directory of its own, so that what a test hides is hidden from no other."""
    runtime = Path(ready.environment["XDG_RUNTIME_DIR"]) / tmp_path.name[-12:]
    runtime.mkdir(mode=0o700)
    env = {"TEROK_SANDBOX_RUNTIME_DIR": str(runtime)}
    yield env
    ready("terok-sandbox", "supervisor", "stop", code=None, env=env)
    shutil.rmtree(runtime)


@pytest.mark.parametrize(("missing", "code"), [("podman", 5), ("nft", 1)])
def test_missing_tool(
    ready: Shell, base_image: str, container: str, own_fork_server: dict[str, str], missing: str, code: int
) -> None:
    """The tool is hidden in a mount namespace of the command's own."""
    words = f"mount --bind /dev/null {tool(missing)} && exec terok-sandbox run --name {container} {base_image} -- true"
    done = ready("podman", "unshare", "unshare", "-m", "sh", "-c", words, code=code, env=own_fork_server)
    one_line_with_hint(done.err)
    assert missing in done.err
    nothing_left(ready, container)


def test_hook_not_installed(ready: Shell, base_image: str, tmp_path: Path, name: str) -> None:
    conf = tmp_path / "containers.conf"
    lines = Path(ready.environment["CONTAINERS_CONF"]).read_text().splitlines()
    conf.write_text("\n".join(line for line in lines if "hooks_dir" not in line) + "\n")
    done = ready(
        "terok-sandbox", "run", "--name", name, base_image, "--", "true", code=3, env={"CONTAINERS_CONF": str(conf)}
    )
    one_line_with_hint(done.err)
    assert "terok-sandbox setup" in done.err
    nothing_left(ready, name)


def test_hook_taken_away_by_a_file_that_podman_reads_later(
    ready: Shell, base_image: str, tmp_path: Path, name: str
) -> None:
    """Podman itself would start the container without a hook, and say nothing."""
    conf = tmp_path / "containers"
    (conf / "containers.conf.d").mkdir(parents=True)
    shutil.copyfile(ready.environment["CONTAINERS_CONF"], conf / "containers.conf")
    (conf / "containers.conf.d/50-other.conf").write_text('[engine]\nhooks_dir = ["/usr/share/other"]\n')
    env = {"CONTAINERS_CONF": "", "XDG_CONFIG_HOME": str(tmp_path)}
    for words in (("run", "--name", name, base_image, "--", "true"), ("prepare", name)):
        done = ready("terok-sandbox", *words, code=3, env=env)
        one_line_with_hint(done.err)
        assert "50-other.conf" in done.err
        nothing_left(ready, name)


@pytest.fixture
def own(ready: Shell, own_fork_server: dict[str, str], tmp_path: Path) -> Own:
    """Set up an installation of the test's own: containers of other tests may run in the shared one."""
    conf = tmp_path / "containers.conf"
    lines = Path(ready.environment["CONTAINERS_CONF"]).read_text().splitlines(keepends=True)
    conf.write_text("".join(line for line in lines if "hooks_dir" not in line))
    base = {**own_fork_server, "TEROK_ROOT": str(tmp_path), "CONTAINERS_CONF": str(conf)}
    state = "state/sandbox"
    (tmp_path / state).mkdir(parents=True)
    shutil.copy(Path(ready.environment["TEROK_ROOT"]) / state / "registries.json", tmp_path / state)  # takes a while

    def run(*words: str, code: int | None = 0, env: dict[str, str] | None = None) -> Done:
        return ready(*words, code=code, env={**base, **(env or {})})

    run("terok-sandbox", "setup")
    return run


def test_no_container_starts_without_its_firewall_after_an_uninstall(own: Own, base_image: str, container: str) -> None:
    own("terok-sandbox", "run", "-d", "--name", container, base_image, "--", "sleep", "600")
    done = own("terok-sandbox", "uninstall", code=1)
    one_line_with_hint(done.err)
    assert container in done.err
    own("terok-sandbox", "stop", "--timeout", "0", container)
    own("terok-sandbox", "uninstall")
    own("podman", "start", container, code=125)
    own("terok-sandbox", "setup")
    own("terok-sandbox", "start", container)
    assert own("terok-sandbox", "supervisor", "status", container, "--json").json()["prepared"] is True
    own("terok-sandbox", "rm", container)


def hide_the_hook(way: str, root: Path) -> tuple[list[str], dict[str, str]]:
    """Keep Podman from finding the hook; returns arguments and variables with which it is to be called."""
    conf = root / "containers.conf"
    without = "".join(line for line in conf.read_text().splitlines(keepends=True) if "hooks_dir" not in line)
    if way == "another containers.conf":
        (root / "other.conf").write_text(without)
        return [], {"CONTAINERS_CONF": str(root / "other.conf")}
    if way == "--hooks-dir":
        (root / "hooks").mkdir()
        return ["--hooks-dir", str(root / "hooks")], {}
    if way == "an edited containers.conf":
        conf.write_text(without)
    else:
        (root / "state/sandbox/hooks").rename(root / "state/sandbox/elsewhere")
    return [], {}


@pytest.mark.attack("CNF-1")
@pytest.mark.parametrize(
    "way", ["another containers.conf", "--hooks-dir", "an edited containers.conf", "a moved directory"]
)
def test_where_podman_finds_no_hook_a_container_reaches_nothing(
    own: Own, base_image: str, container: str, listener: Listener, tmp_path: Path, way: str
) -> None:
    """CNF-1: neither its own process nor one of `podman exec`, however Podman comes to start it."""
    address = host_address()
    port, connections = listener(address)
    knock = f"echo > /dev/tcp/{address}/{port}"
    arguments = shlex.split(own("terok-sandbox", "prepare", container).out)
    loop = ("bash", "-c", f"while sleep 0.05; do ({knock}) && echo reached; done")
    own("podman", "run", "-d", "--restart", "always", *arguments, base_image, *loop)
    options, env = hide_the_hook(way, tmp_path)

    def podman(*words: str, code: int | None = 0) -> str:
        return own("podman", *options, *words, code=code, env=env).out.strip()

    def look_from_inside(after: str) -> None:
        wait_for(lambda: podman("inspect", "-f", "{{.State.Running}}", container) == "true")
        for user in ("0", "1000"):
            words = ("exec", "--user", user, container, "timeout", "2", "bash", "-c", knock)
            assert own("podman", *words, code=None, env=env).code != 0, after
        devices = podman("exec", container, "cat", "/proc/net/dev").splitlines()[2:]
        assert [line.split(":")[0].strip() for line in devices] == ["lo"], after
        assert "reached" not in podman("logs", container)
        assert connections() == 0, after

    chosen = ("--all", "--filter", f"name=^{container}$")
    podman("restart", "-t", "0", container)
    look_from_inside("restart")
    podman("restart", "-t", "0", *chosen)
    look_from_inside("restart --all")
    podman("stop", "-t", "0", container)
    podman("start", container)
    look_from_inside("start")
    podman("stop", "-t", "0", container)
    podman("start", *chosen)
    look_from_inside("start --all, as after a reboot")
    if way != "--hooks-dir":  # Podman forgets that when it goes by a restart policy
        podman("exec", container, "bash", "-c", "kill 1", code=None)
        wait_for(lambda: podman("inspect", "-f", "{{.RestartCount}}", container) == "1")
        look_from_inside("its restart policy")
        assert "running without its wall" in own("terok-sandbox", "list", env=env).out
        found = own("terok-sandbox", "doctor", "--json", code=None, env=env).json()["checks"]
        (check,) = (one for one in found if one["container"] == container and one["label"] == "supervised")
        assert (check["severity"], check["detail"]) == ("error", "running without its wall")
    podman("rm", "-f", "-t", "0", container)
    own("terok-sandbox", "cleanup", container)


def with_setting(root: Path, line: str) -> None:
    conf = root / "containers.conf"
    conf.write_text(conf.read_text().replace("[containers]\n", f"[containers]\n{line}\n", 1))


@pytest.mark.attack("CNF-1")
@pytest.mark.parametrize(
    ("setting", "seen"),
    [
        ('volumes = ["ROOT:/mnt/terok"]', "/mnt/terok"),
        ('volumes = ["/run/user:/mnt/run:ro"]', "/mnt/run"),
        ('devices = ["/dev/fuse"]', "/dev/fuse"),
        ('env = ["VENDOR_API_KEY=real"]', "VENDOR_API_KEY"),
        ('env = ["PATH=/mnt/evil:/usr/bin"]', "PATH"),
    ],
)
def test_what_a_containers_conf_adds_stops_the_launch(
    own: Own, base_image: str, container: str, tmp_path: Path, setting: str, seen: str
) -> None:
    """CNF-1: also what somebody starts with arguments of their own gets no way to the sandbox's own files."""
    with_setting(tmp_path, setting.replace("ROOT", str(tmp_path)))
    done = own("terok-sandbox", "run", "--name", container, base_image, "--", "sh", "-c", "echo ran", code=1)
    assert "ran" not in done.out.split()
    one_line_with_hint(done.err)
    assert seen in done.err
    assert f"{tmp_path}/containers.conf, {setting.split()[0]}" in done.err
    nothing_left(own, container, tmp_path)
    arguments = shlex.split(own("terok-sandbox", "prepare", container).out)
    bare = own("podman", "run", *arguments, base_image, "sh", "-c", "echo ran", code=None)
    assert ("ran" in bare.out.split()) == setting.startswith("env"), "variables are the caller's own there"
    own("podman", "rm", "-f", container)
    own("terok-sandbox", "cleanup", container)


@pytest.mark.attack("CNF-1")
def test_what_was_added_to_a_container_stops_its_start_too(
    own: Own, base_image: str, container: str, tmp_path: Path
) -> None:
    """CNF-1: the plan is altered here, as if Podman had made another container of it."""
    own("terok-sandbox", "run", "-d", "--name", container, "-e", "A=1", base_image, "--", "sleep", "600")
    own("podman", "restart", "-t", "0", container)
    own("terok-sandbox", "stop", "--timeout", "0", container)
    sidecar = tmp_path / f"state/sandbox/sidecar/{container}.json"
    document = json.loads(sidecar.read_text())
    document["planned"]["env"] = []
    sidecar.write_text(json.dumps(document))
    for words in (("podman", "start"), ("podman", "restart"), ("terok-sandbox", "start")):
        done = own(*words, container, code=None)
        assert done.code != 0, words
        assert own("podman", "inspect", "-f", "{{.State.Running}}", container).out.strip() == "false"
    assert "the variable A" in done.err  # crun keeps the hook's words from Podman


@pytest.mark.attack("FS-1")
def test_a_container_exchanges_a_directory_that_it_also_has_mounted(
    ready: Shell, base_image: str, container: str, tmp_path: Path
) -> None:
    """Podman follows the link that it finds there at the next start."""
    (tmp_path / "work/cache").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("of the host\n")
    volumes = ("-v", f"{tmp_path / 'work'}:/all", "-v", f"{tmp_path / 'work/cache'}:/cache")
    ready("terok-sandbox", "run", "-d", "--name", container, *volumes, base_image, "--", "sleep", "600")
    ready("podman", "restart", "-t", "0", container)
    ready("podman", "exec", container, "sh", "-c", f"rmdir /all/cache && ln -s {tmp_path / 'secret'} /all/cache")
    for words in (("podman", "restart", "-t", "0"), ("podman", "start"), ("terok-sandbox", "start")):
        done = ready(*words, container, code=None)
        assert done.code != 0
        assert ready("podman", "inspect", "-f", "{{.State.Running}}", container).out.strip() == "false"
    assert "leads to another place" in done.err


def test_hook_of_another_version(ready: Shell, base_image: str, name: str) -> None:
    hook = next((Path(ready.environment["TEROK_ROOT"]) / "state/sandbox/hooks").glob("*.py"))
    kept = hook.read_bytes()
    try:
        hook.chmod(0o700)
        hook.write_bytes(kept + b"\n# changed\n")
        done = ready("terok-sandbox", "run", "--name", name, base_image, "--", "true", code=3)
        one_line_with_hint(done.err)
        nothing_left(ready, name)
    finally:
        hook.write_bytes(kept)
    ready("terok-sandbox", "setup", timeout=120)


def test_container_does_not_start_when_the_rules_cannot_be_loaded(
    ready: Shell, base_image: str, tmp_path: Path, container: str, own_fork_server: dict[str, str]
) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "nft").write_text("#!/bin/sh\necho 'no such kernel feature' >&2\nexit 1\n")
    (broken / "nft").chmod(0o755)
    env = {**own_fork_server, "PATH": f"{broken}:{ready.environment['PATH']}"}
    words = ("terok-sandbox", "run", "--name", container, base_image, "--", "sh", "-c", "echo ran")
    find = "ldconfig -p | sed -n 's/.*libnftables.so.1 .*=> //p'"
    without_library = f'mount --bind /dev/null "$(realpath "$({find})")" && exec {shlex.join(words)}'
    done = ready("podman", "unshare", "unshare", "-m", "sh", "-c", without_library, code=1, env=env)
    assert "ran" not in done.out.split()
    one_line_with_hint(done.err)
    assert "no such kernel feature" in done.err
    nothing_left(ready, container)
    assert "ran" in ready(*words).out.split(), "with a working nft the same command runs"


def test_bare_podman_start_is_supervised_or_refused(ready: Shell, base_image: str, container: str) -> None:
    ready("terok-sandbox", "run", "-d", "--name", container, base_image, "--", "sleep", "600")
    ready("podman", "restart", "-t", "0", container)
    status = ready("terok-sandbox", "supervisor", "status", container, "--json").json()
    assert status["prepared"] is True
    ready("podman", "stop", "-t", "0", container)
    ready("terok-sandbox", "supervisor", "stop")
    refused = ready("podman", "start", container, code=None)
    assert refused.code != 0
    assert "terok-sandbox" in refused.text, "the refusal names the command to use"
    assert ready("podman", "inspect", "-f", "{{.State.Running}}", container).out.strip() == "false"
    ready("terok-sandbox", "start", container)
    assert ready("podman", "inspect", "-f", "{{.State.Running}}", container).out.strip() == "true"


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("run", "demo", "no/such/place", "-p", "x"), 2, "neither"),
        (("run", "nobody", ".", "-p", "x"), 2, "nobody"),
        (("run", "demo", "REPO", "-p", "  "), 2, "prompt"),
        (("run", "demo", "REPO", "-p", "x", "--base", "bad base;rm"), 2, "base"),
        (("run", "demo", "https://user:secret@example.test/x.git", "-p", "x"), 2, "credential"),
    ],
)
def test_bad_requests(
    ready: Shell,
    repository: Path,
    upstream: Callable[[str, str], None],
    words: tuple[str, ...],
    code: int,
    expected: str,
) -> None:
    upstream("demo", "http://127.0.0.1:9")
    done = ready("terok-executor", *(str(repository) if word == "REPO" else word for word in words), code=code)
    one_line_with_hint(done.err)
    assert expected in done.err
    assert "secret" not in done.err


def test_unreadable_ca_bundle(ready: Shell, repository: Path, tmp_path: Path) -> None:
    env = {"SSL_CERT_FILE": str(tmp_path / "missing.pem")}
    done = ready("terok-executor", "build", "demo", "--base", BASE, "--rebuild", code=5, env=env)
    one_line_with_hint(done.err)
    assert "missing.pem" in done.err


def test_full_disk_during_a_build(ready: Shell, tmp_path: Path) -> None:
    """Storage and temporary files are on a file system of 30 MB in a mount namespace of the command's own."""
    small = tmp_path / "small"
    small.mkdir()
    build = f"XDG_DATA_HOME={small} TMPDIR={small} terok-executor build demo --base {BASE}"
    words = f"mount -t tmpfs -o size=30m tmpfs {small} && {build}; code=$?; find {small} -name '*terok*'; exit $code"
    done = ready("podman", "unshare", "unshare", "-m", "sh", "-c", words, code=6, timeout=600)
    one_line_with_hint(done.err)
    assert "space" in done.err
    assert done.out == ""


HIDE_SUBIDS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"/dev/null", b"/etc/subuid", None, 4096, None):
    raise SystemExit(f"bind mount: {os.strerror(ctypes.get_errno())}")
os.execvp("terok-sandbox", ["terok-sandbox", "doctor", "--json"])
"""


def test_missing_subordinate_ids_are_diagnosed(ready: Shell, tmp_path: Path) -> None:
    """In a runtime directory of its own: Podman 5 leaves a process there that holds the namespace it found."""
    tmp_path.chmod(0o700)
    own_namespaces = ("unshare", "--map-current-user", "--keep-caps", "-m", "--pid", "--fork", "--kill-child")
    done = ready(*own_namespaces, "python3", "-c", HIDE_SUBIDS, code=None, env={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert done.code != 0
    (check,) = (check for check in done.json()["checks"] if check["label"] == "subordinate user IDs")
    assert check["severity"] == "error"
    assert "usermod" in check["hint"]
