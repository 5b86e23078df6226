"""Callbacks of the proxy: whether a request may leave, what its answer costs, which credential is current.

Both protocols are called on the proxy's event loop and must not block it. `Meter` is asked right before a request is
released; its observer sees what the container sees of the answer, as plain text where the body was compressed.
`Credentials` may wait (for another process that refreshes the same credential); the request waits with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from terok_sandbox.vault.access import Credential
    from terok_sandbox.vault.refusal import Refusal
    from terok_sandbox.vault.routes import Route
    from terok_sandbox.vault.store import TokenRow


class ResponseObserver(Protocol):
    """Follows one exchange. An exception raised in here is logged and ends the observation, never the exchange."""

    def ask(self, data: bytes, *, last: bool) -> Refusal | None:
        """Take a piece of the request's body, or one whole message of a WebSocket's client, before it leaves.

        Return why the `last` piece must not: it is held back then, and the refusal answered.
        """

    def move(self, size: int) -> Refusal | None:
        """Count bytes that passed, either way; return why the exchange must end."""

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take the answer's head; names in lower case, of repeated headers the last. 101 for a WebSocket."""

    def feed(self, data: bytes) -> None:
        """Take the next piece of the answer's body (identity-encoded), or one whole WebSocket message up to 1 MiB."""

    def end(self, sent: int, received: int, outcome: str) -> None:
        """Take the totals: body bytes of the request and of the answer. Called once, however the exchange ended.

        `outcome` is what the audit's `response` row says: `complete`, `client_left`, or a reason of a refusal.
        """


class Meter(Protocol):
    """Budgets and usage of one container's tasks."""

    def admit(self, token: TokenRow, route: Route, method: str, path: str, *, ongoing: bool = False) -> Refusal | None:
        """Return why the request may not go out, or None. A refusal is answered and audited as it is.

        `ongoing` asks for the next message of a WebSocket that was admitted before.
        """

    def overrun(self, route: Route) -> Refusal | None:
        """Return why what is under way on a route must end, or None. Asked twice a second."""

    def observe(self, token: TokenRow, route: Route, method: str, path: str) -> ResponseObserver | None:
        """Return the observer of a request that is about to go out; None if nothing is to be counted."""


class Credentials(Protocol):
    """Where the proxy gets the credential that a token stands for."""

    async def current(self, provider: str, credential_set: str) -> Credential | Refusal | None:
        """Return a credential that is fresh now, refreshing it first if needed; None if there is none stored.

        A refusal (401 with the command that signs in again) is answered as it is.

        Raises:
            VaultError: the vault cannot be read; answered with 503.

        """

    def rejected(self, provider: str, credential_set: str, credential: Credential) -> None:
        """Take note that the provider answered 401 to `credential`: the next `current` may refresh early."""
