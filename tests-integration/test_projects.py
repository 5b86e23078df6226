"""A project as a person makes it: answers, mirror, an image of its own, clean-up, deletion and return."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import BASE, Shell
from terok.stub import Script, running_stub

ANSWERS = """\
name: {name}
git:
  upstream: {repository}
agent:
  name: demo
image:
  base_image: {base}
  user_snippet_inline: |
    # lines of a person
    RUN echo made-by >/etc/it-marker && \\
        id -u >>/etc/it-marker
"""


@pytest.mark.timeout(900)
def test_a_project_gets_a_mirror_and_an_image_of_its_own(ready: Shell, repository: Path, tmp_path: Path) -> None:
    name = f"it-{secrets.token_hex(4)}"
    answers = tmp_path / "answers.yml"
    answers.write_text(ANSWERS.format(name=name, repository=repository, base=BASE))
    ready("terok", "project", "wizard", "--answers", str(answers))
    made = ready("terok", "project", "init", name, "--json", timeout=800).json()
    assert (made["branch"], made["built"], made["pending"]) == ("main", True, 0)
    assert Path(made["mirror"]).is_dir()
    image = made["image"]
    inside = ready(
        "podman", "run", "--rm", "--network=none", image, "sh", "-c", "cat /etc/it-marker; id -un; terok-help"
    )
    assert inside.out.startswith("made-by\n0\ndev\n")
    assert ready("terok", "project", "init", name, "--json").json() | {"built": True} == made
    assert ready("terok", "project", "build", name, "--json").json() == {"image": image, "built": False}

    marker = "image.user_snippet_inline"
    ready("terok", "project", "edit", name, marker, "RUN exit 3")
    failed = ready("terok", "project", "build", name, code=6, timeout=300)
    assert "image.user_snippet_" in failed.err
    assert ready("podman", "run", "--rm", "--network=none", image, "cat", "/etc/it-marker").out == "made-by\n0\n"
    ready("terok", "project", "edit", name, marker, "USER nobody")
    assert "line 1 of the image snippet: USER cannot be used" in ready("terok", "project", "build", name, code=2).err
    ready("terok", "project", "edit", name, marker, "RUN echo second >/etc/it-marker")
    assert ready("terok", "project", "build", name, "--json", timeout=300).json() == {"image": image, "built": True}
    assert ready("podman", "run", "--rm", "--network=none", image, "cat", "/etc/it-marker").out == "second\n"

    rows = [row for row in ready("terok", "image", "list", "--json").json() if row["project"] == name]
    assert [(row["kind"], row["reference"], row["agents"]) for row in rows] == [("project", image, ["demo"])]
    assert 0 <= rows[0]["own_size"] < rows[0]["size"]
    usage = ready("terok", "image", "usage", "--json").json()
    assert usage["bytes"] == sum(kind["bytes"] for kind in usage["kinds"]) > 0

    assert image not in ready("terok", "image", "cleanup", "--json").out
    number = ready("terok", "project", "delete", name, "--json").json()["operation"]
    plan = ready("terok", "image", "cleanup", "--json").json()
    assert [(row["reason"], row["removed"]) for row in plan if row["image"] == image] == [
        (f"there is no project {name}", False)
    ]
    done = ready("terok", "image", "cleanup", "--yes", "--json", timeout=300).json()
    assert [row["removed"] for row in done if row["image"] == image] == [True]
    ready("podman", "image", "exists", image, code=1)
    ready("terok", "undo", str(number))
    again = ready("terok", "project", "build", name, "--json", timeout=300).json()
    assert again == {"image": image, "built": True}
    ready("terok", "project", "edit", name, marker, "--unset")
    ready("terok", "project", "agents", name, "demo")
    plain = ready("terok", "project", "build", name, "--json", timeout=600).json()
    assert plain["image"].startswith("localhost/terok-l1-cli:")
    ready("podman", "image", "rm", image)


SETTINGS = """\
name: {name}
git:
  upstream: {repository}
  branch: next
  repos:
    - {{name: lib, upstream: {library}}}
agent: {{name: demo}}
image: {{base_image: "{base}"}}
shared: {{dir: true}}
hooks:
  pre_start: echo "$TEROK_HOOK $TEROK_TASK_NAME" >>{log}
  post_start: echo "$TEROK_HOOK $TEROK_TASK_NAME" >>{log}
  post_stop: echo "$TEROK_HOOK $TEROK_TASK_NAME $TEROK_EXIT_CODE" >>{log}
presets:
  small:
    run: {{memory: 700m, env: {{SAID: by-preset}}}}
    budget: {{task: {{requests: 40}}}}
"""
LOOK = (
    'git clone -q /repos/lib.git /tmp/lib && cp /tmp/lib/LIB.md . && echo "$SAID" >>LIB.md'
    " && git log --format=%s >>LIB.md && git add -A && git commit -q -m Seen"
)
LEAVE = "cp LIB.md /shared/ && ! touch /repos/lib.git/x"


def repository_with(path: Path, name: str, text: str, branch: str) -> Path:
    git = ["git", "-C", str(path), "-c", "user.name=A Person", "-c", "user.email=person@example.test"]
    if not path.exists():
        subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    subprocess.run([*git, "checkout", "-q", "-B", branch], check=True)
    (path / name).write_text(text)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", f"On {branch}"], check=True)
    return path


@pytest.mark.timeout(900)
def test_a_task_gets_what_its_project_says(
    ready: Shell,
    base_image: str,
    real_key: str,
    upstream: Callable[[str, str], None],
    repository: Path,
    tmp_path: Path,
) -> None:
    """Branch, repository to read, shared directory, hooks, and a preset with limits, in a real container."""
    name, log = f"it-{secrets.token_hex(4)}", tmp_path / "hooks.log"
    repository_with(repository, "next.md", "next\n", "next")
    subprocess.run(["git", "-C", str(repository), "checkout", "-q", "main"], check=True)
    library = repository_with(tmp_path / "library", "LIB.md", "a library\n", "main")
    answers = tmp_path / "answers.yml"
    answers.write_text(SETTINGS.format(name=name, repository=repository, library=library, base=BASE, log=log))
    ready("terok", "project", "wizard", "--answers", str(answers))
    with running_stub(Script((LOOK, LEAVE)), api_key=real_key) as provider:
        upstream("demo", provider.url)
        run = ("terok", "task", "run", name, "Look around", "--name", "first", "--preset", "small")
        ready(*run, timeout=600)
    try:
        task = ready("terok", "task", "show", f"{name}/first", "--json").json()
        workspace = Path(task["directory"]) / "workspace"
        assert (workspace / "LIB.md").read_text() == "a library\nby-preset\nOn next\nStart\n"
        shared = Path(ready.environment["TEROK_ROOT"]) / "state/shared" / name / "LIB.md"
        assert shared.read_bytes() == (workspace / "LIB.md").read_bytes()
        assert log.read_text().splitlines() == ["pre_start first", "post_start first", "post_stop first 0"]
        container = task["container"]
        limit = ready("podman", "inspect", "--format", "{{.HostConfig.Memory}}", container).out.strip()
        assert int(limit) in (700 * 1024 * 1024, 0)  # 0 where this user may not limit memory
        sidecar = Path(ready.environment["TEROK_ROOT"]) / f"state/sandbox/sidecar/{container}.json"
        assert '"requests": 40' in json.dumps(json.loads(sidecar.read_text()))
        mirrors = ready("terok", "sandbox", "gate", "list", "--json").json()
        assert {row["scope"] for row in mirrors} >= {name, f"{name}.lib"}
    finally:
        ready("terok", "controller", "stop", code=None)
        ready("terok-executor", "rm", "--force", f"terok-{name}-{task['id']}", code=None)
