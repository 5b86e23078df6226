"""The program in the container that updates agents, against a registry of two files."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

import pytest
from terok_executor.roster.loader import load_agents

HELPER = files("terok_executor") / "resources" / "image" / "terok-update.py"
ARCH = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
NPM = {
    "track": "@vendor/tool",
    "packages": ["@vendor/tool-{arch}@{version}"],
    "run": ["mv package /opt/stage/tool", "chmod 0755 /opt/stage/tool/main"],
    "artifacts": {"/opt/stage/tool": "/opt/tool"},
}


def archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        content = b"#!/bin/sh\necho new $1\n"
        about = tarfile.TarInfo("package/main")
        about.size = len(content)
        tar.addfile(about, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def registry() -> Iterator[ThreadingHTTPServer]:
    data = archive()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            port = self.server.server_port  # type: ignore[attr-defined]
            digest = "sha512-" + base64.b64encode(hashlib.sha512(data + self.server.spoil).digest()).decode()  # type: ignore[attr-defined]
            documents = {
                "/@vendor%2Ftool/latest": json.dumps({"version": "2.0"}).encode(),
                f"/@vendor%2Ftool-{ARCH}/2.0": json.dumps(
                    {"dist": {"tarball": f"http://127.0.0.1:{port}/archive", "integrity": digest}}
                ).encode(),
                "/archive": data,
            }
            found = documents.get(self.path)
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.spoil = b""  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def run(home: Path, source: str, *words: str) -> subprocess.CompletedProcess[str]:
    (home / "bin").mkdir(exist_ok=True)
    (home / "bin" / "tool").write_text('#!/bin/sh\nexec /opt/tool/main "$@"\n')
    entries = [{"name": "tool", "binary": "tool", "version": "1.0", "npm": NPM}, {"name": "other", "version": "1"}]
    (home / "installed.json").write_text(json.dumps(entries))
    program = HELPER.read_text().replace("/etc/terok", str(home)).replace("/usr/local/bin", str(home / "bin"))
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "NPM_CONFIG_REGISTRY": source},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_an_agent_is_updated_for_this_container(registry: ThreadingHTTPServer, tmp_path: Path) -> None:
    done = run(tmp_path, f"http://127.0.0.1:{registry.server_port}/")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tool: 1.0 -> 2.0")
    assert "other: cannot be updated in here; on the host: terok-executor agents update" in done.stdout
    program = tmp_path / ".local/bin/tool"
    assert subprocess.run([program, "x"], capture_output=True, text=True, check=True).stdout == "new x\n"


def test_what_is_not_as_its_checksum_says_is_not_installed(registry: ThreadingHTTPServer, tmp_path: Path) -> None:
    registry.spoil = b"x"  # type: ignore[attr-defined]
    done = run(tmp_path, f"http://127.0.0.1:{registry.server_port}", "tool")
    assert done.returncode == 1
    assert "not what its checksum says" in done.stderr
    assert not (tmp_path / ".local/bin/tool").exists()


def test_what_is_missing_is_said_with_what_to_do(tmp_path: Path) -> None:
    assert "set NPM_CONFIG_REGISTRY" in run(tmp_path, "").stderr
    assert "no such agent" in run(tmp_path, "http://127.0.0.1:1", "nobody").stderr
    done = run(tmp_path, "http://127.0.0.1:1", "tool")
    assert done.returncode == 1
    assert "127.0.0.1:1 is not in reach" in done.stderr
    assert "run --allow 127.0.0.1:1" in done.stderr


def test_every_agent_of_npm_is_told_to_the_helper() -> None:
    for agent in load_agents(Path("/nonexistent")).values():
        if agent.install.npm is not None:
            assert agent.install.npm.track
            assert all("/opt/stage" in made for made in agent.install.npm.artifacts)
