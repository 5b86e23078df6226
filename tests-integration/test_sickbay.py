"""Faults that need real containers: what sickbay says of them."""

from __future__ import annotations

import secrets
import time

from support import Shell

MANY = 20


def test_twenty_tasks_are_looked_at_in_two_seconds(ready: Shell, base_image: str) -> None:
    names = [f"it-{secrets.token_hex(4)}" for _ in range(MANY)]
    for name in names:
        ready("terok-sandbox", "run", "--detach", "--name", name, base_image, "sleep", "600")
    try:
        began = time.monotonic()
        found = ready("terok", "sickbay", "--json", code=None).json()
        whole = time.monotonic() - began
        print(f"sickbay: {found['seconds']} s, command {whole:.3f} s")
        assert {f"container {name}" for name in names} <= {
            f"container {one['subject']}" for one in found["findings"] if one["level"] == "ok"
        }
        assert not [one for one in found["findings"] if "did not answer" in one["text"]]
    finally:
        ready("podman", "rm", "-f", "-t", "0", *names)
