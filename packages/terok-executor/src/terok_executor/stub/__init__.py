"""A stub model provider: drives real agent CLIs through scripted tool use, with no account and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util import lazy_exports

if TYPE_CHECKING:
    from terok_executor.stub.background import running_stub as running_stub
    from terok_executor.stub.errors import BadRequestError as BadRequestError
    from terok_executor.stub.errors import ScriptError as ScriptError
    from terok_executor.stub.errors import StubError as StubError
    from terok_executor.stub.pause import Pause as Pause
    from terok_executor.stub.record import Recorder as Recorder
    from terok_executor.stub.record import RequestRecord as RequestRecord
    from terok_executor.stub.script import Script as Script
    from terok_executor.stub.server import StubProvider as StubProvider
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
