"""A project as a person makes it: answers, mirror, an image of its own, clean-up, deletion and return."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from support import BASE, Shell

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
    ready("podman", "image", "rm", image)
