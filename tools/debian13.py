#!/usr/bin/env python3
"""Run a command on a second host: a Debian 13 root with Podman 5, pasta and Python 3.13, on this machine's kernel.

    debian13.py [--fresh] [COMMAND…]     default: tools/test --integration, in a copy of this checkout

Needs root (the root inside makes the normal user for the tests, as tools/test always does). The root is made once by
mmdebstrap from the package mirror that this machine uses, and kept; one command runs in it at a time. Inside are a
private mount and process namespace, entered by pivot_root because a chrooted process may not create user namespaces,
and cgroup v2 alone.
Standard library only.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pwd
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from devhost import HOST_TOOLS, HostError, passed_environment, say, stage_checkout, usable_python, which

SUITE = "trixie"
CACHE = Path("/var/cache/terok-debian13")
PACKAGES = sorted(
    set(HOST_TOOLS.values())
    | {"ca-certificates", "crun", "debian-archive-keyring", "fuse-overlayfs", "openssh-server", "passt", "procps"}
    | {"python3", "python3-venv"}
)
TRUST = (
    "/usr/local/share/ca-certificates",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pip.conf",
    "/etc/npmrc",
    "/etc/resolv.conf",
)
"""The configuration by which this machine's clients find and trust package mirrors."""
KEPT_ENV = ("PIP_", "NPM_CONFIG_", "npm_config_", "SSL_", "CURL_", "REQUESTS_")


def make_root(fresh: bool) -> Path:
    """Return the Debian 13 root; make it if there is none, or if a fresh one is wanted."""
    tar, root = CACHE / "root.tar", CACHE / "root"
    if not tar.exists():
        tool = which("mmdebstrap")
        if tool is None:
            raise HostError("mmdebstrap is not installed: apt-get install mmdebstrap")
        say(f"making a Debian 13 root with {len(PACKAGES)} packages")
        words = [tool, "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, f"{tar}.new"]
        subprocess.run([*words, "--format=tar"], check=True, stdin=subprocess.DEVNULL)
        Path(f"{tar}.new").rename(tar)
    if fresh and root.exists():
        subprocess.run(["rm", "-rf", "--one-file-system", str(root)], check=True)
    if not (root / "etc/os-release").exists():
        root.mkdir(mode=0o755, exist_ok=True)
        subprocess.run(["tar", "-C", str(root), "-xpf", str(tar), "--numeric-owner"], check=True)
    return root


def furnish(root: Path) -> Path:
    """Copy trust, name service, npm and the checkout into the root; return the checkout's path inside."""
    for name in TRUST:
        source, target = Path(name), root / name.lstrip("/")
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True)
        elif source.exists():
            target.unlink(missing_ok=True)
            shutil.copyfile(source, target)
    node, npm = which("node"), which("npm")
    if node and npm and not (root / "usr/bin/npm").exists():  # Debian's own has 400 packages
        shutil.copyfile(node, root / "usr/bin/node")
        (root / "usr/bin/node").chmod(0o755)
        shutil.copytree(Path(npm).resolve().parents[1], root / "usr/lib/node_modules/npm", symlinks=True)
        (root / "usr/bin/npm").symlink_to("../lib/node_modules/npm/bin/npm-cli.js")
    # The last run's /run had the passphrase of its vaults, and its /tmp the directories that its mirrors are named for.
    for state in [*root.glob("home/*/.terok-dev/*/state"), *root.glob("home/*/.terok-dev/*/gw*")]:
        subprocess.run(["rm", "-rf", "--one-file-system", str(state)], check=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    superuser = pwd.struct_passwd(("root", "x", 0, 0, "", str(root / "srv"), "/bin/sh"))
    return Path("/") / stage_checkout(superuser).relative_to(root)


def package_directories() -> list[str]:
    """List the local directories from which this machine's pip takes packages; inside they are mounted read-only."""
    python = usable_python()
    done = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    named = re.findall(r"(?:file://|[\s'\"=])(/[\w./+-]+)", done.stdout)
    found = sorted({path for path in named if Path(path).is_dir()})
    return [path for path in found if not any(path.startswith(f"{other}/") for other in found)]


def enter(root: Path, directory: Path, command: list[str]) -> int:
    """Run the command inside, in its own namespaces, which end with it."""
    shell = Path(__file__).with_name("debian13.sh")
    environment = {
        **passed_environment(),
        **{name: value for name, value in os.environ.items() if name.startswith(KEPT_ENV)},
        "HOME": "/root",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", str(shell)]
    argv += [str(root), str(directory), ":".join(package_directories()), *command]
    return subprocess.run(argv, env=environment, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="debian13.py", description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="unpack the root anew")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        print("debian13.py: needs root, because it mounts and changes the root directory", file=sys.stderr)
        return 3
    try:
        began = time.monotonic()
        CACHE.mkdir(parents=True, exist_ok=True)
        lock = (CACHE / "lock").open("w")  # closed when this process ends
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = make_root(chosen.fresh)
        directory = furnish(root)
        say(f"Debian 13 ready after {time.monotonic() - began:.0f} s")
        command = chosen.command[1:] if chosen.command[:1] == ["--"] else chosen.command
        return enter(root, directory, command or ["tools/test", "--integration"])
    except (HostError, subprocess.CalledProcessError) as error:
        print(f"debian13.py: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
