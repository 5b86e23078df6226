"""`terok panic`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

_EPILOG = """\
Every sandboxed container of this user is cut off, tasks or not: the rules in the kernel close first, then its services
end and its tokens are revoked. Until --clear nothing starts, whichever command asks. The evidence is a directory that
only you can read; its log is chained by hashes.

--clear takes up again what should run, in new containers with the same workspaces and conversations. What a task has
installed in its old container beside that is gone; sealed tasks stay as they are.

exit codes:
  0    everything is cut off, or the lockdown has ended
  1    something may not be, or a task could not be taken up again; the output says what
  2    the word was not typed, or there is no terminal to type it on and no --yes
"""

PANIC = CommandDef(
    "panic",
    help="cut every container off, revoke its tokens, and let nothing start until --clear",
    handler="terok.cli.panic:panic",
    args=(
        ArgDef("--stop", action="store_true", help="also end every container", group="what"),
        ArgDef("--clear", action="store_true", help="end the lockdown and take up what should run", group="what"),
        ArgDef("--yes", action="store_true", help="do not ask for the word"),
        JSON,
    ),
    epilog=_EPILOG,
    source="terok",
)
