#!/usr/bin/env python3
"""Updates the agents in this container, for as long as it exists: terok-update [AGENT ...].

Packages come from the registry that NPM_CONFIG_REGISTRY (or ~/.npmrc) names, if this task's egress allows it. They are
checked against its checksums and go into ~/.local, which comes first in PATH. Images are updated on the host.
"""

import base64
import hashlib
import io
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request

INSTALLED = pathlib.Path("/etc/terok/installed.json")
BIN = pathlib.Path("/usr/local/bin")
ON_HOST = "on the host: terok-executor agents update, then terok-executor build"
SECONDS = 120


def registry() -> str:
    """Return the address of the registry, or an empty text."""
    said = os.environ.get("NPM_CONFIG_REGISTRY", "")
    file = pathlib.Path.home() / ".npmrc"
    found = re.search(r"(?m)^registry\s*=\s*(\S+)", file.read_text()) if not said and file.is_file() else None
    return (found[1] if found else said).rstrip("/")


def fetch(url: str) -> bytes:
    """Return what an address holds."""
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return answer.read()


def update(entry: "dict", source: str) -> str:
    """Bring one agent to its newest version; returns what was done."""
    npm = entry.get("npm")
    if npm is None:
        return f"cannot be updated in here; {ON_HOST}"

    def about(name: str, version: str) -> "dict":
        return json.loads(fetch(f"{source}/{urllib.parse.quote(name, safe='@')}/{version}"))

    version = about(npm["track"], "latest")["version"]
    if version == entry["version"]:
        return f"{version} is the newest"
    arch = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    home = pathlib.Path.home() / ".local/share/terok" / entry["name"] / version
    with tempfile.TemporaryDirectory() as work:
        (stage := pathlib.Path(work) / "stage").mkdir()
        for spec in npm["packages"]:
            name, _, wanted = spec.replace("{version}", version).replace("{arch}", arch).rpartition("@")
            told = about(name, wanted)["dist"]
            data = fetch(told["tarball"])
            if "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode() != told["integrity"]:
                raise ValueError(f"{name} {wanted} is not what its checksum says")
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 has none
                tar.extractall(work)
        for command in npm["run"]:
            subprocess.run(["sh", "-euc", command.replace("/opt/stage", str(stage))], cwd=work, check=True)
        shutil.rmtree(home, ignore_errors=True)
        for made, target in npm["artifacts"].items():
            place = home / target.lstrip("/")
            place.parent.mkdir(parents=True)
            shutil.move(made.replace("/opt/stage", str(stage)), place)
    launch(entry["binary"], npm["artifacts"].values(), home)
    return f"{entry['version']} -> {version}, in new terminals and runs of this container"


def launch(binary: str, targets: "list[str]", home: pathlib.Path) -> None:
    """Make the program in ~/.local/bin that the image has in its own place."""
    present, mine = BIN / binary, pathlib.Path.home() / ".local/bin" / binary
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.unlink(missing_ok=True)
    if str(present) in targets:
        mine.symlink_to(home / str(present).lstrip("/"))
        return
    text = str(present.readlink()) if present.is_symlink() else present.read_text()
    for target in targets:
        text = text.replace(target, str(home / target.lstrip("/")))
    if present.is_symlink():
        mine.symlink_to(text)
    else:
        mine.write_text(text)
        mine.chmod(0o755)


def main(words: "list[str]") -> int:
    """Update the named agents, or all of them."""
    entries = [one for one in json.loads(INSTALLED.read_text()) if not words or one["name"] in words]
    source, failed = registry(), 0
    if not entries or not source:
        what = "set NPM_CONFIG_REGISTRY to your registry's address" if entries else "no such agent is installed"
        print(f"terok-update: {what}; {ON_HOST}", file=sys.stderr)
        return 2
    for entry in entries:
        try:
            print(f"{entry['name']}: {update(entry, source)}")
        except urllib.error.URLError as error:
            failed = 1
            parts = urllib.parse.urlsplit(source)
            print(f"{entry['name']}: {parts.netloc} is not in reach: {error.reason}", file=sys.stderr)
            where = f"{parts.hostname}:{parts.port or 443}"
            print(f"  allow it for a task: terok-executor run --allow {where}; or {ON_HOST}", file=sys.stderr)
        except (OSError, ValueError, KeyError, tarfile.TarError, subprocess.CalledProcessError) as error:
            failed = 1
            print(f"{entry['name']}: not updated: {error}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
