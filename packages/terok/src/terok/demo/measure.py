"""Measuring a demonstration while it runs and after it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from terok_util import TerokError, safe_text

from terok.demo import scene
from terok.demo.observed import DeliveredCommit, KeySearch, Observed, Refusal, UpstreamTraffic
from terok.demo.places import KEY, STAND_IN, environment_value, search_container
from terok.demo.processes import Process, container_processes, is_own_address
from terok.demo.scene import DemoTarget
from terok.demo.stage import Stage
from terok.integrations.executor import load_record, task_dir
from terok.integrations.sandbox import GitGate, SandboxConfig, Sidecar, read_audit
from terok.stub import Recorder

SAMPLE_SECONDS = 0.5
ACT_SECONDS = 600.0
END_SECONDS = 120.0
AUDIT_SECONDS = 5.0
LOG_CHARS = 4000

Row = Mapping[str, Any]


def observe(stage: Stage, name: str, before: Mapping[str, str], started: float, say: Callable[[str], None]) -> Observed:
    """Watch until the agent has ended, and return all measurements.

    `before` are the repository's branch tips before the run, `started` is a monotonic time in seconds.
    """
    own = is_own_address(stage.runner.runtime.container(name).pid, stage.target.address)
    processes = _watch(stage, name)
    try:
        say("searching the container for the real key")
        looking = time.monotonic()
        key = _search(stage, name, processes)
        looking = time.monotonic() - looking
    finally:
        if stage.pause is not None:
            stage.pause.resume()
    say("waiting for the agent to end")
    exit_code = None
    with suppress(TimeoutError):
        exit_code = stage.runner.wait_for_exit(name, timeout=END_SECONDS)
    seconds = time.monotonic() - started - looking
    log = ""
    with suppress(TerokError):
        log = safe_text(stage.runner.logs(name, tail=200), multiline=True)
    sidecar = Sidecar.load(stage.config.sidecar_path(name))
    connection, refused_name = _refusals(sidecar.shield.audit_path, stage.seen, stage.target, own=own)
    return Observed(
        agent=stage.options.agent,
        exit_code=exit_code,
        seconds=seconds,
        processes=processes,
        key=key,
        upstream=_traffic(sidecar.vault.audit_path if sidecar.vault else None, stage.seen),
        connection=connection,
        name=refused_name,
        delivery=_delivery(stage.config, name),
        source_before=before,
        source_after=scene.branch_tips(stage.repository),
        log_tail=log[-LOG_CHARS:],
    )


def _watch(stage: Stage, name: str) -> tuple[Process, ...]:
    """Sample the container's processes until the script or the container has ended."""
    container = stage.runner.runtime.container(name)
    found: dict[int, Process] = {}
    deadline = time.monotonic() + ACT_SECONDS
    while time.monotonic() < deadline:
        found.update((process.pid, process) for process in container_processes(container.pid))
        if stage.pause is not None and stage.pause.reached(SAMPLE_SECONDS):
            found.update((process.pid, process) for process in container_processes(container.pid))
            break
        if not container.running:
            break
        if stage.pause is None:
            time.sleep(SAMPLE_SECONDS)
    return tuple(found[pid] for pid in sorted(found))


def _search(stage: Stage, name: str, processes: tuple[Process, ...]) -> KeySearch:
    agent = stage.runner.roster.agent(stage.options.agent)
    secrets = {KEY: stage.key}
    stand_in = environment_value(name, agent.provider.token_variable("api_key"))
    if stand_in is not None:
        secrets[STAND_IN] = stand_in
    return search_container(name, processes, stage.runner.logs(name).encode(), secrets)


def _refusals(path: Path, seen: Recorder | None, target: DemoTarget, *, own: bool) -> tuple[Refusal, Refusal]:
    """Return the refused connection and name; wait for their audit rows, which may come after the agent's end."""
    deadline = time.monotonic() + AUDIT_SECONDS
    while True:
        recorded = list(_rows(path))
        connection = connection_row(recorded, target.address, target.port)
        name = name_row(recorded, scene.REFUSED_NAME)
        if ((connection or own) and name) or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    where, said = f"this host, {target.address}:{target.port}", dict.fromkeys((scene.CONNECT, scene.RESOLVE))
    if seen is not None:
        said = {step: seen.outputs.get(step, "nothing: it did not run the command") for step in said}
    return (
        Refusal(where, scene.NOT_CONNECTED, said[scene.CONNECT], connection, target.arrived(), own),
        Refusal(scene.REFUSED_NAME, scene.NOT_RESOLVED, said[scene.RESOLVE], name),
    )


def _traffic(path: Path | None, seen: Recorder | None) -> UpstreamTraffic:
    if seen is None:
        requests, accepted = answered(_rows(path) if path is not None else ())
        return UpstreamTraffic(requests, accepted, 0, live=True)
    others = sum(record.presented == "other" for record in seen.records)
    return UpstreamTraffic(seen.total, seen.authenticated(), others)


def _delivery(config: SandboxConfig, name: str) -> DeliveredCommit | None:
    record = load_record(task_dir(name))
    if record is None:
        return None
    gate = GitGate.open(record.scope, base=config.gate_base_path)
    for branch, _ in sorted(gate.branch_heads().items() - record.heads.items()):
        review = gate.review(branch).review
        for commit in review.commits[:1]:
            return DeliveredCommit(review.branch, commit.oid, commit.author, commit.subject, review.patch)
    return None


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with suppress(TerokError, OSError):
        yield from read_audit(path)


def connection_row(rows: Iterable[Row], address: str, port: int) -> Row | None:
    """Return the first refusal of a connection to `address` and `port`."""
    return _first_refusal(rows, lambda row: row.get("dest") == address and row.get("port") == port)


def name_row(rows: Iterable[Row], name: str) -> Row | None:
    """Return the first refusal of the domain name `name`."""
    return _first_refusal(rows, lambda row: str(row.get("name")).rstrip(".").lower() == name)


def answered(rows: Iterable[Row]) -> tuple[int, int]:
    """Return the number of requests that the vault forwarded, by its audit log, and that the upstream accepted."""
    statuses = [row.get("status") for row in rows if row.get("action") == "response"]
    return len(statuses), sum(isinstance(status, int) and 200 <= status < 300 for status in statuses)


def _first_refusal(rows: Iterable[Row], fits: Callable[[Row], bool]) -> Row | None:
    return next((row for row in rows if row.get("action") in ("blocked", "refused") and fits(row)), None)
