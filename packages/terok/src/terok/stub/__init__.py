"""A stub model provider: drives real agent CLIs through scripted tool use, with no account and no network."""

from __future__ import annotations

from terok_util import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok.stub.background import running_stub as running_stub
    from terok.stub.errors import BadRequestError as BadRequestError
    from terok.stub.errors import ScriptError as ScriptError
    from terok.stub.errors import StubError as StubError
    from terok.stub.pause import Pause as Pause
    from terok.stub.record import Recorder as Recorder
    from terok.stub.record import RequestRecord as RequestRecord
    from terok.stub.script import Script as Script
    from terok.stub.server import StubProvider as StubProvider
else:
    __getattr__, __dir__, __all__ = lazy_exports(__name__)
