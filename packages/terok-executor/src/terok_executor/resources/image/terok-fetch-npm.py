#!/usr/bin/env python3
"""Fetches packages with npm, checks each against its pinned checksum and unpacks it into ./package.

Usage: terok-fetch-npm LIST; LIST is a JSON file: {"x64": {"NAME@VERSION": "sha512-…" or null}, "arm64": …}.
A package without a pinned checksum is checked by npm alone, against what the registry says of it.
"""

import base64
import hashlib
import json
import pathlib
import platform
import subprocess
import sys
import tarfile


def main() -> int:
    """Fetch every package of this machine's architecture."""
    arch = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine())
    packages = json.loads(pathlib.Path(sys.argv[1]).read_text()).get(arch)
    if packages is None:
        print(f"error: there is no package for {platform.machine()}", file=sys.stderr)
        return 1
    for spec, integrity in packages.items():
        fetched = subprocess.run(["npm", "pack", "--silent", spec], check=True, capture_output=True, text=True)
        archive = pathlib.Path(fetched.stdout.split()[-1])
        digest = hashlib.sha512(archive.read_bytes()).digest()
        found = "sha512-" + base64.b64encode(digest).decode()
        if integrity is not None and found != integrity:
            print(f"error: {spec}: the checksum is {found}, pinned is {integrity}", file=sys.stderr)
            return 1
        with tarfile.open(archive) as tar:
            tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 has none
            tar.extractall()
        archive.unlink()
    return 0


sys.exit(main())
