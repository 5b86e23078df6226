"""Every action of the terminal interface, once: its keys, its words, where it works, and the verb that does the same.

Screens, footer, help, palette and the page in the documentation are made from this table. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from terok_util import UsageError, did_you_mean

EVERYWHERE: Final = "everywhere"
LISTS: Final = "lists"
"""Screens with lines to move on."""
TASKS: Final = "tasks"
"""Screens on which tasks are chosen."""
OUTPUTS: Final = "outputs"
"""Screens that show an output."""
DIFFS: Final = "diffs"
"""Screens that show changed files."""
SECTIONS: Final = "sections"
"""Screens with sections that can be folded."""
LOOKS: Final = "looks"
"""Screens that show what was read when they were opened."""
PROJECTS: Final = "on projects"
"""Screens on which a project is chosen."""
FORMS: Final = "forms"
"""Screens with fields."""


class Action(NamedTuple):
    """One thing that can be done.

    `keys` are names of Textual, with commas between them. `words` stand in the footer, `help` in help and palette.
    `where` names a screen, or a kind of screens. `verb` is the command of the command line that does the same, ""
    for what only moves or shows. `weight` orders the footer; what has none is not in it.
    """

    name: str
    keys: str
    words: str
    help: str
    where: str
    verb: str = ""
    weight: int = 0


KINDS: Final[Mapping[str, frozenset[str]]] = {
    LISTS: frozenset(
        (
            *("inbox", "task", "review", "compare", "race", "clearance", "output", "help"),
            *("shield", "timeline", "vault", "keys", "auth", "signin", "choice"),
            *("projects", "project", "settings", "storage", "sickbay", "operations", "usage", "panic", "ready"),
            *("wizard", "new"),
        )
    ),
    TASKS: frozenset(("inbox", "task", "review", "race", "timeline")),
    OUTPUTS: frozenset(("task", "output")),
    DIFFS: frozenset(("review", "compare")),
    SECTIONS: frozenset(("shield", "vault", "keys", "auth")),
    LOOKS: frozenset(
        ("projects", "project", "settings", "storage", "sickbay", "operations", "usage", "panic", "ready")
    ),
    PROJECTS: frozenset(("projects", "project")),
    FORMS: frozenset(("wizard", "new")),
}
"""The screens of each kind; a new screen is added to the kinds whose actions it has."""

ACTIONS: Final = (
    Action("down", "j,down", "down", "go to the next line", LISTS),
    Action("up", "k,up", "up", "go to the line before", LISTS),
    Action("page_down", "pagedown,ctrl+d", "page down", "go down by a page", LISTS),
    Action("page_up", "pageup,ctrl+u", "page up", "go up by a page", LISTS),
    Action("top", "g,home", "top", "go to the first line", LISTS),
    Action("bottom", "G,end", "bottom", "go to the last line", LISTS),
    Action("next_needing", "right_square_bracket", "next", "go to the next task that needs you", EVERYWHERE, "status"),
    Action("previous_needing", "left_square_bracket", "previous", "go to the one before that needs you", EVERYWHERE),
    Action("open", "enter", "open", "open the task, or fold the group", "inbox", "task show", 10),
    Action("peek", "space", "peek", "show or hide what is known about the task", "inbox", "task status", 15),
    Action("fold", "h,left", "fold", "fold the group, or unfold it", "inbox"),
    Action("answer", "1,2,3,4,5,6,7,8,9", "answer", "give the answer with this number", TASKS, "task send"),
    Action("reply", "r", "reply", "write to the agent: now if it listens, else as a follow-up", TASKS, "task send", 25),
    Action("log", "l", "log", "show the output of the task", TASKS, "task logs", 30),
    Action("review", "v", "review", "show what the task brings", TASKS, "review", 20),
    Action("diff", "d", "diff", "show what has changed in the workspace", TASKS, "task diff"),
    Action("promote", "P", "promote", "send what was reviewed to the upstream", TASKS, "promote"),
    Action("reject", "J", "reject", "turn the work down with a note", TASKS, "reject"),
    Action("why", "w", "why", "show all that speaks for the state", TASKS, "task why"),
    Action("timeline", "T", "timeline", "show what has happened to the task", TASKS, "task timeline"),
    Action("login", "t", "terminal", "open a terminal in the container", TASKS, "login", 65),
    Action("stop", "x", "stop", "stop the task; its work stays", TASKS, "task stop", 35),
    Action("restart", "R", "restart", "start the task again", TASKS, "task restart"),
    Action("rename", "e", "rename", "give the task another name", TASKS, "task rename"),
    Action("archive", "A", "archive", "remove the container, keep the record", TASKS, "task archive"),
    Action("delete", "X", "delete", "delete the task; it can be brought back", TASKS, "task delete"),
    Action("copy", "y", "copy", "copy the task's identifier", TASKS),
    Action("race", "N", "race", "compare the attempts of the task's race", TASKS, "race show"),
    Action("mark", "m", "mark", "mark the task, for an action on several", "inbox"),
    Action("mark_all", "M", "mark all", "mark everything that is shown, or nothing", "inbox"),
    Action("filter", "slash", "filter", "show only the tasks that meet a filter", "inbox", "task list", 55),
    Action("read", "enter", "open", "go to the lines of the file", DIFFS, "", 10),
    Action("next_file", "right_curly_bracket", "next file", "go to the next file", DIFFS, "", 13),
    Action("previous_file", "left_curly_bracket", "file before", "go to the file before", DIFFS),
    Action("next_hunk", "greater_than_sign", "next change", "go to the next lines that have changed", DIFFS),
    Action("previous_hunk", "less_than_sign", "change before", "go to the lines before that have changed", DIFFS),
    Action("next_remark", "full_stop", "next remark", "go to the next finding or comment", DIFFS, "", 15),
    Action("previous_remark", "comma", "remark before", "go to the finding or comment before", DIFFS),
    Action("split", "backslash", "split", "show both versions side by side, or one", DIFFS, "review"),
    Action("spaces", "W", "spaces", "leave out changes of white space only, or no longer", DIFFS, "review"),
    Action("select", "space", "select", "begin a range of lines, or give it up", "review"),
    Action("comment", "c", "comment", "comment on the lines, or answer the comment", "review", "review", 12),
    Action("resolve", "o", "settle", "settle the comment", "review", "review"),
    Action("viewed", "m,V", "viewed", "mark the file as viewed while it stays as it is", "review", "review", 14),
    Action("since", "i", "since last", "show only what is new since it was looked at", "review", "review", 16),
    Action("check", "K", "check", "run a command on the reviewed commit", "review", "review", 18),
    Action("judge", "enter", "review", "show what the attempt brings", "race", "review", 10),
    Action("compare", "equals_sign", "compare", "show how two attempts differ", "race", "race show", 12),
    Action("keep", "Y", "keep", "promote the attempt and archive the others", "race", "race keep", 14),
    Action("search", "slash", "search", "look for text in the output", OUTPUTS, "", 40),
    Action("next_match", "full_stop", "next match", "go to the next place with the text", OUTPUTS, ""),
    Action("previous_match", "comma", "previous match", "go to the place before with the text", OUTPUTS),
    Action("follow", "f", "follow", "stay at the end of the output, or no longer", OUTPUTS, "", 45),
    Action("raw", "b", "raw", "show the output byte for byte, or as a transcript", "task"),
    Action("fold_section", "h,left", "fold", "fold the section, or unfold it", SECTIONS),
    Action("next_section", "right_curly_bracket", "next section", "go to the next section", SECTIONS),
    Action("previous_section", "left_curly_bracket", "section before", "go to the section before", SECTIONS),
    Action("choose", "enter", "choose", "take what has the cursor", "choice", "", 10),
    Action("decide", "enter", "answer", "choose a verdict: deny first", "clearance", "sandbox clearance deny", 8),
    Action("allow", "a", "allow", "allow it, for as long as you say", "clearance", "sandbox clearance allow", 10),
    Action("deny", "D", "deny", "deny it; the agent reads why", "clearance", "sandbox clearance deny", 12),
    Action("shield", "s", "shield", "show what the task may reach, and what was refused", TASKS, "shield status"),
    Action("raise_wall", "s", "up", "raise the wall: enforce the policy", "shield", "shield up", 10),
    Action("lower_wall", "d", "down", "lower the wall; asks how far", "shield", "shield down", 12),
    Action("quarantine", "Q", "quarantine", "end every connection, let nothing out", "shield", "shield quarantine", 14),
    Action("open_target", "a", "allow", "open a destination while it runs", "shield", "shield allow", 16),
    Action("close_target", "D", "deny", "close a destination and end its connections", "shield", "shield deny", 18),
    Action("explain", "w", "why", "explain the decision about a destination", "shield", "shield why", 20),
    Action("take_back", "X", "take back", "take the verdict with the cursor back", "shield", "shield revoke", 22),
    Action("reset_wall", "Z", "reset", "drop the verdicts and raise the wall", "shield", "shield reset"),
    Action("kinds", "slash", "filter", "show some kinds only, or what has a text", "timeline", "task timeline", 10),
    Action("newest", "f", "follow", "stay at the newest entry, or no longer", "timeline", "", 12),
    Action("sign_in", "plus", "sign in", "store a key or sign in to a provider", "vault", "auth", 10),
    Action("keys", "K", "SSH keys", "show the SSH keys of all projects", "vault", "sandbox ssh list", 12),
    Action("unlock", "O", "unlock", "unlock the vault for this session", "vault", "vault unlock", 14),
    Action("lock", "L", "lock", "lock the vault", "vault", "vault lock", 16),
    Action("budget", "B", "budget", "decide about a limit", "vault", "sandbox budget", 18),
    Action("billing", "b", "billing", "say how the credential's use is paid for", "vault", "vault billing", 20),
    Action("remove_credential", "X", "remove", "remove the credential", "vault", "vault remove", 22),
    Action("revoke_tokens", "x", "revoke", "revoke the tokens of a container", "vault", "vault revoke", 24),
    Action("passphrase", "P", "passphrase", "choose where it is kept", "vault", "vault passphrase show", 26),
    Action("mint_key", "plus", "mint", "make a key for a project", "keys", "sandbox ssh add", 10),
    Action("copy_key", "y", "copy", "copy the public half", "keys", "sandbox ssh pub", 12),
    Action("link_key", "L", "link", "let another project use the key", "keys", "sandbox ssh link", 14),
    Action("default_key", "o", "default", "offer the key first", "keys", "sandbox ssh default", 16),
    Action("rename_key", "e", "rename", "give the key another comment", "keys", "sandbox ssh rename", 18),
    Action("unlink_key", "x", "take away", "take the key from the project", "keys", "sandbox ssh remove", 20),
    Action("delete_key", "X", "delete", "delete the key for good", "keys", "sandbox ssh remove", 22),
    Action("sign_in_here", "enter", "sign in", "store a key or sign in", "auth", "auth", 10),
    Action("write_answer", "enter", "answer", "write what the page has shown", "signin", "auth", 10),
    Action("copy_link", "y", "copy link", "copy the address of the page", "signin", "", 12),
    Action("clearance", "C", "clearance", "show what tasks want to reach", EVERYWHERE, "sandbox clearance list"),
    Action("again", "r", "again", "read it again, or try again what has failed", LOOKS, "", 48),
    Action("open_project", "enter", "open", "show the project", "projects", "project show", 10),
    Action("add_project", "a", "add", "make a project by a few questions", "projects", "project wizard", 12),
    Action("make_ready", "i", "make ready", "bring mirror and image up to date", PROJECTS, "project init", 16),
    Action("project_settings", "e", "settings", "show and change the project's settings", PROJECTS, "project edit", 14),
    Action("project_tasks", "t", "tasks", "show the project's tasks in the inbox", PROJECTS, "task list", 18),
    Action("sync", "s", "sync", "bring the mirror in step with its upstream", PROJECTS, "project gate sync"),
    Action("build", "B", "build", "build the image anew", PROJECTS, "project build"),
    Action("choose_agents", "A", "agents", "choose the agents in the project's image", PROJECTS, "project agents"),
    Action("open_sets", "o", "sets", "choose the egress sets that are open", PROJECTS, "shield sets"),
    Action("derive", "D", "copy", "make another project with the settings of this one", PROJECTS, "project derive"),
    Action("delete_project", "X", "delete", "delete the project; it can be brought back", PROJECTS, "project delete"),
    Action("change", "enter", "change", "change the field, or take its next choice", FORMS, "", 10),
    Action("go_on", "s", "go on", "show the file, then write it", "wizard", "project wizard", 12),
    Action("start", "s", "start", "start the task", "new", "task run", 12),
    Action("change_setting", "enter", "change", "give the key another value", "settings", "config edit", 10),
    Action("unset", "X", "unset", "take the key out of the file", "settings", "config edit", 12),
    Action("find", "slash", "find", "show only keys with these words", "settings", "", 14),
    Action("defaults", "d", "defaults", "show what nothing sets too, or not", "settings", "config resolved", 16),
    Action("edit_file", "o", "editor", "open the file in your editor", "settings", "config edit", 18),
    Action("each", "b", "each", "show each thing, or only kinds", "storage", "storage", 10),
    Action(
        "clean", "c", "clean up", "look for what is not needed; this removes nothing", "storage", "storage clean", 12
    ),
    Action("remove", "X", "remove", "remove what was found", "storage", "storage clean", 14),
    Action("mend", "f", "fix", "mend what can be mended without taking anything away", "sickbay", "sickbay", 10),
    Action("every_check", "a", "all", "show what is well too, or not", "sickbay", "", 12),
    Action("undo_this", "enter", "take back", "take back the operation with the cursor", "operations", "undo", 10),
    Action("by", "b", "by", "add up by the next of task, project, day, model, agent, credential", "usage", "usage", 10),
    Action("period", "s", "since", "look at the next period", "usage", "usage", 12),
    Action("vault", "S", "vault", "show credentials, tokens and budgets", EVERYWHERE, "vault status"),
    Action("projects", "p", "projects", "show all projects", EVERYWHERE, "project list"),
    Action("settings", "E", "settings", "show and change the settings", EVERYWHERE, "config resolved"),
    Action("storage", "I", "storage", "show images and all else that is kept on disk", EVERYWHERE, "storage"),
    Action(
        "usage", "dollar_sign", "usage", "show requests, tokens and cost, of the task or of all", EVERYWHERE, "usage"
    ),
    Action("new", "n", "new", "start a task", EVERYWHERE, "task run", 50),
    Action(
        "undo", "u", "undo", "take back the last thing that was deleted, archived or rejected", EVERYWHERE, "undo", 60
    ),
    Action("operations", "U", "operations", "show what can be taken back", EVERYWHERE, "op log"),
    Action("sickbay", "H", "sickbay", "look for what is wrong", EVERYWHERE, "sickbay"),
    Action("command", "colon", "command", "run any command of terok", EVERYWHERE),
    Action("palette", "ctrl+p", "palette", "choose from everything that can be done", EVERYWHERE),
    Action(
        "panic", "exclamation_mark", "panic", "cut everything off, or end that; asks for the word", EVERYWHERE, "panic"
    ),
    Action("back", "escape", "back", "go back, or out of what is being typed", EVERYWHERE, "", 70),
    Action("reload", "ctrl+l", "begin again", "begin again, with the version that is installed", EVERYWHERE, "tui"),
    Action("quit", "q", "quit", "leave; tasks go on", EVERYWHERE),
    Action("help", "question_mark", "more", "show every key of this screen", EVERYWHERE, "tui", 1),
)
"""The table. Where two actions of a screen have one key, a test fails."""
AGAIN: Final = ["tui"]
"""The command line of the terminal interface itself, which it is left with to begin again."""
NAMES: Final = tuple(action.name for action in ACTIONS)
_SIGNS: Final = {
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "right_curly_bracket": "}",
    "left_curly_bracket": "{",
    "greater_than_sign": ">",
    "less_than_sign": "<",
    "equals_sign": "=",
    "backslash": "\\",
    "slash": "/",
    "plus": "+",
    "colon": ":",
    "dollar_sign": "$",
    "exclamation_mark": "!",
    "question_mark": "?",
    "full_stop": ".",
    "comma": ",",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
}
"""The signs that a person reads for the names of Textual."""


def actions_of(screen: str) -> tuple[Action, ...]:
    """Return what can be done on a screen."""
    return tuple(
        action
        for action in ACTIONS
        if action.where in (screen, EVERYWHERE) or screen in KINDS.get(action.where, frozenset())
    )


def shown_key(keys: str) -> str:
    """Return the first of an action's keys as a person reads it."""
    first = keys.split(",", 1)[0]
    return _SIGNS.get(first, first.replace("ctrl+", "^"))


def shown_keys(keys: str) -> str:
    """Return all keys of an action as a person reads them."""
    names = keys.split(",")
    if names == [str(number) for number in range(1, 10)]:
        return "1-9"
    return " ".join(shown_key(name) for name in names)


def bound(rebound: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of every action, those that a person has chosen in place of ours.

    UsageError for an action that there is none of, and for a key that two actions of one screen would have.
    """
    for name in rebound:
        if name not in NAMES:
            hint = did_you_mean(name, NAMES, "`terok tui --keys` lists the actions")
            raise UsageError(f"tui.keys: there is no action {name!r}", hint=hint)
    keys = {action.name: rebound.get(action.name, action.keys) for action in ACTIONS}
    for screen in sorted({screen for kind in KINDS.values() for screen in kind}):
        taken: dict[str, str] = {}
        for action in actions_of(screen):
            for key in keys[action.name].split(","):
                if key in taken:
                    raise UsageError(
                        f"tui.keys: {key} would be {taken[key]} and {action.name} on the screen {screen}",
                        hint="choose another key; `terok tui --keys` lists those that are taken",
                    )
                taken[key] = action.name
    return keys
