"""Verbs about containers: run, start, stop, rm, list."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from terok_util import UsageError, show
from terok_util.text import safe_text

from terok_sandbox.errors import ContainerNotFound
from terok_sandbox.launch.spec import RunSpec, Wiring
from terok_sandbox.runtime.engine import LONGEST
from terok_sandbox.sandbox.sandbox import Sandbox
from terok_sandbox.sidecar import PolicyTiers
from terok_sandbox.values.launch import OptOut, VolumeSpec

if TYPE_CHECKING:
    from terok_sandbox.sandbox.listing import SandboxRow


def run(
    *,
    name: str,
    image: str,
    command: Sequence[str],
    allow: Sequence[str] | None,
    profiles: Sequence[str] | None,
    policy: str | None,
    ssh_scope: str | None,
    airlock: bool,
    env: Sequence[str] | None,
    volumes: Sequence[str] | None,
    opt_outs: Sequence[OptOut] | None,
    no_init: bool,
    restricted: bool,
    detach: bool,
    remove: bool,
    **fields: Any,
) -> int:
    """Launch an image; unless detached, follow its output and return its exit code.

    Options that are called like a field of `RunSpec` are in `fields`.
    """
    if detach and remove:
        raise UsageError("--rm needs somebody to wait for the end", hint="leave out --detach")
    sandbox = Sandbox(warn=warn)
    spec = RunSpec(
        container_name=name,
        image=image,
        command=tuple(command),
        env=parse_env(env or ()),
        volumes=tuple(parse_volume(text) for text in volumes or ()),
        **fields,
        opt_outs=tuple(opt_outs or ()),
        init=not no_init,
        unrestricted=not restricted,
        ephemeral=remove,
        wiring=Wiring(
            vault=ssh_scope is not None,
            ssh_scope=ssh_scope,
            enforcement="airlock" if airlock else None,
            tiers=_tiers(sandbox, image, profiles, [allow_line(target) for target in allow or ()], policy),
        ),
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _unwind)
    container_id = sandbox.run(spec)
    if detach:
        print(name)
        return 0
    return _follow(sandbox, name, container_id, remove=remove)


def _tiers(
    sandbox: Sandbox, image: str, profiles: Sequence[str] | None, lines: Sequence[str], policy: str | None
) -> PolicyTiers:
    if policy is None and not (sandbox.config.shield_profiles if profiles is None else profiles):
        return PolicyTiers(project_allow=tuple(lines))
    from terok_sandbox.launch.registry_hosts import profile_tiers

    return profile_tiers(sandbox.config, image, profiles, lines, policy)


def start(*, names: Sequence[str]) -> None:
    """Start stopped containers."""
    sandbox = Sandbox(warn=warn)
    for name in names:
        sandbox.start(name)
        print(name)


def stop(*, names: Sequence[str], timeout: int | None) -> None:
    """Stop containers."""
    sandbox = Sandbox(warn=warn)
    for name in names:
        sandbox.stop(name, timeout)
        print(name)


def remove(*, names: Sequence[str]) -> int:
    """Remove containers; 1 if one could not be removed."""
    results = Sandbox(warn=warn).rm(names)
    for result in results:
        if result.removed:
            print(result.name)
        else:
            warn(f"{result.name}: {result.error}")
    return 0 if all(result.removed for result in results) else 1


def list_all(*, as_json: bool) -> None:
    """Print the containers."""
    from terok_sandbox.sandbox.listing import list_sandboxes

    sandbox = Sandbox()
    rows = list_sandboxes(sandbox.config, sandbox.runtime)
    show(rows, as_json, map(_line, rows))


def _line(row: SandboxRow) -> str:
    from terok_sandbox.sandbox.listing import BARE

    state = BARE if row.bare else f"{row.state:10} {'supervised' if row.supervised else '-':12}"
    return f"{row.name:32} {state:23} {row.image}"


def parse_env(settings: Sequence[str]) -> dict[str, str]:
    """Return the variables of `NAME=VALUE` and `NAME` settings; the latter are taken from this process."""
    result = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals and name not in os.environ:
            raise UsageError(f"{name!r} is not set here", hint="use -e NAME=VALUE")
        result[name] = value if equals else os.environ[name]
    return result


def parse_volume(text: str) -> VolumeSpec:
    """Return the volume written as `HOST:CONTAINER` or `HOST:CONTAINER:ro`."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(parts) or parts[2:] not in ([], ["ro"]):
        raise UsageError(f"invalid volume {text!r}", hint="use HOST:CONTAINER or HOST:CONTAINER:ro")
    return VolumeSpec(Path(parts[0]).absolute(), parts[1], read_only=len(parts) == 3)


def allow_line(target: str) -> str:
    """Return the policy line that allows `HOST:PORT`."""
    from terok_sandbox.shield.policy import parse_policy_line

    line = f"+ {target}"
    if any(character.isspace() for character in target) or parse_policy_line(line, source="--allow") is None:
        raise UsageError(f"invalid target {target!r}", hint="use HOST:PORT")
    return line


def _follow(sandbox: Sandbox, name: str, container_id: str, *, remove: bool) -> int:
    def show_line(line: str) -> None:
        print(safe_text(line), flush=True)

    left = remove
    try:
        if remove:
            code = sandbox.follow_to_removal(name, container_id, show_line)
            left = False
            return code
        followed = sandbox.runtime.container(name).follow_logs(show_line, timeout=LONGEST)
        return sandbox.wait_for_exit(name) if followed is None else followed
    except (KeyboardInterrupt, SystemExit):
        with suppress(ContainerNotFound):  # it ended by itself meanwhile
            sandbox.stop(name)
        raise
    finally:
        if left:
            sandbox.rm(name)


def _unwind(number: int, _frame: object) -> NoReturn:
    """End as at Ctrl-C, taking the container along."""
    raise SystemExit(128 + number)


def warn(line: str) -> None:
    """Print a warning on standard error."""
    print(f"terok-sandbox: {safe_text(line)}", file=sys.stderr)
