"""One argument of a command.

Neither this module nor its neighbors import dataclasses or typing: on the way to `--help` they would take longer than
everything else together.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class ArgDef:
    """An option or a positional argument, as a value that knows nothing of argparse.

    name       "task", or for options the alternatives "-p/--prompt"
    help       one line; `%` means itself, `%(default)s` the default
    type       callable from str, or "module:function"; ValueError in it is reported to the user
    default    value when absent (None when not given)
    action     argparse's name: "store_true", "append", "count", …
    dest       keyword the handler gets; by default the longest alternative, dashes as underscores
    nargs      "?", "*", "+", a number, or argparse.REMAINDER
    required   the option must be given (positionals say it with nargs)
    choices    the values allowed
    metavar    how help calls the value
    group      options of one command with the same group exclude each other
    completer  callable(prefix=…, words=…) -> iterable of str, or "module:function", for shell completion; `words` are
                those of the command line before the one completed
    """

    __slots__ = (
        "action", "choices", "completer", "default", "dest", "group", "help", "metavar", "name", "nargs", "required",
        "type",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        *,
        help: str = "",  # noqa: A002 - argparse's names
        type: Callable[[str], Any] | str | None = None,  # noqa: A002
        default: Any = None,
        action: str | None = None,
        dest: str | None = None,
        nargs: int | str | None = None,
        required: bool = False,
        choices: Iterable[Any] | None = None,
        metavar: str | tuple[str, ...] | None = None,
        group: str | None = None,
        completer: Callable[..., Iterable[str]] | str | None = None,
    ) -> None:
        given = locals()
        given["dest"] = dest or max(name.split("/"), key=len).lstrip("-").replace("-", "_")
        given["choices"] = None if choices is None else tuple(choices)
        for field in self.__slots__:
            object.__setattr__(self, field, given[field])

    if TYPE_CHECKING:
        name: str
        help: str
        type: Callable[[str], Any] | str | None
        default: Any
        action: str | None
        dest: str
        nargs: int | str | None
        required: bool
        choices: tuple[Any, ...] | None
        metavar: str | tuple[str, ...] | None
        group: str | None
        completer: Callable[..., Iterable[str]] | str | None

    @property
    def flags(self) -> tuple[str, ...]:
        """The alternatives of an option; empty for a positional."""
        return tuple(self.name.split("/")) if self.name.startswith("-") else ()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an ArgDef does not change ({name})")

    def __repr__(self) -> str:
        return f"ArgDef({self.name!r})"


def whole_number(text: str) -> int:
    """Parse a number of things, 0 or more; the `type` of an option that counts."""
    if not text.isdecimal() or not text.isascii():
        raise ValueError(f"invalid number {text!r}: use 0, 1, 2, …")
    return int(text)


JSON = ArgDef("--json", action="store_true", dest="as_json", help="print JSON")
"""For commands that print with `terok_util.commands.output.show`."""
TAIL = ArgDef("--tail", type=whole_number, metavar="N", help="only the last N lines")
