"""Every agent makes a real commit through vault and gate, with a stub for its provider."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support import BASE, Shell, Terminal
from terok.stub import Script, StubProvider, Use, running_stub
from terok_executor import AgentRunner, Report, read_reports, task_dir
from terok_executor.roster.loader import load_agents, load_providers

COMMIT = "printf 'A line by the agent.\n' >> README.md && git add -A && git commit -q -m 'Add a line' && id -un"
BYTES = 1_000_000

AGENTS = {
    # agent: provider, credential header the provider expects, author of the commit
    "claude": ("anthropic", "x-api-key", "Claude <noreply@anthropic.com>"),
    "codex": ("openai", "authorization", "Codex <noreply@openai.com>"),
    "copilot": ("openai", "authorization", "Copilot <copilot@github.com>"),
    "gemini": ("google", "x-goog-api-key", "Gemini <noreply@google.com>"),
    "opencode": ("openrouter", "authorization", "OpenCode <noreply@opencode.ai>"),
    "pi": ("openrouter", "authorization", "Pi <noreply@terok.ai>"),
    "vibe": ("mistral", "authorization", "Mistral Vibe <vibe@mistral.ai>"),
}
NO_USER_FILES = Path("/nonexistent")
OTHER_PROVIDERS = [("copilot", "anthropic"), ("opencode", "anthropic"), ("pi", "openai")]


@pytest.fixture(scope="module")
def all_agents(ready: Shell) -> str:
    """Give one image with every agent: built once, and taken by every run of one of them."""
    ready("terok-executor", "build", "--base", BASE, timeout=1500)
    return "all"


@pytest.fixture(scope="module")
def keys(ready: Shell, real_key: str) -> str:
    """Store the made-up key for every provider."""
    for provider in sorted({provider for provider, _, _ in AGENTS.values()} | {"demo"}):
        ready("terok-executor", "auth", provider, stdin=real_key + "\n")
    return real_key


@dataclass(frozen=True)
class Task:
    """What a run of an agent needs; ``upstream`` sends a provider's requests elsewhere."""

    sh: Shell
    repository: Path
    container: str
    upstream: Callable[[str, str], None]

    def run(self, agent: str, *options: str, stdin: str = "Add a line") -> dict:
        return self.sh(
            *("terok-executor", "run", agent, str(self.repository), "--prompt-file", "-", "--base", BASE),
            *("--name", self.container, "--json", "--timeout", "300", *options),
            stdin=stdin,
            timeout=600,
        ).json()

    def reports(self) -> tuple[Report, ...]:
        return read_reports(task_dir(self.container)).reports

    def reported(self, kind: str) -> Report | None:
        return next((report for report in self.reports() if report.kind == kind), None)

    def screen(self) -> str:
        return self.sh("podman", "exec", self.container, "tmux", "capture-pane", "-pt", "main", code=None).out

    def show_commit(self, result: dict) -> tuple[str, str]:
        """Return author and change of the one commit that a run has made."""
        assert result["exit_code"] == 0, result
        assert [commit["subject"] for commit in result["commits"]] == ["Add a line"], result
        git, commit = ("git", "-C", result["gate"]), result["commits"][0]["id"]
        author = self.sh(*git, "show", "-s", "--format=%an <%ae>", commit).out.strip()
        return author, self.sh(*git, "show", "--format=", commit).out


@pytest.fixture
def task(ready: Shell, all_agents: str, repository: Path, container: str, upstream: Callable[[str, str], None]) -> Task:
    """Give a repository, a container's name, and an image with every agent."""
    return Task(ready, repository, container, upstream)


@pytest.fixture
def stub(keys: str) -> Iterator[StubProvider]:
    """Give a provider that plays the one-commit script and accepts the real key alone."""
    with running_stub(Script((COMMIT,)), api_key=keys) as provider:
        yield provider


@pytest.mark.parametrize("agent", sorted(AGENTS))
def test_agent_commits_through_vault_and_gate(
    agent: str,
    task: Task,
    stub: StubProvider,
) -> None:
    provider, header, author = AGENTS[agent]
    task.upstream(provider, stub.url)
    # Codex offers its newest models other tools than a shell; Copilot has no model of its own for other providers.
    options = ("--model", "stub-model") if agent in {"codex", "copilot"} else ()
    result = task.run(agent, *options)
    made_by, change = task.show_commit(result)
    assert made_by == author
    assert "+A line by the agent." in change
    assert stub.seen.outputs[0].count("dev") >= 1, "the agent works as the user dev"
    used = {(record.credential_header, record.presented) for record in stub.seen.records if record.method == "POST"}
    assert used == {(header, "expected")}, "every request carries the real key, in the header the provider expects"
    events = [json.loads(line) for line in task.sh("terok-executor", "logs", task.container, "--json").out.splitlines()]
    ran = next(event for event in events if event["kind"] == "tool_call")
    assert COMMIT.splitlines()[0] in ran["text"]
    results = [event for event in events if event["kind"] == "tool_result" and event["id"] == ran["id"]]
    assert [event.get("failed") for event in results] == [None]
    told = {report.kind for report in task.reports()} & {"session", "turn_ended"}
    assert told == {"session", "turn_ended"} & set(load_agents(NO_USER_FILES)[agent].reports)
    own = urlsplit(load_providers(NO_USER_FILES)[provider].upstream or "").hostname
    assert own not in [row["name"] for row in result["blocked"]], "the agent went to its provider by another way"


FIRST_SCREEN = {
    "claude": "bypass permissions on",
    "codex": "permissions: YOLO mode",
    "copilot": "/ commands",
    "gemini": "Type your message",
    "opencode": "Ask anything",
    "pi": "(auto)",
    "vibe": "auto-approve",
}
"""What each program shows when it waits for its first prompt, and not before."""


@pytest.mark.timeout(400)
@pytest.mark.parametrize("agent", sorted(AGENTS))
def test_the_first_screen_takes_a_prompt(
    agent: str, task: Task, stub: StubProvider, terminal: Callable[..., Terminal]
) -> None:
    """No question of a theme, a key, a sign-in or trust comes first: the first thing typed is the prompt."""
    task.upstream(AGENTS[agent][0], stub.url)
    options = ("--model", "stub-model") if agent in {"codex", "copilot"} else ()
    words = (agent, str(task.repository), "--interactive", "--base", BASE, "--name", task.container, *options)
    person = terminal("terok-executor", "run", *words)

    screen = task.screen
    person.wait(lambda: FIRST_SCREEN[agent] in screen(), lambda: f"not at the prompt:\n{screen()}", timeout=120)
    person.type("Add a line, please")
    person.wait(lambda: "Add a line, please" in screen(), lambda: f"it takes no text:\n{screen()}", timeout=60)
    person.type("\r")
    subject = ("git", "-C", "/workspace", "log", "-1", "--format=%s")
    made = lambda: task.sh("podman", "exec", task.container, *subject).out == "Add a line\n"  # noqa: E731
    person.wait(made, lambda: f"the agent does not work:\n{screen()}", timeout=120)
    person.wait(lambda: "Done." in screen(), lambda: f"it does not end:\n{screen()}", timeout=60)
    task.sh("terok-executor", "rm", task.container)


ASKING = {
    "claude": "? for shortcuts",
    "codex": "Ask Codex to do anything",
    "copilot": "/ commands",
    "opencode": "Ask anything",
}
"""What programs show that act only when they may."""
ACCEPTED = {
    "claude": "Do you want to proceed?",
    "codex": "Press enter to confirm",
    "copilot": "Do you want to run this command?",
    "opencode": "Allow once",
}
"""What their questions show whose first answer is yes."""
QUESTION = {
    "question": "Which side?",
    "header": "Side",
    "multiSelect": False,
    "options": [{"label": "left", "description": "this"}, {"label": "right", "description": "that"}],
}
ESCALATED = {"cmd": COMMIT, "sandbox_permissions": "require_escalated", "justification": "May I?"}
"""What makes Codex ask, which has a sandbox of its own for the rest."""
ASKS_FOR_SHELL = 'OPENCODE_CONFIG_CONTENT={"permission": {"bash": "ask"}}'
"""What makes OpenCode ask, which by itself asks for nothing in its directory."""
QUESTION_TOOLS = {"claude": "AskUserQuestion", "opencode": "question"}


def prompted(agent: str, task: Task, terminal: Callable[..., Terminal]) -> Terminal:
    """Open an agent that asks before it acts, and send it a message when it waits for one."""
    options = {"opencode": ("--env", ASKS_FOR_SHELL), "claude": ()}.get(agent, ("--model", "stub-model"))
    words = (agent, str(task.repository), "--interactive", "--restricted", "--base", BASE, "--name", task.container)
    person = terminal("terok-executor", "run", *words, *options)
    person.wait(lambda: ASKING[agent] in task.screen(), lambda: f"not at the prompt:\n{task.screen()}", timeout=120)
    AgentRunner().send(task.container, "Add a line, please")
    return person


def wait_for_report(kind: str, task: Task, person: Terminal, *, accept: str = "") -> Report:
    """Return the first report of a kind; a person presses Enter as long as the screen shows `accept`."""

    def reported() -> bool:
        if task.reported(kind) is None and accept and accept in task.screen():
            person.type("\r")
        return task.reported(kind) is not None

    person.wait(reported, lambda: f"no {kind}: {task.reports()}\n{task.screen()}", timeout=120)
    found = task.reported(kind)
    assert found is not None
    return found


@pytest.mark.timeout(400)
@pytest.mark.parametrize("agent", sorted(ASKING))
def test_a_permission_that_is_asked_is_reported(
    agent: str, task: Task, keys: str, terminal: Callable[..., Terminal]
) -> None:
    step = Use("exec_command", ESCALATED) if agent == "codex" else COMMIT
    with running_stub(Script((step,)), api_key=keys) as stub:
        task.upstream(AGENTS[agent][0], stub.url)
        person = prompted(agent, task, terminal)
        asked = wait_for_report("permission", task, person)
        assert "printf" in asked.text
        assert task.reported("turn_ended") is None
        ended = wait_for_report("turn_ended", task, person, accept=ACCEPTED[agent])
    person.wait(lambda: "Done." in task.screen(), task.screen, timeout=60)
    assert ended.session == asked.session != ""
    task.sh("terok-executor", "rm", task.container)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("agent", sorted(QUESTION_TOOLS))
def test_a_question_is_reported_with_its_answers(
    agent: str, task: Task, keys: str, terminal: Callable[..., Terminal]
) -> None:
    with running_stub(Script((Use(QUESTION_TOOLS[agent], {"questions": [QUESTION]}),)), api_key=keys) as stub:
        task.upstream(AGENTS[agent][0], stub.url)
        person = prompted(agent, task, terminal)
        asked = wait_for_report("question", task, person)
        assert (asked.text, asked.options) == ("Which side?", ("left", "right"))
        answered = wait_for_report("answered", task, person, accept="this")
        assert answered.id == asked.id
        wait_for_report("turn_ended", task, person)
    task.sh("terok-executor", "rm", task.container)


@pytest.mark.parametrize(("agent", "provider"), OTHER_PROVIDERS)
def test_harness_takes_another_provider(
    agent: str,
    provider: str,
    task: Task,
    stub: StubProvider,
) -> None:
    task.upstream(provider, stub.url)
    result = task.run(agent, "--provider", provider, "--model", "stub-model")
    task.show_commit(result)
    assert result["provider"] == provider


def test_endpoint_of_ones_own_is_one_file(task: Task, stub: StubProvider, keys: str) -> None:
    file = Path(task.sh.environment["TEROK_ROOT"]) / "config/providers/mine.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f"label: My endpoint\nupstream: {stub.url}\nauth: {{api_key: {{}}}}\n"
        "serves: {openai-chat: /v1}\ndefault_model: my-model\n"
    )
    try:
        task.sh("terok-executor", "auth", "mine", stdin=keys + "\n")
        task.show_commit(task.run("pi", "--provider", "mine"))
    finally:
        file.unlink()


# By an option of its own, by a subcommand.
@pytest.mark.parametrize("agent", ["claude", "codex", "opencode", "pi"])
def test_a_conversation_is_taken_up_in_its_container(
    agent: str,
    task: Task,
    keys: str,
) -> None:
    """The second run continues the script at its second step, which only a client that shows the first one gets."""
    provider = AGENTS[agent][0]
    with running_stub(Script((COMMIT,)), api_key=keys) as first:
        task.upstream(provider, first.url)
        task.show_commit(task.run(agent, "--model", "stub-model"))
    again = Script((COMMIT, "echo again >> README.md && git commit -q -a -m 'Add a line again'"))
    with running_stub(again, api_key=keys) as second:
        task.upstream(provider, second.url)
        words = ("start", task.container, "-p", "Once more", "--json")
        result = task.sh("terok-executor", *words, timeout=600).json()
    assert [commit["subject"] for commit in result["commits"]] == ["Add a line again"]


def reloaded(browser: urllib.request.OpenerDirector, address: str) -> dict:
    """Return a page's JSON; the vendor's server now and then never answers the first request, and a person reloads."""
    for timeout in (30, 60, 120):
        with suppress(TimeoutError), browser.open(address, timeout=timeout) as answer:
            return json.load(answer)
    pytest.fail(f"{address} does not answer")


def test_a_vendor_s_own_page_is_served_behind_the_token_and_models_come_through_the_vault(
    task: Task,
    stub: StubProvider,
) -> None:
    task.upstream("openrouter", stub.url)
    words = ("opencode", str(task.repository), "--web", "--base", BASE, "--name", task.container)
    url = task.sh("terok-executor", "run", *words, timeout=600).out.strip()
    bare = url.partition("?token=")[0]
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    with pytest.raises(urllib.error.HTTPError) as refused:
        browser.open(bare + "config", timeout=180)
    refused.value.close()
    assert refused.value.code == 401
    assert reloaded(browser, f"{bare}config?{url.partition('?')[2]}")["model"].startswith("terok/")
    inside = ("podman", "exec", task.container)
    names = task.sh(*inside, "terok-info", "models", "--sync").out.split()
    assert "gpt-stub" in names
    settings = task.sh(*inside, "cat", "/home/dev/.config/opencode/opencode.json").json()
    assert set(settings["provider"]["terok"]["models"]) == set(names)
    assert "* opencode" in task.sh(*inside, "terok-help").out
    assert "* opencode" in task.sh(*inside, "hilfe").out, "its former name"
    registry = "NPM_CONFIG_REGISTRY=https://registry.example.test"
    refused_words = task.sh(*inside, "env", registry, "terok-update", "opencode", code=1).err
    assert "registry.example.test is not in reach" in refused_words
    assert "run --allow registry.example.test:443" in refused_words
    task.sh("terok-executor", "doctor", task.container)
    task.sh("terok-executor", "rm", task.container)


def test_prompt_of_a_megabyte_arrives_and_is_on_no_process_list(
    task: Task,
    stub: StubProvider,
) -> None:
    task.upstream("openrouter", stub.url)
    prompt = "Add a line. " + "lorem ipsum " * (BYTES // 12)
    task.show_commit(task.run("pi", stdin=prompt))
    assert max(record.body_bytes for record in stub.seen.records) > BYTES
    recorded = subprocess.run(
        ["podman", "inspect", task.container], capture_output=True, text=True, env=task.sh.environment, timeout=60
    ).stdout
    assert "lorem ipsum" not in recorded
