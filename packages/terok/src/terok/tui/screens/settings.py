"""Settings with their origins: those of `config.yml`, or of a project; each is changed in its place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from terok.tui.background.projects import change_setting, read_settings
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_table import OnTable
from terok.tui.views.settings import setting_lines, settings_table, value_text, wanted

if TYPE_CHECKING:
    from terok.config.explanation import Setting
    from terok.tui.views.text import Line
    from terok.tui.widgets.lines import Lines


class SettingsScreen(OnTable, inherit_bindings=False):
    """Every setting with its value; what is changed is one key in the file of the person or the project."""

    NAME: ClassVar[str] = "settings"
    BINDINGS = bindings_of("settings")

    def __init__(self, project: str = "") -> None:
        super().__init__()
        self._project = project
        self._all: tuple[Setting, ...] = ()
        self._listed: tuple[Setting, ...] = ()
        self._text = ""
        self._defaults = True
        self._key = ""

    def title_text(self) -> str:
        """Return whose settings, and what is left out."""
        whose = f"settings of {self._project}" if self._project else "settings"
        left = f" / {self._text}" if self._text else ""
        return f"{whose}{left}" if self._defaults else f"{whose}, only what is set{left}"

    def look(self) -> Callable[[Callable[[str], None]], Any]:
        """Return the job that reads them."""
        return lambda _: read_settings(self._project)

    def seen(self, found: tuple[Setting, ...]) -> None:
        """Show them, with the cursor on the key that it was on."""
        self._all = found
        self._show()

    def _show(self) -> None:
        self._listed = wanted(self._all, self._text, everything=self._defaults)
        places = {one.key: number for number, one in enumerate(self._listed)}
        self.at = places.get(self._key, min(self.at, max(len(self._listed) - 1, 0)))
        self.show_table(settings_table(self._listed))

    def move(self, target: int) -> None:
        """Put the cursor on a row, and remember its key."""
        super().move(target)
        self._key = self._listed[self.at].key if self.at < len(self._listed) else self._key

    def more(self, cells: int) -> list[Line]:
        """Return the setting with the cursor in full."""
        return setting_lines(self._listed[self.at], cells) if self.at < len(self._listed) else []

    def idle(self) -> dict[str, str]:
        """Return why a key cannot be taken out: nothing of this file sets it."""
        one = self._chosen()
        if one is None:
            return dict.fromkeys(("change_setting", "unset"), "there is no key here")
        level = "project" if self._project else "user"
        if all(layer.level != level for layer in one.layers):
            return {"unset": f"nothing is set for it in the {'project' if self._project else 'user'}'s file"}
        return {}

    def _chosen(self) -> Setting | None:
        return self._listed[self.at] if self.at < len(self._listed) else None

    def do_change_setting(self) -> None:
        """Give the key another value, which is checked before the file is written."""
        if (one := self._chosen()) is not None:
            text = "" if one.value is None else value_text(one.value)
            self.ask(f"{one.key}:", lambda new: self._write(one.key, new, text), text=text, hint=one.kind)

    def _write(self, key: str, text: str, before: str) -> None:
        if text.strip() and text != before:
            self.terok.read(f"setting {key}", lambda _: change_setting(self._project, key, text), self._written)

    def do_unset(self) -> None:
        """Take the key out of the file."""
        if (one := self._chosen()) is not None:
            self.confirm(f"take {one.key} out of the file", partial(self._take_out, one.key))

    def _take_out(self, key: str) -> None:
        self.terok.read(f"taking {key} out", lambda _: change_setting(self._project, key, None), self._written)

    def _written(self, told: str) -> None:
        self.note(told)
        self.do_again()

    def do_find(self) -> None:
        """Show only keys with a text, as it is written."""

        def keep(text: str) -> None:
            self._text = text
            self._show()

        hint = "words of the key, or of what it is for"
        self.ask("find:", keep, text=self._text, changed=keep, cancelled=lambda: keep(""), hint=hint)

    def do_defaults(self) -> None:
        """Show also what nothing sets, or no longer."""
        self._defaults = not self._defaults
        self._show()

    def do_edit_file(self) -> None:
        """Open the file in the person's editor."""
        if self._project:
            self.terok.open_terminal("project", "edit", self._project)
        else:
            self.terok.open_terminal("config", "edit")

    def do_settings(self) -> None:
        """Read them again."""
        self.do_again()

    def on_lines_picked(self, event: Lines.Picked) -> None:
        """Put the cursor where the mouse is; a second click changes."""
        super().on_lines_picked(event)
        if event.opened:
            self.action_do("change_setting")
