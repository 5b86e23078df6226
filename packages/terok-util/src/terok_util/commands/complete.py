"""Shell completion from the command tree alone, without making a parser.

The shell runs the program with its own name in `_TEROK_COMPLETE` and the words up to the cursor; the program prints
the candidates for the last word, one per line. Without candidates the shell offers file names.
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
_PLAIN = "-_./:@=+,%!"
_GLUE = "=:@"
"""Where bash splits words that are one to everybody else."""
_ALWAYS = (ArgDef("--help", action="store_true"), ArgDef("--no-input", action="store_true"))
_TOP = (ArgDef("--version", action="store_true"), *_ALWAYS)
_SCRIPTS = {
    "bash": """\
_NAME() {
    mapfile -t COMPREPLY < <(_TEROK_COMPLETE=bash "$1" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/:] ]] && compopt -o nospace
}
complete -o default -F _NAME PROGRAMS
""",
    "zsh": """\
#compdef PROGRAMS
_NAME() {
    local -a found
    found=(${(f)"$(_TEROK_COMPLETE=zsh $words[1] "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( $#found )); then compadd -a found; else _files; fi
}
if [[ $funcstack[1] == _NAME ]]; then _NAME "$@"; else compdef _NAME PROGRAMS; fi
""",
    "fish": """\
for program in PROGRAMS
    complete -c $program -a "(_TEROK_COMPLETE=fish $program (commandline -opc)[2..] (commandline -ct) 2>/dev/null)"
end
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


def completions(tree: CommandTree, words: Sequence[str], shell: str) -> list[str]:
    """Return what a shell puts in place of the last of its `words`."""
    if shell != "bash":
        return candidates(tree, words)
    joined = _joined(words)
    split = max(joined[-1].rfind(sign) for sign in _GLUE) + 1 if joined else 0
    return [word[split:] for word in candidates(tree, joined)]


def _joined(words: Sequence[str]) -> list[str]:
    """Return the words as a person typed them; a word may begin with `@`, and none with the other signs."""
    found: list[str] = []
    glued = False
    for word in words:
        sign = word[:1] in _GLUE and word != ""
        if found and (glued or (sign and (word[0] != "@" or found[-1].endswith("/")))):
            found[-1] += word
        else:
            found.append(word)
        glued = sign
    return found


def candidates(tree: CommandTree, words: Sequence[str]) -> list[str]:
    """Return the candidates for the last of `words`: verbs, options, choices, or those of an argument's completer.

    `words` follow the program's name; the last may be empty. Only the groups named in them are loaded.
    """
    *typed, prefix = words or [""]
    args: tuple[ArgDef, ...] = _TOP
    verbs = tree.roots_for(typed)
    waiting: ArgDef | None = None
    positionals: list[ArgDef] = []
    options = True
    for word in typed:
        if waiting is not None:
            waiting = None
        elif options and word == "--":
            options = False
        elif options and word.startswith("-"):
            waiting = next((arg for arg in args if word in arg.flags and _takes_value(arg)), None)
        elif node := next((node for node in verbs if node.name == word), None):
            verbs, args = node.children, (*node.args, *_ALWAYS)
            positionals = [arg for arg in args if not arg.flags]
        elif not positionals:
            verbs = ()  # the line is wrong
        elif positionals[0].nargs == _REST:
            options = False
        elif positionals[0].nargs not in ("*", "+"):
            positionals = positionals[1:]
    name, equals, value = prefix.partition("=")
    if waiting is not None:
        words = _values(waiting, prefix, typed)
    elif options and equals and name.startswith("--"):
        option = next((arg for arg in args if name in arg.flags and _takes_value(arg)), None)
        words = [f"{name}={one}" for one in _values(option, value, typed)] if option else []
    elif options and prefix.startswith("-"):
        words = [flag for arg in args for flag in arg.flags]
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


def completion_script(shell: str, *programs: str) -> str:
    """Return the script with which a shell completes the arguments of `programs`, whose trees are the same."""
    name = "".join(char if char.isalnum() else "_" for char in programs[0])
    return _SCRIPTS[shell].replace("PROGRAMS", " ".join(programs)).replace("NAME", name)


def print_script(shell: str) -> None:
    """Print the script for a shell and the program that is running."""
    sys.stdout.write(completion_script(shell, sys.argv[0].rpartition("/")[2]))
