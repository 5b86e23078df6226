"""A stub model provider: drives real agent CLIs through scripted tool use, with no account and no network."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok.stub.background import running_stub as running_stub
    from terok.stub.record import Recorder as Recorder
    from terok.stub.record import RequestRecord as RequestRecord
    from terok.stub.script import Script as Script
    from terok.stub.script import Use as Use
    from terok.stub.server import Pause as Pause
    from terok.stub.server import Refusal as Refusal
    from terok.stub.server import StubProvider as StubProvider
