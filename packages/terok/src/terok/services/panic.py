"""The emergency: every container is cut off, its tokens are revoked, and nothing starts until a person says so.

What matters most comes first: the lockdown is on disk, then the rules in the kernel close, and only then is anybody
asked who may not answer. A step that fails does not keep the others from being done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from terok_util import TerokError

from terok.engines.probe import UP
from terok.integrations.sandbox import (
    Sandbox,
    SandboxConfig,
    close_off,
    end_services,
    is_locked_down,
    lock_down,
    open_vault,
    read_lockdown,
)
from terok.paths import panic_dir
from terok.services.at_once import Answer, at_once
from terok.services.panic_evidence import Evidence, Sealed
from terok.store import Store

if TYPE_CHECKING:
    from terok.integrations.sandbox import ContainerSummary

SETTING: Final = "panic"
"""The setting with the tasks that ran, to be taken up again."""
PATIENCE: Final = 20.0
"""Seconds that everything together may take; what hangs is reported."""


@dataclass(slots=True)
class Cut:
    """One container that ran: when the kernel closed it, in seconds since the panic began, or why that failed."""

    container: str
    seconds: float = 0.0
    error: str = ""
    killed: bool = False
    """It could not be closed, so it was killed."""

    @property
    def open(self) -> bool:
        """Whether it may still reach something."""
        return bool(self.error) and not self.killed


@dataclass(slots=True)
class Report:
    """The outcome of a panic; times are seconds since it began.

    After `cut_seconds` nothing gets out any more: the kernel has closed, and services and tokens are gone.
    """

    containers: list[Cut] = field(default_factory=list)
    cut_seconds: float = 0.0
    seconds: float = 0.0
    tokens: int = 0
    stopped: int = 0
    tasks: list[str] = field(default_factory=list)
    evidence: Sealed | None = None
    failures: list[str] = field(default_factory=list)


def emergency_sandbox() -> Sandbox:
    """Return the sandbox, without what a person has configured if that is wrong: an emergency does not wait for it."""
    try:
        return Sandbox()
    except TerokError:
        return Sandbox(SandboxConfig())


class Panic:
    """Use cases of an emergency, for all sandboxed containers of this user, tasks or not."""

    def __init__(
        self,
        sandbox: Sandbox | None = None,
        *,
        close: Callable[[SandboxConfig, str, int], bool] = close_off,
        end: Callable[[SandboxConfig, str], None] = end_services,
    ) -> None:
        self._sandbox = sandbox or emergency_sandbox()
        self._close_off, self._end_services = close, end

    @property
    def config(self) -> SandboxConfig:
        """The sandbox's configuration."""
        return self._sandbox.config

    def locked(self) -> bool:
        """Whether nothing may start."""
        return is_locked_down(self.config.state_dir)

    def since(self) -> float | None:
        """Return when the lockdown began, in seconds since the epoch; None without one, or if it does not say."""
        at = (read_lockdown(self.config.state_dir) or {}).get("at")
        return float(at) if isinstance(at, int | float) else None

    def engage(self, *, stop: bool = False) -> Report:
        """Cut everything off, with `stop` also end every container; may be called again in a lockdown."""
        began = time.monotonic()
        report = Report()
        evidence = self._lock(report)
        cuts: dict[str, Cut] = {}
        names = sorted(path.stem for path in self.config.sidecar_dir.glob("*.json"))
        at_once([partial(self._close, name, 0, cuts, began) for name in names], seconds=PATIENCE)
        ends = [partial(self._end, name, report) for name in names]
        calls: list[Callable[[], object]] = [self._listed, self._revoke, *ends]
        listing, revoked, *_ = at_once(calls, seconds=PATIENCE)
        self._close_others(self._rows(listing, report), cuts, began, report)
        report.containers = sorted(cuts.values(), key=lambda cut: cut.container)
        report.cut_seconds = round(time.monotonic() - began, 3)
        report.failures += [f"{cut.container}: {cut.error}" for cut in report.containers if cut.open]
        report.tokens = self._number(revoked, "the tokens were not revoked", report)
        self._remember(report, cuts, stop=stop)
        if stop:
            self._stop([name for name in cuts if not cuts[name].killed], report)
        if evidence is not None:
            self._seal(evidence, report, names)
        report.seconds = round(time.monotonic() - began, 3)
        return report

    def _lock(self, report: Report) -> Evidence | None:
        """Lock everything down, and open the bundle, that of the lockdown if there is one already."""
        kept = read_lockdown(self.config.state_dir) or {}
        name = Path(str(kept.get("evidence") or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))).name
        lock_down(self.config.state_dir, at=kept.get("at") or time.time(), evidence=name)
        try:
            evidence = Evidence(panic_dir() / name)
            evidence.write("panic", again=bool(kept))
        except (TerokError, OSError) as error:
            report.failures.append(f"there is no evidence: {error}")
            return None
        return evidence

    def _close(self, name: str, pid: int, cuts: dict[str, Cut], began: float) -> None:
        """Close one container, and note when that was done or why not."""
        try:
            runs, problem = self._close_off(self.config, name, pid), ""
        except TerokError as error:
            runs, problem = True, error.message
        if runs:
            cuts[name] = Cut(name, round(time.monotonic() - began, 3), problem)

    def _end(self, name: str, report: Report) -> None:
        try:
            self._end_services(self.config, name)
        except TerokError as error:
            report.failures.append(f"{name}: its services may still run: {error.message}")

    def _close_others(self, rows: list[ContainerSummary], cuts: dict[str, Cut], began: float, report: Report) -> None:
        """Close what runs by Podman's word and is not closed yet, as it started meanwhile; kill what cannot be."""
        running = {row.name: row for row in rows if row.state in UP}
        missed = [row for row in running.values() if row.name not in cuts]
        at_once([partial(self._close, row.name, row.pid, cuts, began) for row in missed], seconds=PATIENCE)
        at_once([partial(self._end, row.name, report) for row in missed], seconds=PATIENCE)
        for row in missed:
            cuts.setdefault(row.name, Cut(row.name, error="it has not answered"))
        for name in [name for name in cuts if name not in running and rows]:
            if cuts[name].error:  # it has ended meanwhile
                del cuts[name]
        at_once([partial(self._kill, cut, began) for cut in cuts.values() if cut.error], seconds=PATIENCE)

    def _kill(self, cut: Cut, began: float) -> None:
        self._sandbox.runtime.container(cut.container).stop(0)
        cut.killed = True
        cut.seconds = round(time.monotonic() - began, 3)

    def _listed(self) -> list[ContainerSummary]:
        ours = {path.stem for path in self.config.sidecar_dir.glob("*.json")}
        return [row for row in self._sandbox.runtime.containers_with_prefix("") if row.name in ours]

    def _rows(self, listing: Answer[object], report: Report) -> list[ContainerSummary]:
        if isinstance(listing.value, list):
            return listing.value
        report.failures.append(f"podman does not say what runs: {listing.error or 'it has not answered'}")
        return []

    def _revoke(self) -> int:
        """Revoke every token of every container."""
        if not self.config.db_path.exists():
            return 0
        with open_vault(self.config) as vault:
            return sum(vault.revoke_tokens(name) for name in {row.container for row in vault.list_tokens()})

    def _number(self, answer: Answer[object], problem: str, report: Report) -> int:
        if isinstance(answer.value, int):
            return answer.value
        report.failures.append(f"{problem}: {answer.error or 'the vault has not answered'}")
        return 0

    def _remember(self, report: Report, cuts: dict[str, Cut], *, stop: bool) -> None:
        """Record what ran, so that it can be taken up again, and that it was not the agents' own doing."""
        try:
            with Store(create=False) as store:
                tasks = store.tasks()
                ran = [one for one in tasks if one.container in cuts and one.desired == "running" and one.ended is None]
                report.tasks = [task.id for task in ran]
                if not tasks:
                    return
                with store.write() as writer:
                    kept = [one for one in writer.setting(SETTING) or () if isinstance(one, str)]
                    writer.set(SETTING, [*dict.fromkeys([*kept, *report.tasks])])
                    writer.event("", "panic", tasks=report.tasks)
                    for task in ran:
                        if stop or cuts[task.container].killed:
                            writer.change(task.id, "stopping", stopped_by="panic")
        except TerokError as error:
            report.failures.append(f"the tasks were not recorded: {error.message}")

    def _stop(self, names: list[str], report: Report) -> None:
        runtime = self._sandbox.runtime
        ends = at_once([partial(runtime.container(name).stop, 0) for name in names], seconds=PATIENCE)
        for name, end in zip(names, ends, strict=True):
            if end.answered and end.error is None:
                report.stopped += 1
            else:
                report.failures.append(f"{name} may still run: {end.error or 'podman has not answered'}")

    def _seal(self, evidence: Evidence, report: Report, names: list[str]) -> None:
        try:
            evidence.write_all(
                "cut",
                [
                    {"container": cut.container, "seconds": cut.seconds, "error": cut.error, "killed": cut.killed}
                    for cut in report.containers
                ],
            )
            evidence.write("revoked", tokens=report.tokens)
            for name in names:
                evidence.write_all("log", evidence.keep_logs(name, self.config.container_state_dir(name)))
            evidence.write("done", tasks=report.tasks, stopped=report.stopped, failures=report.failures)
            report.evidence = evidence.seal()
        except (TerokError, OSError) as error:
            report.failures.append(f"the evidence is not complete: {error}")
