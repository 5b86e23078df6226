"""The `ssh` verbs."""

from __future__ import annotations

from typing import Final

from terok_util import ArgDef, CommandDef
from terok_util.commands.defs import JSON

_HANDLERS = "terok_sandbox.vault.ssh.handlers"
_SCOPE = ArgDef("scope", metavar="SCOPE", help="project the key is for")
_ID = ArgDef("--key-id", type=int, metavar="N", help="number of the key (default: the scope's default key)")
_COMMENT = ArgDef("-c/--comment", metavar="TEXT", help="comment of the key (default: SCOPE-N)")
_FINGERPRINT = "SHA256:… as `ssh list` shows it"

VERBS: Final = (
    CommandDef(
        "list",
        help="list keys and their scopes",
        handler=f"{_HANDLERS}:list_keys",
        args=(
            ArgDef("--scope", metavar="SCOPE", help="only this scope"),
            JSON,
        ),
    ),
    CommandDef(
        "add",
        help="mint a key for a scope and print its public half",
        handler=f"{_HANDLERS}:add",
        args=(
            _SCOPE,
            ArgDef("--key-type", default="ed25519", choices=("ed25519", "rsa"), help="kind (default: %(default)s)"),
            _COMMENT,
        ),
    ),
    CommandDef(
        "import",
        help="take a private key file into the vault",
        handler=f"{_HANDLERS}:import_key",
        args=(
            _SCOPE,
            ArgDef("--private-key", required=True, metavar="FILE", help="OpenSSH or PEM, without password"),
            _COMMENT,
        ),
    ),
    CommandDef(
        "export",
        help="write a key out of the vault as OpenSSH files",
        handler=f"{_HANDLERS}:export",
        args=(_SCOPE, ArgDef("--out-dir", required=True, metavar="DIR", help="where to"), _ID),
    ),
    CommandDef("pub", help="print a public key", handler=f"{_HANDLERS}:pub", args=(_SCOPE, _ID)),
    CommandDef(
        "default",
        help="choose the key that is offered first",
        handler=f"{_HANDLERS}:default",
        args=(_SCOPE, ArgDef("key_id", type=int, metavar="KEY_ID", help="number of the key")),
    ),
    CommandDef(
        "link",
        help="let another scope use a key",
        handler=f"{_HANDLERS}:link",
        args=(_SCOPE, ArgDef("--key-id", type=int, required=True, metavar="N", help="number of the key")),
    ),
    CommandDef(
        "rename",
        help="give a key another comment",
        handler=f"{_HANDLERS}:rename",
        args=(
            ArgDef("fingerprint", metavar="FINGERPRINT", help=_FINGERPRINT),
            ArgDef("comment", metavar="COMMENT", help="new comment"),
        ),
    ),
    CommandDef(
        "remove",
        help="take keys from a scope, or delete one for good",
        handler=f"{_HANDLERS}:remove",
        args=(
            ArgDef("--scope", metavar="SCOPE", help="take from this scope; the vault keeps the key"),
            ArgDef("--fingerprint", metavar="FINGERPRINT", help=_FINGERPRINT),
            ArgDef("--yes", action="store_true", help="delete for good without asking"),
        ),
    ),
)
