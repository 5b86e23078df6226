"""The verbs of `gate`."""

from __future__ import annotations

from terok_util.commands.defs import JSON, ArgDef, CommandDef, whole_number

_HANDLERS = "terok_sandbox.gate.handlers"
_REVIEW = "terok_sandbox.gate.review_handlers"
_SCOPES = "terok_sandbox.gate.names:scopes"
_SCOPE = ArgDef("scope", help="name of a mirror, as 'gate list' shows it", metavar="SCOPE", completer=_SCOPES)
_BRANCH = ArgDef("branch", help="name of a branch", metavar="BRANCH")
_ACCESS = (
    ArgDef("--credential", help="credential in the vault, for https and pull requests", metavar="[SET/]PROVIDER"),
    ArgDef("--ssh-agent", help="socket of an agent for an ssh upstream", metavar="SOCKET"),
    ArgDef("--personal-ssh", help="use your own ssh configuration and keys", action="store_true"),
)
_DAYS = ArgDef("--days", help="keep the last N days", type=whole_number, default=30, metavar="N")


def _verb(name: str, text: str, *args: ArgDef, handler: str = "") -> CommandDef:
    return CommandDef(name, help=text, handler=handler or f"{_HANDLERS}:{name}", args=args)


GATE_VERBS = (
    _verb("list", "list the mirrors", JSON, handler=f"{_HANDLERS}:list_gates"),
    _verb("path", "print where a mirror lies", _SCOPE, JSON, handler=f"{_HANDLERS}:show_path"),
    _verb(
        "add",
        "make the mirror of a repository",
        ArgDef("repo", help="a directory, an https URL or an ssh address", metavar="REPO"),
        *(*_ACCESS, JSON),
    ),
    _verb("sync", "bring a mirror in step with its upstream", _SCOPE, JSON),
    _verb("branches", "list the branches of a mirror", _SCOPE, JSON),
    _verb(
        "review",
        "list the branches with new work, or show all that one brings",
        ArgDef("scope", help="name of a mirror (default: all)", metavar="SCOPE", nargs="?", completer=_SCOPES),
        ArgDef("branch", help="name of a branch", metavar="BRANCH", nargs="?"),
        JSON,
        ArgDef("--sarif", help="write the findings to this file, as SARIF", metavar="FILE"),
        handler=f"{_REVIEW}:review",
    ),
    _verb(
        "promote",
        "send a reviewed branch to the upstream",
        *(_SCOPE, _BRANCH),
        ArgDef("--to", help="the upstream's branch (default: the same name)", metavar="BRANCH"),
        ArgDef("--accept-flags", help="you have looked at the findings", action="store_true"),
        ArgDef("--pull-request", help="open a pull request for it, with the token in the vault", action="store_true"),
        ArgDef("--base", help="the branch that the pull request is for (default: the upstream's)", metavar="BRANCH"),
        ArgDef("--title", help="the pull request's title (default: the last commit's)", metavar="TEXT"),
        JSON,
        handler=f"{_REVIEW}:promote",
    ),
    _verb(
        "reject",
        "turn a branch down with a note that the agent sees",
        *(_SCOPE, _BRANCH),
        ArgDef("-m/--message", dest="note", help="the note", metavar="NOTE", required=True),
        JSON,
        handler=f"{_REVIEW}:reject",
    ),
    _verb("ops", "list what a sync left for you to decide", _SCOPE, JSON),
    _verb(
        "apply",
        "carry out pending operations; old tips are saved",
        _SCOPE,
        ArgDef("branches", help="only these branches, or refs/tags/NAME", metavar="BRANCH", nargs="*"),
        JSON,
    ),
    _verb("backups", "list saved tips", _SCOPE, JSON),
    _verb(
        "restore",
        "set a branch to a saved tip",
        _SCOPE,
        ArgDef("name", help="name of a backup, as 'gate backups' shows it", metavar="BACKUP"),
        ArgDef("--to", help="the branch to set (default: the one it was saved from)", metavar="BRANCH"),
        JSON,
    ),
    _verb("prune", "remove old backups", _SCOPE, _DAYS, JSON),
    _verb("gc", "remove old backups, and what nothing reaches any more", _SCOPE, _DAYS, JSON),
    _verb(
        "rm",
        "remove a mirror that no container uses",
        _SCOPE,
        ArgDef("--force", help="also with work that the upstream lacks", action="store_true"),
        JSON,
        handler=f"{_HANDLERS}:remove",
    ),
    _verb(
        "policy",
        "show or change what happens to pushes that a rule finds something in",
        _SCOPE,
        ArgDef("settings", help="refuse, flag or allow, by rule", metavar="RULE=TREATMENT", nargs="*"),
        ArgDef("--except", dest="exceptions", help="paths that a rule lets pass", metavar="RULE:GLOB", action="append"),
        ArgDef("--drop", dest="dropped", help="take an exception back", metavar="RULE:GLOB", action="append"),
        ArgDef("--limit", dest="limits", help="size in bytes, or count", metavar="NAME=NUMBER", action="append"),
        JSON,
    ),
    _verb(
        "access",
        "show or change how the upstream is spoken to",
        *(_SCOPE, *_ACCESS),
        ArgDef("--forge", help="whose API opens pull requests there", metavar="KIND"),
        JSON,
    ),
)
