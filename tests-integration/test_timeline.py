"""One record of a task: names, credentials, model and tool calls, pushes with findings, reviews; and its exports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from name_server import every_name_known
from product import make_project, remove_containers
from support import Shell
from terok.stub import Script, StubProvider, running_stub

DENIED, ALLOWED = "no.alpha.example", "ok.beta.example"
FLAGGED = "mkdir -p .github/workflows && echo 'on: push' > .github/workflows/ci.yml && git add -A && git commit -qm CI"
REFUSED = "ln -s ../../../etc/passwd link && git add link && git commit -qm 'Link' && git push -q origin HEAD; true"
BACK = "git reset -q --hard HEAD~1"


@pytest.fixture
def names(ready: Shell) -> Iterator[None]:
    """Let containers know every name."""
    with every_name_known(ready):
        yield


@pytest.fixture
def stub(ready: Shell, base_image: str, real_key: str, upstream: Callable[[str, str], None]) -> Iterator[StubProvider]:
    """Play an agent that asks for two names, commits what a person should look at, and pushes what is refused."""
    asked = [f"curl -sS -m 3 http://{name}/; true" for name in (DENIED, ALLOWED)]
    with running_stub(Script((*asked, FLAGGED, REFUSED, BACK)), api_key=real_key) as provider:
        upstream("demo", provider.url)
        yield provider


@pytest.fixture
def project(ready: Shell, names: None, repository: Path) -> Iterator[str]:
    name = make_project(ready, repository)
    yield name
    remove_containers(ready, name)


def test_the_record_of_a_task(ready: Shell, stub: StubProvider, project: str) -> None:
    ready("terok", "task", "run", project, "Do it", "--allow", f"{ALLOWED}:80", timeout=600)
    short = ready("terok", "task", "list", f"p:{project}", "--json").json()[0]["short"]
    ready("terok", "review", short)
    ready("terok", "review", short, "--comment", "README.md", "Why?")

    whole = ready("terok", "task", "timeline", short, "--json").json()
    entries = whole["entries"]
    assert [(chain["log"], chain["ok"], chain["whole"]) for chain in whole["chains"]] == [
        ("shield", True, True),
        ("vault", True, True),
        ("gate", True, True),
    ]
    times = [entry["at"] for entry in entries]
    assert times == sorted(times) and not whole["left_out"]
    said = {kind: [one["text"] for one in entries if one["kind"] == kind] for kind in {one["kind"] for one in entries}}
    assert any(text.startswith(f"refused {DENIED}") for text in said["name"])
    assert any(text.startswith(f"allowed {ALLOWED}") for text in said["name"]), said
    assert any(f"curl -sS -m 3 http://{DENIED}/" in text for text in said["tool"]) and len(said["tool"]) == 5, said
    assert len(said["model"]) == stub.seen.total and all(text.endswith(", ?") for text in said["model"]), said
    assert any(text.startswith("request released demo POST") for text in said["credential"]), said
    refused, landed = said["push"][0], said["push"][-1]
    assert "refused, 1 finding: " in refused and "symlink-escape" in refused, said
    assert landed.startswith("refs/heads/terok/") and landed.endswith("landed, 1 finding"), said
    assert any("comment on README.md: Why?" in text for text in said["review"]), said
    assert said["run"][0].startswith("starting ") and said["run"][-1].startswith("ended ")

    few = ready("terok", "task", "timeline", short, "--kind", "tool,push", "--tail", "3", "--json").json()
    assert few["entries"] == [one for one in entries if one["kind"] in ("tool", "push")][-3:] and few["left_out"]
    spans = ready("terok", "task", "timeline", short, "--export", "otlp").json()["resourceSpans"][0]["scopeSpans"]
    kinds = [one["name"].split()[0] for one in spans[0]["spans"]]
    assert kinds[:2] == ["task", "invoke_agent"] and (kinds.count("execute_tool"), kinds.count("chat")) == (
        len(said["tool"]),
        len(said["model"]),
    )
    (log,) = ready("terok", "task", "timeline", short, "--export", "sarif").json()["runs"]
    assert {(one["ruleId"], one["level"]) for one in log["results"]} == {
        ("workflow", "warning"),
        ("symlink-escape", "error"),
    }

    ready("terok", "task", "delete", short)
    assert ready("terok", "task", "timeline", short, "--kind", "tool", "--json").json()["entries"], "the trash has it"
    box = Path(ready.environment["TEROK_ROOT"]) / "state/sandbox"
    (shield,) = box.rglob(f"terok-{project}-*/gateway/shield-audit.jsonl")
    shield.write_bytes(shield.read_bytes().replace(DENIED.encode(), b"ok.alpha.example"))
    broken = ready("terok", "task", "timeline", short)
    assert "the shield audit log is broken" in broken.err and "was changed after" in broken.out
