"""The verbs of `shield`."""

from __future__ import annotations

from terok_util import ArgDef, CommandDef
from terok_util.commands.defs import JSON

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more than the rest of the imports
    from typing import Final

_CONTAINERS: Final = "terok_sandbox.cli.names:containers"
_NAME: Final = ArgDef("name", metavar="NAME", help="name of the container", completer=_CONTAINERS)
_TARGET: Final = ArgDef(
    "target", metavar="TARGET", help="host, *.domain, address or network; :port and /protocol may follow"
)
_VERDICT_ARGS: Final = (
    _TARGET,
    ArgDef("--minutes", type=float, metavar="MINUTES", help="let it end by itself (default: with the task)"),
    ArgDef("--reason", default="", metavar="TEXT", help="why; it is written into the audit log"),
)
_DECISION_ARGS: Final = (
    ArgDef("target", metavar="HOST[:PORT]", help="name or address, port 443 when none is given"),
    ArgDef(
        "--container",
        metavar="NAME",
        help="judge by this container's policy, live verdicts included",
        completer=_CONTAINERS,
    ),
    ArgDef("--policy", metavar="FILE", help="judge by the rules of this policy file"),
    ArgDef(
        "--profile", action="append", dest="profiles", metavar="PROFILE", help="judge by this profile; may be repeated"
    ),
)


def _of_container(name: str, summary: str, *args: ArgDef) -> CommandDef:
    return CommandDef(name, help=summary, handler=f"terok_sandbox.cli.shield:{name}", args=(_NAME, *args, JSON))


def _of_policies(name: str, summary: str, *args: ArgDef) -> CommandDef:
    return CommandDef(name, help=summary, handler=f"terok_sandbox.cli.policies:{name}", args=(*args, JSON))


VERBS: Final = (
    _of_container("status", "show the wall of a container"),
    _of_container("up", "enforce the policy"),
    _of_container(
        "down",
        "let through what no rule decides, and log it; denials and floors stay",
        ArgDef("--disengage", action="store_true", help="let through everything, floors included"),
    ),
    _of_container("quarantine", "end every connection and let nothing out"),
    _of_container("reset", "go back to the launch policy with the wall up"),
    _of_container("allow", "open a target while it runs", *_VERDICT_ARGS),
    _of_container("deny", "close a target and end its flows", *_VERDICT_ARGS),
    _of_container("revoke", "take a live verdict back", _TARGET),
    _of_container("rules", "print the policy in force"),
    _of_container(
        "preview",
        "print the kernel's rules as a start would load them",
        ArgDef("--posture", choices=("up", "down", "disengaged", "quarantine"), help="another posture than its own"),
    ),
    _of_container(
        "resolve",
        "resolve a name as the container would, with a decision for each address",
        ArgDef("host", metavar="HOST", help="a name that the policy allows"),
    ),
    _of_container(
        "logs",
        "print what was decided",
        ArgDef("--tail", type=int, default=50, metavar="N", help="only the last N rows (default: 50)"),
    ),
    _of_container("watch", "follow what is decided"),
    _of_policies(
        "profiles",
        "list the allowlist profiles, or print one as it is read on this machine",
        ArgDef("profile", nargs="?", metavar="PROFILE", help="name of a profile"),
    ),
    _of_policies("check", "judge a host; exit 0 when it is allowed, 1 when not", *_DECISION_ARGS),
    _of_policies(
        "why", "explain a decision: the rules that match, in order, and what was seen of late", *_DECISION_ARGS
    ),
    _of_policies(
        "test",
        "check the expectations that a policy file holds",
        ArgDef("file", metavar="POLICYFILE", help="rules and lines like: expect deny host:22"),
    ),
    _of_policies(
        "replay",
        "judge a container's audit log again and print what would be decided otherwise",
        _NAME,
        ArgDef("file", metavar="POLICYFILE", help="the changed policy"),
    ),
)
"""Children of the `shield` group."""
