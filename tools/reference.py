"""Write what is generated: the reference of commands, exit codes, JSON output, man pages, pictures of screens.

    tools/run python tools/reference.py [--check]

With `--check` nothing is written, and the exit code is 1 if a file is not what it would be.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

from manual import main_page, reference, verb_page
from outputs import OUTPUTS, file_name, manner
from pictures import PICTURES, pictures
from schemas import output_files
from terok.cli.tree import COMMANDS
from terok.tui.keymap import ACTIONS, shown_keys
from terok_util import TerokError
from terok_util.commands import front

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs/reference"
MAN = ROOT / "packages/terok/man"
WHEELS = ("terok_util", "terok_sandbox", "terok_executor", "terok_acp", "terok")
CODES = {
    0: "done",
    1: "an error; the message names it, the hint says what to do; or a check found something",
    2: "wrong usage, a request that cannot be met, or a locked vault",
    3: "set-up or a credential is needed, incomplete or from another version: `terok setup`, `terok auth`",
    4: "what is installed or stored was written by a newer version",
    5: "the host lacks something, such as podman, nft or a readable CA bundle; `terok sandbox doctor` lists it",
    6: "an image could not be built",
    69: "something that has to answer does not: the controller, or the process that attends to a container's wall",
    70: "an internal error; `TEROK_DEBUG=1` shows the traceback",
    73: "something else is being done to it at this moment, another process holds the database, or `panic` locked it",
    74: "reading or writing a file failed, or the database is damaged; from `shield`: a restart may undo the change",
    75: "another process held a lock for too long, or not all of a run's work is in the gate",
    78: "a configuration file or a directory of the host is wrong; the message names file, line and key",
    124: "the time limit ended it",
    127: "a program that is needed is not installed",
    128: "the repository could not be cloned inside the container",
    130: "interrupted",
    141: "the reader of the output went away",
    143: "terminated",
}
_CODES_NOTE = """\
`terok task run` and `terok executor run` end with the exit code of the agent once the agent has started. An agent that
fails ends the run with its own code even when work is left in the container; then `delivery` in `--json` says so, and
the container stays.

`terok auth status` ends with 3 if a credential is missing, or has expired and cannot be refreshed. `terok vault clean`
ends with 1 if it found a secret that is still there, `terok config validate` if something is wrong."""
_JSON_NOTE = """\
Written by `tools/reference.py` from `tools/outputs.py`; a unit test compares what commands print with the schemas.

Times are seconds since the epoch. Texts from a container are made safe for a terminal. Errors go to standard error as
text, with the [exit code](exit-codes.md)."""
NOT_OF_ERRORS = {0, 1, 2, 3, 69, 75, 124, 128, 143}
"""Codes that a command returns without an error of its own, or that an agent's container has."""


def errors() -> dict[int, list[str]]:
    """Return the names of all errors of the five wheels by their exit code."""
    for wheel in WHEELS:
        package = importlib.import_module(wheel)
        for module in pkgutil.walk_packages(package.__path__, f"{wheel}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found: dict[int, list[str]] = {}
    waiting: list[type[TerokError]] = [TerokError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.partition(".")[0] in WHEELS and not kind.__name__.startswith("_"):
            found.setdefault(kind.exit_code, []).append(kind.__name__)
    for name, value in vars(front).items():
        if name.startswith("EXIT_"):
            found.setdefault(value, [])
    return {code: sorted(set(names)) for code, names in sorted(found.items())}


def exit_codes() -> str:
    """Return docs/reference/exit-codes.md."""
    by_code = errors()
    lines = [
        "# Exit codes",
        "",
        "Written by `tools/reference.py`. `terok`, `terokctl`, `terok-executor` and `terok-sandbox` share them.",
        "",
    ]
    lines += ["| code | meaning | errors |", "|---|---|---|"]
    for code, meaning in CODES.items():
        names = ["every other"] if code == 1 else [f"`{name}`" for name in by_code.get(code, ())]
        lines.append(f"| {code} | {meaning} | {', '.join(names)} |")
    lines += ["", _CODES_NOTE]
    return "\n".join(lines) + "\n"


def json_page() -> str:
    """Return docs/reference/json.md."""
    lines = ["# JSON output", "", _JSON_NOTE, ""]
    lines += ["| command | schema | output |", "|---|---|---|"]
    for path in OUTPUTS:
        name = file_name(path)
        lines.append(f"| `terok {path} --json` | [{name}](schemas/{name}) | {manner(path)} |")
    return "\n".join(lines) + "\n"


def keys_page() -> str:
    """Return the page of the keys of the terminal interface."""
    lines = [
        "# Keys of the terminal interface",
        "",
        "Written by `tools/reference.py` from the keymap. `tui.keys` of `config.yml` binds an action anew by its name;",
        "`terok tui --keys` prints the keys as they are for you.",
        "",
        "| key | action | where | does | command |",
        "|---|---|---|---|---|",
    ]
    for one in ACTIONS:
        verb = f"`terok {one.verb}`" if one.verb else ""
        lines.append(f"| `{shown_keys(one.keys)}` | {one.name} | {one.where} | {one.help} | {verb} |")
    return "\n".join([*lines, ""])


def files() -> dict[Path, str]:
    """Return every generated file with its content."""
    version = next(
        line for line in (MAN.parent / "pyproject.toml").read_text().splitlines() if line.startswith("version")
    )
    version = version.split('"')[1]
    codes = [(str(code), meaning) for code, meaning in CODES.items()]
    schemas = {id(COMMANDS.find_at(path)): file_name(path) for path in OUTPUTS}
    found = {
        REFERENCE / "cli.md": reference(COMMANDS, schemas),
        REFERENCE / "exit-codes.md": exit_codes(),
        REFERENCE / "json.md": json_page(),
        REFERENCE / "keys.md": keys_page(),
    }
    found |= pictures()
    found |= {REFERENCE / "schemas" / name: text for name, text in output_files().items()}
    found |= {MAN / f"terok-{top.name}.1": verb_page(top, version) for top in COMMANDS.roots}
    return found | {MAN / "terok.1": main_page(COMMANDS, version, codes)}


def outdated() -> list[Path]:
    """Return the generated files that are not what they would be, those that should not be there included."""
    wanted = files()
    there = {*MAN.glob("*"), *(REFERENCE / "schemas").glob("*"), *PICTURES.glob("*")}
    wrong = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    return sorted([*wrong, *(there - set(wanted))])


def main() -> int:
    """Write the files, or with `--check` name those that are not up to date."""
    if sys.argv[1:] == ["--check"]:
        wrong = outdated()
        print("\n".join(map(str, wrong)) or "everything generated is up to date")
        return 1 if wrong else 0
    wanted = files()
    for path in {*outdated()} - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
