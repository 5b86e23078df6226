"""Be the controller: `python -m terok.controller`."""

from __future__ import annotations

import sys

from terok.controller.main import main

if __name__ == "__main__":
    sys.exit(main())
