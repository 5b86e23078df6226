"""A tree of commands that other trees can be built from and wrapped around."""

from __future__ import annotations

from terok_util.commands.defs import CommandDef

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from terok_util.commands.defs import Handler

    Path = str | Sequence[str]


class CommandTree:
    """Immutable tree of CommandDefs. A path is "sandbox vault" or ("sandbox", "vault").

    A node may occur at several places (`vault` as a shortcut for `sandbox vault`): it is one object, and a change
    made at one of them shows at all. Nodes a change does not concern stay the same objects.
    """

    __slots__ = ("_changes", "_roots")

    def __init__(self, roots: Iterable[CommandDef]) -> None:
        self._roots = tuple(roots)
        self._changes: tuple[tuple[Path, _Change], ...] = ()

    @property
    def roots(self) -> tuple[CommandDef, ...]:
        """The top-level commands, changes applied."""
        while self._changes:
            (path, change), *later = self._changes
            self._roots = _replaced(self._roots, _find(self._roots, path), change)
            self._changes = tuple(later)
        return self._roots

    @property
    def listing(self) -> tuple[CommandDef, ...]:
        """The top-level commands for a listing: names and help are right, what is below may lack changes."""
        return self._roots

    def find_at(self, path: Path) -> CommandDef:
        """Return the node at `path`; LookupError that names the part that is not there."""
        return _find(self.roots, path)

    def overlay(self, handlers: Mapping[str | tuple[str, ...], Handler]) -> CommandTree:
        """Return a tree in which the commands at these paths run other handlers, wherever they occur.

        Paths are looked up when the tree is first used below its top level; LookupError comes then. Groups on such
        a path are loaded at that moment, whichever verb was typed, because the command may occur there too.
        """
        return self._changed((path, _SetHandler(handler)) for path, handler in handlers.items())

    def extend_at(self, path: Path, defs: Iterable[CommandDef]) -> CommandTree:
        """Return a tree with `defs` added below the group at `path` ("" is the top); same names are replaced.

        TypeError when the node at `path` is a leaf. A path into what is not loaded yet is looked up like those of
        `overlay`, and so is its type.
        """
        added = tuple(defs)
        if not _parts(path):
            return CommandTree(_merged(self.roots, added))
        change = _AddChildren(added)
        try:
            present = _find(self._roots, path, load=False)
        except LookupError:
            present = None  # not there yet: an earlier change or a lazy group may bring it
        if present is not None:
            change.check(present)
        return self._changed([(path, change)])

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
        from terok_util.commands.wire import wire_tree

        wire_tree(self, parser, argv)

    def dispatch(self, namespace: argparse.Namespace) -> int:
        """Run the command that the wired parser found and return its exit code.

        A group without a verb prints its help and is 0; a namespace without any command is 2.
        """
        from terok_util.commands.wire import run_parsed

        return run_parsed(namespace)

    def _changed(self, changes: Iterable[tuple[Path, _Change]]) -> CommandTree:
        tree = CommandTree(self._roots)
        tree._changes = (*self._changes, *changes)
        return tree

    def __iter__(self) -> Iterator[CommandDef]:
        return iter(self.roots)

    def __len__(self) -> int:
        return len(self._roots)


class _SetHandler:
    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def __call__(self, node: CommandDef) -> CommandDef:
        return node.with_handler(self._handler)


class _AddChildren:
    def __init__(self, added: tuple[CommandDef, ...]) -> None:
        self._added = added

    def check(self, node: CommandDef) -> None:
        if not node.is_group:
            raise TypeError(f"{node.name} is not a group: it cannot have commands below it")

    def __call__(self, node: CommandDef) -> CommandDef:
        self.check(node)
        return node.with_children(_merged(node.children, self._added))


if TYPE_CHECKING:
    _Change = _SetHandler | _AddChildren


def _parts(path: Path) -> tuple[str, ...]:
    return tuple(path.split() if isinstance(path, str) else path)


def _find(roots: tuple[CommandDef, ...], path: Path, *, load: bool = True) -> CommandDef:
    parts = _parts(path)
    level, node = roots, None
    for depth, part in enumerate(parts, 1):
        node = next((one for one in level if one.name == part), None)
        if node is None:
            raise LookupError(f"no such command: {' '.join(parts[:depth])}")
        if depth < len(parts):
            level = node.children if load or node.is_loaded else ()
    if node is None:
        raise LookupError("an empty path names no command")
    return node


def _merged(present: tuple[CommandDef, ...], added: tuple[CommandDef, ...]) -> tuple[CommandDef, ...]:
    names = {node.name for node in added}
    return (*(node for node in present if node.name not in names), *added)


def _replaced(roots: tuple[CommandDef, ...], old: CommandDef, change: _Change) -> tuple[CommandDef, ...]:
    """Return `roots` with `old` changed at every place it occurs.

    Groups that are not loaded yet get the change when they are: each becomes one new node that rewrites what it
    loads. `seen` keeps the object behind each id alive, so an id is never used twice.
    """
    seen: dict[int, tuple[CommandDef, CommandDef]] = {id(old): (old, change(old))}

    def rewrite(node: CommandDef) -> CommandDef:
        if id(node) in seen:
            return seen[id(node)][1]
        if node.is_loaded:
            below = rewrite_all(node.children)
            unchanged = all(new is before for new, before in zip(below, node.children, strict=True))
            new = node if unchanged else node.with_children(below)
        else:
            new = node.with_children(lambda: rewrite_all(node.children))
        seen[id(node)] = (node, new)
        return new

    def rewrite_all(nodes: tuple[CommandDef, ...]) -> tuple[CommandDef, ...]:
        return tuple(rewrite(node) for node in nodes)

    return rewrite_all(roots)
