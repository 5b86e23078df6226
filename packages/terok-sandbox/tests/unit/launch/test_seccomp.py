from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.errors import SetupError
from terok_sandbox.launch.seccomp import NAMESPACE_FLAGS, all_opt_outs, profile_name, tighten
from terok_sandbox.values.launch import OPT_OUTS, OptOut

BASE: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    "syscalls": [
        {
            "names": ["read", "clone", "clone3", "unshare", "setns", "mount", "keyctl", "ptrace", "socketcall"],
            "action": "SCMP_ACT_ALLOW",
            "args": [],
        },
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_AUDIT_WRITE"]}},
        {"names": ["bpf", "quotactl"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]},
    ],
}


def holds(condition: dict[str, Any], arguments: tuple[int, ...]) -> bool:
    value = arguments[condition["index"]]
    if condition["op"] == "SCMP_CMP_EQ":
        return bool(value == condition["value"])
    assert condition["op"] == "SCMP_CMP_MASKED_EQ"
    return bool(value & condition["value"] == condition["valueTwo"])


def answer(profile: dict[str, Any], call: str, *arguments: int) -> int:
    """Return the error number that a call gets on x86-64 without capabilities, 0 if it passes; rules never disagree."""
    verdicts = {
        0 if rule["action"] == "SCMP_ACT_ALLOW" else rule.get("errnoRet", 1)
        for rule in profile["syscalls"]
        if call in rule["names"]
        and not rule.get("includes")
        and all(holds(condition, (*arguments, 0, 0, 0)) for condition in rule.get("args") or [])
    }
    assert len(verdicts) < 2, (call, arguments, verdicts)
    return verdicts.pop() if verdicts else int(profile["defaultErrnoRet"])


@pytest.mark.parametrize(
    ("call", "arguments", "default", "opt_out"),
    [
        ("read", (), 0, None),
        ("clone", (0x11,), 0, None),
        ("clone", (0x3D0F00,), 0, None),
        ("clone", (0x10000011,), 1, "nested"),
        ("clone3", (), 38, "nested"),
        ("unshare", (0x400,), 0, None),
        ("unshare", (0x10000000,), 1, "nested"),
        ("unshare", (0x80,), 1, "nested"),
        ("setns", (), 1, "nested"),
        ("mount", (), 1, "nested"),
        ("keyctl", (), 1, None),
        ("bpf", (), 1, None),
        ("io_uring_setup", (), 38, None),
        ("userfaultfd", (), 1, None),
        ("socketcall", (), 1, None),
        ("ptrace", (), 1, "debug"),
        ("personality", (0x40000,), 38, "debug"),
        ("perf_event_open", (), 1, "perf"),
        ("socket", (1, 1, 0), 0, None),
        ("socket", (2, 2, 0), 0, None),
        ("socket", (16, 3, 0), 0, None),
        ("socket", (16, 3, 12), 93, None),
        ("socket", (17, 3, 0), 97, None),
        ("socket", (38, 5, 0), 97, None),
        ("socket", (40, 1, 0), 97, None),
        ("socket", (38 + (1 << 32), 5, 0), 38, None),
        ("socketpair", (1,), 0, None),
        ("socketpair", (30,), 38, None),
    ],
)
def test_answers(call: str, arguments: tuple[int, ...], default: int, opt_out: OptOut | None) -> None:
    assert answer(tighten(BASE), call, *arguments) == default
    for other in OPT_OUTS:
        expected = 0 if other == opt_out else default
        assert answer(tighten(BASE, [other]), call, *arguments) == expected, other


def test_the_base_is_left_alone_and_its_other_rules_stay() -> None:
    before = copy.deepcopy(BASE)
    profile = tighten(BASE)
    assert before == BASE
    assert profile["archMap"] == [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []}]
    assert tighten(BASE, ["32bit"])["archMap"] == BASE["archMap"]
    assert {"names": ["quotactl"], **{k: BASE["syscalls"][2][k] for k in ("action", "includes")}} in profile["syscalls"]
    assert not [rule for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" and "bpf" in rule["names"]]


def test_clone_is_looked_at_on_every_architecture() -> None:
    rules = [rule for rule in tighten(BASE)["syscalls"] if "clone" in rule["names"]]
    s390 = {"arches": ["s390", "s390x"]}
    assert {rule["args"][0]["index"] for rule in rules if rule.get("excludes") == s390} == {0}
    assert {rule["args"][0]["index"] for rule in rules if rule.get("includes") == s390} == {1}
    assert rules[0]["args"][0]["value"] == sum(NAMESPACE_FLAGS) == 0x7E020000


@pytest.mark.parametrize(
    "change",
    [
        {"defaultAction": "SCMP_ACT_ALLOW"},
        {"defaultAction": None},
        {"syscalls": None},
        {"archMap": "x"},
        {"syscalls": [{"names": "x"}]},
    ],
)
def test_a_base_that_cannot_be_tightened_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(SetupError):
        tighten({**BASE, **change})


TEXT = st.text(max_size=12) | st.sampled_from(
    ("defaultAction", "syscalls", "names", "action", "args", "SCMP_ACT_ALLOW")
)


@given(
    st.dictionaries(
        TEXT,
        st.recursive(
            st.none() | TEXT,
            lambda x: st.lists(x, max_size=4) | st.dictionaries(TEXT, x, max_size=4),
            max_leaves=12,
        ),
        max_size=6,
    )
)
def test_any_document_is_tightened_or_refused(document: dict[str, Any]) -> None:
    for base in (document, {**document, "defaultAction": "SCMP_ACT_ERRNO"}):
        with contextlib.suppress(SetupError):
            json.dumps(tighten(base))


def test_every_combination_has_a_file_name_of_its_own() -> None:
    names = [profile_name(chosen) for chosen in all_opt_outs()]
    assert len(set(names)) == 2 ** len(OPT_OUTS)
    assert (names[0], profile_name(("perf", "debug"))) == ("default.json", "debug+perf.json")
    assert all(Path(name).name == name for name in names)
