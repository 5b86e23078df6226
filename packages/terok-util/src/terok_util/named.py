"""Named tuples that cost a tenth of the standard library's at import time.

`typing.NamedTuple` compiles the annotation of every field, which takes longer than a command that only reads takes to
answer. Nothing else is different. Use it where a measured start-up budget needs it.
"""

from __future__ import annotations

__all__ = ["LeanTuple"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from typing import NamedTuple as LeanTuple
else:
    from collections import namedtuple

    class _Making(type):
        """Makes a named tuple of the body of a class."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body.get("__annotations__", {})
            defaults = [body[field] for field in fields if field in body]
            if list(fields)[len(fields) - len(defaults) :] != [field for field in fields if field in body]:
                raise TypeError(f"a field of {name} without a default is behind one with a default")
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            for key, value in body.items():
                if key not in fields:
                    setattr(made, key, value)
            return made

    class LeanTuple(metaclass=_Making):
        """The base of a class whose annotated fields are those of a named tuple."""
