"""The output of every command with `--json`: its JSON Schema, by the command's path in the tree of `terok`.

A command at two places stands here once. A `Lines` output is one document a line, as it comes; all others are one
document. `tools/schemas.py` writes docs/reference/schemas from this table, and a unit test compares it with the tree
and with what the commands print.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from shapes import NUMBER, OPEN, TEXT, TIME, WHOLE, YES_NO, Shape, by_name, either, maybe, of, record, rows, words
from terok.model.timeline import KINDS


class Lines(NamedTuple):
    """One document a line."""

    shape: Shape


_SERVICES, _BOX, _RUN = "terok.services", "terok_sandbox", "terok_executor"
WORD = TEXT | {"description": "state, as `terok task list s:WORD` takes it"}
PROCESS = words("up", "exited", "gone")
TASK = of(
    "terok.model.task:Task",
    **dict.fromkeys(("created", "since"), TIME),
    **dict.fromkeys(("started", "ended", "archived", "trashed", "doubt_at"), maybe(TIME)),
    cost=maybe(NUMBER | {"description": "US dollars; null if a price is not known"}),
    word=WORD,
    also=rows(WORD),
    process=PROCESS,
)
TASK = record(TASK, short=TEXT | {"description": "the shortest beginning of its id that says which task"})
FOLLOW_UP = of("terok.model.task:FollowUp", created=TIME, changed=TIME)
EVIDENCE = record(word=WORD, at=TIME, source=TEXT, text=TEXT, claim=YES_NO)
STATE = record(
    task=TEXT,
    word=WORD,
    group=TEXT,
    glyph=TEXT,
    process=PROCESS,
    since=TIME,
    doubt_at=maybe(TIME),
    unread=YES_NO,
    also=rows(WORD),
    evidence=rows(EVIDENCE),
)
DONE = rows(record(task=TEXT, ok=YES_NO, text=TEXT))
RESULT = of(f"{_RUN}.runner.result:RunResult")
SAID = record(
    kind=words("message", "thought", "tool_call", "tool_result", "usage", "question", "end"),
    maybe=dict.fromkeys(("text", "speaker", "id", "name", "input"), TEXT)
    | {
        "failed": YES_NO,
        "exit_code": WHOLE,
        "options": rows(TEXT),
        "tokens": OPEN,
        "cost_usd": NUMBER,
    },
)
ROW = by_name(OPEN) | {"description": "a row of an audit log; its keys depend on the action"}
FINDING = record(
    category=TEXT, label=TEXT, container=TEXT, severity=TEXT, detail=TEXT, hint=maybe(TEXT), fix=rows(TEXT)
)
HEALTH = record(check=TEXT, level=TEXT, subject=TEXT, text=TEXT, hint=maybe(TEXT), mendable=YES_NO)
SUM = of("terok.model.money:Sum")
LAYER = record(level=TEXT, value=OPEN, file=maybe(TEXT), line=maybe(WHOLE))
SETTING = record(
    key=TEXT, value=OPEN, level=TEXT, file=maybe(TEXT), line=maybe(WHOLE), kind=TEXT, default=OPEN, help=TEXT
)
IMAGE = of(f"{_SERVICES}.images:BuiltImage")
BROKEN = record(name=TEXT, directory=TEXT, error=TEXT, hint=maybe(TEXT))
PROJECT = record(
    **dict.fromkeys(("name", "directory", "level", "description", "security_class", "agent", "base_image"), TEXT),
    **dict.fromkeys(("agents", "credential_set"), TEXT),
    **dict.fromkeys(("upstream", "branch", "provider", "model"), maybe(TEXT)),
    **dict.fromkeys(("profiles", "allow", "presets", "hooks"), rows(TEXT)),
    error={"type": "null"},
    repos=rows(record(name=TEXT, upstream=TEXT, branch=maybe(TEXT))),
    own_image=YES_NO,
    instructions=YES_NO,
)
MIRROR = of(f"{_BOX}.gate.layout:MirrorRecord")
SYNCED = of(f"{_BOX}.gate.mirror:GateSyncResult")
FOUND = record(of(f"{_BOX}.gate.inspect.policy:Finding"), title=TEXT)
REVIEW = record(of(f"{_BOX}.gate.review:Review"), refused=rows(FOUND), flagged=rows(FOUND))
PLACE: Shape = record(path=TEXT, side=words("new", "old"), first=maybe(WHOLE), last=maybe(WHOLE))
COMMENT = record(
    PLACE,
    **dict.fromkeys(("task", "branch", "tip", "text", "author"), TEXT),
    id=WHOLE,
    written=TIME,
    thread=maybe(WHOLE),
    delivery=words("written", "sent", "seen", "answered"),
    resolved=maybe(TIME),
    stale=maybe(YES_NO),
    now=maybe(PLACE),
)
CHECK = of(
    "terok.model.review:CheckRun",
    started=TIME,
    ended=maybe(TIME),
    state=words("running", "passed", "failed", "timed out", "too much output", "broken off"),
)
NEW_WORK = record(of(f"{_BOX}.gate.new_work:NewWork"), scope=TEXT)
PROMOTED = record(branch=TEXT, target=TEXT, upstream=TEXT, sent=YES_NO, pull_request=maybe(TEXT))
POSTURE = record(container=TEXT, posture=TEXT)
VERDICT = by_name(OPEN)
JUDGED = record(target=TEXT, verdict=TEXT, tier=TEXT, reason=TEXT, rule=maybe(TEXT))
FACT = by_name(OPEN) | {"description": "a fact of the activity feed: kind, at, and the fields of its kind"}
BUDGET = record(on_limit=TEXT, limits=rows(FACT))
CREDENTIAL = of(f"{_BOX}.vault.store:CredentialRow")

RACE = record(of("terok.model.race:Race", created=TIME, trashed=maybe(TIME)), short=TEXT)
ATTEMPT = record(
    of(
        "terok.model.race:Standing",
        fate=words("here", "archived", "deleted"),
        size=maybe(of("terok.model.changes:Size")),
        check=of("terok.model.race:Check"),
        cost=maybe(NUMBER | {"description": "US dollars; null if it is not known"}),
    ),
    short=TEXT,
    judgeable=YES_NO | {"description": "it has ended with work that its check, if there is one, has found right"},
)
BOARD = record(
    race=RACE,
    attempts=rows(ATTEMPT),
    least=by_name(rows(WHOLE)) | {"description": "by column the attempts with the least, of those that can be judged"},
    shared=rows(record(path=TEXT, attempts=rows(WHOLE))),
)

OUTPUTS: dict[str, Shape | Lines] = {
    "status": either(
        record(needing=WHOLE, counts=by_name(WHOLE), tasks=rows(TASK)),
        record(needing=WHOLE) | {"description": "with --quiet"},
    ),
    "sickbay": record(
        findings=rows(HEALTH), mended=rows(HEALTH), failed=rows(record(HEALTH, error=TEXT)), seconds=NUMBER
    ),
    "panic": either(of(f"{_SERVICES}.panic:Report"), of(f"{_SERVICES}.panic_recovery:Cleared"), record(locked=YES_NO)),
    "storage": record(
        kinds=rows(record(kind=TEXT, number=WHOLE, bytes=WHOLE, whole=YES_NO)),
        free=maybe(WHOLE),
        floor=WHOLE,
        low=YES_NO,
        trash_days=WHOLE,
        failures=rows(TEXT),
        maybe={"places": rows(of(f"{_SERVICES}.storage:Place"))},
    ),
    "storage clean": record(
        found=rows(record(of(f"{_SERVICES}.storage_cleaning:Unneeded"), removed=YES_NO)), failures=rows(TEXT)
    ),
    "usage": record(by=TEXT, rows=rows(SUM), total=SUM),
    "events": Lines(
        either(
            record(type=words("event"), seq=WHOLE, at=TIME, task=TEXT, kind=TEXT, data=by_name(OPEN)),
            record(type=words("snapshot"), seq=WHOLE, tasks=rows(by_name(OPEN))),
        )
    ),
    "tui": rows(record(action=TEXT, keys=TEXT, where=TEXT, verb=TEXT, help=TEXT)),
    "controller status": record(
        running=YES_NO,
        maybe={
            "reason": TEXT,
            "pid": WHOLE,
            "since": TIME,
            "following": rows(TEXT),
            "awake": YES_NO,
            "children": rows(TEXT),
            "settings": YES_NO,
        },
    ),
    "task run": either(TASK, record(task=TEXT, name=TEXT, result=RESULT), record(task=TEXT, url=TEXT)),
    "task new": TASK,
    "task list": rows(TASK),
    "task show": record(TASK, request=by_name(OPEN), follow_ups=rows(FOLLOW_UP), directory=TEXT),
    "task status": STATE,
    "task why": STATE,
    "task wait": rows(TASK),
    "task logs": Lines(SAID),
    "task followup": either(
        rows(FOLLOW_UP),
        record(id=WHOLE, maybe={"delivered": YES_NO}),
        record(task=TEXT, name=TEXT, result=RESULT),
    ),
    "task timeline": either(
        record(
            task=TEXT,
            left_out=YES_NO | {"description": "whether there are older entries"},
            chains=rows(of("terok.model.timeline:Chain")),
            entries=rows(
                of("terok.model.timeline:Entry", at=TIME, kind=words(*KINDS), data=by_name(OPEN), until=maybe(TIME))
            ),
        ),
        record(resourceSpans=rows(by_name(OPEN))) | {"description": "with --export otlp"},
        record(**{"$schema": TEXT}, version=words("2.1.0"), runs=rows(by_name(OPEN)))
        | {"description": "with --export sarif"},
    ),
    "task send": record(task=TEXT, how=TEXT),
    "task rename": record(task=TEXT, name=TEXT),
    "task diff": record(task=TEXT, source=TEXT, diff=TEXT),
    "task usage": record(task=TEXT, by=TEXT, rows=rows(SUM), total=SUM),
    "task audit": Lines(ROW),
    **{f"task {verb}": DONE for verb in ("stop", "restart", "revoke-credentials", "archive", "restore", "delete")},
    "race run": BOARD,
    "race list": rows(record(RACE, attempts=WHOLE, tasks=rows(TEXT))),
    "race show": either(BOARD, record(race=TEXT, attempts=rows(WHOLE), diff=TEXT)),
    "race keep": record(race=TEXT, task=TEXT, target=TEXT, archived=rows(TEXT), operation=WHOLE),
    "race stop": DONE,
    "race delete": record(race=TEXT, operation=WHOLE),
    "review": either(
        rows(
            record(
                **dict.fromkeys(("task", "name", "project", "branch", "tip", "state", "note"), TEXT),
                commits=WHOLE,
                findings=WHOLE,
            )
        ),
        record(
            REVIEW,
            task=TEXT,
            scope=TEXT,
            since=maybe(record(tip=TEXT, base=TEXT, at=TIME, notes=rows(TEXT))),
            files=rows(
                record(
                    **dict.fromkeys(("status", "path", "old_path", "old_mode", "mode", "blob"), TEXT),
                    **dict.fromkeys(("added", "deleted"), WHOLE),
                    **dict.fromkeys(("binary", "submodule", "viewed"), YES_NO),
                )
            ),
            comments=rows(COMMENT),
            checks=rows(CHECK),
            upstream=maybe(record(branch=TEXT, commits=WHOLE, subjects=rows(TEXT), files=rows(TEXT))),
        ),
        rows(COMMENT) | {"description": "with --comments"},
        CHECK | {"description": "with --check"},
        record(id=WHOLE) | {"description": "with --comment or --resolve"},
        record(path=TEXT, viewed=YES_NO) | {"description": "with --viewed or --not-viewed"},
    ),
    "promote": record(PROMOTED, operation=maybe(WHOLE), archived=rows(TEXT)),
    "reject": record(branch=TEXT, scope=TEXT, operation=WHOLE),
    "undo": record(id=WHOLE, verb=TEXT, subject=TEXT),
    "op log": rows(
        record(
            id=WHOLE,
            at=TIME,
            verb=TEXT,
            subject=TEXT,
            summary=TEXT,
            state=words("open", "done", "undone", "expired"),
            expires=maybe(TIME),
        )
    ),
    "project list": rows(either(PROJECT, BROKEN)),
    "project show": PROJECT,
    "project wizard": record(name=TEXT, file=TEXT),
    "project init": of(f"{_SERVICES}.projects:Prepared"),
    "project build": IMAGE,
    "project agents": record(selection=TEXT, agents=rows(TEXT), default=TEXT),
    "project delete": record(project=TEXT, operation=WHOLE),
    "config paths": record(paths=rows(record(what=TEXT, path=TEXT, exists=YES_NO)), variables=by_name(TEXT)),
    "config resolved": rows(SETTING),
    "config explain": rows(record(SETTING, layers=rows(LAYER))),
    "config schema": by_name(OPEN) | {"description": "a JSON Schema"},
    "config validate": rows(record(file=TEXT, line=maybe(WHOLE), key=maybe(TEXT), message=TEXT, hint=maybe(TEXT))),
    "image list": rows(of(f"{_RUN}.image.storage:StoredImage")),
    "image build": IMAGE,
    "image cleanup": rows(record(of(f"{_SERVICES}.images:Removal"), removed=YES_NO)),
    "image usage": record(kinds=rows(record(kind=TEXT, images=WHOLE, bytes=WHOLE)), bytes=WHOLE),
    "acp list": rows(
        record(
            project=TEXT,
            task=TEXT,
            name=TEXT,
            status=words("active", "ready", "unsupported", "unknown"),
            agent=TEXT,
            path=TEXT,
        )
    ),
    "acp probe": record(agent=TEXT, label=TEXT, models=rows(TEXT), initialize=OPEN, session=OPEN),
    "acp start": record(task=TEXT, name=TEXT, project=TEXT, container=TEXT),
    "agents list": rows(record(name=TEXT, type=TEXT, provider=TEXT, description=TEXT)),
    "agents update": record(moves=rows(of(f"{_RUN}.image.update:Move")), written=maybe(TEXT)),
    "agents dir": record(path=TEXT, exists=YES_NO),
    "demo": by_name(OPEN),
    "auth": rows(of(f"{_RUN}.auth.status:CredentialStatus")),
    "executor run": RESULT,
    "executor run-tool": RESULT,
    "executor start": RESULT,
    "executor deliver": RESULT,
    "executor preflight": rows(of(f"{_RUN}.runner.preflight:CheckResult")),
    "executor build": record(l0=TEXT, l1=TEXT, built=YES_NO),
    "executor list": rows(
        record(
            **dict.fromkeys(("name", "state", "agent", "branch", "repo"), TEXT),
            started=either(TEXT, NUMBER),
            maybe={"bytes": WHOLE},
        )
    ),
    "executor logs": Lines(SAID),
    "executor doctor": rows(FINDING),
    "executor show-config": record(executor=by_name(OPEN), sandbox=by_name(OPEN)),
    "sandbox list": rows(of(f"{_BOX}.sandbox.listing:SandboxRow")),
    "sandbox doctor": record(checks=rows(FINDING)),
    "sandbox activity": either(record(container=TEXT, unheard=rows(TEXT), facts=rows(FACT)), FACT),
    "sandbox budget": BUDGET,
    "sandbox prepare": record(name=TEXT, args=rows(TEXT), env=by_name(TEXT)),
    "sandbox supervisor status": record(
        running=YES_NO,
        maybe={
            **dict.fromkeys(("pid", "container_pid"), WHOLE),
            "container_id": TEXT,
            "prepared": OPEN,
            "took_ms": OPEN,
            "supervisors": by_name(WHOLE),
            "workers": by_name(by_name(OPEN)),
        },
    ),
    "sandbox gate list": rows(record(MIRROR, path=TEXT)),
    "sandbox gate path": record(path=TEXT),
    "sandbox gate add": record(SYNCED, scope=TEXT),
    "sandbox gate sync": SYNCED,
    "sandbox gate branches": by_name(TEXT | {"description": "commit"}),
    "sandbox gate review": either(rows(NEW_WORK), REVIEW),
    "sandbox gate promote": PROMOTED,
    "sandbox gate reject": record(branch=TEXT, tip=TEXT),
    "sandbox gate ops": rows(of(f"{_BOX}.gate.plan:PendingOp")),
    "sandbox gate apply": record(applied=rows(TEXT), backups=rows(TEXT), errors=rows(TEXT)),
    "sandbox gate backups": rows(of(f"{_BOX}.gate.backups:Backup")),
    "sandbox gate restore": record(restored=TEXT),
    "sandbox gate prune": rows(TEXT),
    "sandbox gate gc": record(backups=WHOLE, bytes_before=WHOLE, bytes_after=WHOLE),
    "sandbox gate rm": record(removed=TEXT, bytes=WHOLE),
    "sandbox gate policy": record(verdicts=by_name(TEXT), exceptions=rows(TEXT), limits=by_name(WHOLE)),
    "sandbox gate access": MIRROR,
    "shield status": of(f"{_BOX}.sandbox.shield:ShieldState", verdicts=rows(VERDICT)),
    **{f"shield {verb}": POSTURE for verb in ("up", "down", "quarantine", "reset")},
    "shield allow": VERDICT,
    "shield deny": VERDICT,
    "shield revoke": record(target=TEXT),
    "shield rules": rows(record(tier=TEXT, line=TEXT)),
    "shield preview": record(posture=TEXT, ruleset=TEXT),
    "shield resolve": record(
        verdict=TEXT,
        reason=TEXT,
        addresses=rows(record(address=TEXT, verdict=TEXT, reason=TEXT)),
        maybe={"name": TEXT, "tier": TEXT, "rule": maybe(TEXT)},
    ),
    "shield logs": Lines(ROW),
    "shield watch": Lines(ROW),
    "shield profiles": rows(record(name=TEXT, origin=TEXT, summary=TEXT, sources=TEXT, checked=TEXT)),
    "shield check": JUDGED,
    "shield why": record(
        JUDGED,
        rules=rows(record(tier=TEXT, rule=TEXT, expired=YES_NO, other_port=YES_NO)),
        seen=rows(ROW),
    ),
    "shield test": record(expectations=WHOLE, failed=rows(record(JUDGED, line=WHOLE, expected=TEXT))),
    "shield replay": Lines(record(target=TEXT, was=TEXT, becomes=TEXT, count=WHOLE, reason=TEXT)),
    "shield sets": record(sets=rows(record(name=TEXT, open=YES_NO, origin=TEXT, summary=TEXT)), set_in=TEXT),
    "sandbox clearance list": rows(by_name(OPEN)),
    "vault status": of(f"{_BOX}.vault.status:VaultStatus", credentials=rows(CREDENTIAL)),
    "vault list": record(credentials=rows(CREDENTIAL), maybe={"tokens": rows(of(f"{_BOX}.vault.store:TokenRow"))}),
    "vault audit": Lines(ROW),
    "vault usage": record(usage=rows(by_name(OPEN))),
    "vault clean": rows(of(f"{_RUN}.auth.leaks:Leak")),
    "vault passphrase show": record(
        tier=TEXT,
        **dict.fromkeys(("acknowledged", "locked", "rekeying", "session", "command"), YES_NO),
        available=by_name(YES_NO),
    ),
    "sandbox ssh list": record(
        keys=rows(
            record(
                **dict.fromkeys(("type", "comment", "created", "public", "fingerprint"), TEXT),
                id=WHOLE,
                scope=maybe(TEXT),
                default=YES_NO,
            )
        )
    ),
}


def file_name(path: str) -> str:
    """Return the name of the file with the schema of a command's output."""
    return f"{path.replace(' ', '-')}.json"


def manner(path: str) -> str:
    """Return how a command prints its output."""
    return "one document a line" if isinstance(OUTPUTS[path], Lines) else "one document"


def document(path: str) -> dict[str, Any]:
    """Return the JSON Schema of a command's output, as it is published."""
    output = OUTPUTS[path]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"terok {path} --json",
        "$comment": manner(path),
        **(output.shape if isinstance(output, Lines) else output),
    }
