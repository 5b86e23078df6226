"""Preparation of the fork server for its forks, which share it: imports, first uses, tidying up.

A page of memory is shared until somebody writes to it, and Python writes a count into whatever it looks at. So a child
pays for the code that it runs, and for whatever a library sets up at its first use.
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import tempfile
from importlib import import_module
from pathlib import Path

from terok_util.lazy import load_reference

from terok_sandbox import hygiene
from terok_sandbox.supervise.worker_plan import WorkerPlan


def preload(plan: WorkerPlan, scratch: Path) -> None:
    """Load what every child needs, and turn automatic collection off; `scratch` is where a moment's files may lie.

    Raises ImportError or LookupError for an entry point that is not there.
    """
    gc.disable()
    for entry in (plan.broker, plan.gateway, plan.rules, plan.certificate):
        load_reference(entry)
    import_module("cryptography.hazmat.backends.openssl.backend")  # else each certificate's maker would
    _rehearse(plan, scratch)
    settle()


def settle() -> None:
    """Put what is loaded out of the collector's sight, and give back pages of libraries that only loading has read."""
    gc.collect()
    gc.freeze()
    hygiene.unmap_unchanged()


def _rehearse(plan: WorkerPlan, scratch: Path) -> None:
    """Do what children do first, with a key that is nobody's. Each seeds its random generator anew."""
    ssl.RAND_bytes(1)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        load_reference(plan.certificate)(Path(directory), Path(directory))
    asyncio.run(asyncio.sleep(0))
