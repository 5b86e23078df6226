"""The `vault` and `ssh` verbs."""

from __future__ import annotations

from terok_util import ArgDef, CommandDef
from terok_util.commands.defs import JSON, TAIL

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more than the rest of the imports
    from typing import Final


def _verb(name: str, handler: str, help: str, *args: ArgDef) -> CommandDef:  # noqa: A002 - argparse's word
    return CommandDef(name, help=help, handler=f"terok_sandbox.vault.{handler}", args=args)


_PROVIDER = ArgDef("provider", metavar="PROVIDER", help="provider of the credential")
_CONTAINER = ArgDef("container", nargs="?", metavar="CONTAINER", help="only this container")
_SET = ArgDef(
    "--credential-set/--set",
    dest="credential_set",
    default="default",
    metavar="NAME",
    help="credential set (default: %(default)s)",
)
_SCOPE = ArgDef("scope", metavar="SCOPE", help="project the key is for")
_OF_SCOPE = ArgDef("--scope", metavar="SCOPE", help="only this scope")
_KEY_ID = ArgDef("key_id", type=int, metavar="KEY_ID", help="number of the key")
_LINKED = ArgDef("--key-id", type=int, required=True, metavar="N", help="number of the key")
_OUT_DIR = ArgDef("--out-dir", required=True, metavar="DIR", help="where to")
_ID = ArgDef("--key-id", type=int, metavar="N", help="number of the key (default: the scope's default key)")
_COMMENT = ArgDef("-c/--comment", metavar="TEXT", help="comment of the key (default: SCOPE-N)")
_NEW_COMMENT = ArgDef("comment", metavar="COMMENT", help="new comment")
_FINGERPRINT = ArgDef("fingerprint", metavar="FINGERPRINT", help="SHA256:… as `ssh list` shows it")

_ALLOW_REDIRECT = ArgDef("--allow-redirect", action="store_true", help="even if the output is not a terminal")
_ASK = ArgDef("--ask", action="store_true", help="ask for the new one instead of a random one")
_KEY = ArgDef("--key", default="auto", choices=("auto", "host", "tpm2", "host+tpm2"), help="what it is sealed to")
_TIER = "passphrase.handlers"

_PASSPHRASE = (
    _verb("show", f"{_TIER}:show_tiers", "show the tiers of this machine and the one in use", JSON),
    _verb("reveal", f"{_TIER}:reveal", "print the passphrase, which is the recovery key", _ALLOW_REDIRECT),
    _verb("acknowledge", f"{_TIER}:acknowledge", "confirm that the recovery key is written down"),
    _verb("change", f"{_TIER}:change", "encrypt the vault with a new passphrase", _ASK),
    _verb("seal", f"{_TIER}:seal", "keep the passphrase as a sealed systemd credential", _KEY),
    _verb("to-keyring", f"{_TIER}:to_keyring", "keep the passphrase in the desktop's keyring"),
    _verb("to-file", f"{_TIER}:to_file", "keep the passphrase in an owner-only file"),
    _verb("forget", f"{_TIER}:forget", "keep the passphrase nowhere but in the session"),
)

_INCLUDE_TOKENS = ArgDef("--include-tokens", action="store_true", help="list the containers' phantom tokens too")

_VAULT = (
    _verb("status", "handlers:status", "show whether the vault exists, opens, and what it holds", JSON),
    _verb("list", "handlers:list_entries", "list stored credentials", JSON, _INCLUDE_TOKENS),
    _verb(
        "set",
        "handlers:store",
        "store an API key, read from standard input or asked for",
        ArgDef("provider", metavar="PROVIDER", help="provider the key belongs to"),
        _SET,
        ArgDef("--yes", action="store_true", help="replace a stored credential without asking"),
    ),
    _verb(
        "billing",
        "handlers:set_billing",
        "say how the use of a credential is paid for: by what is used, or with a plan",
        _PROVIDER,
        ArgDef("billing", choices=("metered", "plan"), help="metered, or part of a plan such as a subscription"),
        _SET,
    ),
    _verb("remove", "handlers:remove", "remove a stored credential", _PROVIDER, _SET),
    _verb(
        "revoke",
        "handlers:revoke",
        "revoke a container's phantom tokens; what it has open with them ends within a second",
        ArgDef("container", metavar="CONTAINER", help="container name"),
    ),
    _verb(
        "unlock",
        "handlers:unlock",
        "give the passphrase for this session; creates the vault if there is none",
        ArgDef(
            "--recover",
            action="store_true",
            help="take the recovery key, whatever the tiers say, and give it to them again",
        ),
    ),
    _verb(
        "lock",
        "handlers:lock",
        "forget the session's passphrase; what running containers have open ends within a second",
        ArgDef("--force", action="store_true", help="even if the passphrase is kept nowhere else and would be lost"),
    ),
    CommandDef("passphrase", help="where the vault's passphrase is kept", children=_PASSPHRASE),
    _verb(
        "audit",
        "record_handlers:audit",
        "show what credentials were used for, or check that the records are complete",
        _CONTAINER,
        ArgDef("--verify", action="store_true", dest="check", help="check the hash chain; exit 1 if broken"),
        ArgDef("--provider", metavar="NAME", help="only this provider"),
        ArgDef("--since", metavar="WHEN", help="only from then on: 30m, 2h, 3d or a time"),
        TAIL,
        JSON,
    ),
    _verb("usage", "record_handlers:usage", "show requests, tokens and cost by container and model", _CONTAINER, JSON),
)

VERBS: Final = (CommandDef("vault", help="credentials that containers use and never see", children=_VAULT),)

SSH_VERBS: Final = (
    _verb("list", "ssh.handlers:list_keys", "list keys and their scopes", _OF_SCOPE, JSON),
    _verb(
        "add",
        "ssh.handlers:add",
        "mint a key for a scope and print its public half",
        _SCOPE,
        ArgDef("--key-type", default="ed25519", choices=("ed25519", "rsa"), help="kind (default: %(default)s)"),
        _COMMENT,
    ),
    _verb(
        "import",
        "ssh.handlers:import_key",
        "take a private key file into the vault",
        _SCOPE,
        ArgDef("--private-key", required=True, metavar="FILE", help="OpenSSH or PEM, without password"),
        _COMMENT,
    ),
    _verb("export", "ssh.handlers:export", "write a key out of the vault as OpenSSH files", _SCOPE, _OUT_DIR, _ID),
    _verb("pub", "ssh.handlers:pub", "print a public key", _SCOPE, _ID),
    _verb("default", "ssh.handlers:default", "choose the key that is offered first", _SCOPE, _KEY_ID),
    _verb("link", "ssh.handlers:link", "let another scope use a key", _SCOPE, _LINKED),
    _verb("rename", "ssh.handlers:rename", "give a key another comment", _FINGERPRINT, _NEW_COMMENT),
    _verb(
        "remove",
        "ssh.handlers:remove",
        "take keys from a scope, or delete one for good",
        ArgDef("--scope", metavar="SCOPE", help="take from this scope; the vault keeps the key"),
        ArgDef("--fingerprint", metavar="FINGERPRINT", help=_FINGERPRINT.help),
        ArgDef("--yes", action="store_true", help="delete for good without asking"),
    ),
)
