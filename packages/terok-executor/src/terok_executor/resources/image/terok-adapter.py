#!/usr/bin/python3 -IS
"""Run the programs of this container that speak the Agent Client Protocol.

    terok-adapter list            what there is, as JSON
    terok-adapter run NAME [ID]   speak the protocol on the standard streams
    terok-adapter equip NAME      take variables and files, JSON on standard input, for an agent beside this task's own
    terok-adapter stop PREFIX     end those whose ID begins so; says as JSON which processes are left

What is run ends with its input, also when whoever gave it was killed: this program stays its parent, looks at the input
without reading it, and is who every descendant falls to. It then asks, insists and kills, two seconds each.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time

INSTALLED = "/etc/terok/installed.json"
EQUIPPED = "/home/dev/.local/state/terok-adapters"
HOME = "/home/dev/"
EMPTY = "/tmp/terok-empty"
"""A directory for sessions that are begun only to ask what there is."""
MARK = "TEROK_ADAPTER"
"""Variable by which descendants are known when their parent was killed."""
OWN = "own"
"""The ID of those that something inside the container starts."""
GRACE = 2.0
REST = 0.3
"""Seconds for what a program leaves behind: who waits for it learns of its end only then."""
STOP = 6.0
MAX_INPUT = 4 * 1024 * 1024
PDEATHSIG, SUBREAPER = 1, 36
RDHUP = 0x2000


def installed() -> dict[str, dict]:
    """Return what the image says of each program, by the agent's name."""
    with open(INSTALLED, encoding="utf-8") as file:
        entries = [entry for entry in json.load(file) if "acp" in entry]
    return {entry["name"]: {**entry["acp"], "version": entry["version"]} for entry in entries}


def equipment(name: str) -> dict | None:
    """Return what `equip` took for an agent; None if it was not called."""
    try:
        with open(f"{EQUIPPED}/{name}.json", encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def show_list() -> int:
    """Print the programs: whether each has what it needs in this task, and whether it is running."""
    own, running = os.environ.get("TEROK_AGENT"), [name for _, name in wrappers("")]
    rows = [
        {
            "name": name,
            "version": entry["version"],
            "ready": name == own or equipment(name) is not None,
            "running": running.count(name),
        }
        for name, entry in sorted(installed().items())
    ]
    print(json.dumps(rows))
    return 0


def equip(name: str) -> int:
    """Write the files, and keep the variables for `run`; what an earlier call wrote is replaced."""
    given = json.loads(sys.stdin.buffer.read(MAX_INPUT))
    if not all(path.startswith(HOME) and ".." not in path.split("/") for path in given["files"]):
        print("terok-adapter: a file outside the home directory", file=sys.stderr)
        return 2
    kept = {f"{EQUIPPED}/{name}.json": json.dumps({"env": given["env"]})}
    for path, text in {**given["files"], **kept}.items():
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        partial = f"{path}.new-{os.getpid()}"
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(partial, path)
    return 0


def run(name: str, ident: str) -> int:
    """Start the program and attend it to its end; its exit code is ours."""
    entry = installed().get(name)
    if entry is None:
        print(f"terok-adapter: this image has no program for {name}", file=sys.stderr)
        return 127
    given = {**os.environ, **(equipment(name) or {}).get("env", {}), **entry["env"], MARK: ident}
    env = {key: value for key, value in given.items() if value is not None}
    env["PATH"] = f"{HOME}.local/bin:{env.get('PATH', os.defpath)}"  # what terok-update has put there comes first
    with contextlib.suppress(OSError):
        os.mkdir(EMPTY, 0o700)
    prctl(SUBREAPER, 1)
    awake = wake_on(signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    child = os.fork()
    if child == 0:
        start(entry["command"], env)
    # Whoever reads the streams has to see their end when the program ends.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    status = attend(child, awake, patient=entry["stop_signal"] == "eof")
    end(descendants(os.getpid()), signal.SIGTERM)
    let_end(awake, REST)
    end(descendants(os.getpid()), signal.SIGKILL)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def start(command: list[str], env: dict[str, str]) -> None:
    """Become the program, in a session of its own; it does not outlive its parent."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        prctl(PDEATHSIG, signal.SIGKILL)
        os.execvpe(command[0], command, env)
    except OSError as error:
        print(f"terok-adapter: {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
    os._exit(127)


def wake_on(*numbers: int) -> int:
    """Have signals end waits; return the descriptor that becomes readable with each."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    return reading


def attend(child: int, awake: int, *, patient: bool) -> int:
    """Wait for the program's end; once its input is at its end, or a signal says so, see to that it comes."""
    poller = select.poll()
    poller.register(0, RDHUP)  # hang-ups and errors are told in any case
    poller.register(awake, select.POLLIN)
    steps = [signal.SIGKILL, signal.SIGTERM]
    deadline = None
    while True:
        rest = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        events = [descriptor for descriptor, _ in poller.poll(rest)]
        told = drained(awake) if awake in events else b""
        if (status := reaped(child)) is not None:
            return status
        now = time.monotonic()
        if 0 in events:
            poller.unregister(0)
            deadline = now + GRACE * patient
        if len(steps) == 2 and any(number != signal.SIGCHLD for number in told):
            deadline = now
        if deadline is not None and now >= deadline:
            if steps:
                end([child, *descendants(child)], steps.pop())
            deadline = now + GRACE


def drained(awake: int) -> bytes:
    """Return the numbers of the signals that have come."""
    with contextlib.suppress(BlockingIOError):
        return os.read(awake, 4096)
    return b""


def reaped(child: int) -> int | None:
    """Collect every child that has ended; return the status of `child` if it is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found = ended[1] if ended[0] == child else found
    return found


def let_end(awake: int, seconds: float) -> None:
    """Wait until no descendant is left, or the time is over."""
    deadline = time.monotonic() + seconds
    while descendants(os.getpid()) and (rest := deadline - time.monotonic()) > 0:
        select.select([awake], [], [], min(rest, 0.05))
        drained(awake)
        reaped(0)


def stop(prefix: str) -> int:
    """End the programs, by way of their parents where these live; print what is left after all."""
    end([pid for pid, words in wrappers(prefix)], signal.SIGTERM)
    deadline = time.monotonic() + STOP
    while wrappers(prefix) and time.monotonic() < deadline:
        time.sleep(0.02)
    for _ in range(50):
        left = [pid for pid, _ in wrappers(prefix)] + marked(prefix)
        if not left:
            break
        end(left, signal.SIGKILL)
        time.sleep(0.02)
    print(json.dumps({"left": left}))
    return 1 if left else 0


def wrappers(prefix: str) -> list[tuple[int, str]]:
    """Return the processes that run this program for such an ID, and for which agent."""
    found = []
    for pid in processes():
        words = read(pid, "cmdline").split("\0")[:-1]
        at = next((place for place, word in enumerate(words[:3]) if word.endswith("/terok-adapter")), len(words))
        said, name, ident = [*words[at + 1 :], "", "", OWN][:3]
        if said == "run" and ident.startswith(prefix):
            found.append((pid, name))
    return found


def marked(prefix: str) -> list[int]:
    """Return the processes that carry the mark of such an ID."""
    start = f"\0{MARK}={prefix}"
    return [pid for pid in processes() if pid != os.getpid() and start in "\0" + read(pid, "environ")]


def descendants(root: int) -> list[int]:
    """Return the processes below one, the zombies left out."""
    children: dict[int, list[int]] = {}
    for pid in processes():
        state, parent, *_ = read(pid, "stat").rpartition(")")[2].split() or ("Z", "0")
        if state != "Z":
            children.setdefault(int(parent), []).append(pid)
    found, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def processes() -> list[int]:
    """Return the ids of all processes."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def read(pid: int, file: str) -> str:
    """Return a file of a process; empty if it has ended or is another user's."""
    try:
        with open(f"/proc/{pid}/{file}", encoding="utf-8", errors="replace") as opened:
            return opened.read()
    except OSError:
        return ""


def end(pids: list[int], number: int) -> None:
    """Send a signal to processes that may have ended."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def prctl(option: int, value: int) -> None:
    """Call prctl."""
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def main(words: list[str]) -> int:
    """Run one subcommand."""
    if words == ["list"]:
        return show_list()
    if len(words) == 2 and words[0] == "equip" and "/" not in words[1]:
        return equip(words[1])
    if len(words) == 2 and words[0] == "stop":
        return stop(words[1])
    if len(words) in (2, 3) and words[0] == "run":
        return run(words[1], words[2] if len(words) == 3 else OWN)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
