"""Runs agents and looks after their containers."""

from __future__ import annotations
