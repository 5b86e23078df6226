"""Pull requests: what each forge is asked, and a real https server that is asked."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.gate import pull_request
from terok_sandbox.gate.credentials import HttpsLogin, UpstreamAccess
from terok_sandbox.gate.errors import NoCredential, PromotionRefused
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.layout import read_record, write_record
from terok_sandbox.gate.pull_request import FORGES, PullRequest, forge_at, opened, opening
from terok_sandbox.gate.source import RepoSource, resolve_repo

if TYPE_CHECKING:
    from conftest import Repo

WANTED = PullRequest("feature", "main", "Add a program", "- one\n- two")
FIELDS = {"title": "Add a program", "head": "feature", "base": "main", "body": "- one\n- two"}
MERGE = {
    "title": "Add a program",
    "source_branch": "feature",
    "target_branch": "main",
    "description": "- one\n- two",
}


@pytest.mark.parametrize(
    ("forge", "address", "url", "authorization", "fields"),
    [
        ("github", "https://github.com/o/r.git", "https://api.github.com/repos/o/r/pulls", "Bearer t", FIELDS),
        ("github", "git@github.com:o/r.git", "https://api.github.com/repos/o/r/pulls", "Bearer t", FIELDS),
        ("github", "https://ghe.test:84/o/r", "https://ghe.test:84/api/v3/repos/o/r/pulls", "Bearer t", FIELDS),
        (
            "gitlab",
            "ssh://git@gl.test:22/a/b",
            "https://gl.test/api/v4/projects/a%2Fb/merge_requests",
            "Bearer t",
            MERGE,
        ),
        ("forgejo", "https://codeberg.org/o/r", "https://codeberg.org/api/v1/repos/o/r/pulls", "token t", FIELDS),
    ],
)
def test_what_a_forge_is_asked(forge: str, address: str, url: str, authorization: str, fields: dict[str, str]) -> None:
    call = opening(forge, resolve_repo(address), WANTED, "t")
    assert (call.url, call.headers["Authorization"], json.loads(call.body)) == (url, authorization, fields)
    assert "Bearer" not in repr(call)
    assert "token t" not in repr(call)


def test_which_forge_it_is() -> None:
    assert forge_at(resolve_repo("git@GitHub.com:a/b"), None, "s") == "github"
    assert forge_at(resolve_repo("https://forge.test/a/b"), "gitlab", "s") == "gitlab"
    with pytest.raises(PromotionRefused) as error:
        forge_at(resolve_repo("https://forge.test/a/b"), None, "s")
    assert "gate access s --forge" in str(error.value.hint)
    with pytest.raises(PromotionRefused, match="directory of this host"):
        forge_at(RepoSource("path", "/a", "a"), "github", "s")


KEYS = st.sampled_from(["html_url", "web_url", "message", "errors", "error"])
JSON = st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner))


@given(st.sampled_from(FORGES), st.integers(100, 599), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_answer_is_an_address_or_an_error_of_ours(forge: str, status: int, answer: bytes) -> None:
    try:
        url = opened(forge, status, answer)
    except PromotionRefused as error:
        assert error.message.isprintable()
    else:
        assert url.startswith("https://")


Answers = dict[str, tuple[int, dict[str, str], dict[str, Any]]]


@pytest.fixture
def server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Answers, list[tuple[str, str, Any]]]]:
    """Serve given answers over https; yields the URL, the answers by path, and what was asked."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    answers: Answers = {}
    asked: list[tuple[str, str, Any]] = []

    class Api(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, self.headers["Authorization"], body))
            status, headers, fields = answers[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(fields).encode())

        do_GET = do_POST  # noqa: N815 - a followed redirect would come as one

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api) as https:
        https.socket = context.wrap_socket(https.socket, server_side=True)
        thread = threading.Thread(target=https.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{https.server_address[1]}", answers, asked
        https.shutdown()
        thread.join()


def test_a_pull_request_is_opened(
    server: tuple[str, Answers, list[tuple[str, str, Any]]],
    agent: Repo,
    gate: GitGate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, answers, asked = server
    agent.git("checkout", "-q", "-b", "feature")
    agent.commit("a", message="First")
    agent.commit("b", message="Second")
    agent.git("push", "-q", "origin", "feature")
    gate.source = resolve_repo(f"{url}/group/project")
    prepare = pull_request.prepare
    with pytest.raises(PromotionRefused, match="the kind of forge"):
        prepare(gate, "feature", head="feature", base=None, title=None)
    write_record(gate.path, replace(read_record(gate.path), forge="gitlab"))
    with pytest.raises(NoCredential) as error:
        prepare(gate, "feature", head="feature", base=None, title=None)
    assert "--credential" in str(error.value.hint)
    access = UpstreamAccess(gate.path, https=lambda _: HttpsLogin("u", "tok"))
    monkeypatch.setattr(pull_request, "access_for", lambda *_: access)
    with pytest.raises(PromotionRefused, match="into itself"):
        prepare(gate, "feature", head="main", base=None, title=None)
    path = "/api/v4/projects/group%2Fproject/merge_requests"
    answers[path] = (201, {}, {"web_url": f"{url}/group/project/-/merge_requests/1"})
    wanted = prepare(gate, "feature", head="agent/feature", base=None, title=None)
    assert wanted.open() == f"{url}/group/project/-/merge_requests/1"
    fields = {"title": "Second", "source_branch": "agent/feature", "target_branch": "main"}
    assert asked == [(path, "Bearer tok", fields | {"description": "- Second\n- First"})]
    answers[path] = (409, {}, {"message": ["Another open merge request\x1b[2J already exists"]})
    with pytest.raises(PromotionRefused, match=r"answered 409: .*already exists") as error:
        wanted.open()
    assert "\x1b" not in str(error.value)
    answers[path] = (302, {"Location": f"{url}/elsewhere"}, {})
    with pytest.raises(PromotionRefused, match="answered 302"):
        wanted.open()
    assert {place for place, _, _ in asked} == {path}, "a token is for one host"
    monkeypatch.delenv("GIT_SSL_CAINFO")
    with pytest.raises(PromotionRefused, match="certificate"):
        wanted.open()
    assert "tok" not in repr(wanted).replace("token", "")
