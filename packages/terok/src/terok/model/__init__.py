"""Values and pure functions about tasks: no I/O and no clock; times are seconds since the epoch."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok.model.claims import Claims as Claims
    from terok.model.facts import Facts as Facts
    from terok.model.state import Evidence as Evidence
    from terok.model.state import TaskState as TaskState
    from terok.model.state import judge as judge
    from terok.model.task import Event as Event
    from terok.model.task import Task as Task
