"""A long-lived `nft -i` inside a container's namespaces, for set updates in a fraction of a millisecond.

`nft -i` says nothing when a command succeeds, so every command is followed by a `describe` whose one line of output
never changes: whatever arrives before that line is what the command had to say.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Final

from terok_util.process import Process, find_tool, spawn

from terok_sandbox.descriptors import read_some, write_all
from terok_sandbox.errors import NetnsError
from terok_sandbox.netns.enter import enter

_MARKER_COMMAND: Final = b"describe ipv4_addr\n"
_MARKER: Final = b"datatype ipv4_addr (IPv4 address) (basetype integer), 32 bits\n"
_MAX_COMMAND: Final = 64 * 1024
_MAX_OUTPUT: Final = 4 * 1024 * 1024
_MAX_WAITING: Final = 256


class NftChannelError(NetnsError):
    """The channel is unusable: nft ended, did not answer, or too many commands wait."""


class NftCommandError(NetnsError):
    """nft refused one command; the channel goes on."""


@dataclass(frozen=True, slots=True)
class NftChannelFds:
    """The two pipe ends of an `nft -i`: commands go to `stdin`, what it says comes from `stdout`."""

    stdin: int
    stdout: int


def spawn_nft(netns_fd: int) -> tuple[Process, NftChannelFds]:
    """Start `nft -i` inside the namespace of `netns_fd`; the caller owns its pipes. `NetnsError`, `ProcessError`."""
    nft = find_tool("nft", hint="install the package nftables")
    commands, command_end = os.pipe2(os.O_CLOEXEC)
    output_end, output = os.pipe2(os.O_CLOEXEC)
    try:
        process = spawn(
            [nft, "-i"],
            stdin=commands,
            stdout=output,
            stderr=output,
            env={**os.environ, "HOME": "/dev/null"},  # it would write its commands, the policy, to ~/.nft.history
            preexec=lambda: enter(netns_fd),
        )
    except BaseException:
        os.close(command_end)
        os.close(output_end)
        raise
    finally:
        os.close(commands)
        os.close(output)
    return process, NftChannelFds(stdin=command_end, stdout=output_end)


class NftChannel:
    """Ordered, bounded commands to one `nft -i` from one event loop; owns both descriptors."""

    def __init__(self, fds: NftChannelFds, *, timeout: float = 2.0) -> None:
        self._fds: NftChannelFds | None = fds
        self._timeout = timeout
        self._turn = asyncio.Lock()
        self._waiting = 0
        os.set_blocking(fds.stdin, False)
        os.set_blocking(fds.stdout, False)

    @property
    def alive(self) -> bool:
        """Whether commands can still be given."""
        return self._fds is not None

    async def run(self, command: str) -> str:
        """Run one command line and return what nft printed; `NftCommandError` if it refuses, else `NftChannelError`."""
        line = command.encode()
        if b"\n" in line or b"\r" in line or b"\0" in line or len(line) > _MAX_COMMAND:
            raise NftCommandError("an nft command is one line of at most 64 KiB")
        if self._waiting >= _MAX_WAITING:
            raise NftChannelError(f"{_MAX_WAITING} nft commands are waiting already")
        self._waiting += 1
        try:
            async with self._turn:
                output = await self._exchange(line)
        finally:
            self._waiting -= 1
        if "Error:" in output:
            raise NftCommandError(f"nft refused a command: {output.partition('Error:')[2].splitlines()[0].strip()}")
        return output

    def close(self) -> None:
        """Close both descriptors, which ends nft."""
        if self._fds is not None:
            os.close(self._fds.stdin)
            os.close(self._fds.stdout)
            self._fds = None

    async def _exchange(self, line: bytes) -> str:
        if self._fds is None:
            raise NftChannelError("nft has ended")
        fds = self._fds
        try:
            async with asyncio.timeout(self._timeout):
                await write_all(fds.stdin, line + b"\n" + _MARKER_COMMAND)
                return await _read_answer(fds.stdout)
        except asyncio.CancelledError:
            self.close()  # an answer would be left over and taken for the next command's
            raise
        except (TimeoutError, OSError, EOFError) as error:
            self.close()
            why = "did not answer in time" if isinstance(error, TimeoutError) else "has ended"
            raise NftChannelError(f"nft {why}") from error


async def _read_answer(descriptor: int) -> str:
    answer = b""
    while not answer.endswith(_MARKER):
        chunk = await read_some(descriptor, 65536)
        if not chunk or len(answer) > _MAX_OUTPUT:
            raise EOFError
        answer += chunk
    return answer[: -len(_MARKER)].decode(errors="replace")
