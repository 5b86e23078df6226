"""The demo agent as a process, against the stub provider and against a provider that fails."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.resources import files
from pathlib import Path

import pytest
from terok.stub.background import running_stub
from terok.stub.script import Script

AGENT = str(files("terok_executor") / "resources" / "image" / "terok-demo-agent.py")
KEY = "sk-ant-api03-test"


def run(url: str, work: Path, *options: str, prompt: str = "do it") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", AGENT, *options],
        input=prompt,
        env={"PATH": os.environ["PATH"], "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY},
        cwd=work,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("options", [(), ("--no-stream",)])
def test_it_runs_what_the_model_asks_for_and_says_so(tmp_path: Path, options: tuple[str, ...]) -> None:
    script = Script(("echo one >file; echo seen", "cat file; exit 3"), "All done.")
    with running_stub(script, api_key=KEY) as stub:
        done = run(stub.url, tmp_path, *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "file").read_text() == "one\n"
    assert done.stdout.splitlines() == [
        "prompt: do it",
        "$ echo one >file; echo seen",
        "  seen",
        "$ cat file; exit 3",
        "  one",
        "  [exit 3]",
        "agent: All done.",
    ]


def test_a_refused_key_fails_at_once(tmp_path: Path) -> None:
    with running_stub(Script(("true",)), api_key="another") as stub:
        done = run(stub.url, tmp_path)
    assert done.returncode == 1
    assert "401" in done.stderr


def test_turns_end_and_an_empty_prompt_is_refused(tmp_path: Path) -> None:
    with running_stub(Script(("true",) * 5)) as stub:
        assert run(stub.url, tmp_path, "--max-turns", "2").returncode == 1
    assert run("http://127.0.0.1:1", tmp_path, prompt=" \n").returncode == 2


@contextmanager
def failing_first(failures: int, target: str) -> Iterator[str]:
    """A provider that answers 502, then breaks a connection off, then works."""
    import urllib.request

    seen = 0

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            nonlocal seen
            body = self.rfile.read(int(self.headers["content-length"]))
            seen += 1
            if seen == 1:
                self.send_error(502)
            elif seen <= failures:
                self.connection.close()
            else:
                with urllib.request.urlopen(urllib.request.Request(target + self.path, body)) as answer:
                    data = answer.read()
                    self.send_response(200)
                    self.send_header("content-type", answer.headers["content-type"])
                    self.send_header("content-length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            return

    with serving(Handler) as url:
        yield url


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_refusal_that_is_final_is_not_tried_again_and_its_reason_is_shown(tmp_path: Path) -> None:
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["content-length"])))
            body = b'{"type": "error", "error": {"type": "rate_limit_error", "message": "the budget is used up"}}'
            self.send_response(429)
            self.send_header("x-should-retry", "false")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with serving(Handler) as url:
        done = run(url, tmp_path)
    assert (done.returncode, len(asked)) == (1, 1)
    assert done.stderr == "error: the provider answered 429: the budget is used up\n"


def test_a_provider_that_is_away_for_a_moment_only_delays(tmp_path: Path) -> None:
    with running_stub(Script(("touch made",))) as stub, failing_first(2, stub.url) as url:
        done = run(url, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made").exists()
    assert "retrying" in done.stderr
