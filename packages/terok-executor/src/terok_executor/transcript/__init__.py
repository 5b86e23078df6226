"""Transcripts: the output of agents, whatever its format, as one kind of event, bounded and readable."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_executor.transcript.event import Tokens as Tokens
    from terok_executor.transcript.event import TranscriptEvent as TranscriptEvent
    from terok_executor.transcript.reader import TranscriptReader as TranscriptReader
    from terok_executor.transcript.reader import read_transcript as read_transcript
    from terok_executor.transcript.render import render_event as render_event
