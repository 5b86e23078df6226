"""What an agent's container is given: environment, files and command."""

from __future__ import annotations
