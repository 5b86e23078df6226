from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.request_parts import RequestTarget, read_target
from terok_sandbox.vault.rules import PRESETS, RuleError, path_pattern, read_rules


def allowed(rules: object, method: str, raw: str) -> bool:
    target = read_target(raw, "h")
    assert isinstance(target, RequestTarget)
    return any(rule.allows(method, target) for rule in read_rules(rules))


@pytest.mark.attack(id="HTTP-10")
@pytest.mark.parametrize(
    ("method", "target", "yes"),
    [("GET", "/group/project.git/info/refs?service=git-upload-pack", True),
     ("POST", "/group/project.git/git-upload-pack", True),
     ("GET", "/group/project.git/info/refs?service=git-receive-pack", False),
     ("GET", "/group/project.git/info/refs?service=git-upload-pack&service=git-receive-pack", False),
     ("GET", "/group/project.git/info/refs?service=git-upload-pack;service=git-receive-pack", False),
     ("GET", "/group/project.git/info/refs", False),
     ("POST", "/group/project.git/git-receive-pack", False),
     ("POST", "/group/project.git/git-receive-pack?/git-upload-pack", False),
     ("POST", "/group/project.git/git-receive%2Dpack", False),
     ("DELETE", "/group/project.git", False)],
)  # fmt: skip
def test_git_read_clones_and_fetches_only(method: str, target: str, yes: bool) -> None:
    assert allowed("git-read", method, target) is yes


@pytest.mark.parametrize(
    ("pattern", "path", "yes"),
    [("/v1/*", "/v1/models", True), ("/v1/*", "/v1/", True), ("/v1/*", "/v1/a/b", False), ("/v1/*", "/v1/a%2Fb", False),
     ("/v1/*", "/v1/a%5cb", False),
     ("/v1/*", "/v1/a%252fb", False), ("/v1/*", "/v1/a%25%32%66b", False),
     ("/v1/**", "/v1/a/b%2Fc", True), ("/v1/**", "/v1x", False), ("/v1", "/v1/", False),
     ("/a.b", "/axb", False), ("/*/x", "/a/x", True), ("/*/x", "/a/b/x", False)],
)  # fmt: skip
def test_patterns(pattern: str, path: str, yes: bool) -> None:
    assert (path_pattern(pattern).fullmatch(path) is not None) is yes


@pytest.mark.attack(id="HOST-2")
def test_rules_are_a_closed_list() -> None:
    assert not allowed([], "GET", "/") and allowed("api", "DELETE", "/x") and not allowed("registry-read", "PUT", "/x")
    rules = ["registry-read", {"methods": ["POST"], "path": "/v1/audit", "query": {"a": "b c"}}]
    assert allowed(rules, "POST", "/v1/audit?a=b+c&x=1") and not allowed(rules, "POST", "/v1/audit?a=b")
    assert set(PRESETS) == {"api", "registry-read", "git-read"}


@pytest.mark.parametrize(
    "value",
    ["none", 1, {}, [1], [{}], [{"method": ["GET"]}], [{"methods": "GET"}], [{"methods": ["get"]}], [{"methods": []}],
     [{"path": "v1"}], [{"path": 1}], [{"path": "/***"}], [{"query": {"a": 1}}], [{"path": "/a b"}], ["api"] * 100],
)  # fmt: skip
def test_what_is_no_rule(value: object) -> None:
    with pytest.raises(RuleError):
        read_rules(value)


@given(st.text(alphabet="/ab*%2fF.", max_size=20))
def test_a_star_never_crosses_a_slash(tail: str) -> None:
    target = read_target("/v1/" + tail, "h")
    if isinstance(target, VaultRefusal) or not path_pattern("/v1/*").fullmatch(target.path):
        return
    assert "/" not in tail and "%2f" not in tail.lower()
