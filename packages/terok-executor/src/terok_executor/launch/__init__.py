"""The environment, files and command of an agent's container."""

from __future__ import annotations
