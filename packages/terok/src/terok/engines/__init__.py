"""Where a task runs: one protocol, and this machine's Podman behind it."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok.engines.local import LocalEngine as LocalEngine
    from terok.engines.named import engine_named as engine_named
    from terok.engines.protocol import Engine as Engine
    from terok.engines.values import Command as Command
    from terok.engines.values import Launch as Launch
    from terok.engines.values import Started as Started
    from terok.engines.values import container_name as container_name
