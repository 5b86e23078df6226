"""`terok review`, `promote` and `reject`, by task, branch or commit: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

_COMPLETE = "terok.cli.complete:tasks"
_WHAT = ArgDef("what", metavar="TASK", help="a task, a branch or a commit", completer=_COMPLETE)
_PROJECT = ArgDef("--project", metavar="PROJECT", help="look in this project only")
_BRANCH = ArgDef("--branch", metavar="BRANCH", help="which branch of a task that has pushed several")

REVIEW = CommandDef(
    "review",
    help="show what a task brings, or list all that waits for review",
    handler="terok.cli.review:review",
    args=(
        ArgDef("what", metavar="TASK", nargs="?", help="a task, a branch or a commit", completer=_COMPLETE),
        _BRANCH,
        _PROJECT,
        JSON,
        ArgDef("--sarif", help="write the findings to this file, as SARIF", metavar="FILE"),
    ),
    source="terok",
)
PROMOTE = CommandDef(
    "promote",
    help="send what was reviewed to the upstream",
    handler="terok.cli.review:promote",
    args=(
        _WHAT,
        _BRANCH,
        _PROJECT,
        ArgDef("--to", help="the upstream's branch (default: the same name)", metavar="BRANCH"),
        ArgDef("--accept-flags", help="you have looked at the findings", action="store_true"),
        ArgDef("--pull-request", help="open a pull request for it, with the token in the vault", action="store_true"),
        ArgDef("--base", help="the branch that the pull request is for (default: the upstream's)", metavar="BRANCH"),
        ArgDef("--title", help="the pull request's title (default: the last commit's)", metavar="TEXT"),
        JSON,
    ),
    source="terok",
)
REJECT = CommandDef(
    "reject",
    help="turn a task's work down with a note that the agent sees",
    handler="terok.cli.review:reject",
    args=(
        _WHAT,
        _BRANCH,
        _PROJECT,
        ArgDef("-m/--message", dest="note", help="the note", metavar="NOTE", required=True),
        JSON,
    ),
    source="terok",
)
