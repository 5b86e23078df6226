"""The verbs of signing in, as data. Nothing here imports a handler."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

AUTH_EPILOG = """\
  auth NAME          store an API key or sign in; NAME is a provider, or an agent for its own provider
  auth list          list what the vault holds, and when it expires
  auth status [NAME] the same for what agents need; exit code 3 if something is missing or has expired
  auth remove NAME   remove a credential

A key is asked for without echo on a terminal, and read from standard input otherwise; --from-file and
--from-command take it from elsewhere. It is never an argument. A sign-in runs the vendor's own login in a container
that reaches the vendor's sign-in pages alone; its credential goes into the vault, and what the container had is wiped.
"""

AUTH = CommandDef(
    "auth",
    help="store an API key in the vault, sign in, list or remove credentials",
    handler="terok_executor.cli.auth:auth",
    args=(
        ArgDef("action", metavar="NAME|list|status|remove", help="what to sign in to, or what to do"),
        ArgDef("name", metavar="NAME", nargs="?", help="provider or agent, for `status` and `remove`"),
        ArgDef("--credential-set", default="default", metavar="SET", help="which credentials (default: default)"),
        ArgDef(
            "--method", choices=("api-key", "oauth", "device"), group="way", help="how to sign in, if there are ways"
        ),
        ArgDef("--device-auth", action="store_true", group="way", help="the same as --method device"),
        ArgDef("--from-file", metavar="FILE", group="way", help="take the API key from a file"),
        ArgDef("--from-command", metavar="COMMAND", group="way", help="take the API key from a program's output"),
        ArgDef("--base", metavar="IMAGE", help="base image of the sign-in's container, as for `run`"),
        JSON,
    ),
    epilog=AUTH_EPILOG,
)

VAULT_COMMANDS: tuple[CommandDef, ...] = (
    CommandDef(
        "clean",
        help="look for the vault's secrets in the files of tasks and other directories",
        handler="terok_executor.cli.vault_clean:clean",
        args=(
            ArgDef("paths", nargs="*", metavar="DIR", help="more directories to look through: workspaces, shared ones"),
            ArgDef("--containers", action="store_true", help="look into the containers' workspaces and homes too"),
            ArgDef("--remove", action="store_true", help="remove the files found, instead of only listing them"),
            JSON,
        ),
        epilog="exit code 1 if a secret was found and is still there",
        source="terok-executor",
    ),
)
"""Verbs that this wheel adds below the sandbox's `vault`."""
