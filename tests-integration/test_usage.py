"""What an agent uses is metered and limited before the request leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import BASE, Done, Shell
from terok.stub import Script, running_stub

STEPS = tuple(f"echo step {number}" for number in range(4))


@pytest.fixture
def settings(ready: Shell) -> Iterator[Callable[[str], None]]:
    """Write the shared config.yml; what was there comes back afterwards."""
    path = Path(ready.environment["TEROK_ROOT"]) / "config/config.yml"
    before = path.read_text() if path.exists() else None

    def write(text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((before or "") + text)

    yield write
    path.unlink(missing_ok=True)
    if before is not None:
        path.write_text(before)


def run(sh: Shell, repository: Path, name: str, code: int | None) -> Done:
    words = ("-p", "Do it", "--base", BASE, "--name", name, "--json")
    return sh("terok-executor", "run", "demo", str(repository), *words, timeout=600, code=code)


def used(sh: Shell, name: str) -> dict:
    (row,) = sh("terok-sandbox", "vault", "usage", name, "--json").json()["usage"]
    return row


def test_usage_is_counted_and_a_limit_stops_the_agent(
    ready: Shell,
    base_image: str,
    repository: Path,
    container: str,
    name: str,
    real_key: str,
    upstream: Callable[[str, str], None],
    settings: Callable[[str], None],
) -> None:
    with running_stub(Script(STEPS), api_key=real_key) as stub:
        upstream("demo", stub.url)
        assert run(ready, repository, container, 0).json()["exit_code"] == 0
        asked = sum(record.path.endswith("/messages") for record in stub.seen.records)
    row = used(ready, container)
    assert row["requests"] >= asked == len(STEPS) + 1
    assert row["input"] > 0 and row["output"] > 0 and row["budget_usd"] > 0 and row["bytes"] > 0
    assert row["cost_usd"] is None, "nobody knows what the demo model costs"
    shown = ready("terok-sandbox", "vault", "usage").out
    assert container in shown and "unknown" in shown

    settings("budget:\n  task:\n    requests: 2\n")
    limited = f"{name}-b"
    try:
        with running_stub(Script(STEPS), api_key=real_key) as stub:
            upstream("demo", stub.url)
            done = run(ready, repository, limited, None)
            asked = sum(record.path.endswith("/messages") for record in stub.seen.records)
        assert asked == 2 and done.code != 0, done.text
        assert used(ready, limited)["requests"] == 2
        assert "429" in done.text and "the budget of this task is used up: 2 of 2 requests are used" in done.text
        assert "retrying" not in done.text
    finally:
        ready("terok-sandbox", "rm", limited, code=None)
