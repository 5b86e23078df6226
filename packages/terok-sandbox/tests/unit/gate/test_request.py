from __future__ import annotations

import base64

from hypothesis import example, given
from hypothesis import strategies as st
from terok_sandbox.gate.request import GateRefusal, GateRequest, authorize, route, token_hash

HASH = token_hash("tk-secret")


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_the_token() -> None:
    for good in (basic("tk-secret:"), basic("tk-secret:x-oauth"), "Bearer tk-secret", "bearer  tk-secret"):
        assert authorize(good, HASH) is None, good
    for bad in (
        None,
        "",
        "Bearer",
        "Bearer ",
        basic(":tk-secret"),
        basic(""),
        "Basic ä",
        "Digest tk-secret",
        "tk-secret",
    ):
        refusal = authorize(bad, HASH)
        assert refusal is not None
        assert refusal.status == 401
    assert authorize("Bearer ", token_hash("")) is not None, "an empty token opens nothing"


@given(st.text())
def test_no_other_header_opens(header: str) -> None:
    assert authorize(header, HASH) is not None or "tk-secret" in header


@example("GET", "/p.git/HEAD?")
@example("POST", "/p.git/git-upload-pack?")
@given(
    st.sampled_from(["GET", "POST", "PUT", "HEAD", "DELETE", "get"]),
    st.one_of(st.text(), st.from_regex(r"/p\.git/(info/refs|HEAD|git-upload-pack)[^\n]{0,20}")),
)
def test_six_requests_are_known(method: str, target: str) -> None:
    known = {
        ("GET", "/p.git/HEAD"),
        ("GET", "/p.git/info/refs?service=git-upload-pack"),
        ("GET", "/p.git/info/refs?service=git-receive-pack"),
        ("POST", "/p.git/git-upload-pack"),
        ("POST", "/p.git/git-receive-pack"),
    }
    service = target.rpartition("/")[2]
    found = route(method, target, {"content-type": f"application/x-{service}-request"}, "p")
    assert isinstance(found, GateRequest) == ((method, target) in known)


headers = st.dictionaries(
    st.sampled_from(["content-type", "content-length", "content-encoding", "git-protocol", "x"]),
    st.one_of(
        st.text(max_size=80),
        st.sampled_from(["gzip", "version=2", "5", "-1", "application/x-git-receive-pack-request", "²"]),
    ),
)


@given(headers)
def test_headers_are_taken_only_in_known_forms(given_headers: dict[str, str]) -> None:
    call = route("POST", "/p.git/git-receive-pack", given_headers, "p")
    if isinstance(call, GateRefusal):
        assert call.status == 415
        return
    assert (call.action, call.service) == ("call", "receive-pack")
    assert given_headers["content-type"] == call.content_type("request")
    assert call.gzip == (given_headers.get("content-encoding", "identity").lower() != "identity")
    assert call.protocol in ("", "version=0", "version=1", "version=2")
