"""A container pushes; the gate inspects; a person reviews and promotes to real upstreams."""

from __future__ import annotations

import json
import re
import resource
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from gate_hosts import NAME, https_host, leading_to, ssh_host
from support import BASE, Done, Shell, contacts, tool
from terok.stub import Script, running_stub
from terok_executor.roster.egress import upstream_lines
from terok_sandbox import RunSpec, Sandbox, Wiring
from terok_sandbox.gate.credentials import UpstreamAccess
from terok_sandbox.gate.errors import UpstreamUnreachable
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.layout import mirror_path, read_record, record_file
from terok_sandbox.gate.refs import read_refs
from terok_sandbox.gate.secret_search import find_secret
from terok_sandbox.gate.source import resolve_repo
from terok_sandbox.sidecar import GateWiring, PolicyTiers, Sidecar
from terok_sandbox.vault.scrub import Patterns

IMAGE = "localhost/terok-l0:mmdebstrap-trixie"
LOGIN = ("user.name=Agent", "user.email=agent@example.test", "init.defaultBranch=main")
CONFIG = " ".join(f"-c {setting}" for setting in LOGIN)


class Inside:
    """A container with a clone from its gate; called with a script that runs in the clone."""

    def __init__(self, sh: Shell, name: str, url: str) -> None:
        self.sh, self.name, self.url = sh, name, url

    def __call__(self, script: str, *, code: int | None = 0, timeout: float = 60) -> Done:
        full = f'set -e; cd /tmp/work; git() {{ command git {CONFIG} "$@"; }}; {script}'
        return self.sh("podman", "exec", "-u", "dev", self.name, "bash", "-c", full, code=code, timeout=timeout)


@pytest.fixture(scope="module")
def launch(ready: Shell) -> Iterator[Callable[..., Inside]]:
    """Start containers with the gate of a mirror."""
    ready("terok-executor", "build", "demo", "--base", BASE, timeout=1200)
    sandbox = Sandbox()
    names: list[str] = []

    def start(scope: str, tiers: PolicyTiers | None = None) -> Inside:
        name, token = f"gate-it-{secrets.token_hex(3)}", sandbox.mint_gate_token()
        wiring = GateWiring.for_token(mirror_path(sandbox.config.gate_base_path, scope), scope, token)
        command = ("sleep", "900")
        wired = Wiring(scope=scope, gate=wiring, tiers=tiers or PolicyTiers())
        spec = RunSpec(container_name=name, image=IMAGE, command=command, workdir=None, wiring=wired)
        names.append(name)
        sandbox.run(spec)
        inside = Inside(ready, name, sandbox.gate_url(scope, token))
        ready("podman", "exec", "-u", "dev", name, "git", "clone", "-q", inside.url, "/tmp/work")
        return inside

    yield start
    sandbox.rm(names)


@pytest.fixture(scope="module")
def project(ready: Shell, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a bare upstream with one commit."""
    place = tmp_path_factory.mktemp("upstream")
    work, bare = place / "work", place / "forge" / "project.git"
    git = ["git", *(word for setting in LOGIN for word in ("-c", setting))]
    subprocess.run([*git, "init", "-q", "-b", "main", str(work)], check=True)
    (work / "README.md").write_text("# Project\n")
    subprocess.run([*git, "-C", str(work), "add", "."], check=True)
    subprocess.run([*git, "-C", str(work), "commit", "-q", "-m", "Start"], check=True)
    subprocess.run([*git, "clone", "-q", "--bare", str(work), str(bare)], check=True)
    subprocess.run([*git, "-C", str(bare), "config", "http.receivepack", "true"], check=True)
    return bare


@pytest.fixture(scope="module")
def scope(ready: Shell, project: Path) -> str:
    return ready("terok-sandbox", "gate", "add", str(project)).out.strip()


@pytest.fixture(scope="module")
def inside(launch: Callable[..., Inside], scope: str) -> Inside:
    return launch(scope)


def heads(scope: str) -> dict[str, str]:
    from terok_sandbox.gate.git_gate import GitGate

    return GitGate.open(scope, base=Sandbox().config.gate_base_path).branch_heads()


def intact(scope: str) -> None:
    mirror = mirror_path(Sandbox().config.gate_base_path, scope)
    read_record(mirror)
    subprocess.run(["git", "-C", str(mirror), "fsck", "--full", "--strict"], check=True, capture_output=True)


BAD = {
    "symlink-escape": "ln -s ../../../etc/passwd link; git add link",
    "submodule": f"git update-index --add --cacheinfo 160000,{'1' * 40},module",
    "secret": "printf 'key = %s%s\\n' AKIA Q3EGRWBZ7XKMPLUV > settings.py; git add settings.py",
    "path-name": "touch $'a\\x1b[31mb'; git add .",
    "case-collision": "touch Name name; git add .",
}


@pytest.mark.attack("FS-1")
@pytest.mark.attack("GIT-3")
@pytest.mark.parametrize("rule", BAD)
def test_a_bad_push_is_refused_with_its_reason(inside: Inside, scope: str, rule: str) -> None:
    before = heads(scope)
    # All but colliding names, which harm when they are checked out, are looked for in every commit.
    hide = "" if rule == "case-collision" else "git rm -rq --cached .; git commit -q --allow-empty -m hidden; "
    start = "git checkout -qf main; git clean -fdxq; git checkout -q -B bad origin/main"
    done = inside(f"{start}; {BAD[rule]}; git commit -q -m bad; {hide}git push origin bad", code=1)
    assert f"terok gate:   {rule}: " in done.text
    assert "Q3EGRWBZ7XKMPLUV" not in done.text
    assert "\x1b[31mb" not in done.text
    assert heads(scope) == before
    intact(scope)


@pytest.mark.attack("GIT-2")
@pytest.mark.attack("GIT-5")
def test_what_runs_by_itself_is_shown(ready: Shell, inside: Inside, scope: str) -> None:
    files = (
        ".github/workflows/ci.yml .vscode/tasks.json .envrc .claude/settings.json .mcp.json .husky/pre-push Makefile"
    )
    done = inside(
        "git checkout -qf main; git clean -fdxq; git checkout -q -B tools; "
        f"for f in {files}; do mkdir -p $(dirname $f); echo x > $f; done; "
        "git add -f .; git commit -q -m tools; git push origin tools"
    )
    for rule in ("workflow", "editor-task", "shell-environment", "agent-settings", "git-hook", "build-script"):
        assert f"terok gate:   {rule}: " in done.text
    flagged = ready("terok-sandbox", "gate", "review", scope, "tools", "--json").json()["flagged"]
    assert {row["path"] for row in flagged} == set(files.split())
    refused = ready("terok-sandbox", "gate", "promote", scope, "tools", code=1)
    assert "--accept-flags" in refused.text


@pytest.mark.attack("GIT-4")
@pytest.mark.attack("GIT-6")
def test_nothing_but_branches_and_tags_of_this_mirror(inside: Inside, scope: str) -> None:
    before = heads(scope)
    refs = "terok/upstream/main notes/commits heads/../../x heads/.git replace/x"
    done = inside(
        f"for ref in {refs}; do git push -q origin HEAD:refs/$ref && echo pushed $ref; done; "
        "git push -q origin HEAD:HEAD && echo pushed HEAD; "
        f"for url in 'ext::sh -c id' '{inside.url}/../other.git'; do git ls-remote \"$url\" && echo read $url; done; "
        "git ls-remote origin"
    )
    assert "refs/heads/main" in done.out
    for word in ("pushed", "read", "upstream"):
        assert word not in done.out
    assert heads(scope) == before


def test_the_token_of_another_container_is_refused(launch: Callable[..., Inside], inside: Inside, scope: str) -> None:
    other = launch(scope)
    wrong = (other.url, inside.url.replace("http://", "http://x"), "http://" + inside.url.partition("@")[2])
    asked = " ".join(f"'{url}'" for url in (*wrong, inside.url))
    done = inside(
        "export GIT_TERMINAL_PROMPT=0; "
        f"for url in {asked}; do git ls-remote -q $url >/dev/null && echo $url; done; true"
    )
    assert done.out.split() == [inside.url]


@pytest.fixture(params=["ssh", "https"])
def reached(
    request: pytest.FixtureRequest, ready: Shell, project: Path, tmp_path: Path
) -> Iterator[tuple[str, dict[str, str], Callable[[], None]]]:
    """Give a mirror of the project over each transport, the environment to use, and a check after use."""
    if request.param == "ssh":
        with ssh_host(tmp_path / "ssh", tool("sshd")) as (address, agent):
            add = ("terok-sandbox", "gate", "add", f"{address}{project}")
            refused = ready(*add, code=1).text
            assert "no ssh key for the upstream" in refused
            scope = re.search(r"ssh add ([a-z0-9-]+)", refused)[1]
            ready("terok-sandbox", "ssh", "import", scope, "--private-key", str(tmp_path / "ssh/client"))
            assert ready(*add).out.strip() == scope, "the vault's key opens the upstream"
            ready("terok-sandbox", "ssh", "remove", "--scope", scope)
            ready("terok-sandbox", "gate", "access", scope, "--ssh-agent", str(agent))
            yield scope, {}, lambda: None
    else:
        token = "forge-" + secrets.token_hex(20)
        with https_host(tmp_path / "https", project.parent, token) as (url, authority, seen, pulls):
            env = {"GIT_SSL_CAINFO": str(authority)}
            add = ("terok-sandbox", "gate", "add", f"{url}/project.git")
            assert "was not reached" in ready(*add, code=1, env=env).text
            ready("terok-sandbox", "vault", "set", "forge", "--yes", stdin=token + "\n")
            done = ready(*add, "--credential", "forge", env=env)

            def check() -> None:
                assert any(given.startswith("Basic ") for given in seen)
                assert pulls == [("/api/v1/repos/project/pulls", "main", "Add more, because")] * 2
                assert token not in done.text

            yield done.out.strip(), env, check


def test_from_the_container_to_the_upstream(
    ready: Shell,
    launch: Callable[..., Inside],
    project: Path,
    reached: tuple[str, dict[str, str], Callable[[], None]],
    request: pytest.FixtureRequest,
) -> None:
    scope, env, check = reached
    gate = ("terok-sandbox", "gate")
    inside = launch(scope)
    branch = f"feature-{secrets.token_hex(3)}"
    inside(
        f"git checkout -q -b {branch}; echo more >> README.md; git commit -qam 'Add more'; git push -q origin {branch}"
    )
    assert branch in ready(*gate, "review", scope).out
    assert "was not reviewed" in ready(*gate, "promote", scope, branch, code=1, env=env).text
    assert "+more" in ready(*gate, "review", scope, branch).out

    ready(*gate, "reject", scope, branch, "-m", "say why in the message")
    said = inside("git commit -q --amend -m 'Add more, because'; git push -f origin HEAD").text
    assert "say why in the message" in said
    assert "changed since the review" in ready(*gate, "promote", scope, branch, code=1, env=env).text
    seen = ready(*gate, "review", scope, branch, "--json").json()
    wish = ("promote", scope, branch, "--pull-request")
    said = ready(*gate, *wish, code=1, env=env)
    assert "the kind of forge at" in said.text
    assert "--forge github|gitlab|forgejo" in said.text
    if env:
        ready(*gate, "access", scope, "--forge", "forgejo")
        for _ in range(2):  # asked for again, it is opened again: nothing has to be sent for it
            assert "/pulls/1" in ready(*gate, *wish, env=env).out
    else:
        ready(*gate, "promote", scope, branch, env=env)
    ready(*gate, "sync", scope, env=env)
    upstream = Path(
        json.loads(record_file(mirror_path(Sandbox().config.gate_base_path, scope)).read_text())["upstream"]
    )
    bare = upstream if upstream.is_absolute() else project
    tip = subprocess.run(["git", "-C", str(bare), "rev-parse", branch], capture_output=True, text=True, check=True)
    assert tip.stdout.strip() == seen["tip"]
    check()

    inside("echo again >> README.md; git commit -qam again; git push -q origin HEAD")
    ready(*gate, "review", scope, branch)
    rewrite = ["git", "-C", str(bare), "update-ref", f"refs/heads/{branch}", "main"]
    subprocess.run(rewrite, check=True)
    assert "has changed since the review" in ready(*gate, "promote", scope, branch, code=1, env=env).text
    intact(scope)


@pytest.mark.attack("TLS-2")
def test_a_changed_host_key_is_named(project: Path, tmp_path: Path) -> None:
    with ssh_host(tmp_path / "sshd", tool("sshd")) as (start, agent):
        gate = GitGate("moved-host", base=tmp_path / "gate", upstream=f"{start}{project}")
        known = tmp_path / "gate/known_hosts"
        gate.access = UpstreamAccess(known, ssh_agent=lambda: nullcontext(agent))
        assert gate.sync().success
        host, kind, _ = known.read_text().splitlines()[0].split(" ")
        other = (tmp_path / "sshd/client.pub").read_text().split(" ")[1]
        known.write_text(f"{host} {kind} {other}\n")
        with pytest.raises(UpstreamUnreachable, match="is not the one that is known") as refused:
            gate.sync()
    assert str(refused.value.hint).endswith(f"ssh-keygen -f {known} -R '{host}'")


LOOK = (
    "git remote >seen; git ls-remote gate >>seen; git ls-remote origin >>seen 2>&1; "
    "touch /var/lib/terok/seed.git/x 2>>seen; ls .git/objects/info >>seen; git add seen; git commit -qm 'Look around'"
)


def test_an_online_project_and_a_copy_of_a_large_repository(
    ready: Shell,
    project: Path,
    real_key: str,
    upstream: Callable[[str, str], None],
    container: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    large = project.parent / "large.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(project), str(large)], check=True)
    blob = ["git", "-C", str(large), "-c", "user.name=A", "-c", "user.email=a@b", "fast-import", "--quiet", "--force"]
    change = b"commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"
    content = secrets.token_bytes(6_000_000)
    change += b"M 644 inline big\ndata %d\n" % len(content) + content + b"\n"
    subprocess.run(blob, input=change, check=True)
    token = "forge-" + secrets.token_hex(20)
    config = Path(ready.environment["TEROK_ROOT"]) / "config/config.yml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text('gate:\n  security_class: online\nshield:\n  resolvers: ["127.0.0.1:1"]\n')
    request.addfinalizer(config.unlink)
    address = f"https://{NAME}/large"
    with (
        https_host(tmp_path / "https", project.parent, token) as (url, authority, _, _),
        leading_to(url) as proxy,
    ):
        env = {"GIT_SSL_CAINFO": str(authority), "HTTPS_PROXY": proxy}
        ready("terok-sandbox", "vault", "set", "forge", "--yes", stdin=token + "\n")
        ready("terok-sandbox", "gate", "add", address, "--credential", "forge", env=env)
        run = ("terok-executor", "run", "demo", address, "-p", "Look", "--base", BASE, "--name", container, "--json")
        with running_stub(Script((LOOK,)), api_key=real_key) as stub:
            upstream("demo", stub.url)
            done = ready(*run, env=env, timeout=300)
    result = done.json()
    tree = ["git", "-C", result["gate"]]
    (commit,) = result["commits"]
    seen = subprocess.run([*tree, "show", f"{commit['id']}:seen"], capture_output=True, text=True, check=True).stdout
    assert seen.split()[:2] == ["gate", "origin"]
    assert "refs/heads/main" in seen, "the gate is there beside the upstream"
    assert f"Could not resolve host: {NAME}" in seen, "origin is the upstream; nobody answers for it here"
    assert "Read-only file system" in seen
    assert "alternates" not in seen
    sidecar = Sidecar.load(Sandbox().config.sidecar_path(container))
    assert sidecar.gate is not None
    assert sidecar.gate.upstream == address
    assert any(line.startswith(f"+ {NAME}:443 ") for line in sidecar.shield.tiers.project_allow)


def test_only_an_online_container_gets_through_to_the_upstream(
    launch: Callable[..., Inside], inside: Inside, scope: str
) -> None:
    address = "https://198.51.100.11/group/project"

    def reached(last: int) -> int:
        return sum(row["to"].endswith(f".{last}") for row in contacts())

    ask = f"timeout 20 git ls-remote {address}"
    assert inside(ask, code=None).code != 0
    assert reached(11) == 0
    online = launch(scope, PolicyTiers(project_allow=upstream_lines(resolve_repo(address))))
    assert online(ask, code=None).code != 0, "what answers there is no forge"
    assert reached(11) > 0
    assert online("timeout 20 git ls-remote https://198.51.100.12/group/project", code=None).code != 0
    assert reached(12) == 0


DISK_FULL = """
import os, subprocess, sys
from pathlib import Path
from terok_sandbox.gate.errors import MirrorError
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.host_server import GateServer
from terok_sandbox.gate.server import GateLimits
small, work = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(small)], check=True)
gate = GitGate("proj", base=small, upstream=sys.argv[3])
gate.sync()
before = gate.branch_heads()
(small / "ballast").write_bytes(bytes(52_000_000))
server = GateServer(gate.path, "proj", "t", limits=GateLimits(free_bytes=-(10**9)))  # it fills up meanwhile
server.start()
git = ["git", "-c", "user.name=A", "-c", "user.email=a@b", "-c", "core.compression=0"]
subprocess.run([*git, "clone", "-q", server.url, str(work)], check=True)
(work / "big").write_bytes(os.urandom(20_000_000))
subprocess.run([*git, "-C", str(work), "add", "big"], check=True)
subprocess.run([*git, "-C", str(work), "commit", "-q", "-m", "big"], check=True)
push = [*git, "-C", str(work), "push", "origin", "HEAD:refs/heads/big"]
done = subprocess.run(push, capture_output=True, text=True, timeout=60)
assert done.returncode != 0 and "No space left" in done.stderr, done
assert gate.branch_heads() == before
subprocess.run(["git", "-C", str(gate.path), "fsck", "--full"], check=True)
subprocess.run([*git, "-C", str(work), "push", "-q", sys.argv[3], "HEAD:refs/heads/upstream-big"], check=True)
try:
    gate.sync()
except MirrorError as error:
    assert "is full" in error.message, error
else:
    raise AssertionError("20 MB went into a full disk")
assert gate.branch_heads() == before
subprocess.run(["git", "-C", str(gate.path), "fsck", "--full"], check=True)
(small / "ballast").unlink()
subprocess.run(push, check=True, timeout=60)
assert gate.sync().success
assert {"big", "upstream-big"} <= set(gate.branch_heads())
print("all is well", flush=True)
os._exit(0)
"""


def test_a_full_disk_refuses_and_harms_nothing(ready: Shell, project: Path, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    argv = (sys.executable, "-c", DISK_FULL, str(tmp_path / "small"), str(tmp_path / "work"), str(project))
    done = ready("unshare", "-Urm", *argv, timeout=180)
    assert "all is well" in done.out


PACK = 500_000_000
KEY = "made-up-credential-0123456789"
BIG = f"""git checkout -qf main; git clean -fdxq; git checkout -q -B big origin/main; truncate -s {PACK} big
printf {KEY} | dd of=big bs=1 seek=$((300 * 1024 * 1024 - 40)) conv=notrunc status=none
set -- -c core.compression=0 -c core.bigFileThreshold=1m
git "$@" add big; git "$@" commit -q -m big; git "$@" push -q origin big; git rev-parse HEAD"""
"""Nothing is compressed, so the pack is as large as the file."""


@pytest.mark.timeout(600)
def test_a_pack_of_500_megabytes_is_taken_and_searched(inside: Inside, scope: str) -> None:
    tip = inside(BIG, timeout=400).out.split()[-1]
    assert heads(scope)["big"] == tip
    mirror = mirror_path(Sandbox().config.gate_base_path, scope)
    size = subprocess.run(["git", "-C", str(mirror), "cat-file", "-s", "big:big"], capture_output=True, check=True)
    assert int(size.stdout) == PACK
    known = [read_refs(mirror).refs["refs/terok/upstream/main"]]
    assert find_secret(mirror, tip, known, [Patterns([KEY])]) == f"big in {tip[:12]}"
    kept = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert max(kept) < 400 * 1024, "KiB: neither we nor git hold the object"
