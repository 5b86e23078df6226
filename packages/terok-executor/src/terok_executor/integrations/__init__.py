"""One module per sibling wheel: the only places that import it."""

from __future__ import annotations
