"""The `vault` verbs."""

from __future__ import annotations

from terok_util import ArgDef, CommandDef
from terok_util.commands.defs import JSON, TAIL

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more than the rest of the imports
    from typing import Final

_HANDLERS = "terok_sandbox.vault.handlers"
_SET = ArgDef(
    "--credential-set/--set",
    dest="credential_set",
    default="default",
    metavar="NAME",
    help="credential set (default: %(default)s)",
)

_TIER_HANDLERS = "terok_sandbox.vault.passphrase.handlers"
_PASSPHRASE = (
    CommandDef(
        "show",
        help="show the tiers of this machine and the one in use",
        handler=f"{_TIER_HANDLERS}:show_tiers",
        args=(JSON,),
    ),
    CommandDef(
        "reveal",
        help="print the passphrase, which is the recovery key",
        handler=f"{_TIER_HANDLERS}:reveal",
        args=(ArgDef("--allow-redirect", action="store_true", help="even if the output is not a terminal"),),
    ),
    CommandDef(
        "acknowledge", help="confirm that the recovery key is written down", handler=f"{_TIER_HANDLERS}:acknowledge"
    ),
    CommandDef(
        "change",
        help="encrypt the vault with a new passphrase",
        handler=f"{_TIER_HANDLERS}:change",
        args=(ArgDef("--ask", action="store_true", help="ask for the new one instead of a random one"),),
    ),
    CommandDef(
        "seal",
        help="keep the passphrase as a sealed systemd credential",
        handler=f"{_TIER_HANDLERS}:seal",
        args=(
            ArgDef("--key", default="auto", choices=("auto", "host", "tpm2", "host+tpm2"), help="what it is sealed to"),
        ),
    ),
    CommandDef(
        "to-keyring", help="keep the passphrase in the desktop's keyring", handler=f"{_TIER_HANDLERS}:to_keyring"
    ),
    CommandDef("to-file", help="keep the passphrase in an owner-only file", handler=f"{_TIER_HANDLERS}:to_file"),
    CommandDef("forget", help="keep the passphrase nowhere but in the session", handler=f"{_TIER_HANDLERS}:forget"),
)

VERBS: Final = (
    CommandDef(
        "vault",
        help="credentials that containers use and never see",
        children=(
            CommandDef(
                "status",
                help="show whether the vault exists, opens, and what it holds",
                handler=f"{_HANDLERS}:status",
                args=(JSON,),
            ),
            CommandDef(
                "list",
                help="list stored credentials",
                handler=f"{_HANDLERS}:list_entries",
                args=(
                    JSON,
                    ArgDef("--include-tokens", action="store_true", help="list the containers' phantom tokens too"),
                ),
            ),
            CommandDef(
                "set",
                help="store an API key, read from standard input or asked for",
                handler=f"{_HANDLERS}:store",
                args=(
                    ArgDef("provider", metavar="PROVIDER", help="provider the key belongs to"),
                    _SET,
                    ArgDef("--yes", action="store_true", help="replace a stored credential without asking"),
                ),
            ),
            CommandDef(
                "remove",
                help="remove a stored credential",
                handler=f"{_HANDLERS}:remove",
                args=(ArgDef("provider", metavar="PROVIDER", help="provider of the credential"), _SET),
            ),
            CommandDef(
                "revoke",
                help="revoke a container's phantom tokens; what it has open with them ends within a second",
                handler=f"{_HANDLERS}:revoke",
                args=(ArgDef("container", metavar="CONTAINER", help="container name"),),
            ),
            CommandDef(
                "unlock",
                help="give the passphrase for this session; creates the vault if there is none",
                handler=f"{_HANDLERS}:unlock",
                args=(
                    ArgDef(
                        "--recover",
                        action="store_true",
                        help="take the recovery key, whatever the tiers say, and give it to them again",
                    ),
                ),
            ),
            CommandDef(
                "lock",
                help="forget the session's passphrase; what running containers have open ends within a second",
                handler=f"{_HANDLERS}:lock",
                args=(
                    ArgDef(
                        "--force",
                        action="store_true",
                        help="even if the passphrase is kept nowhere else and would be lost",
                    ),
                ),
            ),
            CommandDef("passphrase", help="where the vault's passphrase is kept", children=_PASSPHRASE),
            CommandDef(
                "audit",
                help="show what credentials were used for, or check that the records are complete",
                handler="terok_sandbox.vault.record_handlers:audit",
                args=(
                    ArgDef("container", nargs="?", metavar="CONTAINER", help="only this container"),
                    ArgDef(
                        "--verify", action="store_true", dest="check", help="check the hash chain; exit 1 if broken"
                    ),
                    ArgDef("--provider", metavar="NAME", help="only this provider"),
                    ArgDef("--since", metavar="WHEN", help="only from then on: 30m, 2h, 3d or a time"),
                    TAIL,
                    JSON,
                ),
            ),
            CommandDef(
                "usage",
                help="show requests, tokens and cost by container and model",
                handler="terok_sandbox.vault.record_handlers:usage",
                args=(ArgDef("container", nargs="?", metavar="CONTAINER", help="only this container"), JSON),
            ),
        ),
    ),
)
