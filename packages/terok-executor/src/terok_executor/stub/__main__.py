"""`python -m terok_executor.stub`: the stub provider as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from terok_util import TerokError

from .script import Script
from .server import StubProvider

KEY_VARIABLE = "TEROK_STUB_API_KEY"


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; prints the base URL first and, at the end, one JSON line per request."""
    parser = argparse.ArgumentParser(
        prog="terok_executor.stub",
        description="A model provider that plays a script.",
        epilog=f"The environment variable {KEY_VARIABLE} holds the API key that requests must present.",
    )
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--script", type=Path, required=True, help='JSON file: {"commands": [...], "final": "..."}')
    args = parser.parse_args(argv)
    try:
        provider = StubProvider(Script.load(args.script), port=args.port, api_key=os.environ.get(KEY_VARIABLE) or None)
        asyncio.run(_serve(provider))
    except TerokError as exc:
        sys.stderr.write(f"terok_executor.stub: error: {exc}\n")
        return exc.exit_code
    for record in provider.seen.records:
        sys.stdout.write(json.dumps(record.as_json()) + "\n")
    return 0


async def _serve(provider: StubProvider) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell ignores them in the background
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with provider:
        sys.stdout.write(f"{provider.url}\n")
        sys.stdout.flush()
        await ended.wait()


if __name__ == "__main__":
    sys.exit(main())
