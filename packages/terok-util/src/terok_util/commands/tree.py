"""A tree of commands that other trees can be built from and wrapped around."""

from __future__ import annotations

from terok_util.commands.defs import CommandDef

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from terok_util.commands.defs import Handler

    Path = str | Sequence[str]
    Change = Callable[[CommandDef], CommandDef]


class CommandTree:
    """Immutable tree of CommandDefs. A path is `"sandbox vault"` or `("sandbox", "vault")`.

    A node may occur at several places (`vault` as a shortcut for `sandbox vault`): it is one object, and a change
    made at one of them shows at all. Nodes a change does not concern stay the same objects.
    """

    __slots__ = ("_changes", "_roots")

    def __init__(self, roots: Iterable[CommandDef]) -> None:
        self._roots = tuple(roots)
        self._changes: tuple[tuple[Path, Change], ...] = ()

    @property
    def roots(self) -> tuple[CommandDef, ...]:
        """The top-level commands, changes applied."""
        while self._changes:
            (path, change), *later = self._changes
            self._roots = _replaced(self._roots, _find(self._roots, path), change)
            self._changes = tuple(later)
        return self._roots

    def roots_for(self, words: Container[str]) -> tuple[CommandDef, ...]:
        """Return the top-level commands; what is below lacks changes unless one of them is among `words`."""
        return self.roots if any(node.name in words for node in self._roots) else self._roots

    def find_at(self, path: Path) -> CommandDef:
        """Return the node at `path`; LookupError that names the part that is not there."""
        return _find(self.roots, path)

    def overlay(self, handlers: Mapping[str | tuple[str, ...], Handler]) -> CommandTree:
        """Return a tree in which the commands at these paths run other handlers, wherever they occur.

        Paths are looked up when the tree is first used below its top level; LookupError comes then. Groups on such
        a path are loaded at that moment, whichever verb was typed, because the command may occur there too.
        """
        tree = self
        for path, handler in handlers.items():
            tree = tree._changed(path, _handler_setter(handler))
        return tree

    def extend_at(self, path: Path, defs: Iterable[CommandDef]) -> CommandTree:
        """Return a tree with `defs` added below the group at `path` ("" is the top); same names are replaced.

        TypeError when the node at `path` is a leaf. A path into what is not loaded yet is looked up like those of
        `overlay`, and so is its type.
        """
        added = tuple(defs)
        names = {node.name for node in added}

        def merged(present: tuple[CommandDef, ...]) -> tuple[CommandDef, ...]:
            return (*(node for node in present if node.name not in names), *added)

        if not path:
            return CommandTree(merged(self.roots))
        try:
            present = _find(self._roots, path, load=False)
        except LookupError:
            present = None  # not there yet: an earlier change or a lazy group may bring it
        if present is not None:
            _check_group(present)
        return self._changed(path, lambda node: node.replace(children=merged(_check_group(node).children)))

    def walk(self) -> Iterator[tuple[tuple[str, ...], CommandDef]]:
        """Yield (path, node) for every place in the tree, parents first; loads what is lazy."""
        waiting: list[tuple[tuple[str, ...], CommandDef]] = [((root.name,), root) for root in reversed(self.roots)]
        while waiting:
            path, node = waiting.pop()
            yield path, node
            waiting += [((*path, child.name), child) for child in reversed(node.children)]

    def wire(self, parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> None:
        """Add the commands to `parser`.

        With `argv` only the subtrees of the verbs in it are built, the rest are names with their help; without,
        everything is.
        """
        from terok_util.commands.wire import Everything, add_commands

        words = Everything() if argv is None else {word for word in argv if not word.startswith("-")}
        add_commands(parser, self.roots_for(words), words)

    def dispatch(self, namespace: argparse.Namespace) -> int:
        """Run the command that the wired parser found and return its exit code.

        A group without a verb prints its help and is 0; a namespace without any command is 2.
        """
        from terok_util.commands.wire import run_parsed

        return run_parsed(namespace)

    def _changed(self, path: Path, change: Change) -> CommandTree:
        tree = CommandTree(self._roots)
        tree._changes = (*self._changes, (path, change))
        return tree

    def __iter__(self) -> Iterator[CommandDef]:
        return iter(self.roots)

    def __len__(self) -> int:
        return len(self._roots)


def _handler_setter(handler: Handler) -> Change:
    return lambda node: node.replace(handler=handler)


def _check_group(node: CommandDef) -> CommandDef:
    if not node.is_group:
        raise TypeError(f"{node.name} is not a group: it cannot have commands below it")
    return node


def _find(roots: tuple[CommandDef, ...], path: Path, *, load: bool = True) -> CommandDef:
    parts = tuple(path.split() if isinstance(path, str) else path)
    level, node = roots, None
    for depth, part in enumerate(parts, 1):
        node = next((candidate for candidate in level if candidate.name == part), None)
        if node is None:
            raise LookupError(f"no such command: {' '.join(parts[:depth])}")
        if depth < len(parts):
            level = node.children if load or node.is_loaded else ()
    if node is None:
        raise LookupError("an empty path names no command")
    return node


def _replaced(roots: tuple[CommandDef, ...], old: CommandDef, change: Change) -> tuple[CommandDef, ...]:
    """Return `roots` with `old` changed at every place it occurs.

    Groups that are not loaded yet get the change when they are: each becomes one new node that rewrites what it
    loads. `seen` keeps the object behind each id alive, so an id is never used twice.
    """
    seen: dict[int, tuple[CommandDef, CommandDef]] = {id(old): (old, change(old))}

    def rewrite(node: CommandDef) -> CommandDef:
        if id(node) not in seen:
            seen[id(node)] = (node, rewrite_below(node))
        return seen[id(node)][1]

    def rewrite_below(node: CommandDef) -> CommandDef:
        if not node.is_loaded:
            return node.replace(children=lambda: [rewrite(child) for child in node.children])
        below = tuple(map(rewrite, node.children))
        unchanged = all(new is before for new, before in zip(below, node.children, strict=True))
        return node if unchanged else node.replace(children=below)

    return tuple(map(rewrite, roots))
