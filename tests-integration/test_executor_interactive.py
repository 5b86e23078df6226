"""A person works in a container: a terminal in tmux, commits handed over at the stop, taken up again later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support import BASE, Shell, Terminal
from terok_executor.launch.task_files import load_record
from terok_executor.paths import task_dir


def test_a_person_works_in_a_terminal_and_the_stop_hands_the_commit_over(
    ready: Shell,
    base_image: str,
    real_key: str,
    repository: Path,
    container: str,
    upstream: Callable[[str, str], None],
    terminal: Callable[..., Terminal],
) -> None:
    upstream("demo", "http://127.0.0.1:9")
    shared = repository.parent / "shared"
    shared.mkdir()
    done = ready(
        *("terok-executor", "run", "demo", str(repository), "--interactive", "--base", BASE, "--name", container),
        *("--authorship", "human-agent", "--human-name", "Ann Onym", "--human-email", "ann@example.test"),
        *("--shared-dir", str(shared), "--timezone", "Europe/Berlin"),
        timeout=600,
    )
    assert done.out.strip() == container
    without = ready("terok-executor", "login", container, code=2, timeout=60)
    assert "there is no terminal here" in without.err
    first = terminal("terok-executor", "login", container)
    first.expect("[terok]")
    first.type("terok-help; touch $TEROK_SHARED_DIR/from-inside; echo marker-$((20+3))\r")
    first.expect("marker-23")
    first.expect("Demo agent")
    assert (shared / "from-inside").exists()
    first.type("echo more >> README.md && git commit -qam 'By hand' && echo committed-$((4+4))\r")
    first.expect("committed-8")
    first.end()

    second = terminal("terok-executor", "login", container)
    second.expect("committed-8")  # the session outlives the terminal

    ready("terok-executor", "stop", container)
    records = {row["name"]: row for row in ready("terok-executor", "list", "--json").json()}
    assert records[container]["state"] == "exited"
    refused = ready("terok-executor", "login", container, code=2)
    assert f"terok-executor start {container}" in refused.err

    record = load_record(task_dir(container))
    assert record is not None
    mirror = Path(ready.environment["TEROK_ROOT"]) / f"state/sandbox/gate/{record.scope}.git"
    git = ("git", "-C", str(mirror), "log", "-1", "--format=%an|%cn|%s", records[container]["branch"])
    assert ready(*git).out.strip() == "Ann Onym|Demo Agent|By hand"

    ready("terok-executor", "start", container)
    third = terminal("terok-executor", "login", container)
    third.expect("[terok]")
    third.type("git log -1 --format=again-%s\r")
    third.expect("again-By hand")
    ready("terok-executor", "rm", container)
