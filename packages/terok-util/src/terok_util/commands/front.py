"""The main function all console programs share: from a command line to an exit status, without a traceback.

Exit status: the handler's, 0 if it returns None; a TerokError's `exit_code`, 2 for a command line that makes no sense;
70 internal error, 74 input or output failed (a full disk), 130 interrupted, 141 the reader of our output went away.
"""

from __future__ import annotations

import gc
import os
import sys

from terok_util.asking import never_ask
from terok_util.errors import TerokError
from terok_util.lazy import defer_module, load_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from terok_util.commands.tree import CommandTree

EXIT_INTERNAL = 70
EXIT_IO = 74
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
_GARBAGE = (50_000, 20, 50)
"""Thresholds of the garbage collector: imports allocate much that stays, and scanning it takes a fifth of the time."""
_LATE = (
    *("asyncio", "configparser", "getpass", "hashlib", "inspect", "ipaddress", "random", "secrets", "shutil"),
    *("socket", "ssl", "tarfile", "tempfile", "tomllib", "traceback", "zipfile"),
)
"""Modules that many of ours import but few commands use. (`dataclasses` imports `inspect` from Python 3.13 on.)

Importing them late saves a verb 7 to 12 ms of processor time, nearly as much as bare Python takes.
"""


def run_cli(
    tree: CommandTree,
    *,
    prog: str,
    distribution: str,
    argv: Sequence[str] | None = None,
    bare: Callable[[], object] | str | None = None,
    ask: bool = True,
) -> int:
    """Run the command that `argv`, by default the arguments of this process, names and return the exit status.

    An error is printed as `prog: error: …` and `hint: …`; the traceback of an unexpected one only if TEROK_DEBUG=1.
    `distribution` is the wheel whose version `--version` prints. Without arguments the handler `bare` runs, or the
    help is printed. Unless `ask`, and with `--no-input`, `may_ask` is false.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    gc.set_threshold(*_GARBAGE)
    if not ask:
        never_ask()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(tree, prog, distribution, words, bare)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _abandon_output()
        return EXIT_PIPE
    except TerokError as error:
        _debug()
        return _report(prog, error.message, error.hint, error.exit_code)
    except OSError as error:
        _debug()
        place = f"{error.filename}: " if error.filename else ""
        return _report(prog, f"{place}{error.strerror or error}", None, EXIT_IO)
    except Exception as error:  # noqa: BLE001 - the last line of defense before the user
        _debug()
        message = f"internal error: {type(error).__name__}: {error}"
        return _report(prog, message, "set TEROK_DEBUG=1 to see where", EXIT_INTERNAL)
    finally:
        gc.freeze()  # the interpreter scans everything once more at its end, for nothing
    return status


def _run(
    tree: CommandTree, prog: str, distribution: str, words: list[str], bare: Callable[[], object] | str | None
) -> int:
    if words == ["--version"]:
        print(f"{prog} {installed_version(distribution)}")  # noqa: T201 - the answer
        return 0
    if "_TEROK_COMPLETE" in os.environ:
        from terok_util.commands.complete import completions

        for name in _LATE if len(words) > 1 else ():  # verbs at the top need none of them
            defer_module(name)
        sys.stdout.writelines(f"{word}\n" for word in completions(tree, words, os.environ["_TEROK_COMPLETE"]))
        return 0
    from terok_util.commands.parser import VerbParser

    parser = VerbParser(prog=prog)
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.add_argument("--no-input", action="store_true", help="never ask: fail where an answer is needed")
    if bare is not None and not words:
        from terok_util.commands.wire import run_handler

        return run_handler(load_reference(bare) if isinstance(bare, str) else bare, {})
    tree.wire(parser, words)
    try:
        namespace = parser.parse_args(words)
    except SystemExit as error:  # after --help was printed
        return error.code if isinstance(error.code, int) else 0
    if namespace.no_input:
        never_ask()
    for name in _LATE if words else ():  # the help imports none of them
        defer_module(name)
    return tree.dispatch(namespace)


def installed_version(distribution: str) -> str:
    """Return the version of an installed distribution, "unknown" if it is not installed.

    The version is read from the name of the wheel's `.dist-info` directory. Only without one is importlib.metadata
    asked, because importing it takes longer than everything else together.
    """
    wanted = distribution.lower().replace("-", "_").replace(".", "_")
    for place in sys.path:
        try:
            names = os.listdir(place or ".")  # noqa: PTH208 - pathlib would be one more import
        except OSError:
            continue
        for name in names:
            project, dash, version = name.removesuffix(".dist-info").partition("-")
            if dash and name.endswith(".dist-info") and project.lower().replace(".", "_") == wanted:
                return version
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"


def _report(prog: str, message: str, hint: str | None, status: int) -> int:
    from terok_util.redaction import redact
    from terok_util.text import safe_text

    lines = [f"{prog}: error: {safe_text(redact(message), multiline=True)}"]
    if hint:
        lines.append(f"hint: {safe_text(redact(hint), multiline=True)}")
    try:
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()
    except OSError:
        pass  # nobody is left to tell
    return status


def _debug() -> None:
    if os.environ.get("TEROK_DEBUG") == "1":
        import traceback

        from terok_util.redaction import redact

        sys.stderr.write(redact(traceback.format_exc()))


def _abandon_output() -> None:
    """Keep the interpreter from reporting the broken pipe when it flushes at exit."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())
    os.close(sink)
