"""What a shell needs to ask a program for completions."""

from __future__ import annotations

import re
import sys

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


def print_script(shell: str) -> None:
    """Print the script for a shell and the program that is running."""
    program = sys.argv[0].rpartition("/")[2]
    name = re.sub(r"\W", "_", program)
    print(_SCRIPTS[shell].replace("PROGRAM", program).replace("NAME", name), end="")  # noqa: T201 - the answer
