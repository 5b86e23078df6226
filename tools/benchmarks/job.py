"""A whole headless job, `terok-executor run`, against a clone and `podman run` of the same image and agent.

    tools/bench job [--agent claude|demo] [--rounds N] [--files N] [--task]

With `--task` the job is `terok task run` of a project.

One job of each kind in turn against the same scripted model; the bare one has the same user namespace, kind of network,
environment and files, and asks the model directly. It is judged by the median of the turns' ratios. Phases are told
apart by the lines that a run prints, and by Podman's own time of the start. Budget: ARCHITECTURE, section 6.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from terok.stub import Script, running_stub
from terok_executor.credentials import Phantom
from terok_executor.integrations.sandbox import SandboxConfig
from terok_executor.launch.check import check_request
from terok_executor.launch.env import ContainerEnvSpec, assemble_container_env
from terok_executor.launch.request import AgentRequest
from terok_executor.launch.task_files import prepare_task_dir
from terok_executor.roster.roster import AgentRoster
from terok_sandbox.runtime.probe import host_facts
from terok_sandbox.vault_addr import LOOPBACK_HOST, LOOPBACK_VAULT_PORT

BASE = "mmdebstrap:trixie"
BUDGET = 1.3
COMMIT = "printf 'A line by the agent.\\n' >> README.md && git add -A && git commit -q -m 'Add a line'"
PROMPT = "Add a line to the README"
PHASES = ("start-up", "mirror", "launch", "clone", "agent", "hand-over", "end")


@dataclass
class Times:
    """Seconds of every job, and of the phases of ours."""

    bare: list[float] = field(default_factory=list)
    clone: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    phases: list[dict[str, float]] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """How many times a bare job one of ours took, turn by turn."""
        return [mine / bare for mine, bare in zip(self.ours, self.bare, strict=True)]


def quietly(*argv: str, stdin: str = "") -> str:
    """Run a command that has to succeed and return what it prints."""
    done = subprocess.run(argv, input=stdin, check=False, capture_output=True, text=True, timeout=1800)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def repository(directory: Path, files: int) -> Path:
    """Make a repository of *files* small files and one commit."""
    directory.mkdir()
    (directory / "README.md").write_text("# Project\n")
    for number in range(files):
        path = directory / f"part-{number // 100}" / f"module_{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'"""Module {number}."""\n' + f"VALUE = {number}\n" * 60)
    git = ("git", "-C", str(directory), "-c", "user.name=A Person", "-c", "user.email=person@example.test")
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Start"]):
        quietly(*git, *words)
    return directory


class Jobs:
    """One repository, one agent and one scripted model; each call does a job from start to end."""

    def __init__(self, folder: Path, agent: str, project: Path, key: str, url: str, *, task: str = "") -> None:
        self.folder, self.project, self.key, self.url, self.task = folder, project, key, url, task
        self.roster = AgentRoster.load()
        self.agent = self.roster.agent(agent)
        self.image = quietly("terok-executor", "build", agent, "--base", BASE).split(": ")[0].strip()
        self.times = Times()
        self.number = 0

    def turn(self) -> None:
        """Do a job of each kind."""
        self.number += 1
        self.bare(f"bench-{os.getpid()}-bare-{self.number}")
        self.ours()

    def bare(self, name: str) -> None:
        """Clone and `podman run`, with what the agent of a task has, but no wall, vault or gate."""
        argv, workspace = self._bare_command(name)
        began = time.monotonic()
        quietly("git", "clone", "-q", str(self.project), str(workspace))
        cloned = time.monotonic()
        quietly(*argv, stdin=PROMPT)
        self.times.bare.append(time.monotonic() - began)
        self.times.clone.append(cloned - began)
        if "Add a line" not in quietly("git", "-C", str(workspace), "log", "--format=%s"):
            raise SystemExit("the agent of the bare job made no commit")
        quietly("podman", "rm", "-f", name)

    def _bare_command(self, name: str) -> tuple[list[str], Path]:
        task, workspace = self.folder / name, self.folder / f"{name}-workspace"
        prepare_task_dir(task, prompt=PROMPT, state_dirs=[mount.host_dir for mount in self.agent.mounts])
        workspace.mkdir()
        request = AgentRequest(agent=self.agent.name, repo=None, workspace=workspace, prompt=PROMPT, instructions="")
        run = check_request(request, self.roster)
        spec = ContainerEnvSpec(run=run, phantom=Phantom(self.key, "api_key"), task_dir=task)
        made = assemble_container_env(spec, self.roster)
        network, host = self._network()
        vault, direct = f"http://{LOOPBACK_HOST}:{LOOPBACK_VAULT_PORT}", f"http://{host}"
        for path, text in made.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace(vault, direct))
        argv = ["podman", "run", "-i", "--name", name, "--network", network, "--init", "--workdir", "/workspace"]
        argv += ["--userns=keep-id:uid=1000,gid=1000"]
        argv += [f"-v={one.host_path}:{one.container_path}" for one in made.volumes]
        argv += [f"--env={key}={value.replace(vault, direct)}" for key, value in made.env.items()]
        return [*argv, self.image, *self.agent.build_headless_command(timeout=300)[1:]], workspace

    def _network(self) -> tuple[str, str]:
        """Return the kind of network that sandboxed containers have, opened to the model, and where that is then."""
        port = self.url.rpartition(":")[2]
        if host_facts(SandboxConfig()).network == "slirp4netns":
            return "slirp4netns:allow_host_loopback=true", f"10.0.2.2:{port}"
        return f"pasta:-T,{port}", f"127.0.0.1:{port}"

    def ours(self) -> None:
        """Run the executor, and note when it printed which line."""
        argv = ["terok-executor", "run", self.agent.name, str(self.project), "-p", PROMPT, "--base", BASE]
        if self.task:
            argv = ["terok", "task", "run", self.task, PROMPT]
        started, began = time.time(), time.monotonic()
        with subprocess.Popen([*argv, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert process.stdout is not None
            lines = [(time.monotonic() - began, line) for line in process.stderr]
            result = process.stdout.read()
        total = time.monotonic() - began
        said = "".join(line for _, line in lines)
        document = json.loads(result or "{}")
        document = document.get("result", document)
        if process.returncode or "Add a line" not in json.dumps(document.get("commits")):
            raise SystemExit(f"the run ended with {process.returncode}: {said}\n{result}")
        name = document["container"]
        up = quietly(
            "podman", "inspect", "--format", "{{.State.StartedAt.Format `2006-01-02T15:04:05.000Z07:00`}}", name
        )
        self.times.ours.append(total)
        self.times.phases.append(_phases(lines, datetime.fromisoformat(up.strip()).timestamp() - started, total))
        quietly(*(("terok", "task", "delete", "@latest") if self.task else ("terok-executor", "rm", name)))


def _phases(lines: list[tuple[float, str]], up: float, total: float) -> dict[str, float]:
    """Return seconds by phase: *lines* with their times, when the container's first process ran, and the end."""

    def seen(text: str) -> float | None:
        return next((at for at, line in lines if text in line), None)

    last = max((at for at, line in lines if not line.startswith(">>")), default=0.0)
    found = (seen("mirroring"), seen("starting"), up, seen("init complete"), last, seen("in the gate: "), total)
    marks = [0.0]
    for at in found:  # a task prints fewer lines: a phase whose end is not told is part of the next one
        marks.append(marks[-1] if at is None else at)
    return {name: after - before for name, before, after in zip(PHASES, marks, marks[1:], strict=False)}


@contextmanager
def stub_provider(name: str, key: str) -> Iterator[str]:
    """Play the model of provider *name* while the block runs, as a file of the user's has it; yield its address."""
    file = Path(os.environ["TEROK_ROOT"]) / f"config/providers/{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_bytes() if file.exists() else None
    with running_stub(Script((COMMIT,)), api_key=key) as stub:
        file.write_text(f"upstream: {stub.url}\n")
        try:
            yield stub.url
        finally:
            file.unlink() if before is None else file.write_bytes(before)


def make_project(folder: Path, repository: Path, agent: str) -> str:
    """Make a project of the repository and return its name."""
    answers = folder / "answers.yml"
    name = f"bench-{os.getpid()}"
    answers.write_text(
        f"name: {name}\ngit: {{upstream: {repository}}}\nagent: {{name: {agent}}}\nimage: {{base_image: '{BASE}'}}\n"
    )
    quietly("terok", "project", "wizard", "--answers", str(answers))
    return name


def report(times: Times, agent: str) -> int:
    """Print the figures; 1 if the budget is missed."""
    ratio = statistics.median(times.ratios)
    bare, ours = statistics.median(times.bare), statistics.median(times.ours)
    missed = agent == "claude" and ratio > BUDGET  # the scripted one does next to nothing: all of its job is ours
    said = "MISSED" if missed else "ok"
    spread = f"{min(times.ratios):.2f} to {max(times.ratios):.2f}"
    turns = f"{spread} in {len(times.ours)} turns"
    print(f"{said:7} whole job of {agent}: {ratio:.2f} x, budget of claude {BUDGET} x ({turns})")
    print(f"        ours {ours:.2f} s, bare {bare:.2f} s of which clone {statistics.median(times.clone):.2f} s")
    for phase in PHASES:
        print(f"        {phase:10} {statistics.median(row[phase] for row in times.phases) * 1e3:7.0f} ms")
    return int(missed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/bench job", description=__doc__)
    parser.add_argument("--agent", default="claude", choices=("claude", "demo"))
    parser.add_argument("--rounds", type=int, default=5, help="turns, each with a job of each kind")
    parser.add_argument("--task", action="store_true", help="a task of a project, not a run of the executor")
    parser.add_argument("--files", type=int, default=300, help="files of the repository")
    chosen = parser.parse_args()
    quietly("terok-executor", "setup")
    provider = AgentRoster.load().agent(chosen.agent).provider.default
    key = "real-" + secrets.token_urlsafe(36)
    quietly("terok-executor", "auth", provider, stdin=key + "\n")
    folder = Path(tempfile.mkdtemp(prefix="bench-job-"))
    try:
        project = repository(folder / f"bench-{os.getpid()}", chosen.files)
        with stub_provider(provider, key) as url:
            task = make_project(folder, project, chosen.agent) if chosen.task else ""
            jobs = Jobs(folder, chosen.agent, project, key, url, task=task)
            jobs.turn()
            jobs.times = Times()  # the first turn warms caches
            for _ in range(chosen.rounds):
                jobs.turn()
    finally:
        if chosen.task:
            name = f"bench-{os.getpid()}"
            for words in (["task", "delete", f"p:{name}"], ["project", "delete", name]):
                subprocess.run(["terok", *words], check=False, capture_output=True, timeout=60)
            # What could be taken back is kept for days: containers and mirror.
            kept = quietly("podman", "ps", "--all", "--format", "{{.Names}}", "--filter", f"name=^terok-{name}-")
            subprocess.run(["terok-sandbox", "rm", *kept.split()], check=False, capture_output=True, timeout=60)
            quietly("terok", "project", "gate", "rm", "--force", name)
        subprocess.run(["podman", "unshare", "rm", "-rf", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"load {os.getloadavg()[0]:.1f}")
    return report(jobs.times, chosen.agent)


if __name__ == "__main__":
    sys.exit(main())
