"""Shell completion from the command tree alone, without making a parser.

The shell runs the program with `_TEROK_COMPLETE=1` and the words up to the cursor; the program prints the candidates
for the last word, one per line. Without candidates the shell offers file names.
"""

from __future__ import annotations

import sys

from terok_util.commands.defs import ArgDef, CommandDef
from terok_util.lazy import load_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from terok_util.commands.tree import CommandTree

_REST = "..."
_PLAIN = "-_./:@=+,%"
_SCRIPTS = {
    "bash": """\
_NAME() {
    mapfile -t COMPREPLY < <(_TEROK_COMPLETE=1 "$1" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _NAME PROGRAM
""",
    "zsh": """\
_NAME() {
    local -a found
    found=(${(f)"$(_TEROK_COMPLETE=1 $words[1] "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( $#found )); then compadd -a found; else _files; fi
}
compdef _NAME PROGRAM
""",
    "fish": """\
complete -c PROGRAM -a '(_TEROK_COMPLETE=1 PROGRAM (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
""",
}

COMPLETIONS = CommandDef(
    "completions",
    help="print the script that lets a shell complete commands",
    handler="terok_util.commands.complete:print_script",
    args=(ArgDef("shell", choices=("bash", "zsh", "fish"), help="bash, zsh or fish"),),
    epilog='bash: put `eval "$(%(prog)s bash)"` into ~/.bashrc; zsh: the same into ~/.zshrc behind compinit;\n'
    "fish: write the output into ~/.config/fish/completions/, in a file named after the program",
)
"""The verb that sets up completion, for the tree of any program."""


def candidates(tree: CommandTree, words: Sequence[str]) -> list[str]:
    """Return the candidates for the last of `words`: verbs, options, choices, or those of an argument's completer.

    `words` follow the program's name; the last may be empty. Only the groups named in them are loaded.
    """
    *typed, prefix = words or [""]
    args: tuple[ArgDef, ...] = (ArgDef("--version", action="store_true"),)
    verbs = tree.roots_for(typed)
    waiting: ArgDef | None = None
    positionals: list[ArgDef] = []
    options = True
    for word in typed:
        if word == "=":  # bash splits `--option=`
            continue
        if waiting is not None:
            waiting = None
        elif options and word == "--":
            options = False
        elif options and word.startswith("-"):
            waiting = next((arg for arg in args if word in arg.flags and _takes_value(arg)), None)
        elif node := next((node for node in verbs if node.name == word), None):
            verbs, args = node.children, node.args
            positionals = [arg for arg in args if not arg.flags]
        elif not positionals:
            verbs = ()  # the line is wrong
        elif positionals[0].nargs == _REST:
            options = False
        elif positionals[0].nargs not in ("*", "+"):
            positionals = positionals[1:]
    if waiting is not None:
        prefix = prefix.removeprefix("=")
        words = _values(waiting, prefix, typed)
    elif options and prefix.startswith("-"):
        words = [flag for arg in args for flag in arg.flags] + ["--help"]
    else:
        words = [node.name for node in verbs] + (_values(positionals[0], prefix, typed) if positionals else [])
    return [word for word in words if word.startswith(prefix) and all(c.isalnum() or c in _PLAIN for c in word)]


def _takes_value(arg: ArgDef) -> bool:
    return arg.action in (None, "store", "append", "extend")


def _values(arg: ArgDef, prefix: str, words: Sequence[str]) -> list[str]:
    if arg.completer is None:
        return [str(choice) for choice in arg.choices or ()]
    completer = load_reference(arg.completer) if isinstance(arg.completer, str) else arg.completer
    values: Iterable[str] = completer(prefix=prefix, words=words)
    return list(values)


def print_script(shell: str) -> None:
    """Print the script for a shell and the program that is running."""
    program = sys.argv[0].rpartition("/")[2]
    name = "".join(char if char.isalnum() else "_" for char in program)
    sys.stdout.write(_SCRIPTS[shell].replace("PROGRAM", program).replace("NAME", name))
