"""The composed command tree: our commands, and those of the wheels below, which are loaded when their verb is typed.

A command that has two places (`vault` is `sandbox vault`) is one object at both.
"""

from __future__ import annotations

from terok_util import COMPLETIONS, ArgDef, CommandDef, CommandTree

from terok.cli.agents_tree import AGENTS
from terok.cli.config_tree import CONFIG
from terok.cli.image_tree import IMAGE
from terok.cli.operation_tree import OP, UNDO
from terok.cli.panic_tree import PANIC
from terok.cli.project_tree import PROJECT
from terok.cli.review_tree import PROMOTE, REJECT, REVIEW
from terok.cli.setup_tree import SETUP, UNINSTALL
from terok.cli.shield_sets_tree import SETS
from terok.cli.sickbay_tree import SICKBAY
from terok.cli.status_tree import CONTROLLER, EVENTS, STATUS
from terok.cli.storage_tree import STORAGE
from terok.cli.task_tree import ATTACH, LOGIN, TASK
from terok.cli.usage_tree import USAGE
from terok.integrations.executor import COMMANDS as EXECUTOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LAYERS = "the layers below"
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


def _sandbox_commands() -> Iterable[CommandDef]:
    from terok.integrations.sandbox import COMMANDS as SANDBOX

    return [VAULT if node.name == VAULT.name else node for node in SANDBOX]


def _vault_commands() -> Iterable[CommandDef]:
    from terok.integrations.executor import VAULT_COMMANDS
    from terok.integrations.sandbox import COMMANDS as SANDBOX

    return (*CommandTree(SANDBOX).find_at("vault").children, *VAULT_COMMANDS)


def _shield_commands() -> Iterable[CommandDef]:
    from terok.integrations.sandbox import COMMANDS as SANDBOX

    return (*CommandTree(SANDBOX).find_at("shield").children, SETS)


SHIELD = CommandDef("shield", help="what containers may reach", children=_shield_commands)
VAULT = CommandDef("vault", help="credentials that never enter a container", children=_vault_commands)
SANDBOX_GROUP = CommandDef(
    "sandbox", help="the container layer: vault, gate, shield", children=_sandbox_commands, group=_LAYERS
)
EXECUTOR_GROUP = CommandDef("executor", help="one agent on one repository", children=EXECUTOR, group=_LAYERS)

COMMANDS = CommandTree(
    (
        SETUP,
        UNINSTALL,
        *(node for node in EXECUTOR if node.name == "auth"),
        PROJECT,
        STATUS,
        TASK,
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
        SHIELD,
        CONTROLLER,
        USAGE,
        STORAGE,
        SICKBAY,
        PANIC,
        DEMO,
        EXECUTOR_GROUP,
        SANDBOX_GROUP,
        VAULT,
        COMPLETIONS,
    )
)
"""The whole tree of `terok`."""
