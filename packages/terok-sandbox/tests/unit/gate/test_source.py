from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.gate.errors import GateError, RepoNotUnderstood, UpstreamRefused
from terok_sandbox.gate.source import endpoint, resolve_repo, scope_for

if TYPE_CHECKING:
    from conftest import Repo


def test_paths(new_repo: Callable[..., Repo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = new_repo("Mein Projekt ü")
    bare = new_repo("bare.git", "--bare")
    source = resolve_repo(str(repo.path))
    assert (source.kind, source.address, source.name) == ("path", str(repo.path), "Mein Projekt ü")
    assert resolve_repo(str(bare.path)).name == "bare"
    assert resolve_repo(f"file://{tmp_path}/Mein%20Projekt%20%C3%BC").address == str(repo.path)
    monkeypatch.chdir(repo.path)
    assert resolve_repo(".") == source
    (tmp_path / "link").symlink_to(repo.path)
    assert scope_for(str(tmp_path / "link")) == scope_for(".")
    assert re.fullmatch(r"mein-projekt-[0-9a-f]{10}", scope_for("."))


def test_a_worktree_is_a_repository(upstream: Repo, tmp_path: Path) -> None:
    upstream.git("worktree", "add", "-q", str(tmp_path / "tree"))
    assert resolve_repo(str(tmp_path / "tree")).kind == "path"


def test_urls() -> None:
    source = resolve_repo("https://Example.org:443/group/Proj.git/")
    assert (source.kind, source.address, source.name) == ("url", "https://example.org/group/Proj", "Proj")
    assert scope_for("https://example.org/g/p") == scope_for("https://example.org/g/p.git")
    assert scope_for("https://example.org/g/p") != scope_for("https://example.org/h/p")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", RepoNotUnderstood, "empty"),
        ("a\nb", RepoNotUnderstood, "control characters"),
        ("no/such/place", RepoNotUnderstood, "neither an existing directory nor a URL"),
        ("https://", RepoNotUnderstood, "is not the URL"),
        ("https://example.org/", RepoNotUnderstood, "no path"),
        ("https://example.org:x/p", RepoNotUnderstood, "cannot be read"),
        ("https://example.org/p?x=1", RepoNotUnderstood, "is not the URL"),
        ("https://user:secret@example.org/p", UpstreamRefused, "contains credentials"),
        ("https://token@example.org/p", UpstreamRefused, "contains credentials"),
        ("http://example.org/p", UpstreamRefused, "not supported"),
        ("ssh://-oProxyCommand=x/p", RepoNotUnderstood, "not the address"),
        ("git@example.org:-p", RepoNotUnderstood, "neither"),
        ("ssh://git:secret@example.org/p", UpstreamRefused, "contains credentials"),
        ("ext::sh -c id", UpstreamRefused, "not supported"),
    ],
)
def test_what_is_refused(text: str, error: type[GateError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        resolve_repo(text)
    assert caught.value.hint
    assert "secret" not in caught.value.message + (caught.value.hint or "")


def test_a_directory_without_repository(tmp_path: Path) -> None:
    with pytest.raises(RepoNotUnderstood, match="not a git repository"):
        resolve_repo(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("git@example.org:g/p.git", "git@example.org:g/p"),
        ("ssh://git@example.org:2222/g/p/", "ssh://git@example.org:2222/g/p"),
        ("ssh://[::1]/p.git", "ssh://[::1]/p"),
    ],
)
def test_ssh_addresses(text: str, address: str) -> None:
    source = resolve_repo(text)
    assert (source.kind, source.address, source.name) == ("ssh", address, "p")


@given(st.one_of(st.text(), st.from_regex(r"[a-z+]{1,8}:(//)?[^\n]{0,40}")))
def test_any_text_is_a_source_or_an_error_of_ours(text: str) -> None:
    try:
        source = resolve_repo(text)
    except GateError:
        return
    if source.kind == "ssh":
        assert not source.address.partition("@")[2].startswith("-")
        return
    assert source.address.startswith(("/", "https://"))
    assert "@" not in source.address.split("/")[2] or source.kind == "path"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://forge.example.org/a/b", ("forge.example.org", 443)),
        ("https://forge.example.org:8443/a/b", ("forge.example.org", 8443)),
        ("git@forge.example.org:a/b", ("forge.example.org", 22)),
        ("ssh://git@forge.example.org:2222/a/b", ("forge.example.org", 2222)),
        ("https://[2001:db8::1]/a/b", ("2001:db8::1", 443)),
    ],
)
def test_where_a_fetch_connects_to(address: str, expected: tuple[str, int]) -> None:
    assert endpoint(resolve_repo(address)) == expected
