"""The state of a task: one pure function over facts and claims.

A state is the first word, in the order of `words.WORDS`, that something proves. Words further down that also hold and
want attention are in `also`, so that a claim can add a word but never take one away.
"""

from __future__ import annotations

from math import inf
from typing import Final, TypeAlias

from terok_util import lean_dataclass

from terok.model.claims import Claims
from terok.model.facts import Ended, Facts, Process, ProcessWord
from terok.model.words import ATTENTION, GLYPHS, GROUPS, WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Proof: TypeAlias = "tuple[Evidence, float]"
"""Evidence, and until when it holds by time alone: infinity for evidence that only another fact can end."""

UNWATCHED: Final = 300.0
"""Seconds for which a fact holds that nobody watches: the next one may have been missed."""
CLAIM: Final = 30.0
"""Seconds for which a word from inside, or use of the processor, means work."""
PAUSE: Final = 10.0
"""Seconds between two model calls of one turn."""
LET_GO: Final = 3.0
"""Seconds in which an agent that has let go of a model call makes it again, unless its turn was broken off."""
TURN: Final = 900.0
"""Seconds after its last sign of life in which a turn that has not ended is believed to go on."""
STUCK: Final = 1800.0
"""Seconds after which a model call, or a headless run, that shows nothing is doubted."""
ASKED: Final = 7 * 86400.0
"""Seconds for which a question is believed to be open."""
STOPPING: Final = 60.0
"""Seconds a container may take to follow a wish."""
KILLED: Final = 128 + 9
"""The exit code of a run that somebody else than us has killed, as by `podman rm`, or the host for want of memory."""
_GOES_ON: Final = "`terok task restart` goes on in its workspace"


@lean_dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that speaks for a word, since when, and who says so; a claim is said from inside."""

    word: str
    at: float
    source: str
    text: str
    claim: bool = False


@lean_dataclass(frozen=True, slots=True)
class TaskState:
    """A judgement: word, group and glyph, the process, since when, why, and when to doubt it (None: never)."""

    group: str
    word: str
    glyph: str
    process: ProcessWord
    since: float
    evidence: tuple[Evidence, ...]
    doubt_at: float | None = None
    unread: bool = False
    also: tuple[str, ...] = ()
    works: bool = False
    """Whether anything proves work, whatever else holds: such a task has a slot."""


def judge(facts: Facts, claims: Claims, now: float, *, watched: bool = False) -> TaskState:
    """Return what the task is doing at `now`.

    Args:
        facts: What the host knows.
        claims: What was said from inside.
        now: Seconds since the epoch.
        watched: Whether a controller follows the sources of the facts, so that no news means no change.
    """
    case = _Case(facts, claims, now, watched)
    found = [proof for rule in _RULES for proof in rule(case) if proof[1] > now]
    held = {evidence.word for evidence, _ in found}
    word = next((one for one in WORDS if one in held), "unknown")
    proofs = [proof for proof in found if proof[0].word == word] or list(_doubts(case))
    since = (max if word == "unknown" else min)(evidence.at for evidence, _ in proofs)
    until = max(until for _, until in proofs)
    return TaskState(
        GROUPS[word],
        word,
        GLYPHS[word],
        case.axis,
        since,
        tuple(evidence for evidence, _ in (*proofs, *(proof for proof in found if proof[0].word != word))),
        None if until == inf else until,
        unread=word not in ("working", "queued", "unknown") and since > facts.seen,
        also=tuple(one for one in WORDS if one in held and one != word and one in ATTENTION),
        works="working" in held,
    )


class _Case:
    """The questions of several rules about one task."""

    def __init__(self, facts: Facts, claims: Claims, now: float, watched: bool) -> None:
        self.facts, self.claims, self.now, self.watched = facts, claims, now, watched
        ended, silence = facts.ended, facts.silence
        self.process = process = facts.process
        runs = process is not None and process.word == "up"
        self.revived = runs and process is not None and ended is not None and process.at > ended.at
        """It runs although its end is recorded: somebody has started it past us."""
        self.over = (ended is not None and not self.revived) or (process is not None and not runs)
        silent = silence is not None and (process is None or silence.at > process.at)
        self.up = process if runs and not (silent or self.over or self.revived or self._unwanted()) else None
        """The engine's answer that it runs, when nothing speaks against it."""
        self.axis: ProcessWord = process.word if process is not None else ("exited" if ended else "gone")
        calls = facts.calls
        self.begun = self.present(calls.begun_at) if calls is not None else 0.0
        self.answered = self.present(calls.ended_at) if calls is not None else 0.0
        """When the last model call of this run began, and when the last one ended."""
        self.said, self.turn_ended = self.present(claims.active), self.present(claims.turn_ended)
        self.let_go = calls is not None and calls.left and self.answered > max(self.said, self.turn_ended)
        """The last that is known of its turn is that it did not wait for an answer."""

    def fresh(self, at: float) -> float:
        """Return until when a fact that was last confirmed at `at` holds."""
        return inf if self.watched else at + UNWATCHED

    def present(self, at: float) -> float:
        """Return `at` if it belongs to the present run, else 0."""
        return at if at >= (self.facts.started or 0.0) else 0.0

    def _unwanted(self) -> bool:
        """Whether it still ran long after it was to stop."""
        wanted, process = self.facts.wanted, self.process
        if wanted is None or process is None or wanted.word == "running":
            return False
        return process.at > wanted.at + STOPPING


def _because(word: str, at: float, source: str, text: str, *, claim: bool = False, until: float = inf) -> Proof:
    return Evidence(word, at, source, text, claim), until


def _question(case: _Case) -> Iterator[Proof]:
    for claim in case.claims.open:
        if not case.over and case.present(claim.at) > case.begun:
            text = claim.text + (f" ({', '.join(claim.options)})" if claim.options else "")
            yield _because("question", claim.at, "agent", text or claim.kind, claim=True, until=claim.at + ASKED)


def _clearance(case: _Case) -> Iterator[Proof]:
    asked = case.facts.clearance
    if asked is not None and asked.ids and not case.over:
        text = f"wants {', '.join(asked.targets)}" if asked.targets else f"{len(asked.ids)} requests wait"
        yield _because("clearance", asked.since, asked.source, text, until=case.fresh(asked.at))


def _budget(case: _Case) -> Iterator[Proof]:
    spent = case.facts.spent
    if spent is not None and not case.over and (spent.held or spent.used >= spent.limit):
        held = f", {spent.held} calls held" if spent.held else ""
        text = f"{spent.used:g} of {spent.limit:g} {spent.kind} used{held}"
        yield _because("budget", spent.at, spent.source, text)


def _provider(case: _Case) -> Iterator[Proof]:
    """Yield auth and limit: they also explain a run that has failed, not one that a person has stopped."""
    calls, ended = case.facts.calls, case.facts.ended
    if calls is None or not case.answered:
        return
    if case.over and (ended is None or ended.by or ended.exit_code == 0):
        return
    if calls.status == 401:
        yield _because("auth", calls.ended_at, calls.source, f"{calls.provider} refused the credential (401)")
    if calls.status == 429 and calls.reset_at is not None:
        text = f"{calls.provider} limits requests (429)"
        yield _because("limit", calls.ended_at, calls.source, text, until=calls.reset_at)


def _review(case: _Case) -> Iterator[Proof]:
    pushed = case.facts.pushed
    if pushed is not None and pushed.commits > 0:
        said = f": {case.claims.summary}" if case.claims.summary else ""
        text = f"{pushed.commits} commits on {pushed.branch} in the gate{said}"
        yield _because("review", pushed.at, pushed.source, text)


def _working(case: _Case) -> Iterator[Proof]:
    if case.over:
        return
    launch, calls, cpu = case.facts.launch, case.facts.calls, case.facts.cpu
    if launch is not None and case.present(launch.at) and case.process is None:
        yield _because("working", launch.at, launch.source, launch.text, until=launch.at + TURN)
    if calls is not None and calls.open and case.begun:
        text = f"{calls.open} model calls in flight" if calls.open > 1 else "a model call is in flight"
        yield _because("working", case.begun, calls.source, text, until=case.begun + STUCK)
    if cpu is not None and case.present(cpu.at):
        yield _because("working", cpu.at, cpu.source, "uses the processor", until=cpu.at + CLAIM)
    if case.up is None:
        return
    if case.said > case.turn_ended:
        text = case.claims.phase or "at work"
        yield _because("working", case.said, "agent", text, claim=True, until=case.said + CLAIM)
    yield from _turn(case, case.up)


def _turn(case: _Case, up: Process) -> Iterator[Proof]:
    """Yield what speaks for a turn that goes on although nothing of it shows, such as a silent tool."""
    heard = max(case.begun, case.answered, case.said)
    # An agent that says when it begins is believed; for one that only says when it ends, a call is the beginning.
    opened = case.said or (case.turn_ended and case.begun)
    if case.facts.headless:
        at = heard or _up_since(case, up)
        yield _because("working", at, up.source, "the run has not ended", until=min(at + STUCK, case.fresh(up.at)))
    elif case.let_go:
        yield _because("working", heard, "vault", "has let go of a model call", until=heard + LET_GO)
    elif opened > case.turn_ended:
        yield _because("working", heard, "agent", "has not ended its turn", claim=True, until=heard + TURN)
    elif max(case.begun, case.answered) > case.turn_ended:
        text = "a model call has just ended"
        yield _because("working", heard, case.facts.calls.source if case.facts.calls else "", text, until=heard + PAUSE)


def _waiting(case: _Case) -> Iterator[Proof]:
    if case.up is None or case.facts.headless:
        return
    until = case.fresh(case.up.at)
    if case.turn_ended and case.turn_ended >= case.said:
        yield _because("waiting", case.turn_ended, "agent", "ended its turn", claim=True, until=until)
    elif case.let_go:
        yield _because("waiting", case.answered, "vault", "has let go of its model call", until=until)
    elif not case.said:
        at = max(case.begun, case.answered) or _up_since(case, case.up)
        yield _because("waiting", at, case.up.source, "runs, and calls no model", until=until)


def _up_since(case: _Case, up: Process) -> float:
    return up.since or case.facts.started or up.at


def _queued(case: _Case) -> Iterator[Proof]:
    queued = case.facts.queued
    if queued is not None:
        yield _because("queued", queued.at, queued.source, queued.text or f"waits for {queued.reason}")


def _ended(case: _Case) -> Iterator[Proof]:
    ended, process = case.facts.ended, case.process
    launched = case.facts.started is not None and case.facts.launch is None
    if ended is None and process is not None and (process.word == "exited" or (process.word == "gone" and launched)):
        ended = _unrecorded(case, process)
    if ended is None or case.revived:
        return
    if ended.by:
        yield _because("stopped", ended.at, ended.source, f"stopped by {ended.by}")
    elif ended.exit_code is not None:
        word = "failed" if ended.exit_code else "done"
        told = f", killed; {_GOES_ON}" if ended.exit_code == KILLED else ""
        yield _because(word, ended.at, ended.source, f"ended with exit code {ended.exit_code}{told}")
    else:
        text = f"its container was removed while it ran; {_GOES_ON}"
        yield _because("failed", ended.at, ended.source, text)


def _unrecorded(case: _Case, process: Process) -> Ended:
    """Return the end that the engine tells of and nobody has recorded yet."""
    wanted = case.facts.wanted
    by = "a person" if wanted is not None and wanted.word != "running" else ""
    return Ended(process.since or process.at, process.source, process.exit_code, by)


def _doubts(case: _Case) -> Iterator[Proof]:
    """Yield why nothing is known for sure; never nothing."""
    facts = case.facts
    said = [
        _because("unknown", fact.at, fact.source, text)
        for fact, text in (
            (facts.silence, facts.silence.text if facts.silence else ""),
            (facts.process, f"the container was {facts.process.word}" if facts.process else ""),
            (facts.ended, "its end is recorded" if facts.ended else ""),
            (facts.wanted, f"it should be {facts.wanted.word}" if facts.wanted else ""),
            (facts.launch, f"was starting: {facts.launch.text}" if facts.launch else ""),
        )
        if fact is not None
    ]
    yield from said or [_because("unknown", facts.created, "terok", "nothing has been heard of it")]


_RULES: tuple[Callable[[_Case], Iterator[Proof]], ...] = (
    *(_question, _clearance, _budget, _provider, _review, _working, _waiting, _queued, _ended),
)
