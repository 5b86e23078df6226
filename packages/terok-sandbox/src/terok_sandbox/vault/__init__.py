"""The vault: real credentials stay on the host, containers hold phantom tokens that the proxy swaps."""

from __future__ import annotations

from terok_util.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_sandbox.vault.routes import Route, load_routes
    from terok_sandbox.vault.status import VaultStatus
    from terok_sandbox.vault.store import CredentialDB, CredentialRow, TokenRow
    from terok_sandbox.vault.tokens import TokenShape
    from terok_sandbox.vault.unlock import open_vault, provision_session, resolve_passphrase

    __all__ = [
        "CredentialDB",
        "CredentialRow",
        "Route",
        "TokenRow",
        "TokenShape",
        "VaultStatus",
        "load_routes",
        "open_vault",
        "provision_session",
        "resolve_passphrase",
    ]
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "CredentialDB": ".store",
            "CredentialRow": ".store",
            "Route": ".routes",
            "TokenRow": ".store",
            "TokenShape": ".tokens",
            "VaultStatus": ".status",
            "load_routes": ".routes",
            "open_vault": ".unlock",
            "provision_session": ".unlock",
            "resolve_passphrase": ".unlock",
        },
    )
