"""The needs of a development machine, and how to meet them: shared by tools/bootstrap, tools/test and tools/demo.

Standard library only, because it runs before anything is installed. Facts about hosts: docs/developer/host.md.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import hashlib
import json
import os
import pwd
import resource
import shutil
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEV_USER = "terok-dev"
MIN_PYTHON = (3, 11)

# command -> Debian package that has it
HOST_TOOLS = {
    "podman": "podman",
    "newuidmap": "uidmap",
    "runc": "runc",
    "nft": "nftables",
    "iptables": "iptables",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "git": "git",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "catatonit": "catatonit",
    "tmux": "tmux",
    "curl": "curl",
    "dbus-daemon": "dbus-daemon",
    "dunst": "dunst",
    "Xvfb": "xvfb",
    "shellcheck": "shellcheck",
    "zsh": "zsh",
    "fish": "fish",
    "groff": "groff-base",
    "systemd-analyze": "systemd",
    "setpriv": "util-linux",
}
BROWSER = "chromium-headless-shell"
"""The browser of the tests, command and package: on Debian 12 only (tools/unavailable.toml)."""
NETWORK_TOOLS = ("pasta", "slirp4netns")  # one of them; Podman 5 prefers the first
LAB_ENV = "TEROK_LAB"
SBIN = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
# What a package client or a model client may need from the caller's environment.
PASSED_ENV = {
    *("ANTHROPIC_API_KEY", "CI", "COLUMNS", "FORCE_COLOR", "LANG", "LC_ALL", "NO_COLOR", "TERM"),
    *("CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
}
PASSED_PREFIXES = ("PIP_", "NPM_CONFIG_", "npm_config_")


class HostError(Exception):
    """The machine lacks something that this script must not or cannot change."""


def say(text: str) -> None:
    """Print one line of progress, at once."""
    print(f"== {text}", flush=True)


def tag() -> str:
    """Return a short name that tells this checkout from others on the machine."""
    return hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]


def which(name: str) -> str | None:
    """Find a tool, also in the sbin directories that a normal user's PATH lacks."""
    return shutil.which(name, path=os.pathsep.join([*os.environ.get("PATH", "").split(os.pathsep), *SBIN]))


def usable_python() -> str:
    """Return an interpreter that every user of the machine can run and that can make virtual environments."""
    for candidate in (*(f"/usr/bin/python3.{minor}" for minor in (13, 12, 11)), "/usr/bin/python3", sys.executable):
        if not os.access(candidate, os.X_OK):
            continue
        probe = "import ensurepip, sys; raise SystemExit(sys.version_info < (3, 11))"
        if subprocess.run([candidate, "-c", probe], capture_output=True, check=False).returncode == 0:
            return candidate
    raise HostError("no Python >= 3.11 with the venv module: install the packages python3 and python3-venv")


def missing_packages() -> list[str]:
    """List the Debian packages whose tools this machine lacks."""
    missing = {package for tool, package in HOST_TOOLS.items() if which(tool) is None}
    if _debian_major() == 12 and which(BROWSER) is None:
        missing.add(BROWSER)
    if not any(which(tool) for tool in NETWORK_TOOLS):
        missing.update(("slirp4netns",) if _debian_major() < 13 else ("passt",))
    if not Path("/etc/ssl/certs/ca-certificates.crt").exists():
        missing.add("ca-certificates")
    if not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        missing.add("debian-archive-keyring")
    try:
        usable_python()
    except HostError:
        missing.add("python3-venv")
    return sorted(missing)


def _os_release() -> dict[str, str]:
    pairs = (line.partition("=") for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return {key: value.strip('"') for key, _, value in pairs}


def _debian_major() -> int:
    release = _os_release()
    if release.get("ID") == "debian" and release.get("VERSION_ID", "").isdigit():
        return int(release["VERSION_ID"])
    return 13 if release.get("ID") == "ubuntu" else 0


def as_root(argv: list[str]) -> list[str] | None:
    """Return `argv` as root would run it; None if becoming root would need a password."""
    if os.geteuid() == 0:
        return argv
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n", *argv]
    return None


def install_packages() -> None:
    """Install missing packages, or say exactly what to install."""
    packages = missing_packages()
    if not packages:
        return
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    update = as_root(["apt-get", "update", "-q"])
    install = as_root(["env", "DEBIAN_FRONTEND=noninteractive", *command])
    if shutil.which("apt-get") is None or update is None or install is None:
        raise HostError(f"missing packages: {' '.join(packages)}\n   as root: {' '.join(command)}")
    say(f"installing packages: {' '.join(packages)}")
    for argv in (update, install):
        with open(os.devnull, "wb") as quiet:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=quiet, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise HostError(f"{' '.join(argv)} failed:\n{done.stderr.decode(errors='replace')[-2000:]}")
    if left := missing_packages():
        raise HostError(f"still missing after the installation: {' '.join(left)}")


def _in_range_file(path: str, user: pwd.struct_passwd) -> bool:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return False
    return any(line.split(":")[0] in (user.pw_name, str(user.pw_uid)) for line in lines if line.count(":") == 2)


def prepare_devices() -> None:
    """Make /dev/net/tun and /dev/fuse usable for all users, as distributions ship them."""
    for device in ("/dev/net/tun", "/dev/fuse"):
        path = Path(device)
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o666 != 0o666:
            argv = as_root(["chmod", "0666", device])
            if argv is None:
                raise HostError(f"{device} is not usable for normal users\n   as root: chmod 0666 {device}")
            say(f"{device}: mode 0666")
            subprocess.run(argv, check=True)


def ensure_subordinate_ids(user: pwd.struct_passwd) -> None:
    """Give the user ranges of subordinate IDs, to which rootless Podman maps the users of containers."""
    if _in_range_file("/etc/subuid", user) and _in_range_file("/etc/subgid", user):
        return
    start = 100000 + 65536 * (user.pw_uid % 1000 + 1000)
    span = f"{start}-{start + 65535}"
    command = ["usermod", "--add-subuids", span, "--add-subgids", span, user.pw_name]
    argv = as_root(command)
    if argv is None:
        raise HostError(f"{user.pw_name} has no subuid/subgid range\n   as root: {' '.join(command)}")
    say(f"subordinate ids for {user.pw_name}: {span}")
    subprocess.run(argv, check=True)


def ensure_dev_user() -> pwd.struct_passwd:
    """Create the normal user that everything runs as when the caller is root, because rootless Podman is developed."""
    try:
        user = pwd.getpwnam(DEV_USER)
    except KeyError:
        say(f"creating the user {DEV_USER}: rootless Podman is what is tested")
        subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", DEV_USER], check=True)
        user = pwd.getpwnam(DEV_USER)
    runtime = Path(f"/run/user/{user.pw_uid}")
    if not runtime.is_dir() or runtime.stat().st_uid != user.pw_uid:
        runtime.mkdir(parents=True, exist_ok=True)
        os.chown(runtime, user.pw_uid, user.pw_gid)
    runtime.chmod(0o700)
    return user


def stage_checkout(user: pwd.struct_passwd) -> Path:
    """Copy changed files of the checkout to the user's home; the caller's own tree stays untouched."""
    target = Path(user.pw_dir) / f"checkout-{tag()}"
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z", "-c", "-o", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        names = {name for name in listing.stdout.decode().split("\0") if name and os.path.lexists(ROOT / name)}
    else:
        names = {str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if ".venv" not in p.parts and not p.is_dir()}
    manifest = target / ".staged.json"
    target.mkdir(exist_ok=True)
    with (target / ".staged.lock").open("w") as lock:  # two commands may start at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = set(json.loads(manifest.read_text())) if manifest.exists() else set()
        for name in sorted(before - names):
            (target / name).unlink(missing_ok=True)
        for name in sorted(names):
            _copy_changed(ROOT / name, target / name)
        manifest.write_text(json.dumps(sorted(names)))
        subprocess.run(["chown", "-R", "-h", f"{user.pw_uid}:{user.pw_gid}", str(target)], check=True)
    return target


def _copy_changed(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.unlink(missing_ok=True)
        target.symlink_to(os.readlink(source))
    elif not target.exists() or target.read_bytes() != source.read_bytes() or target.is_symlink():
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)
    if not source.is_symlink():
        target.chmod(stat.S_IMODE(source.stat().st_mode) & 0o755 | 0o644)


def passed_environment() -> dict[str, str]:
    """Return the variables of the caller that package and model clients need."""
    return {k: v for k, v in os.environ.items() if k in PASSED_ENV or k.startswith(PASSED_PREFIXES)}


@contextlib.contextmanager
def laboratory(script: str, args: list[str]) -> Iterator[dict[str, str]]:
    """Give the integration tests their own network (tools/lab.py) if we can become root; yield its environment."""
    wanted = script == "test" and ("--integration" in args or not {"--lint", "--unit", "-h", "--help"} & set(args))
    command = as_root([usable_python(), str(ROOT / "tools/lab.py")]) if wanted and LAB_ENV not in os.environ else None
    if command is None:
        yield {}
        return
    log = f"/tmp/terok-lab-{tag()}.jsonl"
    with subprocess.Popen([*command, "serve", log], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as lab:
        assert lab.stdout is not None
        if lab.stdout.readline() != b"ready\n":
            raise HostError("cannot make the laboratory network of the tests: see the lines above")
        yield {LAB_ENV: log}


def run_as_dev_user(script: str, args: list[str]) -> int:
    """Continue `script` as the development user on a staged copy of the checkout; return its exit code."""
    install_packages()
    prepare_devices()
    user = ensure_dev_user()
    ensure_subordinate_ids(user)
    target = stage_checkout(user)
    environment = {
        **passed_environment(),
        "HOME": user.pw_dir,
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "SHELL": user.pw_shell,
        "PATH": os.pathsep.join(SBIN),
        "XDG_RUNTIME_DIR": f"/run/user/{user.pw_uid}",
    }
    say(f"continuing as {user.pw_name} in a copy of the checkout")
    groups = [str(group.gr_gid) for group in grp.getgrall() if user.pw_name in group.gr_mem]
    argv = [
        *("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}"),
        f"--groups={','.join([str(user.pw_gid), *groups])}",
        *("--inh-caps=-all", usable_python(), str(target / "tools" / script), *args),
    ]
    with laboratory(script, args) as lab:
        return subprocess.run(argv, cwd=target, env={**environment, **lab}, check=False).returncode


def ensure_venv() -> Path:
    """Make .venv with the five wheels, editable, and the development tools; return its bin directory."""
    venv = ROOT / ".venv"
    inputs = [ROOT / "pyproject.toml", *sorted(ROOT.glob("packages/*/pyproject.toml"))]
    digest = hashlib.sha256(str(ROOT).encode() + b"".join(path.read_bytes() for path in inputs)).hexdigest()
    stamp = venv / ".terok-stamp"
    if stamp.exists() and stamp.read_text() == digest and os.access(venv / "bin/python", os.X_OK):
        return venv / "bin"
    started = time.monotonic()
    say("making .venv with the five wheels and the development tools")
    if not os.access(venv / "bin/python", os.X_OK):
        subprocess.run([usable_python(), "-m", "venv", "--clear", str(venv)], check=True)
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    pip = [str(venv / "bin/python"), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    _pip([*pip, *groups])
    wheels = [argument for path in inputs[1:] for argument in ("-e", str(path.parent))]
    _pip([*pip, "--no-build-isolation", *wheels])
    stamp.write_text(digest)
    say(f".venv ready after {time.monotonic() - started:.0f} s")
    return venv / "bin"


def _pip(argv: list[str]) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise HostError(f"pip failed:\n{done.stderr.decode(errors='replace')[-3000:]}")


def dev_directory() -> Path:
    """Return the directory of development state: outside the checkout, short enough for socket paths."""
    path = Path.home() / ".terok-dev" / tag()
    path.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    return path


def runtime_directory() -> Path:
    """Return the user's runtime directory, or a private one below /tmp if no login session made one."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given and Path(given).is_dir() and Path(given).stat().st_uid == os.geteuid():
        return Path(given)
    path = Path(f"/tmp/terok-dev-{os.geteuid()}")
    path.mkdir(mode=0o700, exist_ok=True)
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or stat.S_IMODE(info.st_mode) != 0o700:
        raise HostError(f"{path} is not a private directory of yours; remove it")
    return path


def _hybrid_cgroups() -> bool:
    return not Path("/sys/fs/cgroup/cgroup.controllers").exists()


def _controller(name: str) -> bool:
    return name in Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()


def containers_conf() -> str:
    """Render the Podman configuration for this machine; each line answers one fact of the host."""
    lines = ["[containers]"]
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    if 0 < files < 1048576 or 0 < processes < 1048576:
        nofile = min(files, 16384) if files > 0 else 16384
        nproc = min(processes, 30000) if processes > 0 else 30000
        lines.append(f'default_ulimits = ["nofile={min(1024, nofile)}:{nofile}", "nproc={nproc}:{nproc}"]')
    if not _hybrid_cgroups() and not _controller("pids"):  # Podman would ask for a limit and fail
        lines.append("pids_limit = 0")
    lines.append("[engine]")
    if _hybrid_cgroups():  # crun refuses them
        lines.append('runtime = "runc"')
    if not Path(f"/run/user/{os.geteuid()}/systemd/private").exists():
        lines += ['cgroup_manager = "cgroupfs"', 'events_logger = "file"']
    return "\n".join(lines) + "\n"


def development_environment() -> dict[str, str]:
    """Return the environment of a private terok and a private Podman; the user's own stay untouched."""
    base = dev_directory()
    runtime = runtime_directory() / f"td-{base.name}"
    for path in (runtime, runtime / "sandbox", base / "data"):
        path.mkdir(mode=0o700, exist_ok=True)
    conf, storage = base / "containers.conf", base / "storage.conf"
    if not conf.exists():
        conf.write_text(containers_conf())
    storage.write_text('[storage]\ndriver = "overlay"\n')
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(ROOT / ".venv/bin"), os.environ.get("PATH", ""), *SBIN]),
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_DATA_HOME": str(base / "data"),  # Podman's images and containers
        "CONTAINERS_CONF": str(conf),
        "CONTAINERS_STORAGE_CONF": str(storage),
        "TEROK_ROOT": str(base),
        "TEROK_SANDBOX_RUNTIME_DIR": str(runtime / "sandbox"),  # below TEROK_ROOT socket paths get too long
    }


def bootstrap() -> dict[str, str]:
    """Prepare a normal user's machine for the tools; return the environment to run them in."""
    if sys.version_info < MIN_PYTHON:
        raise HostError(f"Python {'.'.join(map(str, MIN_PYTHON))} or newer is needed, this is {sys.version.split()[0]}")
    install_packages()
    prepare_devices()
    ensure_subordinate_ids(pwd.getpwuid(os.geteuid()))
    ensure_venv()
    return development_environment()


def main(script: str, body: object) -> int:
    """Run `body(environment, args)` as a normal user after the bootstrap; 3 if the machine lacks something."""
    args = sys.argv[1:]
    try:
        if os.geteuid() == 0:
            return run_as_dev_user(script, args)
        environment = bootstrap()
        with laboratory(script, args) as lab:
            return body({**environment, **lab}, args)  # type: ignore[operator]
    except HostError as error:
        print(f"{script}: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
