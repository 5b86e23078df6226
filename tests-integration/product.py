"""Helpers of the tests of projects and tasks."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path

from support import BASE, Shell

COMMIT = "echo 'A line by the agent.' >> README.md && git add -A && git commit -q -m 'Add a line'"
LEFT = "echo secret-plan > untracked.txt && echo ignored > kept.o && echo '*.o' >> .git/info/exclude"


def bare_clone(repository: Path) -> Path:
    """Return a clone of a repository, beside it, that takes pushes."""
    bare = repository.with_name("upstream.git")
    subprocess.run(["git", "clone", "-q", "--bare", str(repository), str(bare)], check=True)
    return bare


def make_project(sh: Shell, repository: Path) -> str:
    """Make a project of a repository as a person does, and return its name."""
    bare = bare_clone(repository)
    name = f"web-{secrets.token_hex(3)}"
    answers = repository.with_name("answers.yml")
    answers.write_text(
        f"name: {name}\ngit: {{upstream: {bare}}}\nagent: {{name: demo}}\nimage: {{base_image: '{BASE}'}}\n"
    )
    sh("terok", "project", "wizard", "--answers", str(answers), timeout=600)
    return name


def remove_containers(sh: Shell, project: str) -> None:
    """Delete a project's tasks, end the controller, and remove what containers are left."""
    sh("terok", "task", "delete", f"p:{project}", "--running", code=None, timeout=300)
    sh("terok", "controller", "stop", code=None)
    rows = sh("podman", "ps", "-a", "--format", "{{.Names}}", "--filter", f"name=^terok-{project}-").out.split()
    for row in rows:
        sh("terok-executor", "rm", "--force", row, code=None)


def tree(directory: Path) -> dict[str, object]:
    """Return everything below a directory, but for what git itself rewrites when it only looks."""
    return {
        str(path.relative_to(directory)): (path.lstat().st_mode, path.is_file() and path.read_bytes())
        for path in sorted(directory.rglob("*"))
        if path.name != "index"
    }
