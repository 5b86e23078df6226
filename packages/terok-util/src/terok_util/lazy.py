"""Public names of a package, and modules, imported when they are first used (PEP 562)."""

from __future__ import annotations

import builtins
import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType
    from typing import Any
else:
    ModuleType = type(sys)  # without importing `types`


class lazy_imports:  # noqa: N801 - a context manager, used like a function
    """Make the imports of a block the public names of a package, each imported when it is first used (PEP 562).

    For type checkers the block holds ordinary imports; `as` with the same name is what marks an export for them::

        with lazy_imports(globals()):
            from package.sandbox import Sandbox as Sandbox

    The block's imports are recorded, not carried out; imports of other threads and modules meanwhile are not touched.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._import = builtins.__import__
        self._recording = False

    def __enter__(self) -> None:
        self._recording = True
        record: Any = self._record
        builtins.__import__ = record

    def __exit__(self, *_: object) -> None:
        self._recording = False
        builtins.__import__ = self._import
        space = self._namespace
        exports = {name: value for name, value in space.items() if type(value) is _Export}
        for name in exports:
            del space[name]
        package = space["__name__"]

        def getattr_(name: str) -> Any:
            export = exports.get(name)
            if export is None:
                raise AttributeError(f"module {package!r} has no attribute {name!r}")
            value = space[name] = export.load(package)
            return value

        space["__getattr__"] = getattr_
        space["__dir__"] = lambda: sorted({*space, *exports})
        space["__all__"] = sorted(exports)

    def _record(
        self,
        name: str,
        namespace: Mapping[str, object] | None = None,
        local: Mapping[str, object] | None = None,
        wanted: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        if self._recording and namespace is self._namespace and wanted and not level:
            return _Names(name)
        return self._import(name, namespace, local, wanted or (), level)


class _Names:
    """Stands for a module while a block of exports is recorded."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> _Export:
        return _Export(self._module, name)


class _Export:
    """Where a public name comes from."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def load(self, package: str) -> Any:
        """Import it; what a package exports of itself is one of its modules."""
        if self.module == package:
            return import_module(f"{package}.{self.name}")
        return getattr(import_module(self.module), self.name)


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

    LookupError for a wrong spelling or a missing attribute, ImportError for a module that cannot be imported.
    """
    path, colon, attribute = reference.partition(":")
    if not path or not colon or not attribute:
        raise LookupError(f"invalid reference {reference!r}: use 'module:attribute'")
    value: Any = import_module(path)
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            raise LookupError(f"invalid reference {reference!r}: module {path} has no {attribute}") from None
    return value
