from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.vault.errors import RoutesError
from terok_sandbox.vault.routes import Placement, Upstream, load_routes, parse_routes

FULL = {
    "upstream": "https://API.example.com/v1/",
    "header": "x-api-key",
    "extra_headers": {"x-version": "1"},
    "by_type": {"oauth": {"header": "Authorization", "extra_headers": {"x-beta": "oauth"}}},
    "path_upstreams": {"/a": "https://a.example.com", "/a/b/": "http://[::1]:8080/base"},
}


def routes(entry: object, provider: str = "anthropic"):
    return parse_routes(json.dumps({provider: entry}).encode())


def test_a_full_entry() -> None:
    route = routes(FULL)["anthropic"]
    assert route.upstream == Upstream("https://api.example.com", "/v1")
    assert route.placement_for("api_key") == Placement("x-api-key", "", {"x-version": "1"})
    assert route.placement_for("oauth") == Placement("Authorization", "Bearer ", {"x-beta": "oauth"})
    assert route.upstream_for("/a/b/c") == Upstream("http://[::1]:8080", "/base")
    assert route.upstream_for("/a/x").origin == route.upstream_for("/a").origin == "https://a.example.com"
    assert route.upstream_for("/ab") == route.upstream


def test_the_usual_header_is_a_bearer() -> None:
    assert routes({"upstream": "http://127.0.0.1:8000"})["anthropic"].placement == Placement("Authorization", "Bearer ")


@pytest.mark.parametrize(
    "url",
    ["", "ftp://h", "https://", "https://u@h", "https://u:p@h", "https://h?q", "https://h#f", "//h", "https://h/../x",
     "https://h:99999", "https://h:x", "https://h/a b", "https://h/%2e", "https://h\n", "https://é.example", 7, None,
     "https://h//x", "https://h\\@evil", "https://h:", "https://-h", "https://a..b", "https://[::1", "javascript:x"],
)  # fmt: skip
def test_an_upstream_is_a_plain_url(url: object) -> None:
    with pytest.raises(RoutesError, match=r"provider 'anthropic', key upstream"):
        routes({"upstream": url})


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"headers": "x"}, "headers"),
        ({"header": "Host"}, "header"),
        ({"header": "x\ny"}, "header"),
        ({"prefix": "a\r\nb"}, "prefix"),
        ({"prefix": 1}, "prefix"),
        ({"extra_headers": {"Cookie": "x"}}, "extra_headers.Cookie"),
        ({"extra_headers": {"x": "é"}}, "extra_headers.x"),
        ({"extra_headers": []}, "extra_headers"),
        ({"by_type": {"oauth": {"upstream": "https://h"}}}, "by_type.oauth.upstream"),
        ({"by_type": {"oauth": {"header": "te"}}}, "by_type.oauth.header"),
        ({"path_upstreams": {"a": "https://h"}}, "path_upstreams.a"),
        ({"path_upstreams": {"/": "https://h"}}, "path_upstreams./"),
        ({"path_upstreams": {"/a": "h"}}, "path_upstreams./a"),
    ],
)
def test_errors_name_file_provider_and_key(tmp_path: Path, change: dict[str, object], key: str) -> None:
    file = tmp_path / "routes.json"
    file.write_text(json.dumps({"good": {"upstream": "https://h"}, "bad": {"upstream": "https://h", **change}}))
    with pytest.raises(RoutesError) as caught:
        load_routes(file)
    assert str(file) in caught.value.message and "'bad'" in caught.value.message
    assert f"key {key}:" in caught.value.message and caught.value.hint


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": {"upstream": "https://h"}, "a": {}}', '{"A": {}}', '{"a": 1}'])
def test_files_that_are_not_routes(tmp_path: Path, text: str) -> None:
    with pytest.raises(RoutesError):
        parse_routes(text.encode())
    with pytest.raises(RoutesError, match="no routes file"):
        load_routes(tmp_path / "none.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["upstream", "header", "prefix", "extra_headers", "by_type", "path_upstreams", "x"])


@given(
    st.binary(max_size=60) | st.dictionaries(keys, json_values, max_size=5).map(lambda e: json.dumps({"p": e}).encode())
)
def test_any_bytes_are_routes_or_a_routes_error(data: bytes) -> None:
    try:
        result = parse_routes(data)
    except RoutesError:
        return
    for route in result.values():
        assert route.upstream.origin.startswith(("http://", "https://"))
