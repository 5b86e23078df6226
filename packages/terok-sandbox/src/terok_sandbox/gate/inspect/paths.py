"""Judge the names that a push brings: pure functions over paths."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from terok_util.text import safe_text

from terok_sandbox.gate.inspect.rules import Finding

MAX_PATH: Final = 4000
MAX_COMPONENT: Final = 255
MAX_DEPTH: Final = 128

_HFS_IGNORED: Final = dict.fromkeys(
    (0x200C, 0x200D, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF)
)
_NTFS_SHORT: Final = re.compile(r"(git|gitmod|gitatt|gi[0-9a-f]{4})~\d+\Z")
_OF_SHORT: Final = {"gitmod": ".gitmodules", "gitatt": ".gitattributes"}

_RUN_BY_THEMSELVES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "workflow",
        (
            *(".github/workflows/*", ".github/actions/*", ".gitea/workflows/*", ".forgejo/workflows/*"),
            *(".gitlab-ci.yml", ".gitlab/ci/*", "*.gitlab-ci.yml", ".circleci/*", ".buildkite/*", ".woodpecker/*"),
            *(".woodpecker.y*ml", ".drone.y*ml", ".travis.yml", "appveyor.yml", ".appveyor.yml", "*jenkinsfile"),
            *("azure-pipelines*.y*ml", "bitbucket-pipelines.yml", ".cirrus.yml", ".teamcity/*", "*/action.y*ml"),
            *("action.y*ml", ".github/dependabot.yml", ".tekton/*", "cloudbuild.yaml", "netlify.toml"),
        ),
    ),
    (
        "git-hook",
        (
            *(
                ".githooks/*",
                ".husky/*",
                ".hooks/*",
                "hooks/*",
                "lefthook*.y*ml",
                ".lefthook*",
                ".pre-commit-config.y*ml",
            ),
            *(".pre-commit-hooks.y*ml", ".overcommit.yml", ".lintstagedrc*", ".gitconfig"),
        ),
    ),
    (
        "editor-task",
        (
            *(
                ".vscode/*",
                "*/.vscode/*",
                "*.code-workspace",
                ".idea/*",
                "*/.idea/*",
                ".devcontainer/*",
                "*.sublime-project",
            ),
            *(".devcontainer.json", ".zed/*", ".fleet/*", ".exrc", "*/.exrc", ".vimrc", ".nvimrc", ".nvim.lua"),
            *(".lvimrc", "*/.lvimrc", ".dir-locals.el", "*/.dir-locals.el", ".projectile", ".gitpod.y*ml", ".vs/*"),
        ),
    ),
    (
        "shell-environment",
        (
            *(".envrc", "*/.envrc", ".env.sh", ".bashrc", ".profile", ".zshrc", ".autoenv*", ".direnvrc", "shell.nix"),
            *("flake.nix", "mise.toml", ".mise.toml", ".mise/*", ".rtx.toml", ".tool-versions", "devenv.nix", ".npmrc"),
            *("*/.npmrc", ".yarnrc*", "pip.conf", ".cargo/config*", "*/.cargo/config*", "sitecustomize.py"),
        ),
    ),
    (
        "agent-settings",
        (
            *(".claude/*", "*/.claude/*", ".claude.json", ".mcp.json", "*/.mcp.json", "mcp.json", "claude*.md"),
            *("*/claude.md", "agents.md", "*/agents.md", "gemini.md", "*/gemini.md", ".gemini/*", ".codex/*"),
            *(".cursor/*", ".cursorrules", ".windsurf*", ".clinerules*", ".roo*", ".aider*", ".opencode/*"),
            *("opencode.json*", ".github/copilot*", ".continue/*", ".vibe/*", ".kiro/*", ".junie/*", ".goosehints"),
        ),
    ),
    (
        "build-script",
        (
            *("makefile", "*/makefile", "gnumakefile", "*/gnumakefile", "justfile", "rakefile", "package.json"),
            *("*/package.json", "setup.py", "*/setup.py", "conftest.py", "*/conftest.py", "noxfile.py", "tox.ini"),
            *("build.rs", "*/build.rs", "build.gradle*", "*/build.gradle*", "gradlew*", "mvnw*", "gruntfile.js"),
            *("gulpfile.js", "dockerfile", "*/dockerfile", "containerfile", "*/containerfile", "docker-compose*.y*ml"),
            *("compose.y*ml", "configure", "cmakelists.txt", "vagrantfile", "taskfile.y*ml", ".justfile"),
        ),
    ),
)
"""Lower-case patterns; ``*`` matches any number of directories."""


def judge_path(path: str, *, link: bool = False) -> Iterator[Finding]:
    """Yield what is wrong with a path that a push adds or changes, and whether such a file runs by itself.

    A symbolic ``link`` is taken for the directory that it may lead to.
    """
    parts = path.split("/")
    if not _plain(path):
        yield Finding("path-name", path, f"written here as {safe_text(path, limit=200)}")
    lengths = [len(part.encode("utf-8", "surrogateescape")) for part in parts]
    if sum(lengths) + len(parts) > MAX_PATH or len(parts) > MAX_DEPTH or max(lengths) > MAX_COMPONENT:
        yield Finding("path-length", path)
    if any(_is_git_like(part) for part in parts):
        yield Finding("path-git", path)
    lower = folded(path)
    spelled = (lower, f"{lower}/") if link else (lower,)
    for rule, patterns in _RUN_BY_THEMSELVES:
        if any(fnmatchcase(one, pattern) for pattern in patterns for one in spelled):
            yield Finding(rule, path)
            return


def folded(name: str) -> str:
    """Return the name as a file system sees it that ignores case and Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def collisions(names: list[str]) -> list[tuple[str, str]]:
    """Return pairs of names of one directory that such a file system cannot tell apart."""
    seen: dict[str, str] = {}
    found = []
    for name in names:
        other = seen.setdefault(folded(name), name)
        if other != name:
            found.append((other, name))
    return found


def leaves_tree(link: str, target: str) -> bool:
    """Tell whether a symbolic link at ``link`` with ``target`` leads out of the tree or into ``.git``.

    So does one that climbs after a name: the name may be a link itself, and what is above its target is elsewhere.
    """
    if not target or target.startswith("/") or "\0" in target or "\\" in target or re.match(r"[A-Za-z]:", target):
        return True
    depth, descended = link.count("/"), False
    for part in target.split("/"):
        if part == "..":
            depth -= 1
            if descended or depth < 0:
                return True
        elif part not in ("", "."):
            descended = True
            if _is_git_like(part):
                return True
    return False


def git_name(path: str) -> str:
    """Return a path's last name as HFS+, NTFS or a file system without case takes it: ``GITMOD~1`` is one of git's."""
    name = path.rsplit("/", 1)[-1].translate(_HFS_IGNORED).casefold()
    name = name.split(":")[0].rstrip(" .")  # NTFS drops these, and what follows a colon names a stream
    short = _NTFS_SHORT.match(name)
    return _OF_SHORT.get(short[1], ".git") if short else name


def _plain(path: str) -> bool:
    return safe_text(path) == path and not path.startswith("-")


def _is_git_like(part: str) -> bool:
    """Tell whether such a file system takes a name for ``.git``, or for a path into it."""
    return any(git_name(piece) == ".git" for piece in part.split("\\"))
