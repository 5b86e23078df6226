from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from terok_sandbox.netns.nft import NftChannel, NftChannelError, NftCommandError, spawn_nft
from terok_util.process import Process

Started = tuple[Process, NftChannel]
TABLE = "add table inet terok; add set inet terok opened { type ipv4_addr . inet_service; flags timeout; }"


@pytest.fixture
def started(namespace: int) -> Iterator[Started]:
    process, fds = spawn_nft(namespace)
    channel = NftChannel(fds)
    yield process, channel
    channel.close()
    assert process.wait(5) in (0, -9, -13)


async def test_commands_take_effect_and_errors_are_those_of_their_command(started: Started) -> None:
    _, channel = started
    await channel.run(TABLE)
    results = await asyncio.gather(
        channel.run("add element inet terok opened { 192.0.2.1 . 443 timeout 60s, 192.0.2.2 . 443 timeout 60s }"),
        channel.run("add element inet terok absent { 192.0.2.3 . 443 }"),
        channel.run("nonsense"),
        channel.run("add element inet terok opened { 192.0.2.4 . 80 }"),
        return_exceptions=True,
    )
    assert [type(one) for one in results] == [str, NftCommandError, NftCommandError, str]
    listed = await channel.run("list set inet terok opened")
    assert "192.0.2.1 . 443 timeout" in listed
    assert "192.0.2.4 . 80" in listed
    assert "192.0.2.3" not in listed
    assert channel.alive


async def test_parts_of_a_command_are_one_transaction(started: Started) -> None:
    _, channel = started
    await channel.run(TABLE)
    with pytest.raises(NftCommandError):
        await channel.run("add element inet terok opened { 192.0.2.9 . 1 }; add element inet terok absent { 1 }")
    assert "192.0.2.9" not in await channel.run("list set inet terok opened")


@pytest.mark.parametrize("command", ["list\nflush ruleset", "x\r", "\0", "x" * 70000])
async def test_what_is_not_one_bounded_line_is_never_sent(started: Started, command: str) -> None:
    _, channel = started
    with pytest.raises(NftCommandError):
        await channel.run(command)
    assert channel.alive


async def test_a_channel_whose_nft_ended_says_so(started: Started) -> None:
    process, channel = started
    process.kill()
    process.wait(5)
    with pytest.raises(NftChannelError):
        await channel.run("list ruleset")
    assert not channel.alive
    with pytest.raises(NftChannelError):
        await channel.run("list ruleset")


async def test_a_cancelled_command_ends_the_channel(started: Started) -> None:
    """Its answer would be taken for the next one's."""
    process, channel = started
    os.kill(process.pid, signal.SIGSTOP)
    task = asyncio.create_task(channel.run("list ruleset"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    os.kill(process.pid, signal.SIGCONT)
    assert not channel.alive


async def test_too_many_waiting_commands_are_refused(started: Started) -> None:
    process, channel = started
    os.kill(process.pid, signal.SIGSTOP)
    commands = [asyncio.create_task(channel.run("describe ipv4_addr")) for _ in range(300)]
    await asyncio.sleep(0.05)
    os.kill(process.pid, signal.SIGCONT)
    results = await asyncio.gather(*commands, return_exceptions=True)
    refused = [one for one in results if isinstance(one, NftChannelError)]
    assert len(refused) == 300 - 256
    assert channel.alive


async def test_commands_leave_no_history_in_a_home(
    namespace: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    process, fds = spawn_nft(namespace)
    channel = NftChannel(fds)
    await channel.run(TABLE)
    channel.close()
    process.wait(5)
    assert list(tmp_path.iterdir()) == []
