"""The vault: its state, credentials, budgets, tokens, and where its passphrase is kept. No secret is ever shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from terok.services import vaults
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_sections import OnSections
from terok.tui.screens.rereading import Rereading
from terok.tui.views.sections import Section
from terok.tui.views.text import Line, Span, cropped, said
from terok.tui.views.vault import DECISIONS, IN_TERMINAL, PASSPHRASE, safe_lines, safe_sections

if TYPE_CHECKING:
    from terok.services.vaults import Limit, Safe


class VaultScreen(OnSections, Rereading, inherit_bindings=False):
    """The vault."""

    NAME: ClassVar[str] = "vault"
    READS: ClassVar[str] = "reading the vault"
    BINDINGS = bindings_of("vault")

    def __init__(self) -> None:
        super().__init__()
        self._safe: Safe | None = None

    def title_text(self) -> str:
        """Return what this is."""
        return "vault"

    def on_screen_resume(self) -> None:
        """Read again what another screen may have changed."""
        super().on_screen_resume()
        if self.came:
            self.reread()

    def look(self) -> Safe:
        """Read how it stands."""
        return vaults.look()

    def take_look(self, value: Safe) -> None:
        """Keep it."""
        self._safe = value

    def here(self) -> str:
        """Return the task of the token or limit with the cursor."""
        task: str = getattr(self.picked, "task", "")
        return task

    def about(self, cells: int) -> list[Line]:
        """Return how it stands."""
        if self._safe is None:
            return [cropped((said(self.problem, "error") if self.problem else Span("reading…", "dim"),), cells)]
        return safe_lines(self._safe, cells)

    def sections(self) -> Iterable[Section]:
        """Return everything in it."""
        return safe_sections(self._safe, self.world.tasks, self.now()) if self._safe is not None else ()

    def idle(self) -> dict[str, str]:
        """Return what cannot be done now."""
        state = self._safe.state if self._safe is not None else ""
        if state == "unlocked":
            return {"unlock": "it is unlocked"}
        names = ("billing", "remove_credential", "revoke_tokens")
        return dict.fromkeys((*names, "lock"), "the vault is not open" if state else "it is being read")

    def _do(self, words: str, deed: Callable[[], str]) -> None:
        self.terok.read(words, lambda _: deed(), self.done)

    def do_sign_in(self) -> None:
        """Sign in to a provider."""
        self.terok.open_page("auth")

    def do_keys(self) -> None:
        """Show the SSH keys."""
        self.terok.open_page("keys")

    def do_unlock(self) -> None:
        """Unlock it by what its tiers give, else by a passphrase that the person writes."""
        self.terok.read("unlocking", lambda _: vaults.unlock(), self._unlocked)

    def _unlocked(self, done: str) -> None:
        if done:
            self.done(done)
        else:
            self.ask("passphrase:", self._unlock_with, secret=True, hint="it is not shown")

    def _unlock_with(self, passphrase: str) -> None:
        if passphrase.strip():
            self._do("unlocking", partial(vaults.unlock, passphrase.strip()))

    def do_lock(self) -> None:
        """Lock it."""
        self.confirm("lock the vault: no task can use a credential then", lambda: self._do("locking", vaults.lock))

    def do_billing(self) -> None:
        """Say that the credential with the cursor is part of a plan, or paid for by what is used."""
        if (one := self._only(vaults.Credential)) is not None:
            billing: vaults.Billing = "plan" if one.billing == "metered" else "metered"
            self._do("noting", partial(vaults.set_billing, one.provider, one.credential_set, billing))

    def do_remove_credential(self) -> None:
        """Remove the credential with the cursor."""
        if (one := self._only(vaults.Credential)) is not None:
            self.confirm(
                f"remove the credential of {one.provider} for good",
                lambda: self._do("removing", partial(vaults.remove, one.provider, one.credential_set)),
            )

    def do_revoke_tokens(self) -> None:
        """Revoke the tokens of the container with the cursor."""
        if (one := self._only(vaults.Token)) is not None:
            self.confirm(
                f"revoke every token of {one.container}: its agent can use no credential then",
                lambda: self._do("revoking", partial(vaults.revoke, one.container)),
            )

    def do_budget(self) -> None:
        """Decide about the limit with the cursor."""
        if (one := self._only(vaults.Limit)) is not None:
            words = f"{one.limit} of the {one.whose}: {one.used:g} of {one.most:g}"
            self.choose(words, DECISIONS, partial(self._decide, one))

    def _decide(self, one: Limit, answer: str) -> None:
        if answer == "raise":
            self.ask(f"{one.limit} may be, instead of {one.most:g}:", partial(self._raise, one), hint="a larger number")
        else:
            known = cast("Literal['finish', 'stop']", answer)
            self._do("deciding", partial(vaults.decide, one.container, known, one))

    def _raise(self, one: Limit, text: str) -> None:
        try:
            most = float(text)
        except ValueError:
            self.note("nothing was decided: write a number", error=True)
            return
        self._do("raising a limit", partial(vaults.decide, one.container, "raise", one, most))

    def do_passphrase(self) -> None:
        """Choose where the passphrase is kept; what shows or asks for it does so in a terminal."""
        self.choose("the vault's passphrase", PASSPHRASE, self._passphrase)

    def _passphrase(self, word: str) -> None:
        if word in IN_TERMINAL:
            self.terok.open_terminal("vault", "passphrase", word)
        elif word == "show":
            self.terok.run_verb("vault", "passphrase", word)
        else:
            self.confirm(
                f"change where the passphrase is kept: {word}",
                lambda: self.terok.run_verb("vault", "passphrase", word),
            )

    def _only(self, kind: type[Any]) -> Any:
        """Return the value with the cursor if it is of a kind; else say so."""
        if isinstance(self.picked, kind):
            return self.picked
        self.note(f"go to a {kind.__name__.lower()} first", error=True)
        return None
