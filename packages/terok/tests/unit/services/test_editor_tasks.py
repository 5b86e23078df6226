from __future__ import annotations

from pathlib import Path

import pytest
from terok.services.editor_tasks import project_of
from terok_util import UsageError


@pytest.mark.parametrize(
    ("directory", "names", "sources", "project"),
    [
        ("/home/me/web/src", ["web", "api"], ["/home/me/web", "/home/me/api"], "web"),
        ("/home/me/api", ["web", "api"], ["/home/me/web", "/home/me/api"], "api"),
        ("/elsewhere", ["web"], [None], "web"),
        ("/home/me/webber", ["web"], ["/home/me/web"], "web"),
        ("/home/me/webber", ["web", "api"], ["/home/me/web", None], None),
        ("/home/me/web", ["web", "twin"], ["/home/me/web", "/home/me/web"], None),
        ("/home/me", [], [], None),
    ],
)
def test_which_project_a_directory_means(
    directory: str, names: list[str], sources: list[str | None], project: str | None
) -> None:
    if project is None:
        with pytest.raises(UsageError, match="not clear"):
            project_of(Path(directory), names, sources)
    else:
        assert project_of(Path(directory), names, sources) == project
