"""The verbs of `terok task`: data only."""

from __future__ import annotations

from terok_util import JSON, TAIL, ArgDef, CommandDef, whole_number

from terok.cli.top_tree import ATTACH, RAW, TASK_ARG

_COMPLETE_PROJECT = "terok.cli.complete:projects"
_COMPLETE_TASK = "terok.cli.complete:tasks"
_COMPLETE_TERM = "terok.cli.complete:terms"
PROJECT = ArgDef("project", metavar="PROJECT", help="name of a project", completer=_COMPLETE_PROJECT)
_TASKS = ArgDef(
    "tasks",
    metavar="TASK",
    nargs="+",
    help="tasks, or terms of a filter such as s:done p:web age:>7d",
    completer=_COMPLETE_TERM,
)
_RUNNING = ArgDef("--running", action="store_true", help="a filter includes tasks that run")
PROMPT_FILE = ArgDef("--prompt-file", metavar="FILE", help="file with the prompt; - is standard input")

_RUN_CODES = """\
exit codes:
  the agent's own once it has started, and
  2    the request is wrong: unknown project or agent, empty prompt
  3    set-up or a credential is missing; the message names the command
  5    the host lacks something
  6    an image could not be built
  75   the agent succeeded, but not all of its work could be handed to the gate
  124  the time ran out
  130  interrupted: the task is stopped; a closed terminal leaves it running
"""

OVERRIDES = (
    ArgDef(
        "--agent", metavar="AGENT", help="which agent (default: the project's)", completer="terok.cli.complete:agents"
    ),
    ArgDef(
        "--provider",
        metavar="NAME",
        help="another agent, or a provider for the agent to use",
        completer="terok.cli.complete:agents_or_providers",
    ),
    ArgDef("-m/--model", metavar="MODEL", help="model for the agent to use"),
    ArgDef(
        "--preset",
        metavar="NAME",
        help="a bundle of options from the configuration",
        completer="terok.cli.complete:presets",
    ),
    ArgDef("--max-turns", type=whole_number, metavar="N", help="end after so many turns"),
    ArgDef("--timeout", type=whole_number, metavar="SECONDS", help="end the agent after"),
    ArgDef("--branch", metavar="BRANCH", help="work on this branch (default: a new one, terok/ID)"),
    ArgDef("--restricted", action="store_true", help="the agent asks before it acts, and has no sudo"),
    ArgDef("--memory", metavar="SIZE", help="memory limit, such as 4g"),
    ArgDef("--cpus", metavar="N", help="limit of processor cores, such as 2.0"),
    ArgDef("-e/--env", action="append", metavar="NAME[=VALUE]", help="variable for the container; repeatable"),
    ArgDef("--allow", action="append", metavar="HOST:PORT", help="let the agent connect there; repeatable"),
    ArgDef("--profile", dest="profiles", action="append", metavar="PROFILE", help="allowlist to use; repeatable"),
    ArgDef("--tool", dest="tools", action="append", metavar="TOOL", help="give the agent a tool; repeatable"),
    ArgDef("--budget", action="append", metavar="NAME=NUMBER", help="limit: cost, tokens, requests, …; repeatable"),
    ArgDef("--credential-set", metavar="SET", help="which stored credentials to use"),
    ArgDef("--instructions", metavar="FILE", help="file with further instructions for the agent"),
)
"""Options of a run that replace settings of the project."""

RUN = CommandDef(
    "run",
    help="start a task: headless with a prompt, else a terminal with the agent",
    handler="terok.cli.task_run:run",
    args=(
        PROJECT,
        ArgDef("prompt", metavar="PROMPT", nargs="?", help="what to do"),
        PROMPT_FILE,
        ArgDef(
            "--mode",
            choices=("interactive", "headless", "web", "cli", "toad"),
            help="how to work with it (default: by the prompt)",
        ),
        ArgDef("--name", metavar="NAME", help="name of the task (default: one is made up)"),
        *OVERRIDES,
        ArgDef(
            "--after",
            action="append",
            metavar="TASK",
            help="start when this task is done; repeatable",
            completer=_COMPLETE_TASK,
        ),
        ArgDef("--port", type=whole_number, metavar="N", help="port of the web page (default: a free one)"),
        ArgDef("--public-url", metavar="URL", help="address of a proxy in front of the web page"),
        ArgDef("-d/--detach", action="store_true", help="do not wait for it"),
        RAW,
        JSON,
    ),
    epilog=_RUN_CODES,
)
NEW = CommandDef(
    "new",
    help="record a task without starting it; `task restart` starts it",
    handler="terok.cli.task_run:new",
    args=(
        PROJECT,
        ArgDef("prompt", metavar="PROMPT", nargs="?", help="what to do"),
        PROMPT_FILE,
        ArgDef("--name", metavar="NAME", help="name of the task (default: one is made up)"),
        *OVERRIDES,
        JSON,
    ),
)
LIST = CommandDef(
    "list",
    help="list tasks, those that need you first",
    handler="terok.cli.task_read:list_tasks",
    args=(
        ArgDef(
            "terms",
            metavar="TERM",
            nargs="*",
            help="a filter: s:question p:web age:>1h cost:>1 !s:done, words",
            completer=_COMPLETE_TERM,
        ),
        ArgDef("--all", dest="everything", action="store_true", help="archived and deleted ones too"),
        JSON,
    ),
)
SHOW = CommandDef("show", help="show all about a task", handler="terok.cli.task_read:show_task", args=(TASK_ARG, JSON))
STATUS = CommandDef(
    "status", help="print what a task is doing", handler="terok.cli.task_read:status", args=(TASK_ARG, JSON)
)
WHY = CommandDef(
    "why",
    help="print the evidence for a task's state",
    handler="terok.cli.task_read:why",
    args=(TASK_ARG, JSON),
)
LOGS = CommandDef(
    "logs",
    help="show what the agent of a task has said and done",
    handler="terok.cli.task_logs:logs",
    args=(TASK_ARG, ArgDef("-f/--follow", action="store_true", help="keep following"), TAIL, RAW, JSON),
)
WAIT = CommandDef(
    "wait",
    help="wait until tasks are in a state",
    handler="terok.cli.task_wait:wait",
    args=(
        _TASKS,
        ArgDef("--until", metavar="STATE", default="over", help="a state or group of states (default: over)"),
        ArgDef("--timeout", type=whole_number, metavar="SECONDS", help="give up after; exit code 124"),
        JSON,
    ),
)
STOP = CommandDef(
    "stop",
    help="stop tasks; their work is handed to the gate first",
    handler="terok.cli.task_verbs:stop",
    args=(
        _TASKS,
        ArgDef("--timeout", type=whole_number, metavar="SECONDS", help="then it is killed"),
        _RUNNING,
        JSON,
    ),
)
RESTART = CommandDef(
    "restart",
    help="start tasks again; their workspaces are as they were",
    handler="terok.cli.task_verbs:restart",
    args=(_TASKS, _RUNNING, JSON),
)
FOLLOWUP = CommandDef(
    "followup",
    help="give a headless task its next prompt, at once or when it has ended",
    handler="terok.cli.task_run:followup",
    args=(
        ArgDef("task", metavar="TASK", help="which task", completer=_COMPLETE_TASK),
        ArgDef("prompt", metavar="PROMPT", nargs="?", help="what to do next"),
        PROMPT_FILE,
        ArgDef("--list", dest="shown", action="store_true", help="list what waits"),
        ArgDef("--edit", type=whole_number, metavar="N", help="replace number N, which waits"),
        ArgDef("--take-back", type=whole_number, metavar="N", help="take number N back, which waits"),
        ArgDef("-d/--detach", action="store_true", help="do not wait for it"),
        RAW,
        JSON,
    ),
)
SEND = CommandDef(
    "send",
    help="give a working agent more input now",
    handler="terok.cli.task_verbs:send",
    args=(
        ArgDef("task", metavar="TASK", help="which task", completer=_COMPLETE_TASK),
        ArgDef("text", metavar="TEXT", help="what to tell it"),
        JSON,
    ),
)
RENAME = CommandDef(
    "rename",
    help="give a task another name",
    handler="terok.cli.task_verbs:rename",
    args=(
        ArgDef("task", metavar="TASK", help="which task", completer=_COMPLETE_TASK),
        ArgDef("name", metavar="NAME", help="its new name"),
        JSON,
    ),
)
DIFF = CommandDef(
    "diff",
    help="show what has changed in a task's workspace, or in the gate when it does not run",
    handler="terok.cli.task_logs:diff",
    args=(TASK_ARG, ArgDef("--stat", action="store_true", help="only how much"), JSON),
)
USAGE = CommandDef(
    "usage", help="show what a task has used and cost", handler="terok.cli.usage:task_usage", args=(TASK_ARG, JSON)
)
TIMELINE = CommandDef(
    "timeline",
    help="show what has happened to a task: names, connections, credentials, model and tool calls, pushes, verdicts",
    handler="terok.cli.task_timeline:timeline",
    args=(
        TASK_ARG,
        ArgDef(
            "-k/--kind",
            dest="kinds",
            action="append",
            metavar="KIND",
            help="only entries of this kind; repeatable, or several with commas",
            completer="terok.cli.complete:kinds",
        ),
        ArgDef("--since", metavar="TIME", help="only from then on: 90m, 24h, 7d, or a date"),
        TAIL,
        ArgDef(
            "--export",
            choices=("otlp", "sarif"),
            help="print OpenTelemetry spans, or the gate's findings as SARIF",
        ),
        JSON,
    ),
)
AUDIT = CommandDef(
    "audit",
    help="show what a task did with credentials, where it wanted to connect, and its pushes",
    handler="terok.cli.task_logs:audit",
    args=(TASK_ARG, TAIL, JSON),
)
REVOKE = CommandDef(
    "revoke-credentials",
    help="take the credentials of tasks away; they run on without",
    handler="terok.cli.task_verbs:revoke",
    args=(_TASKS, _RUNNING, JSON),
)
ARCHIVE = CommandDef(
    "archive",
    help="remove the container of tasks that are over, and keep their record",
    handler="terok.cli.task_verbs:archive",
    args=(_TASKS, _RUNNING, JSON),
)
RESTORE = CommandDef(
    "restore",
    help="bring deleted or archived tasks back",
    handler="terok.cli.task_verbs:restore",
    args=(_TASKS, JSON),
)
DELETE = CommandDef(
    "delete",
    help="delete tasks; `terok undo` brings them back",
    handler="terok.cli.task_verbs:delete",
    args=(_TASKS, _RUNNING, JSON),
)
VERBS = (
    *(RUN, NEW, LIST, SHOW, STATUS, WHY, LOGS, WAIT, STOP, RESTART, FOLLOWUP, SEND, ATTACH, RENAME, DIFF),
    *(USAGE, TIMELINE, AUDIT, REVOKE, ARCHIVE, RESTORE, DELETE),
)
