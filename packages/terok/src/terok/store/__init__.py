"""The database of tasks: what is wanted, what was observed, and every change in order.

Podman is the truth about what runs; this is the truth about what was asked for. Losing any process loses nothing of it.
"""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok.store.lease import Lease as Lease
    from terok.store.lease import is_alive as is_alive
    from terok.store.lease import own_lease as own_lease
    from terok.store.reading import Snapshot as Snapshot
    from terok.store.store import Store as Store
    from terok.store.writer import Writer as Writer
