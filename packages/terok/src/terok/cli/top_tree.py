"""The verbs that stand at the top of the tree: data only. Those with verbs below them are in `tree`."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef, whole_number

_COMPLETE_PROJECT = "terok.cli.complete:projects"
_COMPLETE_TASK = "terok.cli.complete:tasks"
TASK_ARG = ArgDef(
    "task",
    metavar="TASK",
    nargs="+",
    help="beginning of its id, name, PROJECT/TASK, PROJECT TASK, or @latest",
    completer=_COMPLETE_TASK,
)
RAW = ArgDef("--raw", action="store_true", help="print what the agent prints, byte for byte")
_WHAT = ArgDef("what", metavar="TASK", help="a task, a branch or a commit", completer=_COMPLETE_TASK)
_PROJECT = ArgDef("--project", metavar="PROJECT", help="look in this project only")
_BRANCH = ArgDef("--branch", metavar="BRANCH", help="which branch of a task that has pushed several")
_ARCHIVE = ArgDef("--archive", action="store_true", help="archive the task afterwards")
_WITHOUT = (
    ArgDef("--no-completions", action="store_true", help="leave the completions of shells alone"),
    ArgDef("--no-desktop-entry", action="store_true", help="leave the desktop's menu alone"),
    ArgDef("--no-units", action="store_true", help="leave the user units of systemd alone"),
    ArgDef("--no-notifier", action="store_true", help="leave the notifier for requests of containers alone"),
)
_DEMO_EPILOG = """\
The demonstration gives an agent a scratch repository and a task, and measures what held: who the agent was, what it
could reach, where the real key was. A local stub plays the model, so no account is needed. With --live the real
provider answers; the key is taken from the variable that the agent itself reads, and removed from the vault afterwards.

exit codes:
  0    everything held
  1    something did not hold, or the demonstration could not be run to its end
  2    the request is wrong: unknown agent, invalid base image
  3    set-up is missing; the message names the command
  5    the host lacks something: podman, mmdebstrap, a readable CA bundle
  6    an image could not be built
"""

_REVIEW_EPILOG = """\
Comments go to the agent with its next follow-up. They keep their place while their lines stay as they are, else they
are stale. A check has the project's network and no credential; its result is kept with the commit.

exit codes:
  1    a check has not passed, or a gate cannot be read
"""

SETUP = CommandDef(
    "setup",
    help="prepare this user: hook, vault, routes, completions, desktop",
    handler="terok.cli.setup:setup",
    args=_WITHOUT,
    epilog="Calling it again changes nothing that is right. Below TEROK_ROOT only the host is prepared.\n",
    source="terok",
)
UNINSTALL = CommandDef(
    "uninstall",
    help="remove what setup installed, and the images; your data stays",
    handler="terok.cli.setup:uninstall",
    args=(ArgDef("--keep-images", action="store_true", help="leave the images"), *_WITHOUT),
    source="terok",
)
STATUS = CommandDef(
    "status",
    help="print what needs you",
    handler="terok.cli.status:status",
    args=(
        ArgDef(
            "-q/--quiet", action="store_true", help="print only how many tasks need you, for prompts and status bars"
        ),
        JSON,
    ),
)
LOGIN = CommandDef(
    "login",
    help="open a terminal in a task's container",
    handler="terok.cli.login:login",
    args=(TASK_ARG,),
)
ATTACH = CommandDef(
    "attach",
    help="follow a headless task, or open an interactive one, wherever it was started",
    handler="terok.cli.login:attach",
    args=(TASK_ARG, RAW),
)
REVIEW = CommandDef(
    "review",
    help="show what a task brings, or list all that waits for review",
    handler="terok.cli.review:review",
    args=(
        ArgDef("what", metavar="TASK", nargs="?", help="a task, a branch or a commit", completer=_COMPLETE_TASK),
        _BRANCH,
        _PROJECT,
        ArgDef("--since-last", action="store_true", help="show only what is different since you last looked"),
        ArgDef("--file", dest="files", action="append", metavar="PATH", help="show this file only; repeatable"),
        ArgDef("--split", action="store_true", help="show both versions side by side"),
        ArgDef("--words", action="store_true", help="mark the words that have changed"),
        ArgDef("-w/--ignore-space", action="store_true", help="leave changes of white space out"),
        ArgDef("--syntax", action="store_true", help="color the languages of files, on a terminal"),
        ArgDef(
            "--comment",
            nargs="+",
            metavar="TEXT",
            group="action",
            help="comment on PATH:12, PATH:12-20, PATH:-12 (deleted), PATH, #N or, without a place, on all of it",
        ),
        ArgDef("--comments", action="store_true", group="action", help="list the comments"),
        ArgDef("--resolve", type=whole_number, metavar="N", group="action", help="settle a comment"),
        ArgDef("--viewed", metavar="PATH", group="action", help="do not show this file again while it stays as it is"),
        ArgDef("--not-viewed", metavar="PATH", group="action", help="take that back"),
        ArgDef(
            "--check", metavar="COMMAND", group="action", help="run a command on the commit, in a container of its own"
        ),
        ArgDef("--timeout", type=whole_number, metavar="SECONDS", help="end the check after (default: 1800)"),
        ArgDef("--sarif", help="write the findings to this file, as SARIF", metavar="FILE"),
        JSON,
    ),
    epilog=_REVIEW_EPILOG,
    source="terok",
)
PROMOTE = CommandDef(
    "promote",
    help="send what was reviewed to the upstream",
    handler="terok.cli.review:promote",
    args=(
        ArgDef(
            "what",
            metavar="TASK",
            nargs="+",
            help="a task, a branch or a commit; of several their work is put one after the other",
            completer=_COMPLETE_TASK,
        ),
        _BRANCH,
        _PROJECT,
        ArgDef("--to", help="the upstream's branch (default: the same name)", metavar="BRANCH"),
        ArgDef(
            "--rebase",
            action="store_true",
            help="put the work on top of what is upstream there (default: on its default branch), in a container",
        ),
        ArgDef("--accept-flags", help="you have looked at the findings", action="store_true"),
        ArgDef("--pull-request", help="open a pull request for it, with the token in the vault", action="store_true"),
        ArgDef("--base", help="the branch that the pull request is for (default: the upstream's)", metavar="BRANCH"),
        ArgDef("--title", help="the pull request's title (default: the last commit's)", metavar="TEXT"),
        _ARCHIVE,
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
        _ARCHIVE,
        JSON,
    ),
    source="terok",
)
EVENTS = CommandDef(
    "events",
    help="print what has happened to tasks",
    handler="terok.cli.events:events",
    args=(
        ArgDef("-f/--follow", action="store_true", help="print a snapshot, and then each event as it comes"),
        ArgDef("--after", type=whole_number, metavar="SEQ", help="only events after this one; no snapshot"),
        JSON,
    ),
)
UNDO = CommandDef(
    "undo",
    help="take back the last thing that was deleted, promoted, rejected or archived",
    handler="terok.cli.operation:undo",
    args=(
        ArgDef(
            "number", metavar="N", nargs="?", type=whole_number, help="number of an operation, as `op log` shows it"
        ),
        JSON,
    ),
    source="terok",
)
DEMO = CommandDef(
    "demo",
    help="let an agent do a small task in a container, and measure what holds",
    handler="terok.cli.demo:demo",
    args=(
        ArgDef("--agent", metavar="AGENT", default="demo", help="which agent (default: demo, a small script)"),
        ArgDef("--live", action="store_true", help="use the real provider instead of the stub"),
        ArgDef("--base", metavar="IMAGE", help="base image: a reference, or mmdebstrap:SUITE"),
        ArgDef("--keep", action="store_true", help="leave container, mirror and repository for a look"),
        ArgDef("--json", action="store_true", help="print JSON"),
    ),
    epilog=_DEMO_EPILOG,
    source="terok",
)
