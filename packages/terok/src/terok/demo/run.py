"""Running a demonstration: builds the stage, lets the agent act, measures, and takes the stage down."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from terok_util import FileLock, TerokError, ensure_dir, register_secret, remove_tree

from terok.demo import measure, scene
from terok.demo.observed import Observed
from terok.demo.scene import open_target
from terok.demo.stage import DemoOptions, Stage
from terok.errors import DemoError
from terok.integrations.executor import DEFAULT_BASE_IMAGE, Agent, AgentRoster, AgentRunner, Provider, store_api_key
from terok.integrations.sandbox import SandboxConfig, open_vault, project_dir
from terok.stub import Pause, Recorder, Script, running_stub

Say = Callable[[str], None]

CREDENTIAL_SET = "demo"
STUB_PROVIDER = "demo"
STUB_SERVES = {"anthropic-messages": "", "google-generative": "", "openai-chat": "/v1", "openai-responses": "/v1"}
"""Protocol to path: whichever agent is asked for, the stub speaks its language."""
AGENT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class DemoRun:
    """The outcome: what was measured, and the names under which `keep` has left things."""

    observed: Observed
    container: str
    repository: str
    mirror: str


def run_demo(options: DemoOptions, say: Say) -> DemoRun:
    """Run one demonstration; `say` gets lines of progress.

    Raises DemoError, and whatever executor and sandbox raise when the agent cannot be started. Key, routes, container,
    mirror and repository are gone afterwards, unless `options.keep` keeps the last three.
    """
    config = SandboxConfig.load()
    with ExitStack() as stack:
        ensure_dir(config.state_dir)
        stack.enter_context(FileLock(config.state_dir / "demo.lock", timeout=0))
        stage = _set(options, config, stack, say)
        before = scene.branch_tips(stage.repository)
        name = f"terok-demo-{secrets.token_hex(3)}"
        if not options.keep:
            stack.callback(_strike, stage, name)
        stage.runner.run_headless(
            options.agent,
            str(stage.repository),
            prompt=stage.prompt,
            name=name,
            timeout=AGENT_SECONDS,
            bound_provider=stage.provider,
            credential_set=CREDENTIAL_SET,
        )
        started = time.monotonic()
        say(f"the agent runs in {name}")
        observed = measure.observe(stage, name, before, started, say)
        return DemoRun(observed, name, str(stage.repository), str(stage.mirror))


def _set(options: DemoOptions, config: SandboxConfig, stack: ExitStack, say: Say) -> Stage:
    roster = AgentRoster.load()
    agent = roster.agent(options.agent)
    key = _key(agent, live=options.live)
    register_secret(key)
    repository = stack.enter_context(_scratch(keep=options.keep)) / "greeting"
    scene.make_repository(repository)
    target = stack.enter_context(open_target())
    where = (target.address, target.port)
    pause: Pause | None = None
    seen: Recorder | None = None
    provider = _live_provider(roster, agent)
    if not options.live:
        provider, pause = STUB_PROVIDER, Pause()
        stub = stack.enter_context(
            running_stub(Script(scene.commands(*where), scene.CLOSING), api_key=key, pause=pause)
        )
        seen = stub.seen
        overridden = replace(roster.provider(provider), upstream=stub.url, serves=STUB_SERVES)
        roster = replace(roster, providers={**roster.providers, provider: overridden})
        say(f"the stub provider listens at {stub.url}")
        stack.callback(_restore_routes, config)
    bound = roster.bind(agent, provider)
    stack.enter_context(_stored_key(config, bound, key))
    runner = AgentRunner(roster=roster, base_image=options.base or DEFAULT_BASE_IMAGE, cfg=config, on_line=say)
    prompt = scene.live_prompt(*where) if options.live else scene.PROMPT
    return Stage(options, config, runner, provider, key, repository, prompt, target, pause, seen)


def _key(agent: Agent, *, live: bool) -> str:
    """Return a key of the stub's, or the real one from the variable that the agent itself would read it from."""
    if not live:
        return f"sk-demo-{secrets.token_urlsafe(32)}"
    variable = agent.provider.token_variable("api_key")
    if key := os.environ.get(variable, "").strip():
        return key
    raise DemoError(f"--live needs an API key in {variable}", hint="without --live a stub plays the model")


def _live_provider(roster: AgentRoster, agent: Agent) -> str:
    """Return the agent's own provider, or the first that speaks its protocol if that one has no upstream."""
    fitting = [name for name, item in roster.providers.items() if item.upstream and agent.protocol_for(item)]
    return agent.provider.default if agent.provider.default in fitting else fitting[0]


@contextmanager
def _stored_key(config: SandboxConfig, provider: Provider, key: str) -> Iterator[None]:
    store_api_key(provider, key, CREDENTIAL_SET, config=config)
    try:
        yield
    finally:
        with suppress(TerokError), open_vault(config) as database:
            database.delete_credential(CREDENTIAL_SET, provider.name)


def _restore_routes(config: SandboxConfig) -> None:
    with suppress(TerokError):
        AgentRoster.load().ensure_vault_routes(config)


@contextmanager
def _scratch(*, keep: bool) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="terok-demo-"))
    try:
        yield directory
    finally:
        if not keep:
            with suppress(TerokError):
                remove_tree(directory)


def _strike(stage: Stage, name: str) -> None:
    """Remove the container, mirror and usage record of the scratch repository; what cannot be removed is left."""
    with suppress(TerokError):
        stage.runner.remove(name)
    mirror = stage.mirror
    for tree in (mirror, project_dir(stage.config.usage_dir, mirror.stem)):
        with suppress(TerokError):
            remove_tree(tree)
    with suppress(OSError):
        mirror.with_suffix(".lock").unlink(missing_ok=True)
