"""The checks of a demonstration: pure functions over its measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from terok_util import safe_text

from terok.demo.observed import Observed, Refusal

AGENT_UID = 1000
FORBIDDEN_CAPABILITIES = {
    "NET_ADMIN": 12,
    "NET_RAW": 13,
    "SYS_MODULE": 16,
    "SYS_RAWIO": 17,
    "SYS_PTRACE": 19,
    "SYS_ADMIN": 21,
    "SYS_BOOT": 22,
    "PERFMON": 38,
    "BPF": 39,
}
"""Capabilities that cannot even be acquired inside, by bit number."""
MAX_SHOWN = 200
MAX_PATCH_LINES = 60


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its title, whether it held, the measurement and the expectation."""

    title: str
    held: bool
    measured: str
    expected: str
    details: tuple[str, ...] = ()


def judge(observed: Observed) -> tuple[Check, ...]:
    """Return every check, in the order of the report."""
    return (
        _user(observed),
        _capabilities(observed),
        _key_absent(observed),
        _key_used(observed),
        _refused("connection refused", observed.connection),
        _refused("name refused", observed.name),
        _delivered(observed),
        _source_untouched(observed),
        _finished(observed),
    )


def _user(observed: Observed) -> Check:
    inside = sorted({process.uid for process in observed.processes if process.uid is not None})
    outside = sorted({process.host_uid for process in observed.processes})
    mapped = all(process.uid is not None for process in observed.processes)
    count = len(observed.processes)
    return Check(
        "user",
        held=inside == [AGENT_UID] and mapped and 0 not in outside,
        measured=f"uid {_numbers(inside)} inside, uid {_numbers(outside)} on the host ({_count(count, 'process')})",
        expected=f"every process has uid {AGENT_UID} inside and an unprivileged one on the host",
    )


def _capabilities(observed: Observed) -> Check:
    effective = bounding = 0
    for process in observed.processes:
        effective |= process.cap_effective
        bounding |= process.cap_bounding
    reachable = ", ".join(name for name, bit in FORBIDDEN_CAPABILITIES.items() if bounding >> bit & 1)
    return Check(
        "capabilities",
        held=bool(observed.processes) and effective == 0 and not reachable,
        measured=f"effective {effective:016x}, bounding {bounding:016x}" + (reachable and f" with {reachable}"),
        expected=f"none effective; out of reach: {', '.join(FORBIDDEN_CAPABILITIES)}",
    )


def _key_absent(observed: Observed) -> Check:
    search = observed.key
    hits = sum(place.key_hits for place in search.places)
    stand_ins = sum(place.stand_in_hits for place in search.places)
    total = sum(place.bytes_seen for place in search.places)
    return Check(
        "real key inside",
        held=hits == 0 and stand_ins > 0 and search.unreadable == 0 and all(p.bytes_seen for p in search.places),
        measured=f"found {_count(hits, 'time')} in {_size(total)}; its stand-in was found {_count(stand_ins, 'time')}"
        + (f"; {search.unreadable} could not be read" if search.unreadable else ""),
        expected="the key nowhere, the stand-in at least once, everything readable",
        details=tuple(
            f"{place.name}: {place.items:,} searched, {_size(place.bytes_seen)},"
            f" key {place.key_hits}, stand-in {place.stand_in_hits}"
            for place in search.places
        ),
    )


def _key_used(observed: Observed) -> Check:
    seen = observed.upstream
    counted = _count(seen.requests, "request")
    stub_saw = f"the stub saw {counted}: {seen.with_real_key} with the real key, {seen.with_other_key} with another"
    return Check(
        "real key upstream",
        held=seen.with_real_key > 0 and seen.with_other_key == 0,
        measured=f"the provider accepted {seen.with_real_key} of {counted}" if seen.live else stub_saw,
        expected="at least one request with the real key and none with another",
    )


def _refused(title: str, refusal: Refusal) -> Check:
    saw = refusal.agent_saw
    refused_inside = saw is None or refusal.phrase in saw
    seen = "" if saw is None else f"the agent saw “{refusal.phrase if refused_inside else _short(saw)}”, "
    arrived = "" if refusal.arrived is None else f"{_count(refusal.arrived, 'connection')} arrived, "
    row = "audited" if refusal.row is not None else "no audit row"
    return Check(
        title,
        held=refused_inside and not refusal.arrived and (refusal.row is not None or refusal.own),
        measured=f"{refusal.target}: {seen}{arrived}" + ("the container's own address too" if refusal.own else row),
        expected="refused inside, nothing arrived, and a row in the shield's audit log if it could leave the container",
        details=() if refusal.row is None else (_row(refusal.row),),
    )


def _delivered(observed: Observed) -> Check:
    delivery = observed.delivery
    if delivery is None:
        return Check("commit in the gate", held=False, measured="no new commit", expected="one new commit")
    return Check(
        "commit in the gate",
        held=bool(delivery.patch.strip()),
        measured=f"{delivery.commit[:12]} on {delivery.branch} by {delivery.author}: {_short(delivery.subject)}",
        expected="a new commit with a change",
        details=_excerpt(delivery.patch),
    )


def _source_untouched(observed: Observed) -> Check:
    same = observed.source_before == observed.source_after and bool(observed.source_before)
    branches = _count(len(observed.source_after), "branch")
    return Check(
        "your repository",
        held=same,
        measured=f"{branches}, {'unchanged' if same else 'changed'}",
        expected="unchanged: the agent pushes to the gate, a person promotes",
    )


def _finished(observed: Observed) -> Check:
    code, held = observed.exit_code, observed.exit_code == 0
    ended = f"ended with exit code {code}" if code is not None else "did not end in time"
    return Check(
        "agent",
        held=held,
        measured=f"{observed.agent} {ended} after {observed.seconds:.1f} s",
        expected="exit code 0",
        details=() if held else tuple(observed.log_tail.splitlines()[-20:]),
    )


def _excerpt(patch: str) -> tuple[str, ...]:
    lines = tuple(line for line in patch.splitlines() if line)
    more = len(lines) - MAX_PATCH_LINES
    return lines if more <= 0 else (*lines[:MAX_PATCH_LINES], f"… and {_count(more, 'line')} more")


def _row(row: Mapping[str, Any]) -> str:
    fields = (f"{key}={safe_text(str(value), limit=80)}" for key, value in row.items() if value not in (None, "", []))
    return "audit: " + " ".join(fields)


def _short(text: str) -> str:
    return safe_text(" ".join(text.split()), limit=MAX_SHOWN)


def _numbers(values: list[int]) -> str:
    return ", ".join(map(str, values)) or "unknown"


def _count(number: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith(("s", "ch")) else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def _size(number: int) -> str:
    if number < 1024:
        return f"{number} bytes"
    power = min((number.bit_length() - 1) // 10, 3)
    return f"{number / 1024**power:.1f} {('KiB', 'MiB', 'GiB')[power - 1]}"
