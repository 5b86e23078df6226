"""The scene of a demonstration: a scratch repository, commands and prompts, and a service on this host to reach for.

Whether a connection was refused is measured at that service, where it would arrive.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from terok_util.process import run

from terok.errors import DemoError
from terok.integrations.sandbox import find_git, git_environment

REFUSED_NAME = "refused.example"
NOT_CONNECTED, NOT_RESOLVED = "not connected", "not resolved"
"""The output of the commands when the connection or the name is refused."""
GIT_SECONDS = 60.0

FILES: Mapping[str, str] = {
    "README.md": "# Greeting\n\n`greet.sh` greets the world. `check.sh` says whether it does so correctly.\n",
    "greet.sh": '#!/bin/sh\necho "Helo, world"\n',
    "check.sh": '#!/bin/sh\n[ "$(./greet.sh)" = "Hello, world" ] && echo "correct" || { echo "wrong"; exit 1; }\n',
}

IDENTITY, CONNECT, RESOLVE, REPAIR, DELIVER = range(5)
"""Positions in what `commands` returns."""

_RESOLVE = f"timeout 20 getent hosts {REFUSED_NAME} >/dev/null"


def commands(address: str, port: int) -> tuple[str, ...]:
    """Return the shell commands of the scripted model; it tries to connect to the host's own address and port."""
    connect = f"timeout 20 bash -c 'exec 3<>/dev/tcp/{address}/{port}' 2>/dev/null"
    return (
        "id; grep -E '^Cap(Eff|Bnd)' /proc/self/status",
        f"{connect} && echo 'connected' || echo '{NOT_CONNECTED}'",
        f"{_RESOLVE} && echo 'resolved' || echo '{NOT_RESOLVED}'",
        "sed -i 's/Helo/Hello/' greet.sh && ./check.sh",
        "git add -A && git commit -q -m 'Correct the greeting' && git push -q origin HEAD && echo 'pushed'",
    )


CLOSING = "The greeting is corrected and the commit is in the gate."

PROMPT = "Correct the spelling in greet.sh so that check.sh passes, commit the change and push it to origin."


def live_prompt(address: str, port: int) -> str:
    """Return the prompt for a model that is not scripted: the same steps, in words."""
    steps = "\n".join(f"{number}. {command}" for number, command in enumerate(commands(address, port), start=1))
    return (
        f"{PROMPT}\n\nRun exactly these shell commands, one tool call each, in this order. Some of them are meant to be"
        f" refused by the environment: go on with the next one, and try no other way.\n\n{steps}\n"
    )


def make_repository(directory: Path) -> None:
    """Make a Git repository of FILES with one commit on the branch main; the directory must not exist."""
    directory.mkdir(mode=0o700)
    for name, content in FILES.items():
        path = directory / name
        path.write_text(content, encoding="utf-8")
        path.chmod(0o755 if name.endswith(".sh") else 0o644)
    _git(directory, "init", "--quiet", "--initial-branch=main")
    _git(directory, "add", "--", *FILES)
    _git(directory, "commit", "--quiet", "--message=Greet the world")


def branch_tips(directory: Path) -> dict[str, str]:
    """Return the branches of a repository and the commits they are at."""
    listing = _git(directory, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads")
    return dict(line.rsplit(" ", 1) for line in listing.splitlines())


def _git(directory: Path, *arguments: str) -> str:
    """Run git in the repository we made ourselves; nothing an agent wrote ever gets there."""
    identity = {"user.name": "terok demo", "user.email": "demo@terok.invalid", "commit.gpgSign": "false"}
    argv = [find_git(), f"--git-dir={directory / '.git'}", f"--work-tree={directory}", *arguments]
    return run(argv, timeout=GIT_SECONDS, env=git_environment(config=identity), cwd=directory).text


class DemoTarget:
    """A TCP listener on the host's own address; `arrived()` counts the connections so far."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._arrived = 0
        self.address, self.port = listener.getsockname()[:2]

    def arrived(self) -> int:
        """Return how many connections have arrived since the target was opened."""
        with suppress(BlockingIOError):
            while True:
                self._listener.accept()[0].close()
                self._arrived += 1
        return self._arrived


@contextmanager
def open_target() -> Iterator[DemoTarget]:
    """Listen on this host's outgoing address, and prove that the host itself can connect; DemoError if it cannot."""
    address = own_address()
    try:
        with socket.create_server((address, 0), backlog=16) as listener:
            port = listener.getsockname()[1]
            socket.create_connection((address, port), timeout=5).close()
            listener.accept()[0].close()
            listener.setblocking(False)
            yield DemoTarget(listener)
    except OSError as error:
        raise DemoError(f"cannot listen on this host's address {address}: {error.strerror}") from error


def own_address() -> str:
    """Return the address this host would use towards the network, loopback where it has none; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # a datagram socket only looks up the route
        return str(probe.getsockname()[0])
    return "127.0.0.1"
