"""The entry points a supervisor runs and its times: one value, so that tests can supervise with other workers."""

from __future__ import annotations

from terok_util.values import lean_dataclass


@lean_dataclass(frozen=True, slots=True)
class WorkerPlan:
    """Entry points (`module:function`) and times in seconds.

    `broker` and `gateway` take a `WorkerContext` and return an exit code; `rules` takes a `Sidecar` and
    returns `Rules`; `certificate` takes the directories of the vault's audit and of what the container sees.
    """

    broker: str = "terok_sandbox.broker:serve"
    gateway: str = "terok_sandbox.gateway:serve"
    rules: str = "terok_sandbox.supervise.rules:rules_for"
    certificate: str = "terok_sandbox.vault.authority:publish"
    handover_timeout: float = 120.0  # how long a supervisor waits for its first container
    prepare_timeout: float = 5.0
    stop_grace: float = 3.0  # between SIGTERM and SIGKILL of a worker
    healthy_after: float = 10.0  # a worker that lived so long is restarted without delay
    longest_backoff: float = 5.0
    worker_memory: int = 1024**3
    """Bytes that each worker may write to; all the connections it may have, busy at once, take a quarter of it."""
    supervisor_memory: int = 512 * 1024**2
