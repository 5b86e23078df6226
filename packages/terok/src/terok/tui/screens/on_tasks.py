"""The actions on tasks, which the inbox and a task's own screen share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from terok_util import UsageError

from terok.model.task import Task
from terok.tui.screens.page import Page
from terok.tui.views.idle import idle_actions

_SEVERAL = 3
"""Tasks that are named one by one; of more their number is said."""


class OnTasks(Page):
    """A screen on which tasks are chosen."""

    def chosen(self) -> list[Task]:
        """Return the tasks that an action is about: those that are marked, else the one here."""
        task = self.world.tasks.get(self.here())
        return [task] if task is not None else []

    def idle(self) -> dict[str, str]:
        """Return what would be refused for the one task that is meant."""
        tasks = self.chosen()
        return idle_actions(tasks[0]) if len(tasks) == 1 else {}

    def only(self) -> Task | None:
        """Return the one task here; without one say so."""
        task = self.world.tasks.get(self.here())
        if task is None:
            self.note("choose a task first", error=True)
        return task

    def named(self, tasks: list[Task]) -> str:
        """Return tasks in words."""
        if len(tasks) <= _SEVERAL:
            return ", ".join(
                f"{self.world.short.get(task.id, task.id)} {task.name}{' (runs)' if task.process == 'up' else ''}"
                for task in tasks
            )
        running = sum(task.process == "up" for task in tasks)
        return f"{len(tasks)} tasks" + (f", of which {running} run" if running else "")

    def _each(self, words: str, verb: Callable[[Any, Task], Any], tasks: list[Task]) -> None:
        """Have something done to every task by itself, so that one that fails keeps no other from it."""
        for task in tasks:
            then = partial(self.finished, task.id, "")
            self.terok.act(f"{words} {task.name}", partial(_fresh, verb, task.id), (task.id,), then=then)

    def finished(self, task_id: str, said: str, _: Any = None) -> str:
        """Take note that an action on a task has gone well, and return what to say; one that failed stays marked."""
        return said

    def do_stop(self) -> None:
        """Stop tasks."""
        if tasks := self._some():
            self.confirm(f"stop {self.named(tasks)}", lambda: self._each("stopping", _stop, tasks))

    def do_restart(self) -> None:
        """Start tasks again."""
        if tasks := self._some():
            self._each("starting", _restart, tasks)

    def do_archive(self) -> None:
        """Remove containers, keep the records."""
        if tasks := self._some():
            self.confirm(f"archive {self.named(tasks)}", lambda: self._each("archiving", _archive, tasks))

    def do_delete(self) -> None:
        """Delete tasks."""
        if tasks := self._some():
            self.confirm(f"delete {self.named(tasks)}", lambda: self._delete(tasks))

    def _delete(self, tasks: list[Task]) -> None:
        for task in tasks:
            self.terok.act(
                f"deleting {task.name}",
                partial(_fresh, lambda service, fresh: service.delete(fresh), task.id),
                (task.id,),
                then=partial(self.finished, task.id, f"{task.name} is deleted; u brings it back"),
            )

    def _some(self) -> list[Task]:
        tasks = self.chosen()
        if not tasks:
            self.note("choose a task first", error=True)
        return tasks

    def do_rename(self) -> None:
        """Give the task another name."""
        if task := self.only():
            self.ask("new name:", lambda name: self._rename(task, name), text=task.name)

    def _rename(self, task: Task, name: str) -> None:
        if name.strip() and name != task.name:
            self.terok.act(
                f"renaming {task.name}",
                lambda service: service.rename(service.store.task(task.id), name.strip()),
                (task.id,),
            )

    def do_reply(self) -> None:
        """Write to the agent: at once if it listens in a terminal, else as its next prompt."""
        if task := self.only():
            now = task.mode != "headless" and task.process == "up"
            words = f"to {task.name}, now:" if now else f"next for {task.name}:"
            self.ask(words, lambda text: self._reply(task, text), hint="esc leaves it unsent")

    def _reply(self, task: Task, text: str) -> None:
        if not text.strip():
            return
        if task.mode != "headless" and task.process == "up":
            self.terok.act(
                f"writing to {task.name}",
                lambda service: service.send(service.store.task(task.id), text),
                (task.id,),
                then=lambda _: f"{task.name} has it",
            )
        else:
            self.terok.act(
                f"writing to {task.name}", lambda service: _follow_up(service, task, text), (task.id,), then=str
            )

    def do_answer(self, number: int) -> None:
        """Give one of the offered answers."""
        if (task := self.only()) is None:
            return
        detail = self.world.details.get(task.id)
        asked = next((claim for claim in (detail.questions if detail is not None else ()) if claim.options), None)
        if asked is None or number > len(asked.options) or task.process != "up":
            self.note("no answer with this number is offered", error=True)
            return
        self.terok.act(
            f"answering {task.name}",
            partial(_answer, task.id, asked.id, number),
            (task.id,),
            then=lambda _: f"{task.name} has the answer {number}",
        )

    def do_login(self) -> None:
        """Open a terminal in the container."""
        if task := self.only():
            self.terok.open_terminal("login" if task.mode != "interactive" else "attach", task.id)

    def do_copy(self) -> None:
        """Copy the task's identifier."""
        if task := self.only():
            self.app.copy_to_clipboard(task.id)
            self.note(f"{task.id} is copied")

    def do_log(self) -> None:
        """Show the output of the task."""
        if task := self.only():
            self.terok.open_page("task", task=task.id)

    def do_promote(self) -> None:
        """Send what was reviewed to the upstream."""
        if task := self.only():
            self.confirm(f"promote what {task.name} brings", lambda: self.terok.run_verb("promote", task.id))

    def do_reject(self) -> None:
        """Turn the work down with a note, which the agent reads."""
        if task := self.only():
            self.ask(f"reject the work of {task.name}, because:", lambda text: self._reject(task, text))

    def _reject(self, task: Task, text: str) -> None:
        if text.strip():
            self.terok.act(
                f"rejecting {task.name}",
                lambda service: _reject(service, task, text),
                (task.id,),
                then=lambda _: "rejected",
            )

    def _verb(self, *words: str) -> None:
        if task := self.only():
            self.terok.run_verb(*words, task.id)

    def do_review(self) -> None:
        """Show what the task brings."""
        if task := self.only():
            self.terok.open_page("review", task=task.id)

    def do_race(self) -> None:
        """Compare the attempts of the task's race."""
        if task := self.only():
            self.terok.open_page("race", task=task.id)

    def do_diff(self) -> None:
        """Show what has changed in the workspace."""
        self._verb("task", "diff")

    def do_why(self) -> None:
        """Show all that speaks for the state."""
        self._verb("task", "why")

    def do_usage(self) -> None:
        """Show requests, tokens and cost: of the task here, else of all."""
        task = self.world.tasks.get(self.here())
        self.terok.open_page("usage", task=task.id if task is not None else "")

    def do_timeline(self) -> None:
        """Show what has happened to the task."""
        if task := self.only():
            self.terok.open_page("timeline", task=task.id)

    def do_shield(self) -> None:
        """Show what the task's container may reach, and what was refused."""
        if task := self.only():
            self.terok.open_page("shield", task=task.id)


def _fresh(verb: Callable[[Any, Task], Any], task_id: str, service: Any) -> Any:
    """Have something done to a task as it is then."""
    return verb(service, service.store.task(task_id))


def _answer(task_id: str, question: str, number: int, service: Any) -> None:
    """Choose an answer as a person does who types its number, if the agent still asks that."""
    if all(claim.id != question for claim in service.store.claims(task_id).open):
        raise UsageError("it no longer asks that", hint="see what it asks now")
    service.send(service.store.task(task_id), str(number))


def _stop(service: Any, task: Task) -> None:
    service.stop(task)


def _restart(service: Any, task: Task) -> None:
    service.restart(task)


def _archive(service: Any, task: Task) -> None:
    service.archive(task)


def _follow_up(service: Any, task: Task, text: str) -> str:
    number = service.follow_up(service.store.task(task.id), text)
    fresh = service.store.task(task.id)
    delivered = service.deliver_next(fresh) if fresh.ended is not None else None
    return (
        f"{task.name} goes on with it"
        if delivered is not None
        else f"follow-up {number} waits until its turn has ended"
    )


def _reject(service: Any, task: Task, note: str) -> None:
    from terok.services import Reviews

    reviews = Reviews(service)
    reviews.reject(reviews.find(task.id), note)
