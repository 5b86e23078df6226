"""One command: a verb with a handler, or a group of commands."""

from __future__ import annotations

from terok_util.lazy import load_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Self, TypeAlias

    from terok_util.commands.args import ArgDef
    from terok_util.commands.tree import CommandTree

    Handler: TypeAlias = Callable[..., object] | str
    Children: TypeAlias = Iterable["CommandDef"] | CommandTree | Callable[[], Iterable["CommandDef"]] | str


class CommandDef:
    """A node of a command tree. Two nodes are the same command only if they are the same object.

    name      the verb
    help      one line for listings, and the description of its own help
    handler   callable, or "module:function" imported when the command runs. It gets the arguments as keywords and
              returns None or an exit code (int), or is a coroutine function that does
    args      ArgDefs
    children  commands below this one; or "module:ATTRIBUTE" (a sequence of CommandDefs or a CommandTree), or a
              callable that returns them. These two are loaded only when something below the node is needed, so
              a composed tree imports a sibling's tree when its verb is typed
    group     heading under which the parent's help lists the command
    epilog    text after its help, printed as it is
    source    where the command comes from, for people who read listings (a wheel, an extension)
    """

    __slots__ = ("_children", "args", "epilog", "group", "handler", "help", "name", "source")

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
        put = object.__setattr__
        put(self, "name", name)
        put(self, "help", help)
        put(self, "handler", handler)
        put(self, "args", tuple(args))
        put(self, "_children", children if isinstance(children, str) or callable(children) else _nodes(children))
        put(self, "group", group)
        put(self, "epilog", epilog)
        put(self, "source", source)

    if TYPE_CHECKING:
        name: str
        help: str
        handler: Handler | None
        args: tuple[ArgDef, ...]
        group: str | None
        epilog: str | None
        source: str | None
        _children: tuple[CommandDef, ...] | Callable[[], Iterable[CommandDef]] | str

    @property
    def children(self) -> tuple[CommandDef, ...]:
        """The commands below; loads them if they are given lazily."""
        given = self._children
        if not isinstance(given, tuple):
            given = _nodes(load_reference(given) if isinstance(given, str) else given())
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

    def with_handler(self, handler: Handler) -> Self:
        """Return a copy that runs `handler`."""
        return self._copy(handler=handler, children=self._children)

    def with_children(self, children: Children) -> Self:
        """Return a copy with other commands below it."""
        return self._copy(handler=self.handler, children=children)

    def _copy(self, *, handler: Handler | None, children: Children) -> Self:
        return type(self)(
            self.name,
            help=self.help,
            handler=handler,
            args=self.args,
            children=children,
            group=self.group,
            epilog=self.epilog,
            source=self.source,
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a CommandDef does not change ({name})")

    def __repr__(self) -> str:
        return f"CommandDef({self.name!r})"


def _nodes(found: Any) -> tuple[CommandDef, ...]:
    nodes = tuple(getattr(found, "roots", found))
    for node in nodes:
        if not isinstance(node, CommandDef):
            raise TypeError(f"not a CommandDef: {node!r}")
    return nodes
