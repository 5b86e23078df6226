"""The command tree of `terok-sandbox`; handlers are imported when their command runs."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef, CommandTree

from terok_sandbox.clearance.cli import VERBS as CLEARANCE_VERBS
from terok_sandbox.vault.cli import VERBS as VAULT_VERBS


def _verb(name: str, handler: str, summary: str, *args: ArgDef, **more: str) -> CommandDef:
    return CommandDef(name, help=summary, handler=f"terok_sandbox.cli.{handler}", args=args, **more)


def _of_containers(name: str, handler: str, summary: str, *args: ArgDef, **more: str) -> CommandDef:
    return _verb(name, handler, summary, *args, group="containers", **more)


_CONTAINERS = "terok_sandbox.cli.names:containers"
_NAME = ArgDef("name", metavar="NAME", help="name of the container", completer=_CONTAINERS)
_ANY_NAME = ArgDef("name", nargs="?", metavar="NAME", help="name of the container", completer=_CONTAINERS)
_NAMES = ArgDef("names", metavar="NAME", nargs="+", help="names of the containers", completer=_CONTAINERS)

_ALLOW = ArgDef(
    "--allow", action="append", metavar="HOST:PORT", help="let the container connect there; may be repeated"
)
_PROFILE = ArgDef(
    "--profile",
    action="append",
    dest="profiles",
    metavar="PROFILE",
    help="allowlist profile, in place of those in config.yml; may be repeated",
)
_POLICY = ArgDef("--policy", metavar="FILE", help="policy file: rules, overrides too, in place of those in config.yml")
_AIRLOCK = ArgDef("--airlock", action="store_true", help="give the container no network interface but its loopback")
_RESTRICTED = ArgDef("--restricted", action="store_true", help="no capabilities and no sudo inside")
_OPT_OUT = ArgDef(
    "--opt-out",
    action="append",
    dest="opt_outs",
    choices=("nested", "perf", "debug", "32bit"),
    help="keep what containers inside, performance events, debuggers or 32-bit programs need; may be repeated",
)

_RUN_ARGS = (
    ArgDef("--name", required=True, metavar="NAME", help="name of the container"),
    _ALLOW,
    _PROFILE,
    _POLICY,
    _AIRLOCK,
    ArgDef("--ssh-scope", metavar="SCOPE", help="let the container sign with the SSH keys of this scope"),
    ArgDef(
        "-e/--env", action="append", metavar="NAME[=VALUE]", help="set a variable; without a value take it from here"
    ),
    ArgDef("-v/--volume", action="append", dest="volumes", metavar="HOST:CONTAINER[:ro]", help="mount a host path"),
    ArgDef("--workdir", metavar="DIR", help="directory the command starts in (default: the image's)"),
    ArgDef("--hostname", metavar="NAME", help="host name inside"),
    ArgDef("--memory", metavar="SIZE", help="memory limit, such as 4g"),
    ArgDef("--cpus", type=float, metavar="N", help="CPU limit"),
    ArgDef("--pids", type=int, metavar="N", help="limit of processes"),
    ArgDef("--gpus", metavar="WHICH", help="GPUs: all, nvidia, amd, intel, or one such as nvidia:0"),
    ArgDef("--timezone", metavar="ZONE", help="time zone inside: local, or a name such as Europe/Berlin"),
    _OPT_OUT,
    ArgDef("--no-init", action="store_true", help="make the command itself the first process"),
    _RESTRICTED,
    ArgDef("-d/--detach", action="store_true", help="return once it runs, instead of following its output"),
    ArgDef("--rm", action="store_true", dest="remove", help="remove it when it has ended"),
    ArgDef("image", metavar="IMAGE", help="image in local storage"),
    ArgDef("command", nargs="...", metavar="CMD", help="command to run instead of the image's own"),
)

COMMANDS = CommandTree(
    (
        _verb(
            "setup",
            "host:setup",
            "install the OCI hook for this user and provision the vault",
            ArgDef("--check", action="store_true", help="only tell whether setup is needed (exit 3 if so)"),
            ArgDef(
                "--passphrase-tier",
                choices=("systemd-creds", "keyring", "file", "none"),
                help="where the vault's passphrase outlives a reboot (default: the strongest one here)",
            ),
            group="host",
        ),
        _verb(
            "uninstall",
            "host:uninstall",
            "remove everything that setup installed; credentials and mirrors stay",
            group="host",
        ),
        _verb(
            "doctor",
            "diagnosis:doctor",
            "check everything a sandboxed container depends on",
            JSON,
            ArgDef("--fix", action="store_true", help="mend what can be mended without losing anything"),
            group="host",
            epilog="exit status: 0 all is well, 1 something to note, 2 something does not work",
        ),
        _of_containers(
            "run", "containers:run", "run an image in a sandbox; the exit code is the command's", *_RUN_ARGS
        ),
        _of_containers("start", "containers:start", "start stopped containers", _NAMES),
        _of_containers(
            "stop",
            "containers:stop",
            "stop containers",
            _NAMES,
            ArgDef("--timeout", type=int, metavar="SECONDS", help="time to end by itself"),
        ),
        _of_containers("rm", "containers:remove", "remove containers with their tokens, logs and supervisors", _NAMES),
        _of_containers("list", "containers:list_all", "list the containers", JSON),
        _of_containers(
            "activity",
            "activity:activity",
            "show what a container is doing: model calls, questions, pushes, usage, limits",
            _NAME,
            ArgDef("--follow", action="store_true", help="show what happens from now on too"),
            JSON,
        ),
        _of_containers(
            "budget",
            "activity:budget",
            "show how the limits of a running container stand, and decide about calls over one",
            _NAME,
            ArgDef("--raise", dest="higher", metavar="LIMIT=NUMBER", group="decision", help="raise a limit"),
            ArgDef(
                "--finish", action="store_true", group="decision", help="let calls through until the turn has ended"
            ),
            ArgDef(
                "--stop", action="store_true", group="decision", help="refuse the calls that wait, and further ones"
            ),
            ArgDef("--project", action="store_true", group="whose", help="raise the project's limit, not the task's"),
            ArgDef("--day", action="store_true", group="whose", help="raise the limit of this day"),
            JSON,
            epilog="a limit is cost (USD), tokens, requests, bytes or seconds, as in --raise cost=5",
        ),
        _of_containers(
            "prepare",
            "borrowed:prepare",
            "print the podman arguments that sandbox a container you start yourself",
            _NAME,
            *(_ALLOW, _PROFILE, _POLICY, _AIRLOCK, _RESTRICTED, _OPT_OUT),
            ArgDef("--gate", metavar="SCOPE", help="serve this git mirror to it"),
            ArgDef(
                "--credential",
                action="append",
                dest="credentials",
                metavar="PROVIDER",
                help="give it a phantom token of this provider; may be repeated",
            ),
            JSON,
            epilog="use: podman run $(terok-sandbox prepare NAME) IMAGE COMMAND; afterwards terok-sandbox cleanup NAME",
        ),
        _of_containers(
            "cleanup",
            "borrowed:cleanup",
            "revoke the tokens and remove the files of a container that prepare was for",
            _NAME,
        ),
        CommandDef(
            "supervisor",
            help="the processes that serve running containers",
            group="services",
            children=(
                _verb("start", "supervisor:start", "start the fork server"),
                _verb("stop", "supervisor:stop", "stop the fork server, or the supervisor of one container", _ANY_NAME),
                _verb(
                    "status",
                    "supervisor:status",
                    "show fork server and supervisors, or the supervisor of one container",
                    _ANY_NAME,
                    JSON,
                ),
                _verb("sweep", "supervisor:sweep", "remove the remains of containers that Podman no longer has"),
                _verb("redo", "supervisor:redo", "supervise a running container whose supervisor is gone", _NAME),
            ),
        ),
        *VAULT_VERBS,
        *CLEARANCE_VERBS,
        CommandDef(
            "shield",
            help="what containers may reach, and what they tried",
            children="terok_sandbox.cli.shield_commands:VERBS",
        ),
        CommandDef(
            "ssh", help="SSH keys in the vault, used through an agent", children="terok_sandbox.vault.cli:SSH_VERBS"
        ),
        CommandDef(
            "gate", help="the git mirrors that containers push to", children="terok_sandbox.gate.cli:GATE_VERBS"
        ),
    )
)
"""Every command of this wheel."""
