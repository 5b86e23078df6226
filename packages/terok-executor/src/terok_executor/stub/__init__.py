"""A stub model provider: drives real agent CLIs through scripted tool use, with no account and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util import lazy_exports

if TYPE_CHECKING:
    from .background import running_stub
    from .errors import BadRequestError, ScriptError, StubError
    from .pause import Pause
    from .record import Recorder, RequestRecord
    from .script import Script
    from .server import StubProvider

    __all__ = [
        "BadRequestError",
        "Pause",
        "Recorder",
        "RequestRecord",
        "Script",
        "ScriptError",
        "StubError",
        "StubProvider",
        "running_stub",
    ]
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "BadRequestError": ".errors",
            "Pause": ".pause",
            "Recorder": ".record",
            "RequestRecord": ".record",
            "Script": ".script",
            "ScriptError": ".errors",
            "StubError": ".errors",
            "StubProvider": ".server",
            "running_stub": ".background",
        },
    )
