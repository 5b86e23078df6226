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
from typing import TYPE_CHECKING

from terok_util import FileLock, TerokError, ensure_dir, register_secret, remove_tree

from terok.demo import measure, scene
from terok.demo.target import Target, open_target
from terok.errors import DemoError
from terok.integrations.executor import (
    DEFAULT_BASE_IMAGE,
    AgentRoster,
    AgentRunner,
    Pause,
    Script,
    running_stub,
    store_api_key,
    write_routes,
)
from terok.integrations.sandbox import SandboxConfig, mirror_path, open_vault, project_dir, scope_for

if TYPE_CHECKING:
    from terok.demo.observed import Observed
    from terok.integrations.executor import Provider, Recorder

Say = Callable[[str], None]

CREDENTIAL_SET = "demo"
STUB_PROVIDER = "demo"
LIVE_VARIABLE = "ANTHROPIC_API_KEY"
LIVE_PROVIDER = "anthropic"
AGENT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What to show: which agent, with the real provider or the stub, on which base image, and whether to clean up."""

    agent: str = "demo"
    live: bool = False
    base: str | None = None
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything a run needs, ready: `seen` and `pause` are the stub's, None against the real provider."""

    options: DemoOptions
    config: SandboxConfig
    runner: AgentRunner
    provider: str
    key: str
    repository: Path
    prompt: str
    target: Target
    pause: Pause | None
    seen: Recorder | None

    @property
    def mirror(self) -> Path:
        """The gate's mirror of the scratch repository."""
        return mirror_path(self.config.gate_base_path, scope_for(str(self.repository)))


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
    key = _key(live=options.live)
    register_secret(key)
    repository = stack.enter_context(_scratch(keep=options.keep)) / "greeting"
    scene.make_repository(repository)
    target = stack.enter_context(open_target())
    where = (target.address, target.port)
    pause: Pause | None = None
    seen: Recorder | None = None
    provider = LIVE_PROVIDER
    if not options.live:
        provider, pause = STUB_PROVIDER, Pause()
        stub = stack.enter_context(
            running_stub(Script(scene.commands(*where), scene.CLOSING), api_key=key, pause=pause)
        )
        seen = stub.seen
        overridden = replace(roster.provider(provider), upstream=stub.url, serves=_every_protocol(stub.url))
        roster = replace(roster, providers={**roster.providers, provider: overridden})
        say(f"the stub provider listens at {stub.url}")
        stack.callback(_restore_routes, config)
    bound = roster.bind(agent, provider)
    _store_key(config, bound, key, stack)
    runner = AgentRunner(roster=roster, base_image=options.base or DEFAULT_BASE_IMAGE, cfg=config, on_line=say)
    prompt = scene.live_prompt(*where) if options.live else scene.PROMPT
    return Stage(options, config, runner, provider, key, repository, prompt, target, pause, seen)


def _key(*, live: bool) -> str:
    if not live:
        return f"sk-demo-{secrets.token_urlsafe(32)}"
    key = os.environ.get(LIVE_VARIABLE, "").strip()
    if not key:
        raise DemoError(f"--live needs an API key in {LIVE_VARIABLE}", hint="without --live a stub plays the model")
    return key


def _every_protocol(url: str) -> dict[str, str]:
    return {"anthropic-messages": "", "openai-chat": "/v1", "openai-responses": "/v1"} if url else {}


def _store_key(config: SandboxConfig, provider: Provider, key: str, stack: ExitStack) -> None:
    store_api_key(config, provider, key, CREDENTIAL_SET)

    def forget() -> None:
        with suppress(TerokError), open_vault(config) as database:
            database.delete_credential(CREDENTIAL_SET, provider.name)

    stack.callback(forget)


def _restore_routes(config: SandboxConfig) -> None:
    with suppress(TerokError):
        write_routes(config.routes_path, AgentRoster.load().providers)


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
    with suppress(TerokError, OSError):
        remove_tree(mirror)
        mirror.with_suffix(".lock").unlink(missing_ok=True)
    usage = project_dir(stage.config.usage_dir, mirror.stem)
    with suppress(TerokError, OSError):
        if usage.exists():
            remove_tree(usage)
