"""Projects, tasks and reviews for AI coding agents in hardened containers.

Names are loaded when first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok.cli.tree import COMMANDS as COMMANDS
    from terok.errors import DemoError as DemoError
    from terok.services.events import events as events
