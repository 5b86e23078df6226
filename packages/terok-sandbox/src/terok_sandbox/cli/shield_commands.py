"""The verbs of `shield`."""

from __future__ import annotations

from terok_util import ArgDef, CommandDef

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more than the rest of the imports
    from typing import Final

_HANDLERS: Final = "terok_sandbox.cli.shield"
_TOOLING: Final = "terok_sandbox.cli.policies"
_JSON: Final = ArgDef("--json", help="print JSON", action="store_true", dest="as_json")
_NAME: Final = ArgDef("name", metavar="NAME", help="name of the container")
_TARGET: Final = ArgDef(
    "target", metavar="TARGET", help="host, *.domain, address or network; :port and /protocol may follow"
)
_VERDICT_ARGS: Final = (
    _NAME,
    _TARGET,
    ArgDef("--minutes", type=float, metavar="MINUTES", help="let it end by itself (default: with the task)"),
    ArgDef("--reason", default="", metavar="TEXT", help="why; it is written into the audit log"),
    _JSON,
)
_POLICY_ARGS: Final = (
    ArgDef("--container", metavar="NAME", help="judge by this container's policy, live verdicts included"),
    ArgDef("--policy", metavar="FILE", help="judge by the rules of this policy file"),
    ArgDef(
        "--profile", action="append", dest="profiles", metavar="PROFILE", help="judge by this profile; may be repeated"
    ),
)

VERBS: Final = (
    CommandDef("status", help="show the wall of a container", handler=f"{_HANDLERS}:status", args=(_NAME, _JSON)),
    CommandDef("up", help="enforce the policy", handler=f"{_HANDLERS}:up", args=(_NAME, _JSON)),
    CommandDef(
        "down",
        help="let through what no rule decides, and log it; denials and floors stay",
        handler=f"{_HANDLERS}:down",
        args=(
            _NAME,
            ArgDef("--disengage", action="store_true", help="let through everything, floors included"),
            _JSON,
        ),
    ),
    CommandDef(
        "quarantine",
        help="end every connection and let nothing out",
        handler=f"{_HANDLERS}:quarantine",
        args=(_NAME, _JSON),
    ),
    CommandDef(
        "reset",
        help="go back to the launch policy with the wall up",
        handler=f"{_HANDLERS}:reset",
        args=(_NAME, _JSON),
    ),
    CommandDef("allow", help="open a target while it runs", handler=f"{_HANDLERS}:allow", args=_VERDICT_ARGS),
    CommandDef("deny", help="close a target and end its flows", handler=f"{_HANDLERS}:deny", args=_VERDICT_ARGS),
    CommandDef(
        "revoke",
        help="take a live verdict back",
        handler=f"{_HANDLERS}:revoke",
        args=(_NAME, _TARGET, _JSON),
    ),
    CommandDef("rules", help="print the policy in force", handler=f"{_HANDLERS}:rules", args=(_NAME, _JSON)),
    CommandDef(
        "preview",
        help="print the kernel's rules as a start would load them",
        handler=f"{_HANDLERS}:preview",
        args=(
            _NAME,
            ArgDef(
                "--posture", choices=("up", "down", "disengaged", "quarantine"), help="another posture than its own"
            ),
            _JSON,
        ),
    ),
    CommandDef(
        "resolve",
        help="resolve a name as the container would, with a verdict for each address",
        handler=f"{_HANDLERS}:resolve",
        args=(_NAME, ArgDef("host", metavar="HOST", help="a name that the policy allows"), _JSON),
    ),
    CommandDef(
        "logs",
        help="print what was decided",
        handler=f"{_HANDLERS}:logs",
        args=(
            _NAME,
            ArgDef("--tail", type=int, default=50, metavar="N", help="only the last N rows (default: 50)"),
            _JSON,
        ),
    ),
    CommandDef("watch", help="follow what is decided", handler=f"{_HANDLERS}:watch", args=(_NAME, _JSON)),
    CommandDef(
        "profiles",
        help="list the allowlist profiles, or print one as it is read on this machine",
        handler=f"{_TOOLING}:profiles",
        args=(ArgDef("profile", nargs="?", metavar="PROFILE", help="name of a profile"), _JSON),
    ),
    CommandDef(
        "check",
        help="judge a host; exit 0 when it is allowed, 1 when not",
        handler=f"{_TOOLING}:check",
        args=(
            ArgDef("target", metavar="HOST[:PORT]", help="name or address, port 443 when none is given"),
            *_POLICY_ARGS,
            _JSON,
        ),
    ),
    CommandDef(
        "why",
        help="explain a verdict: the rules that match, in order, and what was seen of late",
        handler=f"{_TOOLING}:why",
        args=(
            ArgDef("target", metavar="HOST[:PORT]", help="name or address, port 443 when none is given"),
            *_POLICY_ARGS,
            _JSON,
        ),
    ),
    CommandDef(
        "test",
        help="check the expectations that a policy file holds",
        handler=f"{_TOOLING}:test",
        args=(ArgDef("file", metavar="POLICYFILE", help="rules and lines like: expect deny host:22"), _JSON),
    ),
    CommandDef(
        "replay",
        help="judge a container's audit log again and print what would be decided otherwise",
        handler=f"{_TOOLING}:replay",
        args=(_NAME, ArgDef("file", metavar="POLICYFILE", help="the changed policy"), _JSON),
    ),
)
"""Children of the `shield` group."""
