"""From a command tree to argparse and back to a handler's keywords."""

from __future__ import annotations

import argparse
from types import CoroutineType

from terok_util.commands.parser import HelpText, VerbParser
from terok_util.lazy import load_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from typing import Any

    from terok_util.commands.defs import ArgDef, CommandDef

_NODE = "_terok_command"
_PARSER = "_terok_parser"


class Everything:
    """Contains every word: the words of a command line that is not known yet."""

    def __contains__(self, word: object) -> bool:
        return True


def add_commands(parser: argparse.ArgumentParser, nodes: Sequence[CommandDef], words: Container[str]) -> None:
    """Add `nodes` to `parser`; what is below a node only if its verb is among `words`."""
    parser.set_defaults(**{_NODE: None, _PARSER: parser})
    _add_verbs(parser, nodes, words)


def run_parsed(namespace: argparse.Namespace) -> int:
    """Run the command that a parser found; see `CommandTree.dispatch`."""
    node: CommandDef | None = getattr(namespace, _NODE, None)
    handler = node.resolve() if node else None
    if node is not None and handler is not None:
        return run_handler(handler, {arg.dest: _value(namespace, arg) for arg in node.args})
    if not hasattr(namespace, _PARSER):
        return 2
    getattr(namespace, _PARSER).print_help()
    return 0


def run_handler(handler: Callable[..., object], keywords: dict[str, Any]) -> int:
    """Call a handler, run the coroutine it may return, and return its exit code (0 unless it is an int)."""
    result = handler(**keywords)
    if isinstance(result, CoroutineType):
        import asyncio

        result = asyncio.run(result)
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def _value(namespace: argparse.Namespace, arg: ArgDef) -> Any:
    value = getattr(namespace, arg.dest)
    # Whether argparse removes the separator depends on the Python version.
    return value[1:] if arg.nargs == argparse.REMAINDER and value[:1] == ["--"] else value


def _add_verbs(parser: argparse.ArgumentParser, nodes: Sequence[CommandDef], words: Container[str]) -> None:
    if not nodes:
        return
    verbs: argparse._SubParsersAction[Any]
    if isinstance(parser, VerbParser):
        # It lists the verbs itself, so only those typed need a parser.
        verbs = parser.add_subparsers(metavar="COMMAND", help=argparse.SUPPRESS)
        parser.list_verbs(tuple(nodes))
    else:
        verbs = parser.add_subparsers(metavar="COMMAND")
    for node in nodes:
        texts: dict[str, Any] = {"description": node.help, "epilog": node.epilog, "formatter_class": HelpText}
        if not isinstance(parser, VerbParser):
            texts["help"] = _escaped(node.help)
        elif node.name not in words:
            continue
        child = verbs.add_parser(node.name, **texts)
        if node.name in words:
            child.set_defaults(**{_NODE: node, _PARSER: child})
            if isinstance(child, VerbParser):  # what the whole program takes may follow the verb
                child.add_argument("--no-input", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
            _add_args(child, node)
            _add_verbs(child, node.children, words)


def _add_args(parser: argparse.ArgumentParser, node: CommandDef) -> None:
    groups: dict[str, argparse._MutuallyExclusiveGroup] = {}
    for arg in node.args:
        place: argparse._ActionsContainer = parser
        if arg.group is not None:
            if arg.group not in groups:
                needed = any(other.required for other in node.args if other.group == arg.group)
                groups[arg.group] = parser.add_mutually_exclusive_group(required=needed)
            place = groups[arg.group]
        place.add_argument(*(arg.flags or [arg.dest]), **_keywords(arg))


def _keywords(arg: ArgDef) -> dict[str, Any]:
    words: dict[str, Any] = {
        name: value
        for name in ("default", "action", "nargs", "choices", "metavar")
        if (value := getattr(arg, name)) is not None
    }
    words["help"] = _escaped(arg.help)
    if arg.type is not None:
        words["type"] = _late(arg.type)
    if arg.flags:
        words["dest"] = arg.dest
        if arg.required and arg.group is None:
            words["required"] = True
    else:
        words.setdefault("metavar", arg.name)
    return words


def _late(target: Callable[..., Any] | str) -> Callable[..., Any]:
    """Return `target`, or for a reference a function that imports it when it is called."""
    if not isinstance(target, str):
        return target

    def call(*args: Any, **keywords: Any) -> Any:
        return load_reference(target)(*args, **keywords)

    call.__name__ = target.rpartition(":")[2]
    return call


def _escaped(text: str) -> str:
    """Return help text in which a percent sign means itself, except in `%(default)s` and its like."""
    return text.replace("%", "%%").replace("%%(", "%(")
