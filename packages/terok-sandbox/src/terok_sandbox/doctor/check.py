"""One check of the doctor: a question, the meaning of its answer, and the command that repairs what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from terok_util import TerokError
from terok_util.process import run
from terok_util.text import safe_text

if TYPE_CHECKING:
    from terok_sandbox.runtime.protocol import ContainerRuntime

Severity = Literal["ok", "warn", "error"]
PROBE_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """Result of a check.

    `error` means that containers cannot be launched, or are not served as they should be. A `fixable` one without a
    `hint` gets the check's own command as its hint.
    """

    severity: Severity
    detail: str
    hint: str = ""
    fixable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorCheck:
    """One thing to check.

    `probe_cmd` is run on the host when `host_side`, else inside the container that is examined; `evaluate` gets
    its exit code, standard output and standard error. Without a `probe_cmd` it looks for itself (see `direct_check`).
    `fix_cmd` is a command that is safe to run unasked; its first word may be `terok-sandbox`.
    """

    category: str
    label: str
    evaluate: Callable[[int, str, str], CheckVerdict]
    probe_cmd: tuple[str, ...] = ()
    fix_cmd: tuple[str, ...] = ()
    fix_description: str = ""
    host_side: bool = True


def direct_check(
    category: str,
    label: str,
    verdict: Callable[[], CheckVerdict] | CheckVerdict,
    *,
    fix: Sequence[str] = (),
    description: str = "",
) -> DoctorCheck:
    """Return a check that runs no command: `verdict`, or the call that returns it, is all there is."""

    def evaluate(_code: int, _out: str, _err: str) -> CheckVerdict:
        return verdict if isinstance(verdict, CheckVerdict) else verdict()

    return DoctorCheck(
        category=category, label=label, evaluate=evaluate, fix_cmd=tuple(fix), fix_description=description
    )


class Finding(NamedTuple):
    """A check with its verdict; `container` is empty for those of the host."""

    check: DoctorCheck
    verdict: CheckVerdict
    container: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as `--json` prints it."""
        return {
            "category": self.check.category,
            "label": self.check.label,
            "container": self.container,
            "severity": self.verdict.severity,
            "detail": safe_text(self.verdict.detail),
            "hint": self.verdict.hint,
            "fix": list(self.check.fix_cmd) if self.verdict.fixable else [],
        }


def examine(
    checks: Iterable[DoctorCheck], *, runtime: ContainerRuntime | None = None, container: str = ""
) -> list[Finding]:
    """Make every check, those of the inside in `container`; a check that fails to answer is a finding too."""
    findings = []
    for check in checks:
        verdict = _verdict(check, runtime, container)
        if verdict.fixable and check.fix_cmd and not verdict.hint:
            verdict = replace(verdict, hint=f"run `{' '.join(check.fix_cmd)}`")
        findings.append(Finding(check, verdict, container))
    return findings


def doctor_exit_code(findings: Iterable[Finding]) -> int:
    """Return 0 if all is well, 1 for warnings, 2 for errors."""
    worst = {"ok": 0, "warn": 1, "error": 2}
    return max((worst[finding.verdict.severity] for finding in findings), default=0)


def _verdict(check: DoctorCheck, runtime: ContainerRuntime | None, container: str) -> CheckVerdict:
    try:
        if not check.probe_cmd:
            return check.evaluate(0, "", "")
        if check.host_side:
            done = run(check.probe_cmd, timeout=PROBE_TIMEOUT, check=False)
            return check.evaluate(done.returncode, done.text, done.err_text)
        if runtime is None:
            return CheckVerdict("warn", "not asked: no container")
        answer = runtime.exec(container, check.probe_cmd, timeout=PROBE_TIMEOUT)
        return check.evaluate(answer.exit_code, answer.stdout, answer.stderr)
    except TerokError as error:
        return CheckVerdict("error", error.message, error.hint or "", fixable=bool(check.fix_cmd))
    except OSError as error:
        return CheckVerdict("error", str(error), fixable=bool(check.fix_cmd))
