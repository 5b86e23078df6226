"""Public names of a package, and modules, imported when they are first used (PEP 562)."""

from __future__ import annotations

import builtins
import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
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


def lazy_exports(module: str, table: dict[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` for the package called `module`.

    `table` maps modules, relative to the package or absolute, to the names they define: `{".errors": "One Other"}`.
    A key without a dot is a public name with the module that defines it: `{"Sandbox": ".sandbox"}`; `".sandbox:Box"`
    exports `Box` under another name and `".yaml:"` the module itself. A name is looked up once and then stored.
    """
    groups = {name: module for module, names in table.items() if "." in module for name in names.split()}
    table = {**groups, **{name: target for name, target in table.items() if "." not in name}}
    public = sorted(table)

    def getattr_(name: str) -> Any:
        target = table.get(name)
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


class _Deferred(ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def defer_module(name: str) -> None:
    """Have the top-level module `name` imported when something of it is first used, unless it is there already.

    For the main function of a program; `importlib.util.LazyLoader` would cost what it saves.
    """
    sys.modules.setdefault(name, _Deferred(name))


def load_reference(reference: str) -> Any:
    """Import what `"package.module:attribute"` names.

    Raises LookupError (with the reference in it) when the spelling is wrong or the attribute is absent;
    an ImportError of the module itself passes through.
    """
    path, colon, attribute = reference.partition(":")
    if not path or not colon or not attribute:
        raise LookupError(f"{reference!r} is not of the form 'module:attribute'")
    found: Any = import_module(path)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise LookupError(f"{reference!r}: module {path} has no {attribute}") from None
    return found
