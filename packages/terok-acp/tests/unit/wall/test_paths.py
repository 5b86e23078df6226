from __future__ import annotations

import posixpath
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from terok_acp.wall.paths import MAX_PATH, PathRefused, Roots, map_in, map_out, path_in, plain_path, uri_in, uri_out

ROOTS = Roots("/home/u/proj", "/workspace")

names = st.text(st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name not in {".", ".."}
)
inside = st.lists(names, max_size=6).map(lambda parts: "/".join(["/home/u/proj", *parts]))
pieces = st.sampled_from(
    [
        "/",
        "//",
        "..",
        ".",
        "\\",
        "\0",
        "%2e",
        "%2F",
        "home",
        "u",
        "proj",
        "workspace",
        "proj2",
        "\ud800",
        "é",
        "e\u0301",
    ]
)
hostile = st.lists(pieces | st.text(max_size=4), max_size=12).map("".join)


@given(inside)
@example("/home/u/proj/a%2fb/..c/…")
def test_every_path_inside_has_one_name_on_the_other_side_and_comes_back(path: str) -> None:
    there = path_in(path, ROOTS)
    assert there == "/workspace" + path.removeprefix("/home/u/proj")
    assert map_out(there, ROOTS) == path


@given(inside, inside)
def test_two_paths_never_get_one_name(one: str, other: str) -> None:
    assert (path_in(one, ROOTS) == path_in(other, ROOTS)) == (one == other)


@given(hostile)
@example("/home/u/proj/../../etc/passwd")
@example("/home/u/proj2/x")
@example("/home/u/proj\\..\\x")
@example("/home/u//proj/x")
def test_whatever_is_written_stays_below_the_root_or_is_refused(path: str) -> None:
    there = map_in(path, ROOTS)
    if there is not None:
        assert posixpath.normpath(there) == there and (there + "/").startswith("/workspace/")
        assert (posixpath.normpath(path) + "/").startswith("/home/u/proj/") and "\\" not in path and "\0" not in path


@pytest.mark.parametrize(
    "path",
    [None, 5, [], "", "x", "./x", "~/x", "C:\\x", "//host/x", "/a//b", "/a/../b", "/a/..", "/a\\b", "/a\0b", "/\udc80"],
)
def test_what_is_no_plain_path_is_refused(path: object) -> None:
    with pytest.raises(PathRefused):
        plain_path(path)


def test_the_kernel_s_longest_path_is_the_longest() -> None:
    assert plain_path("/" + "é" * ((MAX_PATH - 2) // 2)) and plain_path("/a/./b/") == "/a/b"
    with pytest.raises(PathRefused):
        plain_path("/" + "é" * (MAX_PATH // 2))


@pytest.mark.parametrize(("editor", "container"), [("/", "/workspace"), ("/p", "/"), ("p", "/w"), ("/p", "/w/../..")])
def test_a_root_that_holds_everything_is_none(editor: str, container: str) -> None:
    with pytest.raises(PathRefused):
        Roots(editor, container)


@given(inside, st.sampled_from(["", "?symbol=x", "#L1:2", "#L1?x"]))
def test_a_file_uri_is_mapped_by_what_it_means(path: str, rest: str) -> None:
    there = uri_in("file://" + quote(path) + rest, ROOTS)
    assert there is not None
    assert unquote(there.removeprefix("file://").removesuffix(rest)) == path_in(path, ROOTS)
    back = uri_out(there, ROOTS)
    assert back is not None and uri_in(back, ROOTS) == there


@pytest.mark.parametrize(
    "uri",
    [
        None,
        7,
        "file:/home/u/proj/x",
        "file://server/home/u/proj/x",
        "file:///home/u/proj/%2e%2e/%2e%2e/.ssh/id",
        "file:///home/u/proj/a%2fb",
        "file:///home/u/proj/a%5Cb",
        "file:///home/u/proj/%00",
        "file:///home/u/proj/%zz",
        "file:///home/u/proj/%ff",
        "file:///home/u/proj2",
        "file:///home/u/proj//x",
        "file:///home/u/proj/\ud800",
        "FILE:///home/u/proj/x",
        "zed:///home/u/proj/x",
        "http://localhost/home/u/proj/x",
    ],
)
def test_a_uri_that_is_not_plainly_a_file_inside_has_no_name(uri: object) -> None:
    assert uri_in(uri, ROOTS) is None
