"""Progress on standard error."""

from __future__ import annotations

import sys

from terok_util import safe_text


def progress(line: str) -> None:
    """Print one line of progress."""
    print(f"   {safe_text(line)}", file=sys.stderr, flush=True)
