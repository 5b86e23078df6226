"""One module per wheel below: the only places that import it."""

from __future__ import annotations
