"""Answer what the hook asks about a push, in a process apart: it ends when it wants more than it may have."""

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
from terok_sandbox.gate.inspect.objects import Allowance, Objects
from terok_sandbox.gate.inspect.policy import load_policy
from terok_sandbox.gate.inspect.report import push_lines
from terok_sandbox.gate.inspect.secrets import find_secrets
from terok_sandbox.gate.refs import HEADS, TAGS, misleading, packed_and_loose, read_refs, ref_exists
from terok_sandbox.gate.review_marks import read_rejections

_NO_MEMORY: Final = 71
_FAILED: Final = 70

log = logging.getLogger(__name__)


class Apart:
    """A fork of this process that runs `work` and ends; it has `descriptors` and no others of ours.

    It gets SIGTERM when this thread ends.
    """

    def __init__(self, work: Callable[[], None], descriptors: Iterable[int]) -> None:
        parent = os.getpid()
        with warnings.catch_warnings():
            # Python warns of threads whose locks the fork would wait for; it uses none of theirs.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            _become(work, descriptors, parent)
        self._running = True

    async def ended(self) -> str:
        """Wait for its end and return what went wrong, in words; empty when nothing did."""
        await wait_for_exit(self._pid)
        return _in_words(self._collected())

    def end(self) -> None:
        """End it now, with what it has started."""
        if self._running and os.waitpid(self._pid, os.WNOHANG)[0] == 0:
            kill_tree(self._pid, 0.0)
            self._collected()
        self._running = False

    def _collected(self) -> int:
        self._running = False
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def limit_to(allowed: Allowance) -> None:
    """Let this process allocate and use what is `allowed` beyond what it has and has used already."""
    pages = int(Path("/proc/self/statm").read_bytes().split()[5])
    memory = pages * resource.getpagesize() + allowed.memory
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + allowed.seconds
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def _in_words(code: int) -> str:
    if code == 0:
        return ""
    if code == _NO_MEMORY:
        return "it takes more memory than a push of its size may"
    if code == -signal.SIGXCPU:
        return "it takes more time of a processor than a push of its size may"
    return f"the inspection ended with {code}"


def _become(work: Callable[[], None], descriptors: Iterable[int], parent: int) -> NoReturn:
    code = _FAILED
    try:
        os.setpgid(0, 0)
        hygiene.die_with_parent(parent)
        hygiene.reset_signals()
        hygiene.keep_only(descriptors)
        gc.freeze()  # what the parent owns is not collected here: it would close descriptors of ours
        work()
        code = 0
    except MemoryError:
        code = _NO_MEMORY
    except BaseException:
        log.exception("an inspection failed")
    finally:
        os._exit(code)


_MAX_QUESTION: Final = MAX_REFS * 1024
_END: Final = b"\nend\n"
_MAX_ANSWER: Final = 48 * 1024
"""Less than a pipe holds, so that the answer is written at once, whether the hook reads or not."""

_OPENING: Final = re.compile(r"push (\d{1,4}) (.*)\Z", re.ASCII)
_UPDATE: Final = re.compile(r"update ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (refs/(?:heads|tags)/.+)\Z")
_QUARANTINE: Final = re.compile(r"tmp_objdir-incoming-\w{1,32}\Z")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """A push as the hook describes it.

    How many tips of before are to be saved, where its objects lie, and (old, new, ref) of each change.
    """

    saved: int
    quarantine: Path | None
    updates: tuple[tuple[str, str, str], ...]


class PushCheck:
    """Answers one push; `inherited` and `variables` go to the process that runs git."""

    def __init__(self, mirror: Path) -> None:
        self._mirror = mirror
        self._apart: Apart | None = None
        self._task: asyncio.Task[None] | None = None
        self._ask, self._ask_writer = os.pipe()
        self._answer_reader, self._answer = os.pipe()
        self.inherited = (self._ask_writer, self._answer_reader)
        self.variables = {
            "TEROK_GATE_ASK": f"/proc/self/fd/{self._ask_writer}",
            "TEROK_GATE_ANSWER": f"/proc/self/fd/{self._answer_reader}",
        }

    async def end(self) -> None:
        """End what is still at work, and close the pipes."""
        if self._apart is not None:
            self._apart.end()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.close()

    def close(self) -> None:
        """Close the pipes."""
        for descriptor in (self._ask, self._ask_writer, self._answer_reader, self._answer):
            if descriptor >= 0:
                os.close(descriptor)

    def start(self) -> None:
        """Begin to wait for the question, in a process apart; called once git runs."""
        self._apart = Apart(self._attend, (self._ask, self._answer))
        for descriptor in (self._ask, self._ask_writer, self._answer_reader):
            os.close(descriptor)
        self._ask = self._ask_writer = self._answer_reader = -1
        self._task = asyncio.get_running_loop().create_task(self._watch(self._apart))

    async def _watch(self, apart: Apart) -> None:
        if wrong := await apart.ended():
            os.write(self._answer, _unjudged(wrong))

    def _attend(self) -> None:
        with Objects.ahead(self._mirror) as objects:
            if said := _said(objects, self._ask):
                os.write(self._answer, said)


def _said(objects: Objects, ask: int) -> bytes:
    """Return what the hook is told; nothing when git ended without a question, or the hook did not end it."""
    raw = b""
    while not raw.endswith(_END):
        piece = os.read(ask, 64 * 1024)
        raw += piece
        if not piece or len(raw) > _MAX_QUESTION:
            return b""
    try:
        question = parse_question(raw, objects.mirror)
        objects.found_in(question.quarantine)
        limit_to(objects.allowed)
        accepted, lines = answer(objects, question)
    except TerokError as error:
        return _unjudged(error.message)
    return encode_answer(accepted=accepted, lines=lines)


def _unjudged(why: str) -> bytes:
    log.warning("a push could not be inspected: %s", safe_text(why, limit=500))
    return encode_answer(accepted=False, lines=[f"the push could not be inspected: {why}"])


def answer(objects: Objects, question: Question) -> tuple[bool, list[str]]:
    """Inspect a push; return whether it is taken, and what its sender is told."""
    mirror = objects.mirror
    tips = [new for _, new, _ in question.updates if new.strip("0")]
    tags = [new for _, new, ref in question.updates if new.strip("0") and ref.startswith(TAGS)]
    policy = load_policy(mirror)
    if wrong := _misnamed(mirror, question):
        return False, [wrong]
    if too_many := _too_many_refs(mirror, question, policy.limits.refs):
        return False, [too_many]
    report = inspect_push(objects, tips, policy, tags)
    lines = push_lines(report)
    rejections = read_rejections(mirror)
    for branch in (ref.removeprefix(HEADS) for _, _, ref in question.updates if ref.startswith(HEADS)):
        if branch in rejections:
            tip, note = rejections[branch]
            lines.append(f"the reviewer rejected {branch} at {tip[:12]}: {note}")
    return report.accepted, lines


def _misnamed(mirror: Path, question: Question) -> str:
    """Say why a name that a push gives or keeps is not accepted; empty if all are."""
    given = {ref for old, new, ref in question.updates if new.strip("0") and not old.strip("0")}
    for _, new, ref in question.updates:
        if new.strip("0") and safe_text(ref) != ref:
            return f"the name {ref} has characters that do not show as they are"
        if new.strip("0") and any(find_secrets("", ref.encode("utf-8", "surrogateescape"))):
            return "the name of a branch or tag has the form of a credential"
        if ref in given and (why := misleading(ref, lambda one: one in given or ref_exists(mirror, one))):
            return f"{why}; choose another name"
    return ""


def _too_many_refs(mirror: Path, question: Question, limit: int) -> str:
    """Say why a push would give agents more refs in the mirror than the project allows; empty if it does not."""
    made = question.saved + sum(not old.strip("0") for old, _, _ in question.updates)
    if not made or packed_and_loose(mirror) + made <= limit or (have := read_refs(mirror).own()) + made <= limit:
        return ""
    return f"{have} branches, tags and saved tips were made here, {limit} is the limit; 'gate prune' removes saved ones"


def parse_question(raw: bytes, mirror: Path) -> Question:
    """Read what the hook wrote; `GateError` when it is not a question about this mirror."""
    lines = raw.decode("utf-8", "surrogateescape").split("\n")
    opening = _OPENING.match(lines[0])
    if opening is None or lines[-2] != "end":
        raise GateError("the hook asked something else than about a push")
    quarantine = None
    if place := opening[2]:
        objects = mirror / "objects"
        quarantine = objects / Path(place).name
        if not _QUARANTINE.match(quarantine.name) or Path(place).resolve() != quarantine.resolve():
            raise GateError("the push is not in this mirror's quarantine")
    updates = []
    for line in lines[1:-2]:
        match = _UPDATE.match(line)
        if match is None:
            raise GateError("the hook described a change that is not understood")
        updates.append((match[1], match[2], match[3]))
    return Question(int(opening[1]), quarantine, tuple(updates))


def encode_answer(*, accepted: bool, lines: list[str]) -> bytes:
    """Return the bytes that the hook reads: lines to show, then the verdict; never more than a pipe takes."""
    told: list[bytes] = []
    size = 0
    for line in lines:
        said = b"say " + safe_text(line, limit=500).encode() + b"\n"
        size += len(said)
        if size > _MAX_ANSWER:
            told.append(b"say (more was left out)\n")
            break
        told.append(said)
    return b"".join(told) + (b"accept\n" if accepted else b"refuse\n")
