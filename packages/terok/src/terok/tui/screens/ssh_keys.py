"""SSH keys in the vault, by the project that may use them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from terok.services import ssh_keys
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_sections import OnSections
from terok.tui.screens.rereading import Rereading
from terok.tui.views.sections import Section
from terok.tui.views.ssh_keys import key_sections
from terok.tui.views.text import Line, Span, cropped, said

if TYPE_CHECKING:
    from terok.services.ssh_keys import Key

_NEED_KEY = ("copy_key", "link_key", "rename_key", "delete_key")
_NEED_SCOPE = ("default_key", "unlink_key")


class KeysScreen(OnSections, Rereading, inherit_bindings=False):
    """Keys; their private halves never leave the vault."""

    NAME: ClassVar[str] = "keys"
    READS: ClassVar[str] = "reading the keys"
    BINDINGS = bindings_of("keys")

    def __init__(self) -> None:
        super().__init__()
        self._found: list[Key] = []

    def title_text(self) -> str:
        """Return what this is."""
        return "SSH keys"

    def look(self) -> list[Key]:
        """Read the keys."""
        return ssh_keys.all_keys()

    def take_look(self, value: list[Key]) -> None:
        """Keep them."""
        self._found = value

    def about(self, cells: int) -> list[Line]:
        """Return the public half of the key with the cursor."""
        if self.problem:
            return [cropped((said(self.problem, "error"),), cells)]
        key = self._key()
        if key is None:
            words = "a task pushes with the keys of its project; * is offered first" if self.came else "reading…"
            return [cropped((Span(words, "dim"),), cells)]
        return [cropped((said(key.public),), cells)]

    def sections(self) -> Iterable[Section]:
        """Return the keys by project."""
        return key_sections(self._found, self.now()) if self.came else ()

    def idle(self) -> dict[str, str]:
        """Return what cannot be done with what has the cursor."""
        key = self._key()
        found = {} if key is not None else dict.fromkeys(_NEED_KEY, "go to a key first")
        if key is None or not key.scope:
            found |= dict.fromkeys(_NEED_SCOPE, "go to a key of a project first")
        return found

    def _key(self) -> Key | None:
        key = self.picked
        return key if isinstance(key, ssh_keys.Key) else None

    def _do(self, words: str, deed: Callable[[], str]) -> None:
        self.terok.read(words, lambda _: deed(), self.done)

    def _with_key(self, deed: Callable[[Key], Any]) -> None:
        if (key := self._key()) is not None:
            deed(key)

    def do_mint_key(self) -> None:
        """Make a key for a project; its public half is shown."""
        key = self._key()
        self.ask("new key for project:", self._mint, text=key.scope if key is not None else "")

    def _mint(self, scope: str) -> None:
        if scope.strip():
            self._do("making a key", partial(ssh_keys.mint, scope.strip()))

    def do_copy_key(self) -> None:
        """Copy the public half."""
        self._with_key(self._copy)

    def _copy(self, key: Key) -> None:
        self.app.copy_to_clipboard(key.public)
        self.note(f"the public half of key {key.id} is copied")

    def do_link_key(self) -> None:
        """Let another project use the key."""
        self._with_key(lambda key: self.ask(f"let project use key {key.id}:", partial(self._link, key)))

    def _link(self, key: Key, scope: str) -> None:
        if scope.strip():
            self._do("linking", partial(ssh_keys.link, key.id, scope.strip()))

    def do_default_key(self) -> None:
        """Offer the key first."""
        self._with_key(lambda key: self._do("choosing", partial(ssh_keys.make_default, key.id, key.scope)))

    def do_rename_key(self) -> None:
        """Give the key another comment."""
        self._with_key(lambda key: self.ask("comment:", partial(self._rename, key), text=key.comment))

    def _rename(self, key: Key, comment: str) -> None:
        if comment.strip() and comment.strip() != key.comment:
            self._do("renaming", partial(ssh_keys.rename, key.fingerprint, comment.strip()))

    def do_unlink_key(self) -> None:
        """Take the key from the project; the vault keeps it."""
        self._with_key(
            lambda key: self.confirm(
                f"take key {key.id} from {key.scope}",
                lambda: self._do("taking it away", partial(ssh_keys.unlink, key.fingerprint, key.scope)),
            )
        )

    def do_delete_key(self) -> None:
        """Delete the key for good, from every project."""
        self._with_key(
            lambda key: self.confirm(
                f"delete key {key.id} {key.comment} for good, from every project",
                lambda: self._do("deleting", partial(ssh_keys.delete, key.fingerprint)),
            )
        )
