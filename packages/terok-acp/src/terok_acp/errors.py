"""The errors of this wheel.

AcpError                exit 1
├── AgentBindError      exit 1   an agent's adapter did not start, ended, or refused a session
├── ProbeError          exit 1   an adapter did not say what it offers
├── EndpointError       exit 1   nobody answers at a socket, or what answers is not ours
│   └── EndpointBusy    exit 75  another daemon serves the container
│       └── TableBusy   exit 75  another process keeps its sessions
├── SessionsError       exit 1   the sessions of a container cannot be read or written
└── FrameError          exit 1   a frame cannot be written: not a number, half of a character
"""

from __future__ import annotations

from terok_util import TerokError


class AcpError(TerokError):
    """Base of every error this wheel raises."""


class AgentBindError(AcpError):
    """An agent could not be given a session."""


class ProbeError(AcpError):
    """An agent's adapter did not say in time what it offers."""


class EndpointError(AcpError):
    """The socket of an endpoint cannot be used."""


class EndpointBusy(EndpointError):
    """Another daemon serves this container already."""

    exit_code = 75


class TableBusy(EndpointBusy):
    """Another process keeps the sessions of this container; two writers would spoil histories."""


class SessionsError(AcpError):
    """The session table or a transcript cannot be used."""


class FrameError(AcpError):
    """A value has no form as a frame that every peer can read."""
