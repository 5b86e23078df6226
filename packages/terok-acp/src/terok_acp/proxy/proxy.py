"""A daemon as an object of the SDK: `acp.Agent` for whoever asks, `acp.Client` for the daemon."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from terok_acp.endpoint import connected
from terok_acp.errors import AcpError, EndpointError
from terok_acp.protocol.framing import FROM_EDITOR

try:
    from acp import RequestError
    from acp.core import ClientSideConnection
except ImportError as error:
    raise AcpError("the protocol's Python SDK is not installed", hint="pip install 'terok-acp[sdk]'") from error

if TYPE_CHECKING:
    from acp import Agent, Client
    from acp import schema as s

_LONGEST: Final = 2 * FROM_EDITOR


class ACPProxy:
    """All agents of a container as one `acp.Agent`, over the daemon that listens at `socket`.

    A program calls its methods, with its own `acp.Client` as `client`; or gives it to `acp.run_agent`, which says who
    the client is. Requests of files and terminals never come: the daemon refuses them. Use it as an asynchronous
    context manager, or let `initialize` connect and call `close`.

    Raises:
        EndpointError: Nobody answers at the socket.
    """

    def __init__(self, socket: Path, client: Client | None = None) -> None:
        self._socket = socket
        self._client = client
        self._daemon: ClientSideConnection | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect to the daemon; nothing happens if that is done."""
        if self._daemon is not None:
            return
        reader, writer = await asyncio.open_unix_connection(sock=connected(self._socket), limit=_LONGEST)
        self._daemon, self._writer = ClientSideConnection(self, writer, reader, use_unstable_protocol=True), writer

    async def close(self) -> None:
        """Hang up; turns that run go on."""
        daemon, writer = self._daemon, self._writer
        self._daemon = self._writer = None
        if daemon is not None and writer is not None:
            await daemon.close()
            writer.close()  # the SDK leaves that to whoever opened it
            with suppress(OSError):
                await writer.wait_closed()

    def on_connect(self, conn: Agent | Client) -> None:
        """Take note of who is at the other end of a connection that was made with this object."""
        if not isinstance(conn, ClientSideConnection):
            self._client = conn  # type: ignore[assignment]  # the SDK has one method for both sides

    async def initialize(
        self,
        protocol_version: int,
        client_capabilities: s.ClientCapabilities | None = None,
        client_info: s.Implementation | None = None,
        **meta: Any,
    ) -> s.InitializeResponse:
        """Say who the client is, and learn what the agents can do."""
        await self.connect()
        return await self._there.initialize(protocol_version, client_capabilities, client_info, **meta)

    async def authenticate(self, method_id: str, **meta: Any) -> s.AuthenticateResponse | None:
        """Learn whether the vault has what the agents need."""
        return await self._there.authenticate(method_id, **meta)

    async def new_session(
        self,
        cwd: str,
        additional_directories: list[str] | None = None,
        mcp_servers: list[Any] | None = None,
        **meta: Any,
    ) -> s.NewSessionResponse:
        """Begin a session."""
        return await self._there.new_session(cwd, additional_directories, mcp_servers, **meta)

    async def load_session(
        self,
        cwd: str,
        session_id: str,
        mcp_servers: list[Any] | None = None,
        additional_directories: list[str] | None = None,
        **meta: Any,
    ) -> s.LoadSessionResponse | None:
        """Open a session, and be told what was said in it."""
        return await self._there.load_session(cwd, session_id, mcp_servers, additional_directories, **meta)

    async def resume_session(
        self,
        session_id: str,
        cwd: str,
        additional_directories: list[str] | None = None,
        mcp_servers: list[Any] | None = None,
        **meta: Any,
    ) -> s.ResumeSessionResponse:
        """Open a session from here on."""
        return await self._there.resume_session(session_id, cwd, additional_directories, mcp_servers, **meta)

    async def fork_session(
        self,
        session_id: str,
        cwd: str,
        additional_directories: list[str] | None = None,
        mcp_servers: list[Any] | None = None,
        **meta: Any,
    ) -> s.ForkSessionResponse:
        """Begin a session with another's past."""
        return await self._there.fork_session(session_id, cwd, additional_directories, mcp_servers, **meta)

    async def list_sessions(
        self, cwd: str | None = None, cursor: str | None = None, **meta: Any
    ) -> s.ListSessionsResponse:
        """List sessions, all or those of a directory."""
        return await self._there.list_sessions(cwd, cursor, **meta)

    async def close_session(self, session_id: str, **meta: Any) -> s.CloseSessionResponse | None:
        """Close a session; it stays on the list."""
        return await self._there.close_session(session_id, **meta)

    async def set_session_mode(self, session_id: str, mode_id: str, **meta: Any) -> s.SetSessionModeResponse | None:
        """Choose a mode of the session's agent."""
        return await self._there.set_session_mode(session_id, mode_id, **meta)

    async def set_config_option(
        self, config_id: str, session_id: str, value: str | bool, **meta: Any
    ) -> s.SetSessionConfigOptionResponse | None:
        """Set an option; `model` is ours, with values `agent:model`."""
        return await self._there.set_config_option(config_id, session_id, value, **meta)

    async def prompt(self, session_id: str, prompt: list[Any], **meta: Any) -> s.PromptResponse:
        """Give a prompt, and wait for the end of the turn."""
        return await self._there.prompt(session_id, prompt, **meta)

    async def cancel(self, session_id: str, **meta: Any) -> None:
        """End the turn of a session."""
        await self._there.cancel(session_id, **meta)

    async def session_update(self, session_id: str, update: Any, **meta: Any) -> None:
        """Tell the client of an update."""
        await self._here.session_update(session_id, update, **meta)

    async def request_permission(
        self, session_id: str, tool_call: s.ToolCallUpdate, options: list[s.PermissionOption], **meta: Any
    ) -> s.RequestPermissionResponse:
        """Ask the client."""
        return await self._here.request_permission(session_id, tool_call, options, **meta)

    async def create_elicitation(self, message: str, mode: Any, **meta: Any) -> s.CreateElicitationResponse:
        """Ask the client to fill in a form."""
        return await self._here.create_elicitation(message, mode, **meta)

    async def complete_elicitation(self, elicitation_id: str, **meta: Any) -> None:
        """Tell the client that a form is no longer wanted."""
        await self._here.complete_elicitation(elicitation_id, **meta)

    async def ext_method(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Refuse a custom request, whichever side it comes from."""
        raise RequestError.method_not_found(f"_{method}")

    async def ext_notification(self, method: str, params: dict[str, Any]) -> None:
        """Ignore a custom notification."""

    async def _refuse(self, *asked: Any, **named: Any) -> Any:
        """Refuse what the daemon never asks for: files and terminals are the container's."""
        raise RequestError.method_not_found("files and terminals")

    read_text_file = write_text_file = _refuse
    create_terminal = terminal_output = release_terminal = wait_for_terminal_exit = kill_terminal = _refuse

    @property
    def _there(self) -> ClientSideConnection:
        if self._daemon is None:
            raise EndpointError("the proxy is not connected", hint="call `initialize` first")
        return self._daemon

    @property
    def _here(self) -> Client:
        if self._client is None:
            raise RequestError.internal_error({"details": "no client is connected"})
        return self._client
