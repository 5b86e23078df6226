"""Decide about a push when its hook asks: in a process apart, which ends when it wants more than it may have."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
import resource
import signal
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from terok_util import TerokError
from terok_util.process import attend as attend  # the fork runs git, and may import nothing that another thread imports
from terok_util.process import kill_tree
from terok_util.text import safe_text

from terok_sandbox import hygiene
from terok_sandbox.gate.backend import wait_for_exit
from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.hook import MAX_REFS
from terok_sandbox.gate.inspect.inspection import inspect_push
from terok_sandbox.gate.inspect.objects import Objects, ProcessLimits
from terok_sandbox.gate.inspect.policy import Finding, load_policy
from terok_sandbox.gate.inspect.report import push_lines
from terok_sandbox.gate.inspect.secrets import find_secrets
from terok_sandbox.gate.pushes import MAX_REPORT, PushReport
from terok_sandbox.gate.refs import HEADS, TAGS, ambiguity, packed_and_loose, read_refs, ref_lookup
from terok_sandbox.gate.review_marks import read_rejections

_NO_MEMORY: Final = 71
_FAILED: Final = 70
_MAX_DESCRIPTION: Final = MAX_REFS * 1024
_END: Final = b"\nend\n"
_MAX_REPLY: Final = 48 * 1024
"""Less than a pipe holds, so that the reply is written at once, whether the hook reads or not."""

_OPENING: Final = re.compile(r"push (\d{1,4}) (.*)\Z", re.ASCII)
_UPDATE: Final = re.compile(r"update ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (refs/(?:heads|tags)/.+)\Z")
_QUARANTINE: Final = re.compile(r"tmp_objdir-incoming-\w{1,32}\Z")

log = logging.getLogger(__name__)


class IsolatedProcess:
    """A fork that runs `work` with only `descriptors` of ours, and gets SIGTERM when this thread ends."""

    def __init__(self, work: Callable[[], None], descriptors: Iterable[int]) -> None:
        parent = os.getpid()
        with warnings.catch_warnings():
            # Python warns about locks of other threads, for which the fork would wait; it uses none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            _run_isolated(work, descriptors, parent)
        self._running = True

    async def failure(self) -> str:
        """Wait for its end and return what went wrong, in words; empty when nothing did."""
        await wait_for_exit(self._pid)
        code = self._reap()
        if code == _NO_MEMORY:
            return "it takes more memory than a push of its size may"
        if code == -signal.SIGXCPU:
            return "it takes more time of a processor than a push of its size may"
        return f"the inspection ended with {code}" if code else ""

    def kill(self) -> None:
        """Kill it with its descendants."""
        if self._running and os.waitpid(self._pid, os.WNOHANG)[0] == 0:
            kill_tree(self._pid, 0.0)
            self._reap()
        self._running = False

    def _reap(self) -> int:
        self._running = False
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def limit_to(limits: ProcessLimits) -> None:
    """Limit what this process may allocate and compute beyond what it already has."""
    pages = int(Path("/proc/self/statm").read_bytes().split()[5])
    memory = pages * resource.getpagesize() + limits.memory
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + limits.seconds
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def _run_isolated(work: Callable[[], None], descriptors: Iterable[int], parent: int) -> NoReturn:
    code = _FAILED
    try:
        hygiene.leave_parent(parent)
        hygiene.keep_only(descriptors)
        gc.freeze()  # collecting the parent's objects here would close descriptors of ours
        work()
        code = 0
    except MemoryError:
        code = _NO_MEMORY
    except BaseException:
        log.exception("an inspection failed")
    finally:
        os._exit(code)


@dataclass(frozen=True, slots=True)
class PushDescription:
    """A push as the hook describes it.

    `saved` counts the old tips that it saves; the objects lie in `quarantine`; `updates` are (old, new, ref).
    """

    saved: int
    quarantine: Path | None
    updates: tuple[tuple[str, str, str], ...]


class PushCheck:
    """Answers the hook of one push; `inherited` and `variables` are for the process that runs git."""

    def __init__(self, mirror: Path, inspected: Callable[[PushReport], None] = lambda _: None) -> None:
        self._mirror = mirror
        self._inspected = inspected
        self.report: PushReport | None = None
        self._told, self._tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._process: IsolatedProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self._ask, self._ask_writer = os.pipe()
        self._reply_reader, self._reply = os.pipe()
        self.inherited = (self._ask_writer, self._reply_reader)
        self.variables = {
            "TEROK_GATE_ASK": f"/proc/self/fd/{self._ask_writer}",
            "TEROK_GATE_ANSWER": f"/proc/self/fd/{self._reply_reader}",
        }

    def start(self) -> None:
        """Wait for the hook in a process apart; git runs already."""
        self._process = IsolatedProcess(self._reply_to_hook, (self._ask, self._reply, self._tell))
        for descriptor in (self._ask, self._ask_writer, self._reply_reader):
            os.close(descriptor)
        self._ask = self._ask_writer = self._reply_reader = -1
        self._task = asyncio.get_running_loop().create_task(self._report_failure(self._process))

    async def stop(self) -> None:
        """Kill what is still at work, and close the pipes."""
        if self._process is not None:
            self._process.kill()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._read_report()
        self.close_pipes()

    def close_pipes(self) -> None:
        """Close the pipes."""
        for descriptor in (self._ask, self._ask_writer, self._reply_reader, self._reply, self._told, self._tell):
            if descriptor >= 0:
                os.close(descriptor)

    async def _report_failure(self, process: IsolatedProcess) -> None:
        if reason := await process.failure():
            os.write(self._reply, _failure_reply(reason))
        if self._read_report() and self.report is not None and self.report.accepted:
            self._inspected(self.report)

    def _read_report(self) -> bool:
        """Take in what the process has reported before it replied; False if that was done before."""
        if self.report is not None:
            return False
        with suppress(BlockingIOError):
            self.report = PushReport.from_bytes(os.read(self._told, MAX_REPORT))
        return True

    def _reply_to_hook(self) -> None:
        with Objects.started_early(self._mirror) as objects:
            if reply := _reply(objects, self._ask, self._tell):
                os.write(self._reply, reply)


def _reply(objects: Objects, ask: int, tell: int) -> bytes:
    """Return the reply to the hook; nothing when git ended before its hook had described the push."""
    raw = b""
    while not raw.endswith(_END):
        piece = os.read(ask, 64 * 1024)
        raw += piece
        if not piece or len(raw) > _MAX_DESCRIPTION:
            return b""
    try:
        push = parse_description(raw, objects.mirror)
        objects.set_quarantine(push.quarantine)
        limit_to(objects.limits)
        accepted, lines, findings, found = decide_push(objects, push)
        changes = tuple((new, ref) for _, new, ref in push.updates)
        reason = "" if accepted else " ".join(lines[:4])
        os.write(tell, PushReport(accepted, changes, findings, reason, found).to_bytes())
    except TerokError as error:
        return _failure_reply(error.message)
    return encode_reply(accepted=accepted, lines=lines)


def _failure_reply(reason: str) -> bytes:
    log.warning("a push could not be inspected: %s", safe_text(reason, limit=500))
    return encode_reply(accepted=False, lines=[f"the push could not be inspected: {reason}"])


def decide_push(objects: Objects, push: PushDescription) -> tuple[bool, list[str], int, tuple[Finding, ...]]:
    """Inspect a push; return whether it is accepted, what its sender is told, and how much, and what, was found."""
    policy = load_policy(objects.mirror)
    if problem := _name_problem(objects.mirror, push) or _ref_limit_problem(objects.mirror, push, policy.limits.refs):
        return False, [problem], 1, ()
    tips = [new for _, new, _ in push.updates if new.strip("0")]
    tags = [new for _, new, ref in push.updates if new.strip("0") and ref.startswith(TAGS)]
    report = inspect_push(objects, tips, policy, tags)
    lines = push_lines(report)
    rejections = read_rejections(objects.mirror)
    for branch in (ref.removeprefix(HEADS) for _, _, ref in push.updates if ref.startswith(HEADS)):
        if branch in rejections:
            tip, note = rejections[branch]
            lines.append(f"the reviewer rejected {branch} at {tip[:12]}: {note}")
    found = report.refused or report.flagged
    return report.accepted, lines, len(found), found


def _name_problem(mirror: Path, push: PushDescription) -> str:
    created = {ref for old, new, ref in push.updates if new.strip("0") and not old.strip("0")}
    exists = ref_lookup(mirror)
    for _, new, ref in push.updates:
        if new.strip("0") and safe_text(ref) != ref:
            return f"the name {ref} has characters that do not show as they are"
        if new.strip("0") and any(find_secrets("", ref.encode("utf-8", "surrogateescape"))):
            return "the name of a branch or tag has the form of a credential"
        if ref in created and (reason := ambiguity(ref, lambda name: name in created or exists(name))):
            return f"{reason}; choose another name"
    return ""


def _ref_limit_problem(mirror: Path, push: PushDescription, limit: int) -> str:
    created = push.saved + sum(not old.strip("0") for old, _, _ in push.updates)
    # Counting files is cheap and never too little; git is asked only when that is not enough to be sure.
    if (
        not created
        or packed_and_loose(mirror) + created <= limit
        or (own := read_refs(mirror).own()) + created <= limit
    ):
        return ""
    return f"{own} branches, tags and saved tips were made here, {limit} is the limit; 'gate prune' removes saved ones"


def parse_description(raw: bytes, mirror: Path) -> PushDescription:
    """Parse what the hook wrote; `GateError` when it does not describe a push to this mirror."""
    lines = raw.decode("utf-8", "surrogateescape").split("\n")
    opening = _OPENING.match(lines[0])
    updates = [_UPDATE.match(line) for line in lines[1:-2]]
    if opening is None or lines[-2] != "end" or None in updates:
        raise GateError("the hook described the push in a form that is not understood")
    quarantine = None
    if place := opening[2]:
        quarantine = mirror / "objects" / Path(place).name
        if not _QUARANTINE.match(quarantine.name) or Path(place).resolve() != quarantine.resolve():
            raise GateError("the push is not in this mirror's quarantine")
    return PushDescription(int(opening[1]), quarantine, tuple((m[1], m[2], m[3]) for m in updates if m is not None))


def encode_reply(*, accepted: bool, lines: list[str]) -> bytes:
    """Return the bytes that the hook reads: lines to show, then the decision; never more than a pipe holds."""
    reply = b""
    for line in lines:
        shown = b"say " + safe_text(line, limit=500).encode() + b"\n"
        if len(reply) + len(shown) > _MAX_REPLY:
            reply += b"say (more was left out)\n"
            break
        reply += shown
    return reply + (b"accept\n" if accepted else b"refuse\n")
