"""Look at what a push brings before any ref moves, and at what a branch brings before a person sends it on."""

from __future__ import annotations
