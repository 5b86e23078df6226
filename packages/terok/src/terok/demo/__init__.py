"""`terok demo`: one agent, one task, and measurements of what held."""

from __future__ import annotations
