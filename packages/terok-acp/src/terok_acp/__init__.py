"""One Agent Client Protocol endpoint over the agents inside terok containers.

Names are loaded when first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_acp.cli.tree import COMMANDS as COMMANDS
