"""How front ends and the controller talk: JSON lines over one Unix socket of this user."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok.wire.client import ask as ask
    from terok.wire.client import poke as poke
    from terok.wire.client import subscribe as subscribe
