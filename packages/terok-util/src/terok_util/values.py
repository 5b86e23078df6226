"""Frozen dataclasses that cost a tenth of the standard library's at import time.

The standard library compiles six methods for every class, which takes half a millisecond; a command that only reads
imports dozens of them. Here all classes have the same methods, and everything works as usual, pickling too. Use it
where a measured start-up budget needs it.
"""

from __future__ import annotations

import dataclasses

__all__ = ["lean_dataclass"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as lean_dataclass
    from typing import Any
else:

    def lean_dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Callable[[type], type]:
        """Return a class decorator that does what `dataclass` does with these arguments; both have to be True."""
        assert frozen and slots, "lean_dataclass makes frozen classes with slots"

        def decorate(cls: type) -> type:
            for name, method in _METHODS.items():
                if name not in vars(cls):
                    setattr(cls, name, method)
            made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
            made.__lean_fields__ = dataclasses.fields(made)  # asking for them takes as long as setting them
            assert all(field.init and field.compare for field in made.__lean_fields__), "every field counts here"
            return made

        return decorate


class _Value:
    """The methods that every lean dataclass has."""

    def __init__(self, *args: Any, **given: Any) -> None:
        kind = type(self)
        if args:
            names = kind.__match_args__  # type: ignore[attr-defined]
            if len(args) > len(names) or not given.keys().isdisjoint(names[: len(args)]):
                raise TypeError(f"{kind.__name__}() got too many arguments, or one of them twice")
            given.update(zip(names, args, strict=False))
        put = object.__setattr__
        for field in kind.__lean_fields__:  # type: ignore[attr-defined]
            if field.name in given:
                put(self, field.name, given.pop(field.name))
            elif field.default is not dataclasses.MISSING:
                put(self, field.name, field.default)
            elif field.default_factory is not dataclasses.MISSING:
                put(self, field.name, field.default_factory())
            else:
                raise TypeError(f"{kind.__name__}() needs the argument {field.name!r}")
        if given:
            raise TypeError(f"{kind.__name__}() has no argument {min(given)!r}")
        if hasattr(self, "__post_init__"):
            self.__post_init__()

    def __repr__(self) -> str:
        content = zip(type(self).__lean_fields__, _content(self), strict=True)  # type: ignore[attr-defined]
        shown = ", ".join(f"{field.name}={value!r}" for field, value in content if field.repr)
        return f"{type(self).__qualname__}({shown})"

    def __eq__(self, other: object) -> bool:
        return _content(self) == _content(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(_content(self))

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        for name, value in state[1].items():
            object.__setattr__(self, name, value)


_METHODS = {name: method for name, method in vars(_Value).items() if callable(method)}


def _content(value: Any) -> tuple[Any, ...]:
    return tuple([getattr(value, field.name) for field in type(value).__lean_fields__])
