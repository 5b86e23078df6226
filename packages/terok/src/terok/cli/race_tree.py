"""The verbs of `terok race`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef, whole_number

from terok.cli.task_tree import OVERRIDES, PROJECT, PROMPT_FILE

_COMPLETE_RACE = "terok.cli.complete:races"
_RACE = ArgDef("race", metavar="RACE", help="name of a race, beginning of its id, or @latest", completer=_COMPLETE_RACE)
_CHOSEN = ("--agent", "--provider", "-m/--model", "--branch")
"""Options of a task that are chosen by `--agents` here, or that attempts cannot share."""
_RUN = """\
All attempts begin from the commit that the upstream has now, with the same prompt, limits and settings; they differ in
agent and model alone. Those for which there is no slot yet wait in the queue. An attempt that fails ends no other one.
A check is run on what an attempt has brought as soon as it has ended, in a container, whether anybody looks on or not.

exit codes, with --wait:
  0    an attempt has brought something, which its check has found right if there is one
  1    none has
  130  interrupted: the race goes on
"""

VERBS = (
    CommandDef(
        "run",
        help="let several attempts at one task begin from the same commit",
        handler="terok.cli.race_run:run",
        args=(
            PROJECT,
            ArgDef("prompt", metavar="PROMPT", nargs="?", help="what to do"),
            PROMPT_FILE,
            ArgDef(
                "-n/--attempts",
                type=whole_number,
                metavar="N",
                help="how many (default: one for each of --agents, or 3)",
            ),
            ArgDef(
                "--agents",
                metavar="AGENT[:MODEL],…",
                help="who takes part, in turn (default: the project's agent)",
                completer="terok.cli.complete:agent_list",
            ),
            ArgDef("--check", metavar="COMMAND", help="run this on what each attempt brings, such as 'make test'"),
            ArgDef("--name", metavar="NAME", help="name of the race (default: one is made up)"),
            *(option for option in OVERRIDES if option.name not in _CHOSEN),
            ArgDef("--wait", action="store_true", help="wait until all have ended, and compare them"),
            JSON,
        ),
        epilog=_RUN,
    ),
    CommandDef("list", help="list races, the newest first", handler="terok.cli.race:list_races", args=(JSON,)),
    CommandDef(
        "show",
        help="compare the attempts of a race",
        handler="terok.cli.race:show_race",
        args=(
            _RACE,
            ArgDef(
                "--diff",
                nargs=2,
                metavar=("A", "B"),
                help="show the difference between the work of two attempts, said by their numbers",
            ),
            JSON,
        ),
        epilog="Nothing is chosen for you: `terok race keep TASK` says which attempt goes upstream.\n",
    ),
    CommandDef(
        "keep",
        help="promote an attempt, and archive the others; `terok undo` takes all of it back",
        handler="terok.cli.race:keep",
        args=(
            ArgDef("task", metavar="TASK", help="which attempt", completer="terok.cli.complete:tasks"),
            ArgDef("--to", help="the upstream's branch (default: the same name)", metavar="BRANCH"),
            ArgDef("--accept-flags", help="you have looked at the findings", action="store_true"),
            JSON,
        ),
        epilog="The attempt has to be reviewed first, as for `terok promote`: `terok review TASK`.\n",
    ),
    CommandDef(
        "stop",
        help="stop the attempts that run or wait; their work is handed to the gate first",
        handler="terok.cli.race:stop",
        args=(_RACE, JSON),
    ),
    CommandDef(
        "delete",
        help="delete a race with its attempts; `terok undo` brings them back",
        handler="terok.cli.race:delete",
        args=(_RACE, JSON),
    ),
)
