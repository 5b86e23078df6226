"""Values that the screens of upkeep show in tests, none of which is read from this machine."""

from __future__ import annotations

from terok.config.explanation import Setting, SetValue
from terok.model.money import Sum
from terok.model.task import Operation
from terok.services.storage import Held, Place
from terok.services.storage_cleaning import Unneeded
from terok.services.usage import Spending
from terok.services.wizard import Suggestions
from terok.tui.views.new import Choices
from terok.tui.views.panic import Lockdown
from terok.tui.views.sickbay import Remark

GIGABYTE = 10**9
EVIL = "[red]\x1b[2J\u202eevil\u200b"


def operation(number: int, state: str, at: float, expires: float | None, summary: str) -> Operation:
    return Operation(number, at, "task delete", "web/old", summary, {"kind": "task.delete"}, state, expires)


def operations(now: float) -> list[Operation]:
    return [
        operation(12, "done", now - 65, now + 86400 * 7, "deleted task a3 fix-auth"),
        operation(11, "open", now - 3700, None, "archived task b2 " + "long-name-" * 12),
        operation(10, "undone", now - 90000, now, "rejected terok/p4 in web"),
    ]


SETTINGS = (
    Setting(
        key="run.memory",
        value="4g",
        kind="text",
        default=None,
        help="Memory limit of a container.",
        layers=(
            SetValue(level="user", value="2g", file="/home/user/.config/terok/config.yml", line=7),
            SetValue(level="project", value="4g", file="/home/user/.config/terok/projects/web/project.yml", line=3),
        ),
    ),
    Setting(key="run.timeout", value=1800, kind="whole number, from 1", default=1800, help="Seconds for a run."),
    Setting(
        key="shield.profiles",
        value=["base", "pip"],
        kind="list of text",
        default=[],
        help="Sets of destinations that are open.",
        layers=(SetValue(level="user", value=["base", "pip"], file="/home/user/.config/terok/config.yml", line=9),),
    ),
)
HELD = Held(
    [
        Place("workspace", "web/fix-auth", 3 * GIGABYTE),
        Place("workspace", "web/old", 10**6, note="of no task"),
        Place("image", "localhost/terok-l1:abc", 5 * GIGABYTE, note="unused"),
        Place("trash", "api/gone", 4096, whole=False),
    ],
    40 * GIGABYTE,
    2 * GIGABYTE,
    7,
    ["images: podman does not answer"],
)
UNNEEDED = [
    Unneeded("image", "terok-l2:gone", GIGABYTE, "there is no project gone"),
    Unneeded("trash", "z0000001", 4096, "its time in the trash is over"),
]
SPENDING = Spending(
    "task",
    [
        Sum("web/fix-auth", 120, 1_200_000, 34_000, 900_000, 0, tokens=2_134_000, cost_usd=3.2, at_least_usd=3.2),
        Sum("api/port-tests", 14, 120_000, 3_400, 90_000, 0, tokens=213_400, cost_usd=0.8, at_least_usd=0.8),
        Sum("core/plan", 7, 1000, 10, tokens=1010, cost_usd=0.0, plan_requests=7, plan_tokens=1010),
    ],
    Sum(
        *("total", 141, 1_321_000, 37_410, 990_000, 0),
        tokens=2_348_410,
        cost_usd=4.0,
        at_least_usd=4.0,
        plan_requests=7,
        plan_tokens=1010,
        failed=2,
    ),
)
REMARKS = (
    Remark("error", "vault", "the vault is locked", "run `terok vault unlock`"),
    Remark("warn", "task web/old", "its container is gone, and it is recorded as running", mendable=True),
    Remark("ok", "podman", "as it should be"),
    Remark("ok", "linger", "as it should be"),
)
LOCKED = Lockdown(locked=True, since=None)
SUGGESTED = Suggestions(
    "https://forge.example/web.git",
    ("claude", "codex", "demo"),
    "claude",
    "fedora:44",
    "gatekeeping",
    frozenset(("api",)),
)
CHOICES = Choices({"api": (), "core": (), "web": ("long", "short")}, ("claude", "codex", "demo"))
