"""The commands as data: names, arguments and where their handlers are. Nothing here imports a handler."""

from __future__ import annotations

from terok_util import COMPLETIONS, JSON, TAIL, ArgDef, CommandDef

from terok_executor.cli.auth_verbs import AUTH, VAULT_COMMANDS


def _flag(name: str, text: str, dest: str | None = None) -> ArgDef:
    return ArgDef(name, action="store_true", help=text, dest=dest)


def _value(name: str, metavar: str, text: str, completer: str | None = None) -> ArgDef:
    return ArgDef(name, metavar=metavar, help=text, completer=completer)


def _many(name: str, metavar: str, text: str, dest: str | None = None, completer: str | None = None) -> ArgDef:
    return ArgDef(name, action="append", metavar=metavar, help=f"{text}; repeatable", dest=dest, completer=completer)


_AGENTS = "terok_executor.roster.names:agent_names"
_TOOLS = "terok_executor.roster.names:tool_names"


_BASE = ArgDef(
    "--base",
    dest="base_image",
    metavar="IMAGE",
    help="base image: a reference, mmdebstrap:SUITE (default: of trixie) or oci-archive:FILE",
)
_FAMILY = ArgDef("--family", choices=("deb", "rpm"), help="the base's package family (default: by its name)")
_DEFAULT_BRANCH = _value("--default-branch", "BRANCH", "branch to start from (default: the repository's)")
_NO_GATE = _flag("--no-gate", "let the container clone an https URL; nothing comes back")
_NAME = _value("name", "NAME", "container name")
_NEW_NAME = _value("--name", "NAME", "container name (default: terok-executor-…)")
_PROVIDER = _value(
    "--provider", "NAME", "provider to use instead of the agent's own", "terok_executor.roster.names:provider_names"
)
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

COMMANDS: tuple[CommandDef, ...] = (
    CommandDef(
        "run",
        help="run an agent on a repository, to its end or in a terminal",
        handler="terok_executor.cli.run:run",
        args=(
            _value("agent", "AGENT", "which agent; see `agents list`", _AGENTS),
            ArgDef("repo", metavar="REPO", nargs="?", help="directory or https URL (default: . without --workspace)"),
            ArgDef("-p/--prompt", metavar="TEXT", group="prompt", help="what to do"),
            ArgDef("--prompt-file", metavar="FILE", group="prompt", help="file with the prompt; - is standard input"),
            ArgDef("--interactive", action="store_true", group="prompt", help="open a terminal with the agent instead"),
            ArgDef("--web", action="store_true", group="prompt", help="serve the agent's web page instead"),
            ArgDef("--port", type=int, metavar="N", help="port of the web page (default: a free one)"),
            ArgDef("--public-url", default="", metavar="URL", help="address of a proxy in front of the web page"),
            _BASE,
            _FAMILY,
            _PROVIDER,
            _CREDENTIAL_SET,
            _value("-m/--model", "MODEL", "model for the agent to use"),
            ArgDef("--max-turns", type=int, metavar="N", help="end after so many turns"),
            ArgDef("--timeout", type=int, default=1800, metavar="SECONDS", help="end the agent after (default: 1800)"),
            _value("--branch", "BRANCH", "work on this branch (default: a new one, terok/…)"),
            _DEFAULT_BRANCH,
            _NEW_NAME,
            _value("--memory", "SIZE", "memory limit, such as 4g"),
            _value("--cpus", "N", "limit of processor cores, such as 2.0"),
            _many("-e/--env", "NAME[=VALUE]", "variable for the container; NAME alone takes the value it has here"),
            _many("--allow", "HOST:PORT", "let the agent connect there"),
            _many("--profile", "PROFILE", "open what this allowlist says, in place of those in config.yml", "profiles"),
            _value("--policy", "FILE", "policy file: rules, overrides too, in place of those in config.yml"),
            _NO_GATE,
            _value("--workspace", "DIR", "work in this directory of the host"),
            _flag("--sealed", "copy files in instead of mounting them"),
            _value("--gpus", "GPUS", "all, a vendor (nvidia, amd, intel), or one device such as nvidia:0"),
            ArgDef("--runtime", choices=("crun", "runc"), help="OCI runtime (default: Podman's)"),
            _many("--tool", "TOOL", "give the agent a tool", "tools", _TOOLS),
            _many(
                "--beside", "AGENT", "have another agent in the image, which an editor may change to", "beside", _AGENTS
            ),
            _many("--subagent", "FILE", "a sub-agent", "subagents"),
            ArgDef(
                "--security-class",
                choices=("gatekeeping", "online"),
                help="online: the container sees the repository's upstream beside the gate (default: as in config.yml)",
            ),
            _many("--budget", "NAME=NUMBER", "limit of this run: cost (USD), tokens, requests, bytes or seconds"),
            _value("--ssh-scope", "SCOPE", "let the agent sign with the SSH keys of this scope (`sandbox ssh`)"),
            ArgDef(
                "--restricted",
                dest="unrestricted",
                action="store_false",
                default=True,
                help="no auto-approval and no way to gain privileges",
            ),
            _value("--authorship", "MODE", "agent, human, agent-human or human-agent (author-committer)"),
            _value("--human-name", "NAME", "the person's name in commits"),
            _value("--human-email", "EMAIL", "the person's e-mail in commits"),
            _flag("--git-identity-from-host", "take the person from this host's git"),
            _value("--instructions", "FILE", "more instructions for the agent, besides the prompt"),
            _many("--reference", "NAME=REPO", "let the agent read a repository at /repos/NAME.git", "references"),
            _value("--shared-dir", "DIR", "let the container use this directory of the host"),
            ArgDef("--shared-mount", default="/shared", metavar="PATH", help="where (default: /shared)"),
            _value("--timezone", "ZONE", "time zone, such as Europe/Berlin (default: the host's)"),
            _flag("--rm", "remove the container once its work is in the gate", "remove"),
            _flag("--raw", "show the agent's output as it is, not what it does"),
            JSON,
        ),
        epilog=EXIT_CODES,
    ),
    CommandDef(
        "run-tool",
        help="run a sidecar tool on a repository",
        handler="terok_executor.cli.run:run_tool",
        args=(
            _value("tool", "TOOL", "which tool; see `agents list --all`", _TOOLS),
            ArgDef("repo", metavar="REPO", nargs="?", default=".", help="directory or https URL (default: .)"),
            ArgDef("tool_args", metavar="ARGUMENT", nargs="...", help="for the tool; our options go before its name"),
            _BASE,
            _FAMILY,
            _CREDENTIAL_SET,
            _value("--branch", "BRANCH", "look at this branch"),
            _DEFAULT_BRANCH,
            _NO_GATE,
            _NEW_NAME,
            ArgDef("--timeout", type=int, default=600, metavar="SECONDS", help="end the tool after (default: 600)"),
            _value("--timezone", "ZONE", "time zone (default: the host's)"),
            _flag("--rm", "remove the container when the tool has ended", "remove"),
            JSON,
        ),
        epilog=EXIT_CODES,
    ),
    CommandDef(
        "preflight",
        help="check whether a run of an agent would start",
        handler="terok_executor.cli.preflight:preflight",
        args=(
            _value("agent", "AGENT", "which agent", _AGENTS),
            _PROVIDER,
            _BASE,
            _CREDENTIAL_SET,
            _flag("--fix", "fix what can be fixed, asking first"),
            _flag("--yes", "fix without asking"),
            JSON,
        ),
    ),
    AUTH,
    CommandDef(
        "agents",
        help="what can be run",
        children=(
            CommandDef(
                "list",
                help="list agents, or agents, providers and tools",
                handler="terok_executor.cli.agents:list_agents",
                args=(_flag("--all", "providers and tools too", "everything"), JSON),
            ),
            CommandDef(
                "update",
                help="move agents to the newest versions and pin their checksums",
                handler="terok_executor.cli.agents:update",
                args=(
                    ArgDef("agents", nargs="*", metavar="AGENT", help="which agents or tools (default: all agents)"),
                    _flag("--check", "only say what would move; exit code 1 if anything would"),
                    _value("--into", "DIR", "directory to write to (default: the configuration directory)"),
                    JSON,
                ),
            ),
            CommandDef(
                "set",
                help="choose the agents that `build` puts into images",
                handler="terok_executor.cli.agents:set_agents",
                args=(_value("selection", "SELECTION", "all, a,b or all,-x"),),
            ),
            CommandDef(
                "schema",
                help="print the JSON Schema of agent, provider, tool or transcript files, for editors",
                handler="terok_executor.cli.agents:print_schema",
                args=(ArgDef("kind", choices=("agent", "provider", "tool", "transcript"), help="which kind of file"),),
            ),
        ),
    ),
    CommandDef(
        "build",
        help="build the images of one or more agents",
        handler="terok_executor.cli.build:build",
        args=(
            ArgDef(
                "agents",
                nargs="*",
                metavar="AGENT",
                help="agents to put into the image (default: all)",
                completer=_AGENTS,
            ),
            ArgDef(
                "--agents", dest="selection", metavar="LIST", help="the same as a selection: a,b or --agents=all,-x"
            ),
            _BASE,
            _FAMILY,
            _flag("--rebuild", "build the agents anew"),
            _flag("--full-rebuild", "build base, tools and agents anew"),
            JSON,
        ),
    ),
    CommandDef(
        "list",
        help="list containers",
        handler="terok_executor.cli.listing:list_containers",
        args=(_flag("--sizes", "what each task takes up on disk"), JSON),
    ),
    CommandDef(
        "logs",
        help="show what an agent has said and done",
        handler="terok_executor.cli.listing:logs",
        args=(
            _NAME,
            _flag("-f/--follow", "keep following"),
            TAIL,
            ArgDef("--timestamps", action="store_true", group="form", help="lines of output, with their times"),
            ArgDef(
                "--raw", action="store_true", group="form", help="the output, byte for byte (on a terminal made safe)"
            ),
            ArgDef("--json", action="store_true", dest="as_json", group="form", help="one event as JSON a line"),
        ),
    ),
    CommandDef(
        "login",
        help="open a terminal in a running container (tmux)",
        handler="terok_executor.cli.containers:login",
        args=(_NAME,),
    ),
    CommandDef(
        "start",
        help="start a stopped container again",
        handler="terok_executor.cli.containers:start",
        args=(
            _NAME,
            ArgDef("-p/--prompt", metavar="TEXT", group="prompt", help="take up the agent's conversation with this"),
            ArgDef("--prompt-file", metavar="FILE", group="prompt", help="the same from a file; - is standard input"),
            JSON,
        ),
    ),
    CommandDef(
        "doctor",
        help="check running containers: keys, tokens, addresses",
        handler="terok_executor.cli.listing:doctor",
        args=(ArgDef("name", metavar="NAME", nargs="?", help="one container (default: all that run)"), JSON),
    ),
    CommandDef(
        "stop",
        help="stop a container; its work is handed to the gate first",
        handler="terok_executor.cli.containers:stop",
        args=(
            _NAME,
            ArgDef("--timeout", type=int, default=20, metavar="SECONDS", help="then it is killed (default: 20)"),
        ),
    ),
    CommandDef(
        "deliver",
        help="hand the work of a container that has ended to the gate",
        handler="terok_executor.cli.containers:deliver",
        args=(_NAME, _flag("--rm", "remove the container if nothing is left in it", "remove"), JSON),
    ),
    CommandDef(
        "rm",
        help="remove a container and everything kept for it; its work is handed to the gate first",
        handler="terok_executor.cli.containers:remove",
        args=(_NAME, _flag("--force", "also if work is lost with it, without stopping it first")),
    ),
    CommandDef(
        "setup", help="prepare this host and write the provider routes", handler="terok_executor.cli.setup:setup"
    ),
    CommandDef(
        "uninstall",
        help="remove what set-up installed, and the images",
        handler="terok_executor.cli.setup:uninstall",
        args=(_flag("--keep-images", "leave the images"),),
    ),
    CommandDef(
        "show-config",
        help="print the effective configuration, without secrets",
        handler="terok_executor.cli.setup:show_config",
        args=(JSON,),
    ),
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
