"""The vault: real credentials stay on the host, containers hold phantom tokens that the proxy swaps."""

from __future__ import annotations

from terok_util.lazy import lazy_imports

with lazy_imports(globals()):
    from terok_sandbox.vault.routes import Route as Route
    from terok_sandbox.vault.routes import load_routes as load_routes
    from terok_sandbox.vault.status import VaultStatus as VaultStatus
    from terok_sandbox.vault.store import CredentialDB as CredentialDB
    from terok_sandbox.vault.store import CredentialRow as CredentialRow
    from terok_sandbox.vault.store import TokenRow as TokenRow
    from terok_sandbox.vault.tokens import TokenShape as TokenShape
    from terok_sandbox.vault.unlock import open_vault as open_vault
    from terok_sandbox.vault.unlock import provision_session as provision_session
    from terok_sandbox.vault.unlock import resolve_passphrase as resolve_passphrase
