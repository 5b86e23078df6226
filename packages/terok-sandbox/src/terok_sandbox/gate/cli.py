"""The verbs of `gate`."""

from __future__ import annotations

from terok_util.commands.defs import JSON, ArgDef, CommandDef, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more than the rest of the imports
    from typing import Final

_HANDLERS: Final = "terok_sandbox.gate.handlers"
_REVIEW: Final = "terok_sandbox.gate.review_handlers"
_SCOPE: Final = ArgDef("scope", help="name of a mirror, as 'gate list' shows it", metavar="SCOPE")
_BRANCH: Final = ArgDef("branch", help="name of a branch", metavar="BRANCH")

_ACCESS: Final = (
    ArgDef("--credential", help="credential in the vault, for https and pull requests", metavar="[SET/]PROVIDER"),
    ArgDef("--ssh-agent", help="socket of an agent for an ssh upstream", metavar="SOCKET"),
    ArgDef("--personal-ssh", help="use your own ssh configuration and keys", action="store_true"),
)
_DAYS: Final = ArgDef("--days", help="keep the last N days", type=whole_number, default=30, metavar="N")

GATE_VERBS: Final = (
    CommandDef("list", help="list the mirrors", handler=f"{_HANDLERS}:list_gates", args=(JSON,)),
    CommandDef("path", help="print where a mirror lies", handler=f"{_HANDLERS}:show_path", args=(_SCOPE,)),
    CommandDef(
        "add",
        help="make the mirror of a repository",
        handler=f"{_HANDLERS}:add",
        args=(
            ArgDef("repo", help="a directory, an https URL or an ssh address", metavar="REPO"),
            *_ACCESS,
            JSON,
        ),
    ),
    CommandDef(
        "sync", help="bring a mirror in step with its upstream", handler=f"{_HANDLERS}:sync", args=(_SCOPE, JSON)
    ),
    CommandDef("branches", help="list the branches of a mirror", handler=f"{_HANDLERS}:branches", args=(_SCOPE, JSON)),
    CommandDef(
        "review",
        help="list the branches with new work, or show all that one brings",
        handler=f"{_REVIEW}:review",
        args=(
            ArgDef("scope", help="name of a mirror (default: all)", metavar="SCOPE", nargs="?"),
            ArgDef("branch", help="name of a branch", metavar="BRANCH", nargs="?"),
            JSON,
            ArgDef("--sarif", help="write the findings to this file, as SARIF", metavar="FILE"),
        ),
    ),
    CommandDef(
        "promote",
        help="send a reviewed branch to the upstream",
        handler=f"{_REVIEW}:promote",
        args=(
            _SCOPE,
            _BRANCH,
            ArgDef("--to", help="the upstream's branch (default: the same name)", metavar="BRANCH"),
            ArgDef("--accept-flags", help="you have looked at the findings", action="store_true"),
            ArgDef(
                "--pull-request", help="open a pull request for it, with the token in the vault", action="store_true"
            ),
            ArgDef(
                "--base", help="the branch that the pull request is for (default: the upstream's)", metavar="BRANCH"
            ),
            ArgDef("--title", help="the pull request's title (default: the last commit's)", metavar="TEXT"),
            JSON,
        ),
    ),
    CommandDef(
        "reject",
        help="turn a branch down with a note that the agent sees",
        handler=f"{_REVIEW}:reject",
        args=(
            _SCOPE,
            _BRANCH,
            ArgDef("-m/--message", dest="note", help="the note", metavar="NOTE", required=True),
            JSON,
        ),
    ),
    CommandDef("ops", help="list what a sync left for you to decide", handler=f"{_HANDLERS}:ops", args=(_SCOPE, JSON)),
    CommandDef(
        "apply",
        help="carry out pending operations; old tips are saved",
        handler=f"{_HANDLERS}:apply",
        args=(
            _SCOPE,
            ArgDef("branches", help="only these branches, or refs/tags/NAME", metavar="BRANCH", nargs="*"),
            JSON,
        ),
    ),
    CommandDef("backups", help="list saved tips", handler=f"{_HANDLERS}:backups", args=(_SCOPE, JSON)),
    CommandDef(
        "restore",
        help="set a branch to a saved tip",
        handler=f"{_HANDLERS}:restore",
        args=(
            _SCOPE,
            ArgDef("name", help="name of a backup, as 'gate backups' shows it", metavar="BACKUP"),
            ArgDef("--to", help="the branch to set (default: the one it was saved from)", metavar="BRANCH"),
            JSON,
        ),
    ),
    CommandDef(
        "prune",
        help="remove old backups",
        handler=f"{_HANDLERS}:prune",
        args=(
            _SCOPE,
            _DAYS,
            JSON,
        ),
    ),
    CommandDef(
        "gc",
        help="remove old backups, and what nothing reaches any more",
        handler=f"{_HANDLERS}:gc",
        args=(
            _SCOPE,
            _DAYS,
            JSON,
        ),
    ),
    CommandDef(
        "rm",
        help="remove a mirror that no container uses",
        handler=f"{_HANDLERS}:remove",
        args=(_SCOPE, ArgDef("--force", help="also with work that the upstream lacks", action="store_true"), JSON),
    ),
    CommandDef(
        "policy",
        help="show or change what happens to pushes that a rule finds something in",
        handler=f"{_HANDLERS}:policy",
        args=(
            _SCOPE,
            ArgDef("settings", help="refuse, flag or allow, by rule", metavar="RULE=VERDICT", nargs="*"),
            ArgDef(
                "--except", dest="exceptions", help="paths that a rule lets pass", metavar="RULE:GLOB", action="append"
            ),
            ArgDef("--drop", dest="dropped", help="take an exception back", metavar="RULE:GLOB", action="append"),
            ArgDef("--limit", dest="limits", help="size in bytes, or count", metavar="NAME=NUMBER", action="append"),
            JSON,
        ),
    ),
    CommandDef(
        "access",
        help="show or change how the upstream is spoken to",
        handler=f"{_HANDLERS}:access",
        args=(
            _SCOPE,
            *_ACCESS,
            ArgDef("--forge", help="whose API opens pull requests there", metavar="KIND"),
            JSON,
        ),
    ),
)
"""Children of the `gate` group."""
