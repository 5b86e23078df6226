"""The commands as data: names, arguments and where their handlers are. Nothing here imports a handler."""

from __future__ import annotations

from terok_util import COMPLETIONS, JSON, TAIL, ArgDef, CommandDef

from terok_executor.cli.auth_verbs import AUTH, VAULT_COMMANDS

_BASE = ArgDef(
    "--base",
    dest="base_image",
    metavar="IMAGE",
    help="base image: a reference, mmdebstrap:SUITE (default: of trixie) or oci-archive:FILE",
)
_FAMILY = ArgDef("--family", choices=("deb", "rpm"), help="the base's package family (default: by its name)")
_DEFAULT_BRANCH = ArgDef("--default-branch", metavar="BRANCH", help="branch to start from (default: the repository's)")
_NO_GATE = ArgDef("--no-gate", action="store_true", help="let the container clone an https URL; nothing comes back")
_NAME = ArgDef("name", metavar="NAME", help="container name")
_CREDENTIAL_SET = ArgDef("--credential-set", default="default", metavar="SET", help="which stored credentials to use")

EXIT_CODES = """\
exit codes:
  the agent's own, and
  2    the request is wrong: unknown agent, empty prompt, no such repository, invalid base image
  3    set-up or a credential is missing; the message names the command
  4    a newer version has set this host up
  5    the host lacks something: podman, mmdebstrap, a readable CA bundle
  6    an image could not be built
  75   the agent succeeded, but not all of its work could be handed to the gate; the container stays
  124  the time ran out
  128  the repository could not be cloned in the container
  130  interrupted, 143 terminated; the container was stopped
With --json the agent's exit code is in the result, which is printed only if the agent was started.
"""

RUN = CommandDef(
    "run",
    help="run an agent on a repository, to its end or in a terminal",
    handler="terok_executor.cli.run:run",
    args=(
        ArgDef("agent", metavar="AGENT", help="which agent; see `agents list`"),
        ArgDef("repo", metavar="REPO", nargs="?", help="directory or https URL (default: . without --workspace)"),
        ArgDef("-p/--prompt", metavar="TEXT", group="prompt", help="what to do"),
        ArgDef("--prompt-file", metavar="FILE", group="prompt", help="file with the prompt; - is standard input"),
        ArgDef("--interactive", action="store_true", group="prompt", help="open a terminal with the agent instead"),
        ArgDef("--web", action="store_true", group="prompt", help="serve the agent's web page instead"),
        ArgDef("--port", type=int, metavar="N", help="port of the web page (default: a free one)"),
        ArgDef("--public-url", default="", metavar="URL", help="address of a proxy in front of the web page"),
        _BASE,
        _FAMILY,
        ArgDef("--provider", metavar="NAME", help="provider to use instead of the agent's own"),
        _CREDENTIAL_SET,
        ArgDef("-m/--model", metavar="MODEL", help="model for the agent to use"),
        ArgDef("--max-turns", type=int, metavar="N", help="end after so many turns"),
        ArgDef("--timeout", type=int, default=1800, metavar="SECONDS", help="end the agent after (default: 1800)"),
        ArgDef("--branch", metavar="BRANCH", help="work on this branch (default: a new one, terok/…)"),
        _DEFAULT_BRANCH,
        ArgDef("--name", metavar="NAME", help="container name (default: terok-executor-…)"),
        ArgDef("--memory", metavar="SIZE", help="memory limit, such as 4g"),
        ArgDef("--cpus", metavar="N", help="limit of processor cores, such as 2.0"),
        ArgDef(
            "-e/--env",
            action="append",
            metavar="NAME[=VALUE]",
            help="variable for the container; NAME alone takes the value it has here; repeatable",
        ),
        ArgDef("--allow", action="append", metavar="HOST:PORT", help="let the agent connect there; repeatable"),
        ArgDef(
            "--profile",
            dest="profiles",
            action="append",
            metavar="PROFILE",
            help="let the agent connect where this allowlist says, in place of those in config.yml; repeatable",
        ),
        ArgDef("--policy", metavar="FILE", help="policy file: rules, overrides too, in place of those in config.yml"),
        _NO_GATE,
        ArgDef("--workspace", metavar="DIR", help="work in this directory of the host"),
        ArgDef("--sealed", action="store_true", help="copy files in instead of mounting them"),
        ArgDef("--gpus", metavar="GPUS", help="all, a vendor (nvidia, amd, intel), or one device such as nvidia:0"),
        ArgDef("--runtime", choices=("crun", "runc"), help="OCI runtime (default: Podman's)"),
        ArgDef("--tool", dest="tools", action="append", metavar="TOOL", help="give the agent a tool; repeatable"),
        ArgDef("--subagent", dest="subagents", action="append", metavar="FILE", help="a sub-agent; repeatable"),
        ArgDef(
            "--security-class",
            choices=("gatekeeping", "online"),
            help="online: the container sees the repository's upstream beside the gate (default: as in config.yml)",
        ),
        ArgDef(
            "--budget",
            action="append",
            metavar="NAME=NUMBER",
            help="limit of this run: cost (USD), tokens, requests, bytes or seconds; repeatable",
        ),
        ArgDef(
            "--ssh-scope", metavar="SCOPE", help="let the agent sign with the SSH keys of this scope (`sandbox ssh`)"
        ),
        ArgDef(
            "--restricted",
            dest="unrestricted",
            action="store_false",
            default=True,
            help="no auto-approval and no way to gain privileges",
        ),
        ArgDef("--authorship", metavar="MODE", help="agent, human, agent-human or human-agent (author-committer)"),
        ArgDef("--human-name", metavar="NAME", help="the person's name in commits"),
        ArgDef("--human-email", metavar="EMAIL", help="the person's e-mail in commits"),
        ArgDef("--git-identity-from-host", action="store_true", help="take the person from this host's git"),
        ArgDef("--instructions", metavar="FILE", help="more instructions for the agent, besides the prompt"),
        ArgDef(
            "--reference",
            dest="references",
            action="append",
            metavar="NAME=REPO",
            help="let the agent read another repository, at /repos/NAME.git; repeatable",
        ),
        ArgDef("--shared-dir", metavar="DIR", help="let the container use this directory of the host"),
        ArgDef("--shared-mount", default="/shared", metavar="PATH", help="where (default: /shared)"),
        ArgDef("--timezone", metavar="ZONE", help="time zone, such as Europe/Berlin (default: the host's)"),
        ArgDef("--rm", dest="remove", action="store_true", help="remove the container once its work is in the gate"),
        ArgDef("--raw", action="store_true", help="show the agent's output as it is, not what it does"),
        JSON,
    ),
    epilog=EXIT_CODES,
)

RUN_TOOL = CommandDef(
    "run-tool",
    help="run a sidecar tool on a repository",
    handler="terok_executor.cli.run:run_tool",
    args=(
        ArgDef("tool", metavar="TOOL", help="which tool; see `agents list --all`"),
        ArgDef("repo", metavar="REPO", nargs="?", default=".", help="directory or https URL (default: .)"),
        ArgDef(
            "tool_args",
            metavar="ARGUMENT",
            nargs="...",
            help="for the tool; our options go before its name",
        ),
        _BASE,
        _FAMILY,
        _CREDENTIAL_SET,
        ArgDef("--branch", metavar="BRANCH", help="look at this branch"),
        _DEFAULT_BRANCH,
        _NO_GATE,
        ArgDef("--name", metavar="NAME", help="container name (default: terok-executor-…)"),
        ArgDef("--timeout", type=int, default=600, metavar="SECONDS", help="end the tool after (default: 600)"),
        ArgDef("--timezone", metavar="ZONE", help="time zone (default: the host's)"),
        ArgDef("--rm", dest="remove", action="store_true", help="remove the container when the tool has ended"),
        JSON,
    ),
    epilog=EXIT_CODES,
)

AGENTS = CommandDef(
    "agents",
    help="what can be run",
    children=(
        CommandDef(
            "list",
            help="list agents, or agents, providers and tools",
            handler="terok_executor.cli.agents:list_agents",
            args=(ArgDef("--all", dest="everything", action="store_true", help="providers and tools too"), JSON),
        ),
        CommandDef(
            "update",
            help="move agents to the newest versions and pin their checksums",
            handler="terok_executor.cli.agents:update",
            args=(
                ArgDef("agents", nargs="*", metavar="AGENT", help="which agents or tools (default: all agents)"),
                ArgDef("--check", action="store_true", help="only say what would move; exit code 1 if anything would"),
                ArgDef("--into", metavar="DIR", help="directory to write to (default: the configuration directory)"),
                JSON,
            ),
        ),
        CommandDef(
            "set",
            help="choose the agents that `build` puts into images",
            handler="terok_executor.cli.agents:set_agents",
            args=(ArgDef("selection", metavar="SELECTION", help="all, a,b or all,-x"),),
        ),
        CommandDef(
            "schema",
            help="print the JSON Schema of agent, provider, tool or transcript files, for editors",
            handler="terok_executor.cli.agents:print_schema",
            args=(ArgDef("kind", choices=("agent", "provider", "tool", "transcript"), help="which kind of file"),),
        ),
    ),
)

BUILD = CommandDef(
    "build",
    help="build the images of one or more agents",
    handler="terok_executor.cli.build:build",
    args=(
        ArgDef("agents", nargs="*", metavar="AGENT", help="agents to put into the image (default: all)"),
        ArgDef("--agents", dest="selection", metavar="LIST", help="the same as a selection: a,b or --agents=all,-x"),
        _BASE,
        _FAMILY,
        ArgDef("--rebuild", action="store_true", help="build the agents anew"),
        ArgDef("--full-rebuild", action="store_true", help="build base, tools and agents anew"),
        JSON,
    ),
)

PREFLIGHT = CommandDef(
    "preflight",
    help="check whether a run of an agent would start",
    handler="terok_executor.cli.preflight:preflight",
    args=(
        ArgDef("agent", metavar="AGENT", help="which agent"),
        ArgDef("--provider", metavar="NAME", help="provider to use instead of the agent's own"),
        _BASE,
        _CREDENTIAL_SET,
        ArgDef("--fix", action="store_true", help="fix what can be fixed, asking first"),
        ArgDef("--yes", action="store_true", help="fix without asking"),
        JSON,
    ),
)

LIST = CommandDef(
    "list",
    help="list containers",
    handler="terok_executor.cli.listing:list_containers",
    args=(ArgDef("--sizes", action="store_true", help="what each task takes up on disk"), JSON),
)
LOGS = CommandDef(
    "logs",
    help="show what an agent has said and done",
    handler="terok_executor.cli.listing:logs",
    args=(
        _NAME,
        ArgDef("-f/--follow", action="store_true", help="keep following"),
        TAIL,
        ArgDef("--timestamps", action="store_true", group="form", help="lines of output, with their times"),
        ArgDef("--raw", action="store_true", group="form", help="the output, byte for byte (on a terminal made safe)"),
        ArgDef("--json", action="store_true", dest="as_json", group="form", help="one event as JSON a line"),
    ),
)
LOGIN = CommandDef(
    "login",
    help="open a terminal in a running container (tmux)",
    handler="terok_executor.cli.containers:login",
    args=(_NAME,),
)
START = CommandDef(
    "start",
    help="start a stopped container again",
    handler="terok_executor.cli.containers:start",
    args=(
        _NAME,
        ArgDef("-p/--prompt", metavar="TEXT", group="prompt", help="take up the agent's conversation with this"),
        ArgDef("--prompt-file", metavar="FILE", group="prompt", help="the same from a file; - is standard input"),
        JSON,
    ),
)
DOCTOR = CommandDef(
    "doctor",
    help="check running containers: keys, tokens, addresses",
    handler="terok_executor.cli.listing:doctor",
    args=(ArgDef("name", metavar="NAME", nargs="?", help="one container (default: all that run)"), JSON),
)
STOP = CommandDef(
    "stop",
    help="stop a container; its work is handed to the gate first",
    handler="terok_executor.cli.containers:stop",
    args=(_NAME, ArgDef("--timeout", type=int, default=20, metavar="SECONDS", help="then it is killed (default: 20)")),
)
RM = CommandDef(
    "rm",
    help="remove a container and everything kept for it; its work is handed to the gate first",
    handler="terok_executor.cli.containers:remove",
    args=(
        _NAME,
        ArgDef("--force", action="store_true", help="also if work is lost with it, without stopping it first"),
    ),
)
DELIVER = CommandDef(
    "deliver",
    help="hand the work of a container that has ended to the gate",
    handler="terok_executor.cli.containers:deliver",
    args=(
        _NAME,
        ArgDef("--rm", dest="remove", action="store_true", help="remove the container if nothing is left in it"),
        JSON,
    ),
)
SETUP = CommandDef(
    "setup", help="prepare this host and write the provider routes", handler="terok_executor.cli.setup:setup"
)
UNINSTALL = CommandDef(
    "uninstall",
    help="remove what set-up installed, and the images",
    handler="terok_executor.cli.setup:uninstall",
    args=(ArgDef("--keep-images", action="store_true", help="leave the images"),),
)
SHOW_CONFIG = CommandDef(
    "show-config",
    help="print the effective configuration, without secrets",
    handler="terok_executor.cli.setup:show_config",
    args=(JSON,),
)

COMMANDS: tuple[CommandDef, ...] = (
    RUN,
    RUN_TOOL,
    PREFLIGHT,
    AUTH,
    AGENTS,
    BUILD,
    LIST,
    LOGS,
    LOGIN,
    START,
    DOCTOR,
    STOP,
    DELIVER,
    RM,
    SETUP,
    UNINSTALL,
    SHOW_CONFIG,
)
"""This wheel's own commands."""


def standalone_commands() -> tuple[CommandDef, ...]:
    """Return the whole tree of `terok-executor`: our commands, `sandbox`, and its `vault` once more."""
    from terok_executor.integrations.sandbox import COMMANDS as SANDBOX_COMMANDS

    nodes = tuple(
        node.replace(children=(*node.children, *VAULT_COMMANDS)) if node.name == "vault" else node
        for node in SANDBOX_COMMANDS
    )
    sandbox = CommandDef("sandbox", help="the container layer below: vault, gate, shield", children=nodes)
    return (*COMMANDS, sandbox, *(node for node in nodes if node.name == "vault"), COMPLETIONS)
