"""Git's diff is read back to the files it was made of; hostile bytes are refused and never more."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terok.errors import MalformedDiff
from terok.model.hunks import LONGEST, FileDiff, parse_diff, unquote

_LINES = st.lists(
    st.sampled_from(
        [
            *(b"one", b"two", b"", b" x", b"--- a/x", b"+++ b/x", b"diff --git a/x b/x", b"@@ -1 +1 @@"),
            *(b"\\ No newline", b"cr\r", b"\xff\xfe", b"\xc3\xa9"),
        ]
    ),
    max_size=12,
)
_CONTENT = st.builds(lambda lines, end: b"\n".join(lines) + end, _LINES, st.sampled_from([b"", b"\n"]))
_NAME = st.sampled_from(
    [
        *(b"a", b"b c", b"d/e", b"new\nline", b"tab\t", b'quo"te', b"back\\slash"),
        *(b"\xff", b"\xc3\xa9", b" => ", b"index 0"),
    ]
)
_TREE = st.dictionaries(_NAME, st.tuples(st.sampled_from(["100644", "100755", "120000"]), _CONTENT), max_size=6)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hunks")
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
    return path


def commit(repository: Path, branch: str, tree: Mapping[bytes, tuple[str, bytes]]) -> None:
    lines = [b"commit refs/heads/%b\ncommitter a <a> 0 +0000\ndata 0\n\ndeleteall\n" % branch.encode()]
    for name, (mode, content) in tree.items():
        quoted = b"".join(b"\\%03o" % byte for byte in name)
        lines.append(b'M %b inline "%b"\ndata %d\n%b\n' % (mode.encode(), quoted, len(content), content))
    subprocess.run(["git", "fast-import", "--quiet", "--force"], cwd=repository, input=b"".join(lines), check=True)


def diff(repository: Path, *more: str) -> bytes:
    words = ["git", "-c", "core.quotePath=true", "diff-tree", "-r", "--raw", "--no-abbrev", "--full-index", "-p", *more]
    return subprocess.run([*words, "old", "new"], cwd=repository, check=True, stdout=subprocess.PIPE).stdout


def applied(file: FileDiff, before: bytes) -> bytes:
    """Return what the hunks make of a content."""
    old = [line + b"\n" for line in before.split(b"\n")]
    old[-1] = old[-1][:-1]
    old = [line for line in old if line]
    made: list[bytes] = []
    at = 0
    for hunk in file.hunks():
        begin = next((line.old for line in hunk.lines if line.old is not None), None)
        start = begin - 1 if begin is not None else hunk.old
        made += old[at:start]
        at = start
        for line in hunk.lines:
            if line.kind != "+":
                at += 1
            if line.kind != "-":
                made.append(old[at - 1] if line.kind == " " else line.text.encode() + b"\n" * line.ended)
    return b"".join([*made, *old[at:]])


@settings(max_examples=60, deadline=None)
@given(old=_TREE, new=_TREE, flags=st.sampled_from([(), ("-M",), ("-w",), ("-U0",)]))
def test_git_s_own_diff_is_read_back(
    repository: Path,
    old: dict[bytes, tuple[str, bytes]],
    new: dict[bytes, tuple[str, bytes]],
    flags: tuple[str, ...],
) -> None:
    commit(repository, "old", old)
    commit(repository, "new", new)
    files = parse_diff(diff(repository, *flags))
    spelled = {unquote(name if name != b"\xff" else b'"\\377"'): name for name in {*old, *new}}
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    assert {spelled[file.path] for file in files} | {spelled[file.old_path] for file in files} == changed
    for file in files:
        kinds = [line.kind for hunk in file.hunks() for line in hunk.lines]
        assert file.counts() == (kinds.count("+"), kinds.count("-"))
        name, was = spelled[file.path], spelled[file.old_path]
        if "-w" in flags or file.binary or file.status == "T" or file.status == "D":
            continue
        before = old[was][1] if was in old and file.status != "A" else b""
        if b"\xff" not in before + new[name][1]:
            assert applied(file, before) == new[name][1]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_hostile_bytes_are_a_diff_or_refused(data: st.DataObject) -> None:
    whole = (
        b":100644 100644 %b %b M\ta\n\ndiff --git a/a b/a\nindex %b..%b 100644\n"
        b"--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@ f\n x\n-y\n+z\n" % ((b"1" * 40, b"2" * 40) * 2)
    )
    place = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 30))
    hostile = whole[:place] + data.draw(st.binary(max_size=20)) + whole[place + length :]
    try:
        for file in parse_diff(hostile):
            for hunk in file.hunks():
                assert all(len(line.text) <= 4 * LONGEST for line in hunk.lines)
    except MalformedDiff:
        pass


def test_a_huge_line_is_cut_and_says_so(repository: Path) -> None:
    commit(repository, "old", {b"a": ("100644", b"x" * 10 * LONGEST)})
    commit(repository, "new", {b"a": ("100644", b"y\n")})
    ((hunk,),) = (file.hunks() for file in parse_diff(diff(repository)))
    gone, come = hunk.lines
    assert (len(gone.text), gone.cut, gone.ended) == (LONGEST, 9 * LONGEST, False)
    assert (come.text, come.cut, come.ended, come.new) == ("y", 0, True, 1)


def test_what_has_no_lines(repository: Path) -> None:
    commit(
        repository, "old", {b"bin": ("100644", b"\0a"), b"moved": ("100644", b"text\n" * 20), b"mode": ("100644", b"m")}
    )
    commit(
        repository, "new", {b"bin": ("100644", b"\0b"), b"to": ("100644", b"text\n" * 20), b"mode": ("100755", b"m")}
    )
    files = {file.path: file for file in parse_diff(diff(repository, "-M"))}
    assert files["bin"].binary
    assert not files["bin"].hunks()
    assert (files["to"].status, files["to"].old_path, files["to"].similarity) == ("R", "moved", 100)
    assert (files["mode"].old_mode, files["mode"].new_mode, files["mode"].hunks()) == ("100644", "100755", ())


@pytest.mark.parametrize("body", [b"@@ -1 +1 @@\nx", b"@@ -1 +1 @@\n-a", b"@@ -1 +1 @@\n\\ No", b"@@ -0,0 +1 @@\n-a"])
def test_what_is_no_hunk_is_refused(body: bytes) -> None:
    blobs = b"%b %b" % (b"1" * 40, b"2" * 40)
    head = b":100644 100644 %b M\ta\n\ndiff --git a/a b/a\nindex %b\n" % (blobs, blobs.replace(b" ", b".."))
    (file,) = parse_diff(head + body)
    with pytest.raises(MalformedDiff):
        file.hunks()
