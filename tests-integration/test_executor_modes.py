"""The ways to launch: sealed, on a directory of the host, a sidecar tool, a web page, odd repositories."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from support import BASE, Shell
from terok.stub import Script, StubProvider, running_stub

COMMIT = "echo more >> README.md && git add -A && git commit -q -m 'Add a line'"
LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"


@pytest.fixture
def stub(ready: Shell, base_image: str, real_key: str, upstream: Callable[[str, str], None]) -> Iterator[StubProvider]:
    """Give the demo agent a provider that plays the one-commit script."""
    with running_stub(Script((COMMIT,)), api_key=real_key) as provider:
        upstream("demo", provider.url)
        yield provider


@pytest.fixture
def roster_file(ready: Shell) -> Iterator[Callable[[str, str], None]]:
    """Write a file of the user's roster, which goes with the test."""
    written: list[Path] = []

    def write(name: str, text: str) -> None:
        path = Path(ready.environment["TEROK_ROOT"]) / "config" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        written.append(path)

    yield write
    for path in written:
        path.unlink()


def run(sh: Shell, name: str, *words: str, repo: Path | None = None, code: int = 0) -> dict:
    repository = (str(repo),) if repo is not None else ()
    options = ("-p", "Add a line", "--base", BASE, "--name", name, "--json")
    return sh("terok-executor", "run", "demo", *repository, *options, *words, timeout=600, code=code).json()


def binds(sh: Shell, name: str) -> list[str]:
    mounts = json.loads(sh("podman", "inspect", "--format", "{{json .Mounts}}", name).out)
    return [mount["Destination"] for mount in mounts if mount["RW"]]


HOW = "head -n 1 .git/logs/HEAD | cut -f 2 > how; id -un >> how; stat -c %U .git >> how; "


def test_a_sealed_container_shares_nothing_and_delivers_its_commit(
    ready: Shell,
    base_image: str,
    real_key: str,
    upstream: Callable[[str, str], None],
    repository: Path,
    container: str,
) -> None:
    (repository / "large").write_bytes(secrets.token_bytes(5_000_000))
    git = ["git", "-C", str(repository), "-c", "user.name=A", "-c", "user.email=a@b"]
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "Add something large"], check=True)
    with running_stub(Script((HOW + COMMIT,)), api_key=real_key) as provider:
        upstream("demo", provider.url)
        result = run(ready, container, "--sealed", "--max-turns", "9", repo=repository)
    assert result["exit_code"] == 0
    (commit,) = result["commits"]
    assert commit["subject"] == "Add a line"
    shown = ["git", "-C", result["gate"], "show", f"{commit['id']}:how"]
    how = subprocess.run(shown, capture_output=True, text=True, check=True).stdout.splitlines()
    assert not how[0].startswith("clone"), "it came from the host's copy, not by a clone through the gate"
    assert how[1:] == ["dev", "dev"]
    assert result["usage"]["requests"] >= 1
    assert result["usage"]["output"] > 0
    assert binds(ready, container) == [], "no directory of the host can be written"
    ready("terok-executor", "rm", container)


def test_a_directory_of_the_host_is_worked_in_without_a_repository(
    ready: Shell, base_image: str, real_key: str, upstream: Callable[[str, str], None], tmp_path: Path, container: str
) -> None:
    workspace = tmp_path / "work here"
    workspace.mkdir()
    with running_stub(Script(("echo made > made.txt",)), api_key=real_key) as provider:
        upstream("demo", provider.url)
        result = run(ready, container, "--workspace", str(workspace))
    assert (workspace / "made.txt").read_text() == "made\n"
    assert (result["commits"], result["gate"]) == ([], "")


def test_a_sidecar_tool_has_its_real_key_the_repository_and_no_vault(
    ready: Shell,
    base_image: str,
    repository: Path,
    container: str,
    roster_file: Callable[[str, str], None],
) -> None:
    roster_file("providers/reviews", "upstream: https://reviews.example.test\nauth: {api_key: {}}\n")
    script = (
        "#!/bin/sh\nprintf 'said %s\\n' \"$*\"; cat README.md; echo length ${#REVIEW_KEY}\n"
        "curl -s -m 5 http://127.0.0.1:9419/ || echo no vault; exit 3\n"
    )
    tool = {
        "kind": "sidecar",
        "provider": "reviews",
        "env": {"REVIEW_KEY": "{token}"},
        "install": {"files": [{"path": "/usr/local/bin/reviewer", "content": script, "executable": True}]},
    }
    roster_file("tools/reviewer", json.dumps(tool))
    ready("terok-executor", "auth", "reviews", stdin="k" * 37 + "\n")
    words = ("--base", BASE, "--name", container, "reviewer", str(repository), "--", "--all", "two words")
    done = ready("terok-executor", "run-tool", *words, code=3, timeout=600)
    for expected in ("said --all two words", "# Project", "length 37", "no vault"):
        assert expected in done.out
    assert "k" * 37 not in str(ready("podman", "inspect", "--format", "{{json .Config.CreateCommand}}", container).out)
    image = "localhost/terok-l1-sidecar:mmdebstrap-trixie-reviewer"
    labels = ready("podman", "image", "inspect", "--format", "{{json .Labels}}", image).json()
    assert labels["ai.terok.agents"] == "reviewer"
    refused = ready("terok-executor", "run-tool", "gh", str(repository), code=2)
    assert "unknown sidecar" in refused.err


def test_a_tool_reaches_its_vendor_through_the_vault(
    ready: Shell,
    stub: StubProvider,
    real_key: str,
    repository: Path,
    container: str,
    roster_file: Callable[[str, str], None],
) -> None:
    roster_file("providers/github", f"upstream: {stub.url}\n")
    ready("terok-executor", "auth", "github", stdin=real_key + "\n")
    words = ("--interactive", "--base", BASE, "--name", container, "--tool", "gh")
    ready("terok-executor", "run", "demo", str(repository), *words, timeout=600)
    inside = ("podman", "exec", container)
    assert "HTTP 404" in ready(*inside, "gh", "api", "user", code=1).err, "the stub has no such endpoint"
    assert [record.presented for record in stub.seen.records if record.path == "/user"] == ["expected"]
    assert real_key not in ready(*inside, "sh", "-c", "env; cat ~/.config/gh/*").out
    ready("terok-executor", "rm", container)


def test_a_web_page_lets_in_the_token_alone_and_comes_back_after_a_restart(
    ready: Shell,
    stub: StubProvider,
    repository: Path,
    container: str,
    roster_file: Callable[[str, str], None],
    listener: Callable[[str], tuple[int, Callable[[], int]]],
) -> None:
    serve = '[bash, -c, "sleep 1; exec python3 -m http.server {port} --bind 127.0.0.1"]'
    roster_file("agents/demo", f"web: {{command: {serve}}}\n")
    taken, _ = listener("127.0.0.1")
    words = ("terok-executor", "run", "demo", str(repository), "--web", "--base", BASE, "--name", container)
    assert "cannot be used" in ready(*words, "--port", str(taken), code=2).err
    url = ready(*words, timeout=600).out.strip()
    bare, _, token = url.partition("?token=")
    assert len(token) > 30
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    for address in (bare, bare + "?token=" + "x" * len(token)):
        assert fetch(browser, address)[0] == 401
    assert b"README.md" in fetch(browser, url)[1]
    readme = (200, b"# Project\n")
    assert fetch(browser, bare + "README.md") == readme
    assert fetch(browser, bare + "README.md", Origin="http://127.0.0.1:1")[0] == 403
    seen = ready("podman", "exec", container, "sh", "-c", "cat /proc/*/environ /proc/*/cmdline", code=None)
    assert token not in seen.text
    ready("terok-executor", "stop", container)
    ready("terok-executor", "start", container, timeout=300)
    assert fetch(browser, bare + "README.md") == readme, "the same address and cookie"
    ready("terok-executor", "rm", container)


def fetch(browser: urllib.request.OpenerDirector, address: str, **headers: str) -> tuple[int, bytes]:
    try:
        with browser.open(urllib.request.Request(address, headers=headers), timeout=120) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


def test_an_odd_repository_is_worked_on_like_any_other(
    ready: Shell, stub: StubProvider, tmp_path: Path, container: str
) -> None:
    """Spaces, other scripts, a submodule, an LFS pointer: none of them is followed, all of them arrive."""
    path = tmp_path / "Mein Projekt ü"
    git = ["git", "-C", str(path), "-c", "user.name=A", "-c", "user.email=a@example.test"]
    other = tmp_path / "other"
    for one in (path, other):
        one.mkdir()
        subprocess.run(["git", "-C", str(one), "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git[:2], str(other), *git[3:], "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    (path / "ключ ü.txt").write_text("unicode\n")
    (path / "README.md").write_text("# Odd\n")
    (path / "big.bin").write_text(LFS_POINTER)
    (path / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "sub dir"]
    for words in (add, ["add", "-A"], ["commit", "-q", "-m", "Ölstand"]):
        subprocess.run([*git, *words], check=True)
    result = run(ready, container, repo=path)
    assert [commit["subject"] for commit in result["commits"]] == ["Add a line"]
    tree = ready("git", "-C", result["gate"], "-c", "core.quotePath=false", "ls-tree", "-r", result["branch"]).out
    assert "ключ ü.txt" in tree
    assert "160000 commit" in tree
    shown = ready("git", "-C", result["gate"], "show", f"{result['branch']}:big.bin").out
    assert shown == LFS_POINTER


def test_an_empty_bare_repository_gets_its_first_commit(
    ready: Shell, stub: StubProvider, tmp_path: Path, container: str
) -> None:
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "empty.git")], check=True)
    result = run(ready, container, repo=tmp_path / "empty.git")
    assert [commit["subject"] for commit in result["commits"]] == ["Add a line"]


def test_a_base_can_be_an_archive(ready: Shell, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "root.tar", "w") as archive:
        archive.add(__file__, "etc/file")
    tiny, saved = "localhost/it-tiny:1", tmp_path / "base.oci"
    ready("podman", "import", str(tmp_path / "root.tar"), tiny)
    ready("podman", "save", "--quiet", "--format", "oci-archive", "--output", str(saved), tiny)
    program = (
        "import sys\nfrom pathlib import Path\nfrom terok_executor.image.base import ensure_base\n"
        "from terok_executor.image.podman import ImagePodman\nfrom terok_executor.image.reference import parse_base\n"
        "base = parse_base(f'oci-archive:{sys.argv[1]}')\n"
        "print(ensure_base(ImagePodman.find(), base, print, Path(sys.argv[2])), base.image)\n"
    )
    loaded, name = ready(sys.executable, "-c", program, str(saved), str(tmp_path)).out.split()[-2:]
    try:
        assert loaded == ready("podman", "image", "inspect", "--format", "{{.Id}}", tiny).out.strip()
    finally:
        ready("podman", "image", "rm", tiny, name)
