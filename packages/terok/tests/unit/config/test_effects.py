"""Every key of the schemas with what it changes: a key without a row here fails, and so does one without an effect."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
from terok.cli import events, tui
from terok.cli.project import row
from terok.config import Project, load_project, load_settings, run_options, sandbox_config
from terok.config.owners import HOST, PROJECT
from terok.controller import act
from terok.controller.limits import wait_for_reset
from terok.controller.notifying import Notifying
from terok.controller.rules import Rules, rules_from_json
from terok.desktop.notices import Notice, notice_of
from terok.integrations.executor import AgentRequest, AgentRoster
from terok.model.admission import Waiting, admit
from terok.model.counted import Moment
from terok.model.facts import Calls
from terok.model.task import Event, Task
from terok.model.words import GROUPS
from terok.services import Tasks
from terok.services.hooks import Point, run_hook
from terok.services.images import chosen, snippet_of
from terok.services.operations import DAY
from terok.services.retention import tidy
from terok.store import Store
from terok.tui.keymap import bound
from terok.tui.theme import looks
from terok_util import yaml

from .conftest import Host

Observe = Callable[[Host], Any]


class Effect(NamedTuple):
    """A value for a key, what is observed then, and how."""

    value: Any
    seen: Any
    observe: Observe


def project() -> Project:
    return load_project("web")


def request(field: str) -> Observe:
    """Observe a field of the request that the executor is given."""
    return lambda _: getattr(AgentRequest(prompt="x", **run_options(project())), field)


def sandbox(field: str) -> Observe:
    """Observe the configuration of the sandbox that a project's containers get."""

    def observe(_: Host) -> Any:
        value: Any = sandbox_config(project())
        for part in field.split("."):
            value = getattr(value, part)
        return value

    return observe


def hook(point: Point) -> Observe:
    """Observe what a hook of a run leaves behind."""

    def observe(host: Host) -> Any:
        with Tasks() as tasks:
            task = a_run(tasks, "web")
            result = run_hook(tasks.store, task, project(), point, host.root / "task")
        return None if result is None else result.said

    return observe


def a_run(tasks: Tasks, name: str) -> Task:
    """Record another run of the one task of a project."""
    task_id = f"k7xm2ab{len(name)}"
    with tasks.store.write() as writer:
        if task_id not in {one.id for one in writer.candidates()}:
            writer.add_task(Task(task_id, name, "calm-otter", "demo", "headless", 1.0), {})
        writer.begin(task_id, f"terok-{name}-{task_id}")
        return writer.task(task_id)


def hook_is_killed(host: Host) -> Any:
    """Observe how a hook ends that takes 1.5 s."""
    host.write("projects/slow", f"hooks: {{post_stop: sleep 1.5, timeout: {project().hooks.timeout}}}\n")
    with Tasks() as tasks:
        result = run_hook(tasks.store, a_run(tasks, "slow"), load_project("slow"), "post_stop", host.root / "task")
    return None if result is None or result.exit_code is None else "ended"


def rules() -> Rules:
    """Return what the controller goes by."""
    with Tasks() as tasks:
        return rules_from_json(json.loads(json.dumps(act._settings(tasks))))


def rule(name: str) -> Observe:
    """Observe a rule; `test_every_rule_of_the_controller_is_read` sees that the controller reads it."""
    return lambda _: getattr(rules(), name)


def admitted(*projects: str, disk_free: int = 1 << 40) -> Observe:
    """Observe how many queued tasks of these projects may start together."""

    def observe(_: Host) -> Any:
        queue = [Waiting(f"t{number}", name, number) for number, name in enumerate(projects)]
        return sum(one.admitted for one in admit(queue, [], rules().limits, disk_free, 100.0, {}))

    return observe


def notice(word: str) -> Observe:
    """Observe whether a task that comes to be in a state is worth a notification."""

    def observe(_: Host) -> Any:
        event = Event(1, 1.0, "t", "state", {"was": "working", "word": word})
        task = Task("t", "web", "calm-otter", "demo", "headless", 1.0, word=word, group=GROUPS[word], unread=True)
        return notice_of(event, task, rules().states) is not None

    return observe


def command_of_a_person(host: Host) -> Any:
    """Observe what a command is told of a change."""
    task = Task("t", "web", "calm-otter", "demo", "headless", 1.0, word="done", group="over")
    told = Notice("t", "done", "web/calm-otter: done", "", urgent=False)

    async def tell() -> None:
        with Store() as store:
            await Notifying(store)._tell(task, told, rules()._replace(desktop=False))

    asyncio.run(tell())
    said = host.root / "said"
    return said.read_text() if said.exists() else None


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def rings(_: Host) -> Any:
    """Observe whether `events --follow` on a terminal shows a notification of the terminal."""
    with Tasks() as tasks:
        task = a_run(tasks, "web")
        with tasks.store.write() as writer:
            writer.end(task.id, 3)
        event = tasks.store.events_after(0, task=task.id)[-1]
    assert (event.kind, event.data["word"]) == ("state", "failed")
    out = _Terminal()
    with mock.patch.object(events, "feed", lambda **_: [event]), redirect_stdout(out):
        events.events(follow=True, after=0, as_json=False)
    return "\x1b]9;" in out.getvalue()


def goes_on_after_a_limit(_: Host) -> Any:
    task = Task("t", "web", "calm-otter", "demo", "headless", 1.0, started=2.0, ended=3.0, word="limit", group="needs")
    calls = Calls(3.0, "broker", status=429, reset_at=50.0)
    return wait_for_reset(task, calls, rules().waits, 10.0) is not None


def agents_in_image(_: Host) -> Any:
    return sorted({one.name for one in chosen(AgentRoster.load(), project(), None, ())})


def with_preset(_: Host) -> Any:
    return load_project("web", preset="fast").run.timeout if project().presets else None


def trash_days(_: Host) -> Any:
    with Tasks() as tasks:
        return tasks.keep_days


def archive_days(_: Host) -> Any:
    """Observe when an archived task goes, in days after it was archived."""
    with Tasks() as tasks:
        if not tasks.store.candidates():
            with tasks.store.write(at=1000.0) as writer:
                writer.add_task(Task("k7xm2abc", "web", "calm-otter", "demo", "headless", 1.0, archived=1000.0), {})
        due = tidy(tasks, Moment("one", 1.0, 2000.0))
    assert due is not None
    return (due - 1000.0) / DAY


EFFECTS: dict[str, Effect] = {
    "agent.name": Effect("demo", "demo", request("agent")),
    "agent.provider": Effect("openai", "openai", request("provider")),
    "agent.model": Effect("opus", "opus", request("model")),
    "agent.max_turns": Effect(3, 3, request("max_turns")),
    "agent.instructions": Effect("Be brief.", ["Be brief."], request("instructions")),
    "agent.subagents": Effect(["/a/one.md"], (Path("/a/one.md"),), request("subagents")),
    "run.memory": Effect("4g", "4g", request("memory")),
    "run.cpus": Effect(2.5, 2.5, request("cpus")),
    "run.gpus": Effect("all", "all", request("gpus")),
    "run.timeout": Effect(77, 77, request("timeout")),
    "run.timezone": Effect("Europe/Berlin", "Europe/Berlin", request("timezone")),
    "run.env": Effect({"A": "b"}, {"A": "b"}, request("env")),
    "run.tools": Effect(["gh"], ("gh",), request("tools")),
    "run.sealed": Effect(True, True, request("sealed")),
    "run.unrestricted": Effect(False, False, request("unrestricted")),
    "run.runtime": Effect("runc", "runc", request("runtime")),
    "run.shutdown_timeout": Effect(3, 3, sandbox("shutdown_timeout")),
    "run.seccomp_opt_outs": Effect(["debug"], ("debug",), sandbox("seccomp_opt_outs")),
    "shield.allow": Effect(["a.example:8443"], ("a.example:8443",), request("allow")),
    "shield.policy": Effect("/a/b.policy", Path("/a/b.policy"), request("policy")),
    "shield.mode": Effect("airlock", "airlock", sandbox("shield_mode")),
    "shield.profiles": Effect(["python"], ("python",), sandbox("shield_profiles")),
    "shield.resolvers": Effect(["192.0.2.53"], ("192.0.2.53",), sandbox("shield_resolvers")),
    "gate.security_class": Effect("online", "online", sandbox("security_class")),
    **{
        f"budget.{whose}.{limit}": Effect(7, 7, sandbox(f"budget.{whose}.{limit}"))
        for whose in ("task", "project")
        for limit in ("cost_usd", "tokens", "requests", "bytes", "wall_seconds")
    },
    **{
        f"budget.day.{limit}": Effect(7, 7, sandbox(f"budget.day.{limit}"))
        for limit in ("cost_usd", "tokens", "requests", "bytes")
    },
    "vault.prices": Effect("/a/prices.json", "/a/prices.json", sandbox("own_prices")),
    "budget.on_limit": Effect("hold", "hold", sandbox("budget.on_limit")),
    "credentials.set": Effect("work", "work", request("credential_set")),
    "credentials.ssh_keys": Effect(True, "web", request("ssh_scope")),
    "credentials.passphrase_command": Effect(
        ["pass", "terok"], ("pass", "terok"), sandbox("credentials_passphrase_command")
    ),
    "services.mode": Effect("tcp", "tcp", sandbox("services_mode")),
    "shared.dir": Effect("/srv/shared", Path("/srv/shared"), request("shared_dir")),
    "shared.mount": Effect("/data", "/data", request("shared_mount")),
    "hooks.pre_start": Effect("echo one", "one", hook("pre_start")),
    "hooks.post_start": Effect("echo two", "two", hook("post_start")),
    "hooks.post_ready": Effect("echo three", "three", hook("post_ready")),
    "hooks.post_stop": Effect("echo four", "four", hook("post_stop")),
    "hooks.timeout": Effect(1, None, hook_is_killed),
    "git.authorship": Effect("agent-human", "agent-human", request("authorship")),
    "git.human_name": Effect("Ann", "Ann", request("human_name")),
    "git.human_email": Effect("ann@example.org", "ann@example.org", request("human_email")),
    "git.upstream": Effect("https://forge.example/a.git", "https://forge.example/a.git", request("repo")),
    "git.branch": Effect("next", "next", request("default_branch")),
    "git.repos": Effect([{"name": "lib", "upstream": "/srv/lib"}], (("lib", "/srv/lib", None),), request("references")),
    "image.base_image": Effect("debian:trixie", "debian:trixie", request("base_image")),
    "image.family": Effect("rpm", "rpm", request("family")),
    "image.agents": Effect("demo,codex", ["claude", "codex", "demo"], agents_in_image),
    "image.user_snippet_inline": Effect("RUN true", "RUN true", lambda _: snippet_of(project().image)),
    "image.user_snippet_file": Effect("own.txt", "RUN false", lambda _: snippet_of(project().image)),
    "presets": Effect({"fast": {"run": {"timeout": 7}}}, 7, with_preset),
    "project.description": Effect("A shop", "A shop", lambda _: row(project())["description"]),
    "tasks.slots": Effect(2, 2, admitted("a", "b", "c", "d", "e")),
    "tasks.project_slots": Effect(3, 3, admitted("web", "web", "web", "web")),
    "tasks.min_free_disk": Effect("1k", 1, admitted("web", disk_free=2048)),
    "tasks.resume": Effect(False, False, rule("resume")),
    "tasks.trash_days": Effect(3, 3, trash_days),
    "tasks.archive_days": Effect(30, 30, archive_days),
    "tasks.wait_for_limit": Effect(60, True, goes_on_after_a_limit),
    "controller.keep_awake": Effect(False, False, rule("keep_awake")),
    "notify.desktop": Effect(False, False, rule("desktop")),
    "notify.terminal": Effect(True, True, rings),
    "notify.command": Effect(["sh", "-c", "echo $TEROK_NOTIFY_STATE >$TEROK_ROOT/said"], "done\n", command_of_a_person),
    "notify.states": Effect(["done"], True, notice("done")),
    "tui.theme": Effect("blue-orange", "#fdd017", lambda _: looks(load_settings().tui.theme)["needs"].color.name),
    "tui.plain": Effect(True, "tui.plain", lambda _: tui._plain(option=False)),
    "tui.keys": Effect({"stop": "z"}, "z", lambda _: bound(load_settings().tui.keys)["stop"]),
}
CASES = [(owners.file, key) for owners in (HOST, PROJECT) for key in owners.keys]


def test_every_key_has_an_effect() -> None:
    assert set(EFFECTS) == {*HOST.keys, *PROJECT.keys}


@pytest.mark.parametrize(("file", "key"), CASES)
def test_a_key_changes_what_it_says(host: Host, monkeypatch: pytest.MonkeyPatch, file: str, key: str) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "somebody@example.org")
    effect = EFFECTS[key]
    host.write("projects/web", "")
    host.write("own.txt", "RUN false\n")
    host.write("projects/web/own.txt", "RUN false\n")
    before = effect.observe(host)
    assert before != effect.seen
    data: Any = effect.value
    for part in reversed(key.split(".")):
        data = {part: data}
    host.write("user" if file == "config.yml" else "projects/web", yaml.dump(data))
    assert effect.observe(host) == effect.seen


def test_every_rule_of_the_controller_is_read() -> None:
    room = Path(act.__file__).parent
    text = "".join(path.read_text() for path in room.glob("*.py") if path.name not in ("rules.py", "act.py"))
    assert [name for name in Rules._fields if f"rules.{name}" not in text] == []


def test_a_shared_directory_of_terok_s_own_is_made(host: Host) -> None:
    host.write("projects/web", "shared: {dir: true}\n")
    place = host.root / "state/shared/web"
    assert run_options(load_project("web"))["shared_dir"] == str(place)
    assert place.stat().st_mode & 0o777 == 0o700


def test_a_person_who_is_not_named_is_the_one_of_the_hosts_git(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "somebody@example.org")
    host.write("user", "git: {authorship: human, human_name: Ann}\n")
    host.write("projects/web", "")
    options = run_options(load_project("web"))
    assert (options["human_name"], options["human_email"]) == ("Ann", "somebody@example.org")
