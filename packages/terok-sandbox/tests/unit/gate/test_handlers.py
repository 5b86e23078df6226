from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from terok_sandbox.gate import handlers, promotion, review_handlers
from terok_sandbox.gate.cli import GATE_VERBS
from terok_sandbox.gate.errors import GateError, MirrorError
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.layout import record_file
from terok_sandbox.gate.review import record_review

if TYPE_CHECKING:
    from conftest import Repo


@pytest.fixture
def stored(upstream: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitGate:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "root"))
    gate = GitGate("proj-1", base=handlers.base_directory(), upstream=str(upstream.path))
    gate.sync()
    return gate


def test_reading(stored: GitGate, capsys: pytest.CaptureFixture[str]) -> None:
    assert handlers.list_gates() == 0
    assert "proj-1" in capsys.readouterr().out
    handlers.list_gates(as_json=True)
    assert json.loads(capsys.readouterr().out)[0]["path"] == str(stored.path)
    handlers.show_path(scope="proj-1")
    assert capsys.readouterr().out == f"{stored.path}\n"
    handlers.branches(scope="proj-1", as_json=True)
    assert json.loads(capsys.readouterr().out) == stored.branch_heads()
    handlers.branches(scope="proj-1")
    assert "  main\n" in capsys.readouterr().out
    with pytest.raises(MirrorError):
        handlers.show_path(scope="other")


def test_sync(stored: GitGate, upstream: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    assert handlers.sync(scope="proj-1") == 0
    assert "nothing new" in capsys.readouterr().out
    upstream.git("branch", "more")
    upstream.git("commit", "-q", "--amend", "-m", "rewritten")
    handlers.sync(scope="proj-1")
    out = capsys.readouterr().out
    assert "updated  more" in out
    assert "pending  main: force_update (upstream_rewrite), nothing is lost" in out


def test_a_mirror_that_cannot_be_looked_at_is_named_and_hides_no_other(
    stored: GitGate, upstream: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.commit("more", "new\n")
    upstream.git("push", "-q", str(stored.path), "HEAD:refs/heads/new")
    second = GitGate("zz-broken", base=handlers.base_directory(), upstream=str(upstream.path))
    second.sync()
    record_file(second.path).unlink()
    (stored.path.parent / "aa.git").mkdir()
    record_file(stored.path.parent / "aa.git").write_text(record_file(stored.path).read_text().replace("proj-1", "aa"))
    assert handlers.list_gates() == 0
    out, err = capsys.readouterr()
    assert "proj-1  " in out and "zz-broken" not in out
    assert f"the mirror at {second.path}" in err and "gate add" in err
    assert review_handlers.review() == 1
    out, err = capsys.readouterr()
    assert "proj-1 new" in out
    assert str(second.path) in err and "aa" in err
    with pytest.raises(GateError):
        review_handlers.review(scope="aa")


def test_every_verb_prints_json(
    stored: GitGate, upstream: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(verb: Callable[..., int], code: int = 0, **words: object) -> Any:
        assert verb(as_json=True, **words) == code
        return json.loads(capsys.readouterr().out)

    tip = upstream.commit("work", "x\n")
    upstream.git("push", "-q", str(stored.path), "HEAD:refs/heads/work")
    upstream.git("reset", "-q", "--hard", "HEAD~1")
    assert said(handlers.add, repo=str(upstream.path))["created"] is True
    assert said(handlers.sync, scope="proj-1")["success"] is True
    assert said(review_handlers.reject, scope="proj-1", branch="work", note="no") == {"branch": "work", "tip": tip}
    upstream.git("push", "-q", "-f", str(stored.path), "HEAD~1:refs/heads/work", "HEAD:refs/heads/fine")
    (name,) = [one["name"] for one in said(handlers.backups, scope="proj-1")]
    assert said(handlers.restore, scope="proj-1", name=name) == {"restored": "work"}
    said(review_handlers.review, scope="proj-1", branch="work")
    promotion.forget_mark(stored.path, "work")
    record_review(stored.path, "work", stored.review("work"))
    sent = said(review_handlers.promote, scope="proj-1", branch="work")
    assert sent["upstream"] == str(upstream.path)
    assert (sent["branch"], sent["target"], sent["sent"], sent["pull_request"]) == ("work", "work", True, None)
    upstream.git("commit", "-q", "--amend", "-m", "rewritten")
    assert said(handlers.sync, scope="proj-1")["pending"][0]["branch"] == "main"
    assert said(handlers.apply, scope="proj-1", branches=[])["applied"] == ["main"]
    assert said(handlers.prune, scope="proj-1") == []
    assert said(handlers.access, scope="proj-1", credential="gh")["credential"] == "gh"


def test_every_verb_has_its_handler() -> None:
    for verb in GATE_VERBS:
        assert verb.name == "path" or any(arg.dest == "as_json" for arg in verb.args), verb.name
        module, _, name = str(verb.handler).partition(":")
        assert callable(getattr(importlib.import_module(module), name))
