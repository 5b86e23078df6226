"""The git gate: a bare mirror per project that the container pushes to and a person reviews."""

from __future__ import annotations
