"""Projects, tasks and reviews for AI coding agents in hardened containers.

Names are loaded when first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

from terok_util import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok.cli.tree import COMMANDS as COMMANDS
    from terok.errors import DemoError as DemoError
else:
    __getattr__, __dir__, __all__ = lazy_exports(__name__)
