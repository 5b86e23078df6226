"""Public names of a package, and modules, imported when they are first used (PEP 562)."""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any
else:
    ModuleType = type(sys)  # without importing `types`


def lazy_exports(
    module: str, table: dict[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` for the package called `module`.

    Without a `table` the exports are those that the package's own source names for type checkers: the lines
    `from package.module import Name as Name` below `if TYPE_CHECKING:`, so that each name is written once. A name is
    imported when it is first used, and then stored. Imports without `as` are for annotations and not exported.

    Args:
        module: The `__name__` of the calling package.
        table: Modules, relative to the package or absolute, with the names they define: `{".errors": "One Other"}`.
            A key without a dot is a public name with the module that defines it: `{"Sandbox": ".sandbox"}`;
            `".sandbox:Box"` exports `Box` under another name and `".yaml:"` the module itself.

    """
    if table is None:
        targets = _written_exports(module)
    else:
        targets = {name: target for target, names in table.items() if "." in target for name in names.split()}
        targets |= {name: target for name, target in table.items() if "." not in name}
    public = sorted(targets)

    def getattr_(name: str) -> Any:
        target = targets.get(name)
        if target is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        path, colon, attribute = target.partition(":")
        found = import_module(path, module)
        value = found if colon and not attribute else getattr(found, attribute or name)
        setattr(sys.modules[module], name, value)
        return value

    def dir_() -> list[str]:
        return sorted({*vars(sys.modules[module]), *public})

    return getattr_, dir_, public


def _written_exports(module: str) -> dict[str, str]:
    """Return the names that the source of `module` exports, each with its module and attribute."""
    spec = sys.modules[module].__spec__
    source: bytes = spec.loader.get_data(spec.origin)  # type: ignore[union-attr]
    block = source.decode().partition("\nif TYPE_CHECKING:\n")[2].partition("\nelse:\n")[0]
    targets = {}
    for line in block.splitlines():
        words = line.split()
        if len(words) == 6 and line.startswith("    from "):  # from PATH import ATTRIBUTE as NAME
            path, attribute, name = words[1::2]
            targets[name] = f"{path}.{attribute}:" if path == module else f"{path}:{attribute}"
    return targets


class _Deferred(ModuleType):
    """Stands for a module until one of its attributes is used."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def defer_module(name: str) -> None:
    """Import the top-level module `name` when one of its attributes is first used, unless it is imported already.

    This is for the main function of a program; `importlib.util.LazyLoader` would cost as much as it saves.
    """
    sys.modules.setdefault(name, _Deferred(name))


def load_reference(reference: str) -> Any:
    """Return the object that `"package.module:attribute"` names.

    Raises:
        LookupError: The spelling is wrong, or there is no such attribute.
        ImportError: The module cannot be imported.
    """
    path, colon, attribute = reference.partition(":")
    if not path or not colon or not attribute:
        raise LookupError(f"invalid reference {reference!r}: use 'module:attribute'")
    found: Any = import_module(path)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise LookupError(f"invalid reference {reference!r}: module {path} has no {attribute}") from None
    return found
