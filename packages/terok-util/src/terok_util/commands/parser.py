"""An argument parser whose help lists verbs under headings and whose errors are one line and a hint."""

from __future__ import annotations

import argparse
import os

from terok_util.errors import UsageError
from terok_util.meant import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NoReturn

    from terok_util.commands.defs import CommandDef

_WIDEST_NAME = 24
_NARROWEST, _USUAL, _WIDEST = 40, 80, 1000
_SHOWN = 3
"""Commands that a hint names."""


# Looking for translations of its messages would take argparse as long as the rest of `--help`.
vars(argparse)["_"] = str


class HelpText(argparse.RawDescriptionHelpFormatter):
    """Format help as wide as the terminal, without importing shutil and textwrap."""

    def __init__(self, prog: str, *args: Any, **keywords: Any) -> None:
        keywords.setdefault("width", _terminal_width() - 2)
        super().__init__(prog, *args, **keywords)

    def _split_lines(self, text: str, width: int) -> list[str]:
        lines = [""]
        for word in text.split():
            if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
                lines.append("")
            lines[-1] += f" {word}" if lines[-1] else word
        return lines


class VerbParser(argparse.ArgumentParser):
    """A parser that raises UsageError instead of exiting; `--help` still prints and exits with 0."""

    def __init__(self, **keywords: Any) -> None:
        keywords = {"formatter_class": HelpText, "allow_abbrev": False, **keywords}
        super().__init__(**keywords)
        self._verbs: tuple[CommandDef, ...] = ()

    def list_verbs(self, verbs: tuple[CommandDef, ...]) -> None:
        """Show these commands in the help; call it after `add_subparsers`, which reads the usage."""
        self._verbs = verbs
        self.usage = "%(prog)s [options] COMMAND ..."

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise UsageError(message, hint=f"see: {self.prog} --help")

    def format_help(self) -> str:
        """Return argparse's help with the verbs in front of the epilog."""
        if not self._verbs:
            return super().format_help()
        epilog, self.epilog = self.epilog, None
        parts = [super().format_help(), verb_listing(self._verbs)]
        self.epilog = epilog
        if epilog:
            parts.append(epilog.replace("%(prog)s", self.prog) + "\n")
        return "\n".join(parts)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse what is left over; here, because this parser knows the options that were meant."""
        found, left = super().parse_known_args(args, namespace)
        for word in left:
            option = word.partition("=")[0] if word.startswith("-") else ""
            what = f"unknown option: {option}" if option else f"unexpected argument: {word}"
            raise UsageError(what, hint=self._meant(option, self._option_string_actions))
        return found, left

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        if not isinstance(action.choices, dict):
            names = [*map(str, action.choices)]
            near = nearest(str(value), names)
            what = "/".join(action.option_strings) or action.metavar or action.dest
            hint = f"did you mean: {near}" if near else f"see: {self.prog} --help"
            raise UsageError(f"invalid {what} {value!r}: use one of {', '.join(names)}", hint=hint)
        below = [f"{self.prog} {node.name} {value}" for node in self._verbs if _has(node, value)]
        names = [node.name for node in self._verbs]
        hint = f"did you mean: {', '.join(below[:_SHOWN])}" if below else self._meant(value, names)
        raise UsageError(f"unknown command: {value}", hint=hint)

    def _meant(self, word: str, known: Iterable[str]) -> str:
        near = nearest(word, known)
        return f"did you mean: {self.prog} {near}" if near else f"see: {self.prog} --help"


def _has(group: CommandDef, verb: object) -> bool:
    try:
        return any(node.name == verb for node in group.children)
    except (ImportError, AttributeError):  # a hint is not worth another error
        return False


def _terminal_width() -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and 0 < int(columns) < _WIDEST:
        return max(_NARROWEST, int(columns))
    try:
        return max(_NARROWEST, os.get_terminal_size(1).columns)
    except OSError:
        return _USUAL


def verb_listing(nodes: tuple[CommandDef, ...]) -> str:
    """Return the verbs with their help: first those without a group, then each group under its name."""
    width = max(min(_WIDEST_NAME, len(node.name)) for node in nodes) + 2
    headings = dict.fromkeys([None, *(node.group for node in nodes)])
    blocks = []
    for heading in headings:
        lines = [f"  {node.name:<{width}}{node.help}".rstrip() for node in nodes if node.group == heading]
        if lines:
            blocks.append("\n".join([f"{heading or 'commands'}:", *lines]) + "\n")
    return "\n".join(blocks)
