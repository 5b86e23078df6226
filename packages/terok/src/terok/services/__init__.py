"""The use cases. Command line, terminal interface and tests call only these."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok.services.clearances import Clearances as Clearances
    from terok.services.operations import Operations as Operations
    from terok.services.races import Races as Races
    from terok.services.reviews import Reviews as Reviews
    from terok.services.tasks import Tasks as Tasks
