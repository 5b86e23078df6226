"""`terok demo`, as a newcomer runs it: every line measured, exit status 0 only if all held, nothing left behind."""

from __future__ import annotations

from pathlib import Path

from support import BASE, Shell


def test_demo_holds_and_cleans_up(ready: Shell, base_image: str) -> None:
    root = Path(ready.environment["TEROK_ROOT"])
    before = {path for path in (root / "state").rglob("*") if path.is_file()}
    done = ready("terok", "demo", "--base", BASE, "--json", timeout=300)
    checks = done.json()["checks"]
    assert len(checks) == 9
    assert all(check["held"] for check in checks), checks
    left = {path for path in (root / "state").rglob("*") if path.is_file()} - before
    assert not [path for path in left if "demo" in path.name and path.suffix != ".lock"], left
    assert ready("podman", "ps", "-aq", "--filter", "name=^terok-demo").out == ""


def test_composed_tree(ready: Shell) -> None:
    for words in (("executor", "agents", "list"), ("sandbox", "doctor"), ("vault", "status"), ("executor", "--help")):
        assert ready("terok", *words, code=None).out
    same = [ready(*words, "list", "--json").json() for words in (("terok", "vault"), ("terok", "sandbox", "vault"))]
    assert same[0] == same[1]


def test_wrong_use_is_one_line_and_two(ready: Shell) -> None:
    for words in (("terok", "no-such-verb"), ("terok-sandbox", "gate", "no-such"), ("terok-executor", "run", "--nope")):
        done = ready(*words, code=2)
        assert "error:" in done.err
