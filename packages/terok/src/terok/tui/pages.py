"""The screens that can be opened, in one table: a new screen is a file in `screens` and a line here."""

from __future__ import annotations

from typing import Final, NamedTuple


class Page(NamedTuple):
    """A screen: its name, the class that is imported when it is opened, and the action that opens it.

    The action's key comes from the keymap.
    """

    name: str
    screen: str
    action: str


PAGES: Final = (
    Page("inbox", "terok.tui.screens.inbox:InboxScreen", ""),
    Page("task", "terok.tui.screens.task:TaskScreen", "open"),
    Page("review", "terok.tui.screens.review:ReviewScreen", "review"),
    Page("compare", "terok.tui.screens.review_compare:CompareScreen", "compare"),
    Page("race", "terok.tui.screens.race:RaceScreen", "race"),
    Page("clearance", "terok.tui.screens.clearance:ClearanceScreen", "clearance"),
    Page("shield", "terok.tui.screens.shield:ShieldScreen", "shield"),
    Page("timeline", "terok.tui.screens.timeline:TimelineScreen", "timeline"),
    Page("vault", "terok.tui.screens.vault:VaultScreen", "vault"),
    Page("keys", "terok.tui.screens.ssh_keys:KeysScreen", "keys"),
    Page("auth", "terok.tui.screens.auth:AuthScreen", "sign_in"),
    Page("signin", "terok.tui.screens.sign_in:SignInScreen", ""),
    Page("choice", "terok.tui.screens.choice:ChoiceScreen", ""),
    Page("projects", "terok.tui.screens.projects:ProjectsScreen", "projects"),
    Page("project", "terok.tui.screens.project:ProjectScreen", "open_project"),
    Page("wizard", "terok.tui.screens.wizard:WizardScreen", "add_project"),
    Page("ready", "terok.tui.screens.ready:ReadyScreen", "make_ready"),
    Page("new", "terok.tui.screens.new:NewScreen", "new"),
    Page("settings", "terok.tui.screens.settings:SettingsScreen", "settings"),
    Page("storage", "terok.tui.screens.storage:StorageScreen", "storage"),
    Page("usage", "terok.tui.screens.usage:UsageScreen", "usage"),
    Page("operations", "terok.tui.screens.operations:OperationsScreen", "operations"),
    Page("sickbay", "terok.tui.screens.sickbay:SickbayScreen", "sickbay"),
    Page("panic", "terok.tui.screens.panic:PanicScreen", "panic"),
    Page("output", "terok.tui.screens.output:OutputScreen", ""),
    Page("help", "terok.tui.screens.help:HelpScreen", "help"),
    Page("palette", "terok.tui.screens.palette:PaletteScreen", "palette"),
)
"""The table. `action` is the name in the keymap of what opens the screen, "" for one that others open."""
