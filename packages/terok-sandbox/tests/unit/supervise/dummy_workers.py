"""Workers that answer one line per connection, and a fork server that runs them (as a script)."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from terok_sandbox.errors import NetnsError
from terok_sandbox.netns.nft import NftChannel, NftCommandError
from terok_sandbox.netns.worker_context import WorkerContext
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.supervise.forkserver import serve
from terok_sandbox.supervise.rules import Rules
from terok_sandbox.supervise.worker_plan import WorkerPlan
from terok_util.door import Door, Seat, streams

OPEN_TABLE = """\
add table inet terok
delete table inet terok
table inet terok {
	set opened { type ipv4_addr . inet_service; flags timeout; }
	chain output {
		type filter hook output priority 0; policy drop;
		oif lo accept
		ip daddr . tcp dport @opened accept
		log group 100
	}
}
"""


def broker(context: WorkerContext) -> int:
    return asyncio.run(_serve(context, "vault", None))


def gateway(context: WorkerContext) -> int:
    return asyncio.run(_serve(context, "gate", context.nft))


def crashing(context: WorkerContext) -> int:
    raise RuntimeError("this worker cannot start")


def stubborn(context: WorkerContext) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


def open_rules(sidecar: object) -> Rules:
    return Rules(OPEN_TABLE, json.loads)


def broken_rules(sidecar: object) -> Rules:
    return Rules("table inet terok { chain output { nonsense\n} }\n", json.loads)


def unverified_rules(sidecar: object) -> Rules:
    from terok_sandbox.shield.ruleset.verify import verify

    return Rules(OPEN_TABLE, verify)


def late_rules(sidecar: Sidecar) -> Rules:
    """Return rules that are found wrong only when the container's way out has been started, or after three seconds."""

    def verify(_listing: str) -> None:
        deadline = time.monotonic() + 3
        while not (sidecar.state_dir / "started").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        raise NetnsError("not the rules that were meant")

    return Rules(OPEN_TABLE, verify)


async def _serve(context: WorkerContext, name: str, nft: object) -> int:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    channel = None if context.nft is None else NftChannel(context.nft)

    async def answer(connection: socket.socket, seat: Seat) -> None:
        async with streams(connection) as (reader, writer):
            await answered(reader, writer)

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readline()).decode().strip()
        if request == "crash":
            os._exit(9)
        if request == "hoard":
            hoard = []
            while True:
                hoard.append(bytearray(1 << 20))
        writer.write(json.dumps(await _about(context, channel, request)).encode() + b"\n")

    door = Door(name, 64)
    door.open(context.listeners[name], answer)
    print(f"{name} serves {context.sidecar.container_name}", file=sys.stderr, flush=True)
    await stopped.wait()
    door.close()
    return 0


async def _about(context: WorkerContext, channel: NftChannel | None, request: str) -> dict[str, object]:
    told: dict[str, object] = {"pid": os.getpid(), "container": context.sidecar.container_name}
    if request.startswith("nft ") and channel is not None:
        try:
            told["nft"] = await channel.run(request[4:])
        except NftCommandError as error:
            told["nft"] = f"refused: {error}"
    if request == "spawn":
        told["spawned"] = subprocess.Popen(["sh", "-c", "sleep 300 & wait"], start_new_session=True).pid
    if request == "state":
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        told |= {
            "descriptors": _descriptors(),
            "own": sorted(context.descriptors()),
            "no_new_privs": status["NoNewPrivs"].strip(),
            "signals": status["SigBlk"].strip(),
            "group": os.getpgid(0),
            "oom": Path("/proc/self/oom_score_adj").read_text().strip(),
            "core": Path("/proc/self/limits").read_text().split("Max core file size")[1].split()[0],
            "limits": [resource.getrlimit(one)[0] for one in (resource.RLIMIT_DATA, resource.RLIMIT_NOFILE)],
            "memory_owner": os.stat("/proc/self/mem").st_uid,
        }
    return told


def _descriptors() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the directory's own descriptor
    return found


def main(runtime_dir: str, settings: str) -> int:
    names = {"broker": "dummy_workers:broker", "gateway": "dummy_workers:gateway", "rules": "dummy_workers:open_rules"}
    return serve(Path(runtime_dir), WorkerPlan(**(names | json.loads(settings))))


if __name__ == "__main__":
    sys.modules["dummy_workers"] = sys.modules["__main__"]
    socket.setdefaulttimeout(None)
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "{}"))
