from __future__ import annotations

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.request_parts import TOKEN_HEADERS
from terok_sandbox.vault.routes import Route, parse_routes
from terok_sandbox.vault.swap import Presented, Screened, UpstreamRequest, credential_secret, screen, swap

TOKEN = "terok-p-0123456789abcdef0123456789abcdef"
SECRET = "sk-real-secret-0123456789"
HOST = (b"Host", b"127.0.0.1:9419")


def route(**entry: object) -> Route:
    entry = {"upstream": "https://api.example.com", **entry}
    return parse_routes(json.dumps({"p": entry}).encode())["p"]


BEARER = route()
KEY = route(header="x-api-key")


def accepted(*headers: tuple[bytes, bytes], method: str = "POST", target: str = "/v1/x") -> Screened:
    result = screen(method, target, (HOST, *headers))
    assert isinstance(result, Screened), result
    return result


def refused(*headers: tuple[bytes, bytes], method: str = "POST", target: str = "/v1/x") -> VaultRefusal:
    result = screen(method, target, headers)
    assert isinstance(result, VaultRefusal), result
    return result


def sent(screened: Screened, to: Route = BEARER, credential: dict[str, str] | None = None) -> UpstreamRequest:
    presented = next(item for item in screened.presented if item.token == TOKEN)
    result = swap(screened, presented, to, credential or {"type": "api_key", "key": SECRET})
    assert isinstance(result, UpstreamRequest), result
    return result


def basic(user: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


@pytest.mark.parametrize(
    "header",
    [(b"Authorization", f"Bearer {TOKEN}".encode()), (b"authorization", f"token {TOKEN}".encode()),
     (b"AUTHORIZATION", f"bEARER   {TOKEN} ".encode()), *((name.encode(), TOKEN.encode()) for name in TOKEN_HEADERS)],
)  # fmt: skip
@pytest.mark.parametrize("to", [BEARER, KEY])
def test_every_place_is_swapped_for_the_route_s(header: tuple[bytes, bytes], to: Route) -> None:
    request = sent(accepted(header, (b"Accept", b"*/*")), to)
    credential = {"x-api-key": SECRET} if to is KEY else {"Authorization": f"Bearer {SECRET}"}
    assert dict(request.headers) == {"Accept": "*/*", "Accept-Encoding": "identity", **credential}
    assert request.origin + request.target == "https://api.example.com/v1/x"


@pytest.mark.parametrize(("user", "password"), [("x-access-token", TOKEN), (TOKEN, "x-oauth-basic"), (TOKEN, "")])
def test_basic_stays_basic_for_authorization(user: str, password: str) -> None:
    request = sent(accepted((b"Authorization", basic(user, password))))
    expected = basic(user.replace(TOKEN, SECRET), password.replace(TOKEN, SECRET)).decode()
    assert dict(request.headers)["Authorization"] == expected
    assert dict(sent(accepted((b"Authorization", basic(user, password))), KEY).headers)["x-api-key"] == SECRET


@pytest.mark.attack(id="HTTP-5")
@pytest.mark.parametrize(
    "name",
    ["Proxy-Authorization", "Cookie", "X_Api_Key", "x.api.key", "Api_Key", "X-Auth-Token", "x-amz-security-token",
     "Job-Token", "X-Authorization", "PRIVATE_TOKEN", "x-my-secret", "X-Forwarded-For", "Forwarded", "X-Real-IP",
     "X-HTTP-Method-Override", "X_Original_URL", "Keep-Alive", "TE", "Proxy-Connection", "Trailer", "Range",
     "x-goog-api-key", "api-key", "private-token", "X-Auth-Key", "Ocp-Apim-Subscription-Key", "DD-Application-Key",
     "Accept-Charset", "x-ms-range"],
)  # fmt: skip
@pytest.mark.attack(id="HTTP-10")
def test_nothing_else_that_authenticates_leaves(name: str) -> None:
    request = sent(accepted((b"x-api-key", TOKEN.encode()), (name.encode(), b"attacker-credential")))
    assert "attacker-credential" not in repr(request)


def test_connection_nominated_headers_are_dropped() -> None:
    request = sent(accepted((b"Connection", b"close, X-Hop"), (b"X-Hop", b"1"), (b"x-api-key", TOKEN.encode())))
    assert "X-Hop" not in dict(request.headers)


def test_extra_headers_are_merged_into_lists() -> None:
    to = route(extra_headers={"anthropic-beta": "oauth-1,b", "x-version": "2"})
    head = accepted((b"Anthropic-Beta", b"a, b"), (b"x_version", b"9"), (b"x-api-key", TOKEN.encode()))
    headers = dict(sent(head, to).headers)
    assert headers["anthropic-beta"] == "a, b,oauth-1" and headers["x-version"] == "2" and "x_version" not in headers


def test_the_placement_follows_the_credential_s_type() -> None:
    to = route(header="x-api-key", by_type={"oauth": {"header": "Authorization"}})
    head = accepted((b"x-api-key", TOKEN.encode()))
    assert dict(sent(head, to, {"access_token": SECRET}).headers)["Authorization"] == f"Bearer {SECRET}"
    assert dict(sent(head, to, {"key": SECRET}).headers)["x-api-key"] == SECRET
    assert credential_secret({"type": "oauth", "key": "k"}) == ("oauth", "k")


@pytest.mark.parametrize("secret", ["", "line\nbreak", "space here", "ünicode"])
def test_a_credential_that_no_header_can_carry_is_refused(secret: str) -> None:
    head = accepted((b"x-api-key", TOKEN.encode()))
    result = swap(head, head.presented[0], BEARER, {"key": secret})
    assert isinstance(result, VaultRefusal) and result.status == 502 and result.reason == "credential_unusable"


@pytest.mark.attack(id="HTTP-9")
@pytest.mark.parametrize(
    ("target", "extra", "reason"),
    [(f"/v1/x?key={TOKEN}", (), "token_in_url"), (f"/v1/{TOKEN}/x", (), "token_in_url"),
     (f"/v1/{TOKEN.replace('t', '%74')}", (), "token_in_url"), (f"/?a=%74{TOKEN[1:]}", (), "token_in_url"),
     ("/v1", ((b"X-Note", f"is {TOKEN}".encode()),), "token_misplaced"),
     ("/v1", ((f"X-{TOKEN}".encode(), b"1"),), "token_misplaced")],
)  # fmt: skip
def test_a_token_elsewhere_is_refused(target: str, extra: tuple[tuple[bytes, bytes], ...], reason: str) -> None:
    head = accepted((b"x-api-key", TOKEN.encode()), *extra, target=target)
    result = swap(head, head.presented[0], BEARER, {"key": SECRET})
    assert isinstance(result, VaultRefusal) and (result.status, result.reason) == (403, reason)


@pytest.mark.parametrize("target", ["/v1?access_token=x", "/?API_KEY=1", "/?a=b&x-amz-signature=1", "/?%61pi_key=x"])
def test_credentials_in_the_query_are_refused(target: str) -> None:
    assert refused(HOST, target=target).reason == "credential_in_url"


@pytest.mark.attack(id="HTTP-10")
def test_google_s_own_name_for_a_key_in_the_query_is_refused_where_the_key_is_google_s() -> None:
    for target in ("/v1beta/models?key=AIza-other", "/v1?a&%24key=AIza-other", "/v1?KEY=x"):
        head = accepted((b"x-goog-api-key", TOKEN.encode()), target=target)
        result = swap(head, head.presented[0], route(header="x-goog-api-key"), {"key": SECRET})
        assert isinstance(result, VaultRefusal) and result.reason == "credential_in_url"
        assert sent(head, KEY).target == target


def test_raw_spelling_is_kept() -> None:
    target = "/api/v4/projects/group%2Fsub%2fname/x?a=%20&b=c+d&e=/?{}"
    request = sent(accepted((b"private-token", TOKEN.encode()), target=target), route(upstream="https://h/base"))
    assert request.origin + request.target == f"https://h/base{target}"


@pytest.mark.attack(id="HTTP-4")
@pytest.mark.parametrize(
    ("headers", "status"),
    [((), 400), ((HOST, HOST), 400), (((b"Host", b""),), 400), (((b"Host", b"a b"),), 400),
     (((b"Host", b"evil.com\x00.ok"),), 400), (((b"Host", b"u@h"),), 400),
     ((HOST, (b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked")), 400),
     ((HOST, (b"Content-Length", b"1"), (b"Content-Length", b"1")), 400), ((HOST, (b"Content-Length", b"+1")), 400),
     ((HOST, (b"Transfer-Encoding", b"gzip, chunked")), 400), ((HOST, (b"Transfer_Encoding", b"chunked")), 400),
     ((HOST, (b"Content_Length", b"5")), 400), ((HOST, (b"Authorization", b"a"), (b"authorization", b"b")), 400),
     ((HOST, (b"x-api-key", b"a"), (b"X-API-KEY", b"b")), 400), ((HOST, (b"X", b"a\r\n b")), 400),
     ((HOST, (b"X", b"\xc3\xa9")), 400), ((HOST, (b"X\x00", b"a")), 400), ((HOST, (b"", b"a")), 400),
     ((HOST, (b"X Y", b"a")), 400), ((HOST, (b"Expect", b"200-ok")), 417), ((HOST, *[(b"X", b"y")] * 128), 431),
     ((HOST, (b"X", b"y" * 70000)), 431)],
)  # fmt: skip
def test_odd_heads_are_refused(headers: tuple[tuple[bytes, bytes], ...], status: int) -> None:
    assert refused(*headers).status == status


@pytest.mark.attack(id="HTTP-6")
@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "TRACK", "get", "PROPFIND", "", "G ET"])
def test_odd_methods_are_refused(method: str) -> None:
    assert refused(HOST, method=method).status == 405


@pytest.mark.attack(id="HTTP-7")
@pytest.mark.parametrize("body", [(b"Content-Length", b"3"), (b"Transfer-Encoding", b"chunked")])
def test_get_has_no_body(body: tuple[bytes, bytes]) -> None:
    assert refused(HOST, body, method="GET").status == 400
    accepted((b"Content-Length", b"0"), method="GET")


@pytest.mark.attack(id="HOST-1")
@pytest.mark.parametrize(
    "target",
    ["", "*", "x", "//evil.com/x", "http://evil.com/x", "https://127.0.0.1:9419/x", "http://u@127.0.0.1:9419/",
     "/a/../b", "/a/%2e%2e/b", "/a/..%2fb", "/a%2f..%2fb", "/a/.%2e", "/a/%252e%252e/b", "/a/..;/b", "/a/..", "/./a",
     "/a%00b", "/a%0d%0ab", "/a b", "/a\\..\\b", "/%5c..%5cx", "/a/%25252e%25252e/b",
     "/a#b", "/é", "/%zz", "/%", "/" + "a" * 20000],
)  # fmt: skip
def test_odd_targets_are_refused(target: str) -> None:
    assert refused(HOST, target=target).status in (400, 414)


def test_targets_that_only_look_odd_pass() -> None:
    for target in ("/a/...", "/compare/main...topic", "/.well-known/x", "/a..b", "/%2F", "/?q=../x", "/a%252Fb"):
        assert accepted(target=target).target.raw == target
    assert accepted(target="http://127.0.0.1:9419/x?y").target.raw == "/x?y"


def test_a_websocket_handshake_is_recognized_and_its_key_protocols_dropped() -> None:
    headers = ((b"Connection", b"keep-alive, Upgrade"), (b"Upgrade", b"WebSocket"),
               (b"Sec-WebSocket-Protocol", b"realtime, openai-insecure-api-key.sk-other"))  # fmt: skip
    screened = accepted(*headers, method="GET")
    assert screened.websocket and screened.subprotocols == ("realtime",)
    assert not accepted(*headers, method="POST").websocket


@given(st.text(max_size=40) | st.from_regex(r"/[a-z%./;0-9]{0,30}", fullmatch=True))
@example("/%2e%2E/x")
def test_an_accepted_target_is_sent_unchanged_under_its_upstream(target: str) -> None:
    result = screen("GET", target, (HOST, (b"x-api-key", TOKEN.encode())))
    if isinstance(result, VaultRefusal):
        assert 400 <= result.status < 500 and json.loads(result.body())
        return
    request = sent(result)
    url = request.origin + request.target
    assert url.startswith("https://api.example.com/") and url.isascii()
    assert "/../" not in url.partition("?")[0] + "/"


names = st.binary(min_size=0, max_size=12) | st.sampled_from(
    [b"Host", b"Authorization", b"x-api-key", b"Connection", b"Cookie", b"Content-Length", b"X_Api_Key", b"Upgrade"]
)
values = st.binary(max_size=30) | st.sampled_from([TOKEN.encode(), b"Bearer " + TOKEN.encode(), basic("u", TOKEN)])


@given(st.sampled_from(["GET", "POST", "TRACE"]), st.lists(st.tuples(names, values), max_size=8))
def test_any_head_is_screened_to_clean_headers_or_refused(method: str, headers: list[tuple[bytes, bytes]]) -> None:
    result = screen(method, "/x", [HOST, *headers])
    if isinstance(result, VaultRefusal):
        return
    outcome = swap(result, Presented(TOKEN), KEY, {"key": SECRET})
    if isinstance(outcome, VaultRefusal):
        assert SECRET not in outcome.message
        return
    plain = [name.lower() for name, _ in outcome.headers]
    assert plain.count("x-api-key") == 1 and not {"host", "cookie", "authorization", "connection"} & set(plain)
    assert all(value.isascii() and "\n" not in value and "\r" not in value for _, value in outcome.headers)
    assert TOKEN not in repr(outcome)
