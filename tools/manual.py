"""Man pages and the reference of commands, from the command tree: `terok.1`, and a page for each verb at the top.

    tools/run python tools/reference.py

A command that has two places is described at the first of them that a person would type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from terok_util import ArgDef, CommandDef, CommandTree

FOLDED = {"sandbox vault": "vault", "executor setup": "", "executor uninstall": "", "project gate": "sandbox gate"}
"""Groups and commands that are described elsewhere."""
_SWITCHES = ("store_true", "store_false", "count")
_ENVIRONMENT = (
    ("NO_COLOR", "no colors, whatever the terminal can do"),
    ("TEROK_DEBUG", "1: show the traceback of an error"),
    ("TEROK_NO_INPUT", "1: as --no-input"),
    ("TEROK_ROOT", "keep configuration, state and sockets below this directory"),
    ("VISUAL, EDITOR", "the editor that the edit commands open"),
)
_FILES = (
    ("~/.config/terok/config.yml", "your settings; `terok config schema global` lists the keys"),
    ("~/.config/terok/projects/NAME/project.yml", "a project; `terok config schema` lists the keys"),
    ("~/.local/share/terok", "tasks, mirrors, vault; `terok config paths` lists everything"),
)


def value_name(arg: ArgDef) -> str:
    """Return how the value of an argument is written in a synopsis; empty for a switch."""
    if arg.action in _SWITCHES:
        return ""
    if arg.metavar:
        return arg.metavar if isinstance(arg.metavar, str) else " ".join(arg.metavar)
    if arg.choices and arg.flags:
        return "{" + ",".join(map(str, arg.choices)) + "}"
    return arg.dest.upper()


def option_name(arg: ArgDef) -> str:
    """Return an option as a reference lists it: `-p, --prompt TEXT`."""
    return f"{', '.join(arg.flags)} {value_name(arg)}".rstrip()


def synopsis(path: Iterable[str], node: CommandDef) -> str:
    """Return the command with its arguments."""
    words = ["terok", *path]
    if node.is_group:
        words.append("COMMAND" if node.handler is None else "[COMMAND]")
    options = [arg for arg in node.args if arg.flags]
    words += [f"{arg.flags[-1]} {value_name(arg)}" for arg in options if arg.required]
    words += ["[options]"] if any(not arg.required for arg in options) else []
    for arg in (arg for arg in node.args if not arg.flags):
        name = value_name(arg)
        words.append(
            {"?": f"[{name}]", "*": f"[{name} ...]", "+": f"{name} ...", "...": f"[{name} ...]"}.get(
                str(arg.nargs), name
            )
        )
    return " ".join(words)


def places(top: CommandDef) -> Iterator[tuple[tuple[str, ...], CommandDef]]:
    """Yield the verb and the commands below it, but for those described elsewhere."""
    for path, node in CommandTree([top]).walk():
        name = " ".join(path)
        if any(name == folded or name.startswith(f"{folded} ") for folded in FOLDED):
            continue
        yield path, node


# -- roff -----------------------------------------------------------------------------------------------------------


def roff(text: str) -> str:
    """Return text as roff prints it."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in text)
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def _help(arg: ArgDef) -> str:
    text = arg.help.replace("%(default)s", str(arg.default))
    return (
        f"{text}: {', '.join(map(str, arg.choices))}" if arg.choices and arg.metavar is None and not arg.flags else text
    )


def _item(term: str, text: str) -> list[str]:
    return [".TP", f"\\fB{roff(term)}\\fR", roff(text) or "\\&"]


def _command(path: tuple[str, ...], node: CommandDef) -> Iterator[str]:
    yield f".SS {roff(synopsis(path, node))}"
    yield roff(node.help[:1].upper() + node.help[1:] + ".")
    for arg in node.args:
        yield from _item(option_name(arg) if arg.flags else value_name(arg), _help(arg))
    if node.epilog:
        yield from (".PP", ".nf", roff(node.epilog.replace("%(prog)s", " ".join(["terok", *path])).rstrip()), ".fi")


def _head(name: str, text: str, version: str) -> list[str]:
    title = f'.TH "{name.upper()}" 1 "" "terok {version}" "terok manual"'
    return [title, ".SH NAME", f"{roff(name)} \\- {roff(text)}"]


def verb_page(top: CommandDef, version: str) -> str:
    """Return the man page of a verb at the top."""
    lines = _head(f"terok-{top.name}", top.help, version)
    lines += [
        ".SH SYNOPSIS",
        f".B {roff(synopsis((top.name,), top))}",
        ".SH COMMANDS" if top.is_group else ".SH DESCRIPTION",
    ]
    for path, node in places(top):
        if node.is_group and node.handler is None and not node.args:
            continue
        lines += _command(path, node)
    folded = [
        f"terok\\-{FOLDED[' '.join(path)].partition(' ')[0]}(1)"
        for path, _ in CommandTree([top]).walk()
        if FOLDED.get(" ".join(path))
    ]
    lines += [".SH SEE ALSO", f"terok(1), {', '.join(folded)}" if folded else ".BR terok (1)"]
    return "\n".join(lines) + "\n"


def main_page(tree: CommandTree, version: str, codes: Iterable[tuple[str, str]]) -> str:
    """Return the man page of the program."""
    lines = _head("terok", "coding agents in hardened containers", version)
    lines += [
        ".SH SYNOPSIS",
        ".B terok [\\-\\-no\\-input] COMMAND [options] ...",
        ".br",
        ".B terokctl COMMAND [options] ...",
    ]
    lines += [".SH DESCRIPTION"]
    lines += [
        roff("terok runs coding agents in containers that hold no secret and reach only what a supervisor offers.")
    ]
    lines += [roff("terokctl is the same program for scripts: it never asks, as if --no-input were given.")]
    lines += [".SH OPTIONS", *_item("--no-input", "never ask: fail where an answer is needed; also behind a command")]
    lines += [
        *_item("--version", "show the version and exit"),
        *_item("-h, --help", "show help; behind a command, its own"),
    ]
    lines += [".SH COMMANDS"]
    for top in tree.roots:
        lines += [".TP", f".BR terok\\-{roff(top.name)} (1)", roff(top.help)]
    for title, pairs in (("EXIT STATUS", codes), ("ENVIRONMENT", _ENVIRONMENT), ("FILES", _FILES)):
        lines.append(f".SH {title}")
        for term, text in pairs:
            lines += _item(term, text)
    return "\n".join(lines) + "\n"


# -- Markdown -------------------------------------------------------------------------------------------------------


def cell(text: str) -> str:
    """Return text for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("<", "\\<").replace("*", "\\*")


def reference(tree: CommandTree, schemas: dict[int, str]) -> str:
    """Return docs/reference/cli.md; `schemas` has the name of the schema by the identity of a command."""
    lines = [
        "# Commands",
        "",
        "Written by `tools/reference.py` from the command tree. Every command takes `--help` and `--no-input`;",
    ]
    lines += ["`--json` leads to the [schema](json.md) of what it prints.", ""]
    for top in tree.roots:
        lines += [f"## terok {top.name}", "", f"{cell(top.help[:1].upper() + top.help[1:])}.", ""]
        table = []
        for path, node in places(top):
            if node.handler is None:
                continue
            options = [f"`{arg.flags[-1]}`" for arg in node.args if arg.flags and arg.name != "--json"]
            needed = node.replace(args=[arg for arg in node.args if not arg.flags or arg.required])
            if schema := schemas.get(id(node)):
                options.insert(0, f"[`--json`](schemas/{schema})")
            needed_words = synopsis(path, needed).replace("|", "\\|")
            table.append(f"| `{needed_words}` | {cell(node.help)} | {' '.join(options)} |")
        lines += ["| command | what it does | options |", "|---|---|---|", *table, ""] if table else []
        for folded, place in FOLDED.items():
            if folded.startswith(f"{top.name} ") and place:
                lines += [f"`terok {folded}` is `terok {place}`.", ""]
    return "\n".join(lines).rstrip() + "\n"
