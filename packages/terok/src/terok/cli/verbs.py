"""Every command of terok with its help, a JSON line each: `python -m terok.cli.verbs`.

A program of its own, so that whoever shows the list need not hold the trees of all wheels in memory.
"""

from __future__ import annotations

import json

from terok.cli.tree import COMMANDS

if __name__ == "__main__":
    for path, node in COMMANDS.walk():
        if node.handler is not None:
            print(json.dumps([path, node.help]))
