"""The composed command tree: our commands, and those of the wheels below, which are loaded when their verb is typed.

A command that has two places (`vault` is `sandbox vault`) is one object at both.
"""

from __future__ import annotations

from terok_util import COMPLETIONS, CommandDef, CommandTree

from terok.cli.top_tree import (
    ATTACH,
    DEMO,
    EVENTS,
    LOGIN,
    PROMOTE,
    REJECT,
    REVIEW,
    SETUP,
    STATUS,
    UNDO,
    UNINSTALL,
)
from terok.cli.tui_tree import TUI
from terok.cli.upkeep_tree import PANIC, SICKBAY, STORAGE, USAGE
from terok.integrations.executor import AUTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LAYERS = "the layers below"


def _sandbox_commands() -> Iterable[CommandDef]:
    from terok.integrations.sandbox import COMMANDS as SANDBOX

    return [VAULT if node.name == VAULT.name else node for node in SANDBOX]


def _vault_commands() -> Iterable[CommandDef]:
    from terok.integrations.executor import VAULT_COMMANDS
    from terok.integrations.sandbox import COMMANDS as SANDBOX

    return (*CommandTree(SANDBOX).find_at("vault").children, *VAULT_COMMANDS)


def _shield_commands() -> Iterable[CommandDef]:
    from terok.cli.shield_sets_tree import SETS
    from terok.integrations.sandbox import COMMANDS as SANDBOX

    return (*CommandTree(SANDBOX).find_at("shield").children, SETS)


def _group(name: str, text: str, verbs: str) -> CommandDef:
    return CommandDef(name, help=text, children=f"terok.cli.{verbs}:VERBS", source="terok")


PROJECT = _group("project", "repositories with their settings, in which tasks run", "project_tree")
TASK = _group("task", "run agents, and look after what they do", "task_tree")
RACE = _group("race", "several attempts at one task, of which you keep one", "race_tree")
OP = _group("op", "what was done that can be taken back", "operation_tree")
CONFIG = _group("config", "settings: where they are, what they are, and why", "config_tree")
IMAGE = _group("image", "images that tasks run in", "image_tree")
AGENTS = _group("agents", "what can be run", "agents_tree")
ACP = _group("acp", "agents of tasks in your editor", "acp_tree")
CONTROLLER = _group("controller", "the process that looks after tasks while nobody does", "controller_tree")
SHIELD = CommandDef("shield", help="what containers may reach", children=_shield_commands)
VAULT = CommandDef("vault", help="credentials that never enter a container", children=_vault_commands)
SANDBOX_GROUP = CommandDef(
    "sandbox", help="the container layer: vault, gate, shield", children=_sandbox_commands, group=_LAYERS
)
EXECUTOR_GROUP = CommandDef(
    "executor", help="one agent on one repository", children="terok.integrations.executor:COMMANDS", group=_LAYERS
)

COMMANDS = CommandTree(
    (
        SETUP,
        UNINSTALL,
        AUTH,
        PROJECT,
        STATUS,
        TASK,
        RACE,
        LOGIN,
        ATTACH,
        REVIEW,
        PROMOTE,
        REJECT,
        EVENTS,
        UNDO,
        OP,
        CONFIG,
        IMAGE,
        AGENTS,
        ACP,
        SHIELD,
        CONTROLLER,
        USAGE,
        STORAGE,
        SICKBAY,
        PANIC,
        TUI,
        DEMO,
        EXECUTOR_GROUP,
        SANDBOX_GROUP,
        VAULT,
        COMPLETIONS,
    )
)
"""The whole tree of `terok`."""
