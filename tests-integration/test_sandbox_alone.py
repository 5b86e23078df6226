"""terok-sandbox without anything above it: the script of its README, a container of one's own, doctor, limits."""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from supervised import wait_for
from support import ROOT, Shell


def test_the_script_of_the_readme_runs_as_written(ready: Shell, base_image: str, tmp_path: Path) -> None:
    text = (ROOT / "packages/terok-sandbox/README.md").read_text().split("```python\n")[1].split("```")[0]
    (tmp_path / "launch.py").write_text(text)
    work = tmp_path / "work"
    work.mkdir()
    inside = "echo from inside; id -u; touch here; grep -c lo: /proc/net/dev; exit 7"
    words = [sys.executable, str(tmp_path / "launch.py"), base_image, str(work), "sh", "-c", inside]
    done = ready(*words, code=7)
    assert done.out.splitlines()[:2] == ["from inside", "1000"]
    assert (work / "here").stat().st_uid == os.geteuid()
    assert ready("podman", "ps", "-aq", "--filter", "name=^launch-").out == ""
    refused = ready(sys.executable, str(tmp_path / "launch.py"), "localhost/nowhere", str(work), "true", code=1)
    assert "localhost/nowhere" in refused.err


def test_a_container_of_one_s_own(ready: Shell, base_image: str, container: str) -> None:
    refused = ready("terok-sandbox", "prepare", container, "--credential", "nosuch", code=2)
    assert "no credential of 'nosuch'" in refused.err
    prepared = ready("terok-sandbox", "prepare", container, "--allow", "example.org:443", "--json").json()
    assert prepared["name"] == container
    inside = "grep Seccomp: /proc/self/status; cat /etc/resolv.conf; ls -d /run/terok"
    done = ready("podman", "run", *prepared["args"], base_image, "sh", "-c", inside)
    assert done.out.split() == ["Seccomp:", "2", "nameserver", "127.0.0.1", "options", "timeout:8", "/run/terok"]
    ready("terok-sandbox", "prepare", container, code=1)
    ready("podman", "rm", container)
    ready("terok-sandbox", "cleanup", container)
    ready("terok-sandbox", "cleanup", container)
    root = Path(ready.environment["TEROK_ROOT"])
    assert not [path for path in root.rglob(f"*{container}*") if "storage" not in path.relative_to(root).parts]
    words = ready("terok-sandbox", "prepare", container, "--airlock").out
    done = ready("podman", "run", "-d", *shlex.split(words), base_image, "sleep", "600")
    assert "still runs" in ready("terok-sandbox", "cleanup", container, code=1).err


HOSTILE = """\
FROM {base}
LABEL ai.terok.sandbox=0 ai.terok.scope=other
ENV HTTP_PROXY=http://198.51.100.1:3128 SSH_AUTH_SOCK=/run/user/1000/agent
VOLUME /data
HEALTHCHECK --interval=1s CMD touch /tmp/checked
"""


@pytest.mark.attack("SUP-1")
def test_what_an_image_brings_decides_nothing_and_leaves_nothing(
    ready: Shell, base_image: str, container: str, tmp_path: Path
) -> None:
    def build(tag: str, *words: str) -> None:
        ready("podman", "build", "-q", *words, "-t", tag, "-f", str(tmp_path / "Containerfile"), str(tmp_path))

    image, touched = f"localhost/{container}", tmp_path / "touched"
    (tmp_path / "Containerfile").write_text(HOSTILE.format(base=base_image))
    try:
        build(image, "--format=docker")
        ready("terok-sandbox", "run", "-d", "--name", container, image, "--", "sleep", "600")
        made = json.loads(ready("podman", "inspect", container).out)[0]
        assert made["Config"]["Labels"]["ai.terok.sandbox"] == container
        assert not made["Config"].get("Healthcheck") or made["Config"]["Healthcheck"]["Test"] == ["NONE"]
        [volume] = [mount["Name"] for mount in made["Mounts"] if mount["Type"] == "volume"]
        ready("terok-sandbox", "rm", container)
        assert volume not in ready("podman", "volume", "ls", "-q").out.split()
        build(image, "--format=oci", "--annotation", f"run.oci.hooks.stdout={touched}", "--annotation", "run.oci.x=1")
        done = ready("terok-sandbox", "run", "--name", container, image, "--", "true", code=None)
        if done.code == 0:  # Podman 5 does not pass them on
            assert "run.oci.x" not in ready("podman", "inspect", container).out
        else:
            assert "its image has run.oci.x=1" in done.err
        assert not touched.exists()
    finally:
        ready("terok-sandbox", "rm", container, code=None)
        ready("podman", "rmi", "-f", image, code=None)


def test_somebody_else_s_container_is_never_taken_for_a_sandboxed_one(
    ready: Shell, base_image: str, container: str
) -> None:
    identity = ready("podman", "create", "--name", container, base_image, "true").out.strip()
    try:
        assert "not sandboxed" in ready("terok-sandbox", "rm", container, code=1).err
        for words in (("rm",), ("stop",), ("start",), ("cleanup",)):
            assert "invalid container name" in ready("terok-sandbox", *words, identity[:4], code=2).err
        ready("terok-sandbox", "run", "--name", identity[:4], base_image, "--", "true", code=2)
        assert ready("podman", "inspect", "-f", "{{.Name}}", container).out.strip() == container
    finally:
        ready("podman", "rm", "-f", container)


def test_what_containers_conf_shares_by_default_is_not_shared(
    ready: Shell, base_image: str, container: str, tmp_path: Path
) -> None:
    conf = tmp_path / "containers.conf"
    text = Path(ready.environment["CONTAINERS_CONF"]).read_text()
    shared = '[containers]\npidns = "host"\nipcns = "host"\nutsns = "host"\nenv_host = true\n'
    conf.write_text(text.replace("[containers]\n", shared))
    env = {"CONTAINERS_CONF": str(conf), "OF_THE_HOST": "secret"}
    look = "readlink /proc/self/ns/pid /proc/self/ns/ipc /proc/self/ns/uts; echo $OF_THE_HOST"
    done = ready("terok-sandbox", "run", "--name", container, base_image, "--", "sh", "-c", look, env=env)
    inside = done.out.split()
    assert len(inside) == 3
    assert not set(inside) & {os.readlink(f"/proc/self/ns/{kind}") for kind in ("pid", "ipc", "uts")}


def test_a_run_that_is_terminated_takes_its_container_along(ready: Shell, base_image: str, container: str) -> None:
    words = ["terok-sandbox", "run", "--rm", "--name", container, base_image, "--", "sh", "-c", "echo up; sleep 600"]
    with subprocess.Popen(words, env=ready.environment, cwd=ready.cwd, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait(60) == 143
    assert ready("podman", "ps", "-aq", "--filter", f"name=^{container}$").out == ""


def test_a_run_that_removes_its_container_tells_how_it_ended(ready: Shell, base_image: str, container: str) -> None:
    words = ("terok-sandbox", "run", "--rm", "--name", container, base_image, "--", "sh", "-c")
    root = Path(ready.environment["TEROK_ROOT"])
    for script, code, out in (
        ("echo here; echo there >&2; exit 7", 7, ["here", "there"]),
        ("kill -9 $$", 137, []),
        ("printf 'no end'; sleep 0.3; exit 125", 125, ["no end"]),
    ):
        done = ready(*words, script, code=code)
        assert done.out.splitlines() == out
        assert ready("podman", "ps", "-aq", "--filter", f"name=^{container}$").out == ""
        assert not [path for path in root.rglob(f"*{container}*") if "storage" not in path.relative_to(root).parts]


def test_a_run_that_is_killed_leaves_a_container_that_is_removed_at_its_end(
    ready: Shell, base_image: str, container: str
) -> None:
    words = ["terok-sandbox", "run", "--rm", "--name", container, base_image, "--", "sh", "-c", "echo up; sleep 600"]
    with subprocess.Popen(words, env=ready.environment, cwd=ready.cwd, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.kill()
    taken = ready("terok-sandbox", "run", "--rm", "--name", container, base_image, "true", code=1)
    assert "exists already" in taken.err
    ready("terok-sandbox", "stop", container)
    wait_for(lambda: ready("podman", "ps", "-aq", "--filter", f"name=^{container}$").out == "")
    ready("terok-sandbox", "run", "--rm", "--name", container, base_image, "true")


def test_doctor_looks_inside(ready: Shell, base_image: str, container: str) -> None:
    ready("terok-sandbox", "run", "-d", "--name", container, base_image, "--", "sleep", "600")

    def look() -> dict[str, str]:
        report = json.loads(ready("terok-sandbox", "doctor", "--json", code=None).out)
        mine = [check for check in report["checks"] if check["container"] == container]
        return {check["label"].split()[0]: check["severity"] for check in mine}

    fine = {"supervised": "ok", "names": "ok", "posture": "ok"}
    wait_for(lambda: look() == fine)  # a worker may still be starting, which is a warning
    ready("terok-sandbox", "supervisor", "stop", container)
    assert look()["supervised"] == "error"
    ready("terok-sandbox", "doctor", "--fix", code=None)
    wait_for(lambda: look() == fine)


@pytest.mark.parametrize("words", [("--gpus", "nvidia:99"), ("--gpus", "voodoo"), ("--timezone", "../x")])
def test_what_cannot_be_given_is_refused_with_a_hint(ready: Shell, base_image: str, name: str, words: tuple) -> None:
    done = ready("terok-sandbox", "run", "--name", name, *words, base_image, "--", "true", code=2)
    assert "hint:" in done.err
    assert ready("podman", "ps", "-aq", "--filter", f"name=^{name}$").out == ""


def test_limits_hold_or_are_named_as_without_effect(ready: Shell, base_image: str, container: str) -> None:
    words = ["--memory", "256m", "--cpus", "1", "--pids", "64", "--timezone", "UTC"]
    done = ready("terok-sandbox", "run", "--name", container, *words, base_image, "--", "cat", "/proc/self/cgroup")
    controllers = set(json.loads(ready("podman", "info", "-f", "json").out)["host"]["cgroupControllers"] or [])
    warned = {word for word in ("--memory", "--cpus", "--pids-limit") if word in done.err}
    flags = {"memory": "--memory", "cpu": "--cpus", "pids": "--pids-limit"}
    assert warned == {flag for controller, flag in flags.items() if controller not in controllers}


HOG = """
my @held; while ((my $one = syscall(%d, 0)) >= 0) { push @held, $one }
$| = 1; print scalar(@held), "\\n"; sleep 600;
"""


@pytest.mark.attack("UID-1")
def test_a_container_leaves_the_host_its_watches(ready: Shell, base_image: str, container: str) -> None:
    """UID-1: user 1000 inside is this user to the kernel, which counts what it watches together."""
    inotify_init1 = {"x86_64": 294, "aarch64": 26}[os.uname().machine]
    words = ("--restricted", "--name", container, base_image, "--", "perl", "-e", HOG % inotify_init1)
    ready("terok-sandbox", "run", "-d", *words)
    wait_for(lambda: ready("podman", "logs", container).out.strip() != "")
    most = int(Path("/proc/sys/user/max_inotify_instances").read_text())
    assert 0 < int(ready("podman", "logs", container).out.split()[0]) <= most // 4
    libc = ctypes.CDLL(None, use_errno=True)
    watching = libc.inotify_init()
    assert watching >= 0, os.strerror(ctypes.get_errno())
    os.close(watching)


@pytest.mark.attack("UID-1")
def test_nothing_that_podman_shows_can_be_filled(ready: Shell, base_image: str, container: str) -> None:
    """UID-1: Podman's own copies of these files are writable and lie beside the sockets of all containers."""
    words = ("--timezone", "Europe/Berlin", "--name", container, base_image, "--", "sleep", "600")
    ready("terok-sandbox", "run", "-d", *words)
    for path in ("/etc/hostname", "/run/.containerenv", "/etc/hosts", "/etc/resolv.conf", "/etc/localtime"):
        done = ready("podman", "exec", "--user", "0", container, "sh", "-c", f"echo x >> {path}", code=None)
        assert "Read-only file system" in done.err, path
    assert ready("podman", "exec", container, "cat", "/etc/hostname").out.strip() == container
    assert "CE" in ready("podman", "exec", container, "date").out
