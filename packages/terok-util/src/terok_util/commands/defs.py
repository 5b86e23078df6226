"""Commands and their arguments, as values that know nothing of argparse.

Neither this module nor its neighbors import dataclasses or typing: on the way to `--help` they would take longer than
everything else together.
"""

from __future__ import annotations

from terok_util.lazy import load_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Self, TypeAlias

    Handler: TypeAlias = Callable[..., object] | str
    Children: TypeAlias = Iterable["CommandDef"] | Callable[[], Iterable["CommandDef"]] | str


class _Value:
    """A frozen dataclass in effect: `__slots__` are its fields."""

    __slots__: tuple[str, ...] = ()

    def _set_fields(self, values: dict[str, Any]) -> None:
        for field in self.__slots__:
            object.__setattr__(self, field, values[field])

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot set {name}: a {type(self).__name__} is immutable")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({getattr(self, 'name', '')!r})"


class ArgDef(_Value):
    """An option or a positional argument."""

    name: str  # "task", or for options the alternatives "-p/--prompt"
    help: str  # one line; `%` means itself, `%(default)s` the default
    type: Callable[[str], Any] | str | None  # or "module:function"; a ValueError in it is reported to the user
    default: Any  # None unless given
    action: str | None  # as argparse calls it: "store_true", "append", "count", …
    dest: str  # the handler's keyword; by default the longest alternative, dashes as underscores
    nargs: int | str | None  # "?", "*", "+", a number, or argparse.REMAINDER
    required: bool  # the option must be given (positionals say it with nargs)
    choices: tuple[Any, ...] | None
    metavar: str | tuple[str, ...] | None  # the value's name in the help
    group: str | None  # options of one command with the same group exclude each other
    completer: Callable[..., Iterable[str]] | str | None
    """Called with `prefix` and `words` (those in front of the one that is completed); returns candidates."""

    __slots__ = tuple(__annotations__)

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
        dest = dest or max(name.split("/"), key=len).lstrip("-").replace("-", "_")
        choices = None if choices is None else tuple(choices)
        self._set_fields(locals())

    @property
    def flags(self) -> tuple[str, ...]:
        """The alternatives of an option; empty for a positional."""
        return tuple(self.name.split("/")) if self.name.startswith("-") else ()


class CommandDef(_Value):
    """A node of a command tree. Two nodes are the same command only if they are the same object."""

    name: str  # the verb
    help: str  # one line for listings, and the description of its own help
    handler: Handler | None
    """A callable, or "module:function", imported when the command runs.

    It gets the arguments as keywords and returns None or an exit code (int), or is a coroutine function that does.
    """
    args: tuple[ArgDef, ...]
    group: str | None  # the heading under which the parent's help lists the command
    epilog: str | None  # text after its help, printed as it is
    source: str | None  # where the command comes from, for readers of listings: a wheel, an extension
    _children: tuple[CommandDef, ...] | Callable[[], Iterable[CommandDef]] | str

    __slots__ = tuple(__annotations__)

    def __init__(
        self,
        name: str,
        *,
        help: str = "",  # noqa: A002 - argparse's name
        handler: Handler | None = None,
        args: Iterable[ArgDef] = (),
        children: Children = (),
        group: str | None = None,
        epilog: str | None = None,
        source: str | None = None,
    ) -> None:
        args = tuple(args)
        _children = children if isinstance(children, str) or callable(children) else _checked_nodes(children)
        self._set_fields(locals())

    @property
    def children(self) -> tuple[CommandDef, ...]:
        """The commands below.

        They may be given as `"module:ATTRIBUTE"` (a sequence of CommandDefs, or a CommandTree) or as a callable that
        returns them. Then they are loaded here, when something below the node is needed: a composed tree imports a
        sibling's tree only when its verb is typed.
        """
        given = self._children
        if not isinstance(given, tuple):
            given = _checked_nodes(load_reference(given) if isinstance(given, str) else given())
            object.__setattr__(self, "_children", given)
        return given

    @property
    def is_group(self) -> bool:
        """Whether commands can be below it (without loading them)."""
        return self._children != ()

    @property
    def is_loaded(self) -> bool:
        """Whether `children` can be read without importing anything."""
        return isinstance(self._children, tuple)

    def resolve(self) -> Callable[..., object] | None:
        """Return the handler as a callable; imports it if it is a reference."""
        if isinstance(self.handler, str):
            handler: Callable[..., object] = load_reference(self.handler)
            return handler
        return self.handler

    def replace(self, **changes: Any) -> Self:
        """Return a copy with these fields changed."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields["children"] = fields.pop("_children")
        return type(self)(**(fields | changes))


def _checked_nodes(nodes: Iterable[CommandDef]) -> tuple[CommandDef, ...]:
    checked = tuple(nodes)
    for node in checked:
        if not isinstance(node, CommandDef):
            raise TypeError(f"not a CommandDef: {node!r}")
    return checked


def whole_number(text: str) -> int:
    """Parse a number of things, 0 or more; the `type` of an option that counts."""
    if not text.isdecimal() or not text.isascii():
        raise ValueError(f"invalid number {text!r}: use 0, 1, 2, …")
    return int(text)


JSON = ArgDef("--json", action="store_true", dest="as_json", help="print JSON")
"""For commands that print with `terok_util.commands.output.show`."""
TAIL = ArgDef("--tail", type=whole_number, metavar="N", help="only the last N lines")
