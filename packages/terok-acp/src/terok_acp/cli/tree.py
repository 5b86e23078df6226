"""The commands of terok-acp; there are none yet."""

from __future__ import annotations

from terok_util import CommandTree

COMMANDS = CommandTree(())
"""The tree that other wheels compose."""
