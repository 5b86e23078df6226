from __future__ import annotations

from pathlib import Path

import pytest
from local_container import LocalContainer


@pytest.fixture
def local(tmp_path: Path) -> LocalContainer:
    """Give an engine whose container has no program yet."""
    return LocalContainer(tmp_path)
