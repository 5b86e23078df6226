"""Lets `python -m terok_acp` be the command line; daemons are started so."""

from __future__ import annotations

import sys

from terok_acp.cli import main

if __name__ == "__main__":
    sys.exit(main())
