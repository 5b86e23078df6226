"""A stub model provider: drives real agent CLIs through scripted tool use, with no account and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util import lazy_exports

if TYPE_CHECKING:
    from .background import running_stub as running_stub
    from .errors import BadRequestError as BadRequestError
    from .errors import ScriptError as ScriptError
    from .errors import StubError as StubError
    from .pause import Pause as Pause
    from .record import Recorder as Recorder
    from .record import RequestRecord as RequestRecord
    from .script import Script as Script
    from .server import StubProvider as StubProvider
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            ".background": "running_stub",
            ".errors": "BadRequestError ScriptError StubError",
            ".pause": "Pause",
            ".record": "Recorder RequestRecord",
            ".script": "Script",
            ".server": "StubProvider",
        },
    )
