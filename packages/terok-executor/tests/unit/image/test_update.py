from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from terok_executor.errors import BuildError
from terok_executor.image.lock import Lock, parse_lock
from terok_executor.image.update import digest_of, fetch, find_moves, move_download, move_pip, pin, write_moves
from terok_executor.roster.install import DownloadStage
from terok_executor.roster.loader import load_agents, load_tools

AGENTS = load_agents(Path("/nonexistent"))
TOOLS = load_tools(Path("/nonexistent"))
SUM = "sha512-" + "B" * 86 + "=="


DIGEST = "sha256:" + "c" * 64
REPORT = {
    "environment": {"platform_machine": "x86_64", "python_version": "3.13"},
    "install": [
        {
            "metadata": {"name": name, "version": version},
            "download_info": {"archive_info": {"hashes": {"sha256": "c" * 64}}},
        }
        for name, version in (("six", "1.0"), ("Mistral_Vibe", "8.0"))
    ],
}


def ask(package: str, field: str) -> str:
    return "9.9.9" if field == "version" else "" if "arm64" in package else SUM


def test_an_agent_moves_to_what_its_registry_names_and_its_checksums_move_along(tmp_path: Path) -> None:
    agents = [AGENTS["codex"], AGENTS["demo"], AGENTS["vibe"]]
    moves = find_moves(agents, ask)
    assert [(move.agent, move.newest) for move in moves] == [("codex", "9.9.9")]
    sums = pin(agents, {"codex": "9.9.9"}, ask)
    more, pins = move_pip(AGENTS["vibe"], REPORT, Lock())
    assert [(move.agent, move.newest) for move in more] == [("vibe", "8.0")]
    key = next(iter(pins.pip))
    assert key == "mistral-vibe==8.0"
    assert pins.pip_files(["mistral-vibe==8.0"])["x86_64-3.13"].splitlines() == [
        "--require-hashes",
        f"Mistral_Vibe==8.0 --hash={DIGEST}",
        f"six==1.0 --hash={DIGEST}",
    ]
    assert sums == {"@openai/codex@9.9.9-linux-x64": SUM}
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "codex.yaml").write_text("# mine\ninstall:\n  version: 1.0.0 # pinned\n")
    old = Lock({"@openai/codex@1.0.0-linux-x64": SUM, "other@1": SUM}, {"mistral-vibe==1": {}, "other==1": {}})
    write_moves(tmp_path, moves + more, Lock(sums).over(pins), old)
    text = (tmp_path / "agents" / "codex.yaml").read_text()
    assert "# mine" in text
    assert "version: 9.9.9 # pinned" in text
    lock = parse_lock("lock.json", (tmp_path / "lock.json").read_bytes())
    assert lock.npm == {"other@1": SUM, **sums}
    assert set(lock.pip) == {"other==1", key}
    assert load_agents(tmp_path / "agents")["codex"].install.version == "9.9.9"


def test_a_report_of_another_form_is_an_error() -> None:
    for report in ({}, {**REPORT, "install": [{}]}, {**REPORT, "install": []}, []):
        with pytest.raises(BuildError):
            move_pip(AGENTS["vibe"], report, Lock())


def test_nothing_moves_when_all_is_newest() -> None:
    assert find_moves([AGENTS["pi"]], lambda _package, _field: AGENTS["pi"].install.version) == []


@pytest.mark.parametrize("answer", ["", "not a version", "1; rm"])
def test_a_registry_that_says_nothing_usable_is_an_error(answer: str) -> None:
    with pytest.raises(BuildError):
        find_moves([AGENTS["pi"]], lambda _package, _field: answer)


def test_an_agent_without_any_checksum_is_an_error() -> None:
    with pytest.raises(BuildError):
        pin([AGENTS["pi"]], {}, lambda _package, _field: "")


@pytest.fixture
def maker() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A server that offers files by their path."""
    offered: dict[str, bytes] = {}

    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in offered else 404)
            self.end_headers()
            self.wfile.write(offered.get(self.path, b""))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", offered
        server.shutdown()


@pytest.mark.attack("SUP-1")
def test_a_tool_s_files_are_pinned_by_what_its_maker_offers(
    maker: tuple[str, dict[str, bytes]], tmp_path: Path
) -> None:
    """SUP-1: what is installed later is what was there when it was pinned, whatever the maker's server says then."""
    url, offered = maker
    offered |= {"/latest": b"v2.0\n", "/2.0/tool-x64.zip": b"one", "/2.0/tool-arm64.zip": b"two"}
    stage = DownloadStage(
        url=url + "/{version}/tool-{arch}.zip", track=url + "/latest", member="tool", target="/usr/local/bin/tool"
    )
    tool = replace(TOOLS["coderabbit"], install=replace(TOOLS["coderabbit"].install, download=stage))
    moves, pins = move_download(tool, b"".join(fetch(stage.track)).decode(), digest_of)
    assert [(move.agent, move.newest, move.kind) for move in moves] == [("coderabbit", "2.0", "tools")]
    digest = f"sha256:{hashlib.sha256(b'one').hexdigest()}"
    assert pins.files[url + "/2.0/tool-x64.zip"] == digest
    write_moves(tmp_path, moves, pins, Lock())
    assert parse_lock("lock", (tmp_path / "lock.json").read_bytes()).files == pins.files
    assert "version: '2.0'" in (tmp_path / "tools/coderabbit.yaml").read_text()
    del offered["/2.0/tool-arm64.zip"]
    with pytest.raises(BuildError, match="cannot be fetched"):
        move_download(tool, "2.0", digest_of)
    with pytest.raises(BuildError, match="names no version"):
        move_download(tool, "<html>", digest_of)
