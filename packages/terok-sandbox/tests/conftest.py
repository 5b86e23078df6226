"""What a test leaves changed in its process and the next one must not find."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from terok_sandbox.hygiene import prctl

PR_SET_DUMPABLE = 4


@pytest.fixture(autouse=True)
def open_to_the_next_test() -> Iterator[None]:
    """Undo what reading a secret does to a process: tests of the supervisor open their own process's namespaces."""
    yield
    prctl(PR_SET_DUMPABLE, 1)
