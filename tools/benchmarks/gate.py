"""What the gate costs: clone, fetch and push through it, by local path and through `git daemon`.

`git daemon` serves a repository that checks what it is sent and waits for the disk as a mirror does, but runs no hook.
Also a sync with nothing new against `git fetch`, and a workspace made from the copy on the host against a clone
through the gate.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

GIT = ("git", "-c", "user.name=A", "-c", "user.email=a@example.test", "-c", "gc.auto=0", "-c", "maintenance.auto=false")
SIZES = {"small": (20, 2_000), "mid": (1_000, 20_000), "large": (5_000, 60_000)}  # commits, bytes per file
AS_A_MIRROR = """
[core]
	logAllRefUpdates = always
	fsync = committed,loose-object
	fsyncMethod = batch
[receive]
	fsckObjects = true
	autogc = false
"""
ROUNDS = {"small": 25, "mid": 9, "large": 3}


def git(*words: str, data: bytes | None = None) -> str:
    done = subprocess.run([*GIT, *words], input=data, capture_output=True, check=False, timeout=600)
    if done.returncode:
        raise SystemExit(f"git {' '.join(words)}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode().strip()


def make_upstream(place: Path, commits: int, size: int) -> Path:
    """Write a history with as many commits, each of which changes one file of some incompressible text."""
    git("init", "-q", "--bare", "-b", "main", str(place))
    stream = [b"feature done\n"]
    for number in range(commits):
        text = os.urandom(size // 2).hex().encode()
        stream.append(b"commit refs/heads/main\ncommitter A <a@example.test> %d +0000\n" % (1_700_000_000 + number))
        stream.append(b"data 2\nx\n\nM 644 inline d%d/f%d\ndata %d\n" % (number % 20, number % 400, len(text)))
        stream.append(text + b"\n")
    git("-C", str(place), "fast-import", "--quiet", "--done", data=b"".join([*stream, b"done\n"]))
    return place


class Served:
    """A mirror behind the real server, in a thread."""

    def __init__(self, base: Path, upstream: Path) -> None:
        from terok_sandbox import GateServer, GitGate

        self.gate = GitGate("bench", base=base, upstream=str(upstream))
        self.gate.sync()
        self.server = GateServer(self.gate.path, "bench", "token")
        self.server.start()
        self.url = self.server.url

    def close(self) -> None:
        self.server.stop()


def daemon(root: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = [f"--base-path={root}", "--export-all", "--enable=receive-pack", "--reuseaddr", "--listen=127.0.0.1"]
    server = subprocess.Popen(
        ["git", "daemon", *options, f"--port={port}", str(root)], process_group=0, stderr=subprocess.DEVNULL
    )
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    return server, f"git://127.0.0.1:{port}"


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def measure(urls: dict[str, str], base: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Return milliseconds (the median) of a clone, a fetch of one new commit and a push of one new commit.

    The ways take turns: what else the machine does meets all of them.
    """
    times: dict[str, dict[str, list[float]]] = {way: {"clone": [], "fetch": [], "push": []} for way in urls}
    for way, url in urls.items():
        git("clone", "-q", url, str(base / f"{way}-other"))
    for number in range(rounds):
        for way, url in urls.items():
            work, other = base / f"{way}-work", base / f"{way}-other"
            times[way]["clone"].append(timed(lambda work=work, url=url: git("clone", "-q", url, str(work))))
            (work / "new").write_text(f"{way} {number}\n" * 20)
            git("-C", str(work), "add", "new")
            git("-C", str(work), "commit", "-q", "-m", "new")
            push = ("-C", str(work), "push", "-q", "origin", f"HEAD:refs/heads/{way}-{number}")
            times[way]["push"].append(timed(lambda push=push: git(*push)))
            times[way]["fetch"].append(timed(lambda other=other: git("-C", str(other), "fetch", "-q", "origin")))
            shutil.rmtree(work)
    return {
        way: {name: round(statistics.median(values), 1) for name, values in found.items()}
        for way, found in times.items()
    }


def upkeep(served: Served, upstream: Path, place: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Return milliseconds of the bare thing and of ours: nothing new to fetch, and a workspace."""
    bare = place / "fetching.git"
    git("clone", "-q", "--mirror", str(upstream), str(bare))
    seed = served.gate.seed(place / "seeds")
    times: dict[str, list[float]] = {"fetch": [], "sync": [], "clone": [], "seeded": []}
    for number in range(rounds):
        times["fetch"].append(timed(lambda: git("-C", str(bare), "fetch", "-q", "origin")))
        times["sync"].append(timed(served.gate.sync))
        work = place / f"cloned-{number}"
        times["clone"].append(timed(lambda work=work: git("clone", "-q", served.url, str(work))))
        shutil.rmtree(work)
        if seed is not None:
            times["seeded"].append(timed(lambda work=work: from_seed(seed, served.url, work)))
            shutil.rmtree(work)
    middle = {name: round(statistics.median(values), 1) for name, values in times.items() if values}
    found = {"sync": (middle["fetch"], middle["sync"])}
    return found | ({"seed": (middle["clone"], middle["seeded"])} if seed is not None else {})


def from_seed(seed: Path, url: str, work: Path) -> None:
    """Do what a container's start script does."""
    git("clone", "-q", "--no-checkout", "--no-hardlinks", str(seed), str(work))
    git("-C", str(work), "remote", "set-url", "origin", url)
    git("-C", str(work), "fetch", "-q", "--prune", "origin")
    git("-C", str(work), "reset", "-q", "--hard", "origin/main")


def run(size: str, base: Path) -> dict[str, dict[str, float]]:
    commits, length = SIZES[size]
    place = base / size
    place.mkdir()
    upstream = make_upstream(place / "upstream.git", commits, length)
    for way in ("path", "daemon"):
        git("clone", "-q", "--bare", str(upstream), str(place / f"{way}.git"))
    with (place / "daemon.git/config").open("a") as config:
        config.write(AS_A_MIRROR)
    server, address = daemon(place)
    served = Served(place / "mirrors", upstream)
    try:
        urls = {"path": f"file://{place}/path.git", "daemon": f"{address}/daemon.git", "gate": served.url}
        results = measure(urls, place, ROUNDS[size])
        for name, (bare_ms, ours) in upkeep(served, upstream, place, ROUNDS[size]).items():
            results["path"][name], results["gate"][name] = bare_ms, ours
    finally:
        served.close()
        server.terminate()
        server.wait(10)
    shutil.rmtree(place)
    return results


def main(args: list[str]) -> int:
    """Print the comparison; the factors are the gate's time divided by the local path's."""
    parser = argparse.ArgumentParser(prog="bench gate", description=__doc__)
    parser.add_argument("--size", action="append", choices=list(SIZES), help="only this size; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(args)
    results = {}
    with tempfile.TemporaryDirectory(prefix="gate-bench-") as base:
        for size in chosen.size or list(SIZES):
            results[size] = run(size, Path(base))
    if chosen.json:
        print(json.dumps(results, indent=1))
        return 0
    print(f"{'':8} {'':6} {'path':>9} {'daemon':>9} {'gate':>9}   gate/path  gate/daemon")
    for size, ways in results.items():
        for action in ("sync", "seed"):
            if action in ways["gate"]:
                path, gate = ways["path"][action], ways["gate"][action]
                print(f"{size:8} {action:6} {path:9.1f} {'':9} {gate:9.1f}   {gate / path:9.2f}")
        for action in ("clone", "fetch", "push"):
            path, other, gate = (ways[way][action] for way in ("path", "daemon", "gate"))
            print(
                f"{size:8} {action:6} {path:9.1f} {other:9.1f} {gate:9.1f}   {gate / path:9.2f}  {gate / other:11.2f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
