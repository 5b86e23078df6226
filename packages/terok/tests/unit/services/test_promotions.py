"""Promotion to a real upstream: as it is, on top of what moved, several together, and back again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from terok.cli.review import hints_named
from terok.engines import Command
from terok.errors import TaskError
from terok.model.admission import Waiting
from terok.services import Reviews, Tasks
from terok.services.gates import Work
from terok.store import Store, Writer
from terok_sandbox import GateError, PromotionRefused
from terok_sandbox.gate import promotion
from terok_sandbox.gate.upstream import UpstreamRepository
from terok_util import UsageError

from .conftest import PlainEngine
from .reviewing import PLAIN, Agent, make_agent
from .test_tasks import in_child

BASE = {"a.txt": "".join(f"line {number}\n" for number in range(1, 21))}


@pytest.fixture
def agent(tasks: Tasks, engine: PlainEngine, tmp_path: Path) -> Agent:
    """Give an agent whose task has changed line 10, and an engine that runs commands in a clone of the gate."""
    made = make_agent(tasks, tmp_path / "repos", BASE)
    made.commit({"a.txt": BASE["a.txt"].replace("line 10\n", "line ten\n")})
    made.push()
    tasks.engine(made.task).run_command = clone_and_run(made, tmp_path)  # type: ignore[method-assign]
    return made


def clone_and_run(agent: Agent, place: Path) -> Callable[[Command, Callable[[str], None]], int]:
    """Return what runs a command as the container does: in a fresh clone of the gate, at its commit."""

    def run(command: Command, on_line: Callable[[str], None]) -> int:
        clone = place / command.container
        agent.git("clone", "-q", str(agent.gate.path), str(clone), at=place)
        agent.git("config", "remote.origin.receivepack", PLAIN, at=clone)
        for name in ("name", "email"):
            agent.git("config", f"user.{name}", "terok@localhost", at=clone)
        agent.git("checkout", "-q", "-B", command.branch, command.commit, at=clone)
        done = subprocess.run(["sh", "-c", command.command], cwd=clone, capture_output=True, text=True)
        for line in (done.stdout + done.stderr).splitlines():
            on_line(line)
        return done.returncode

    return run


def looked(agent: Agent) -> Work:
    agent.reviews.looked(agent.reviews.look(agent.work))
    return agent.work


def upstream(agent: Agent, branch: str = "main") -> str:
    return agent.git("show", f"{branch}:a.txt", at=agent.upstream)


def test_a_promotion_is_undone_only_while_nobody_went_on(agent: Agent) -> None:
    with pytest.raises(GateError, match="was not reviewed"):
        agent.reviews.promote([agent.work], to="main")
    before = agent.git("rev-parse", "main", at=agent.upstream)
    done = agent.reviews.promote([looked(agent)], to="main")
    assert "line ten" in upstream(agent)
    assert agent.tasks.store.task(agent.task.id).word != "review"
    agent.tasks.operations.undo(done.operation)
    assert agent.git("rev-parse", "main", at=agent.upstream) == before
    done = agent.reviews.promote([looked(agent)], to="main")
    agent.move_upstream({"b.txt": "b\n"})
    with pytest.raises(GateError, match="has changed since"):
        agent.tasks.operations.undo(done.operation)
    assert "line ten" in upstream(agent)


def test_a_promotion_that_is_refused_takes_nothing_back(agent: Agent) -> None:
    work = looked(agent)
    agent.git("push", "-q", str(agent.upstream), "HEAD:main")  # somebody else has sent the same commit
    tip = agent.git("rev-parse", "HEAD")
    with pytest.raises(TaskError, match="is upstream already"):
        agent.reviews.promote([work], to="main")
    assert agent.git("rev-parse", "main", at=agent.upstream) == tip


def dying_at(step: int, patch: pytest.MonkeyPatch) -> None:
    """End this process as SIGKILL does, behind the transaction of terok or the change by the gate of this number."""
    left = count(step, -1)
    write = Store.write

    def tick() -> None:
        if next(left) == 0:
            os._exit(9)

    @contextmanager
    def counted(store: Store, at: float | None = None) -> Iterator[Writer]:
        with write(store, at) as writer:
            yield writer
        tick()

    def ticking(act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*given: Any, **more: Any) -> Any:
            done = act(*given, **more)
            tick()
            return done

        return acted

    patch.setattr(Store, "write", counted)
    patch.setattr(UpstreamRepository, "push_from", ticking(UpstreamRepository.push_from))
    for name in ("change_refs", "forget_mark"):
        patch.setattr(promotion, name, ticking(getattr(promotion, name)))


@pytest.mark.parametrize("then", ["undo", "promote", "finish"])
def test_a_promotion_that_is_killed_between_any_two_steps_is_taken_back_or_gone_on_with(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """The next command knows whether the upstream has it, without anybody that tidies up before."""
    before = agent.git("rev-parse", "main", at=agent.upstream)
    arrived = set()
    for step in count():
        work = looked(agent)

        def promote(step: int = step, work: Work = work) -> None:
            dying_at(step, monkeypatch)
            with Tasks() as other:
                Reviews(other).promote([work], to="main")

        status = in_child(promote)
        there = agent.git("rev-parse", "main", at=agent.upstream) != before
        arrived.add(there)
        recorded = agent.tasks.operations.log(1)
        if then == "finish":
            assert agent.tasks.operations.finish() == []
        elif then == "promote" and recorded and recorded[0].state == "open":
            assert agent.reviews.promote([work], to="main").operation
        if then != "undo" and recorded:
            assert "line ten" in upstream(agent), f"killed at step {step}"
            assert agent.tasks.operations.log(1)[0].state == "done"
        while any(one.state in ("open", "done") for one in agent.tasks.operations.log()):
            agent.tasks.operations.undo()
        assert agent.git("rev-parse", "main", at=agent.upstream) == before, f"killed at step {step}"
        assert agent.gate.upstream_tip("main") == before
        if status == 0:
            break
    assert arrived == {True, False}
    assert step >= 6


def test_what_others_have_sent_meanwhile_is_never_taken_back(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody pushes the same commit between our look at the upstream and the sending."""
    work = looked(agent)
    promote = agent.gate.promote.__func__  # type: ignore[attr-defined]

    def after_others(gate: Any, branch: str, **options: Any) -> str:
        agent.git("push", "-q", str(agent.upstream), "HEAD:main")
        return promote(gate, branch, **options)

    monkeypatch.setattr("terok_sandbox.gate.git_gate.GitGate.promote", after_others)
    with pytest.raises(PromotionRefused, match="is at this commit already"):
        agent.reviews.promote([work], to="main")
    assert agent.tasks.operations.log(1)[0].state == "undone"
    assert agent.git("rev-parse", "main", at=agent.upstream) == agent.git("rev-parse", "HEAD")


def test_what_moved_upstream_is_said_and_a_rebase_puts_the_work_on_top(agent: Agent) -> None:
    work = looked(agent)
    agent.move_upstream({"a.txt": "first\n" + str(BASE["a.txt"])})
    with pytest.raises(TaskError, match=r"main has got 1 commits upstream since \(Upstream moves\); both change a.txt"):
        agent.reviews.promote([work], to="main")
    before = agent.git("rev-parse", "main", at=agent.upstream)
    done = agent.reviews.promote([work], to="main", rebase=True)
    assert upstream(agent).startswith("first\n")
    assert "line ten" in upstream(agent)
    assert agent.git("rev-parse", "main~1", at=agent.upstream) == before
    assert agent.gate.branch_heads().keys() == {"main"}, "what has gone upstream is put away"
    agent.tasks.operations.undo(done.operation)
    assert agent.git("rev-parse", "main", at=agent.upstream) == before
    assert work.branch in agent.gate.branch_heads()


def test_several_tasks_go_into_one(agent: Agent, tmp_path: Path) -> None:
    first = looked(agent)
    other = agent.another("Another", {"a.txt": str(BASE["a.txt"]).replace("line 2\n", "line two\n")})
    done = agent.reviews.promote([first, looked(other)], to="both")
    text = upstream(agent, "both")
    assert "line ten" in text
    assert "line two" in text
    assert agent.git("rev-list", "--count", "main..both", at=agent.upstream) == "2"
    agent.tasks.operations.undo(done.operation)
    assert "both" not in agent.git("branch", "--list", at=agent.upstream)
    clash = agent.another("Clash", {"a.txt": str(BASE["a.txt"]).replace("line 10\n", "line X\n")})
    with pytest.raises(TaskError, match=r"the same lines have changed in a\.txt"):
        agent.reviews.promote([first, looked(clash)], to="both")
    with pytest.raises(UsageError, match="named twice"):
        agent.reviews.promote([first, first], to="both")


def test_what_a_container_makes_of_a_rebase_is_not_taken_on_trust(agent: Agent, tmp_path: Path) -> None:
    work = looked(agent)
    agent.move_upstream({"b.txt": "b\n"})
    honest = agent.tasks.engine(agent.task).run_command

    def hostile(command: Command, on_line: Callable[[str], None]) -> int | None:
        added = "echo x >> c; git add c; git commit -qm 'One more'; at=$(git rev-parse HEAD)\ngit push"
        changed = {**{name: getattr(command, name) for name in command.__slots__}, "command": ""}
        changed["command"] = command.command.replace("git push", added)
        return honest(Command(**changed), on_line)

    agent.tasks.engine(agent.task).run_command = hostile  # type: ignore[method-assign]
    with pytest.raises(TaskError, match="not what was reviewed"):
        agent.reviews.promote([work], to="main", rebase=True)
    assert "line ten" not in upstream(agent)


def test_a_rejection_goes_with_the_next_follow_up(agent: Agent) -> None:
    number = agent.reviews.reject(agent.work, "Use the other way.")
    (comment,) = agent.reviews.comments(agent.work)
    assert (comment.text, comment.delivery) == ("This is rejected: Use the other way.", "written")
    agent.tasks.operations.undo(number)
    assert agent.reviews.comments(agent.work)[0].resolved is not None


def test_what_cannot_be_archived_is_refused_before_it_is_sent(agent: Agent) -> None:
    agent.tasks.record_exit(agent.tasks.store.task(agent.task.id), 0)
    assert [task.id for task in agent.reviews.archivable([agent.work])] == [agent.task.id]
    with agent.tasks.store.write() as writer:
        writer.enqueue(Waiting(agent.task.id, agent.task.project, writer.at))
    with pytest.raises(UsageError, match="is not over"):
        agent.reviews.archivable([agent.work])


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("terok-sandbox gate review web terok/x", "terok review try-1"),
        ("reject the branch: `terok-sandbox gate reject`", "reject the branch: `terok reject`"),
        ("terok-sandbox gate sync web, then review again", "terok sandbox gate sync web, then review again"),
        ("terok-sandbox vault set NAME", "terok sandbox vault set NAME"),
    ],
)
def test_the_gate_s_hints_name_what_a_person_types_here(said: str, shown: str) -> None:
    with pytest.raises(GateError) as caught, hints_named("web", "terok/x", "try-1"):
        raise GateError("no", hint=said)
    assert caught.value.hint == shown
