"""Layered configuration: scopes from files, merged from the lowest to the highest, every value with its origin."""

from __future__ import annotations
