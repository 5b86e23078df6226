from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

from terok_sandbox.supervise import forkserver

if TYPE_CHECKING:
    import pytest

GIVEN_BACK = """
import re, sys
from pathlib import Path
from terok_sandbox.supervise.preload import preload, settle
from terok_sandbox.supervise.worker_plan import WorkerPlan

def text():
    mappings = re.split("\\n(?=[0-9a-f]+-)", Path("/proc/self/smaps").read_text())
    return sum(int(re.search("Rss: +([0-9]+)", one)[1]) for one in mappings if " r-xp " in one)

import cryptography.hazmat.bindings._rust
before = text()
preload(WorkerPlan(), Path(sys.argv[1]))
assert text() < before, (before, text())
settle()
from cryptography.hazmat.primitives.asymmetric import ec
assert ec.generate_private_key(ec.SECP256R1()).key_size == 256  # relocations are where they were
print(*sorted(Path(sys.argv[1]).iterdir()))
"""


def test_what_only_loading_has_read_is_given_back_and_everything_still_works(tmp_path: object) -> None:
    argv = [sys.executable, "-c", GIVEN_BACK, str(tmp_path)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_the_program_itself_is_one_of_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__file__=__file__))  # type: ignore[arg-type]
    assert __file__ in forkserver._sources()


def test_no_child_loads_a_web_framework() -> None:
    """A quarter of a gateway's memory: the gate speaks HTTP with what the vault has loaded anyway."""
    code = "import sys, terok_sandbox.broker, terok_sandbox.gateway; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
