"""Projects: all of them as a table, and one with everything that belongs to it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from terok.config import BrokenProject
from terok.model.shown import size
from terok.tui.views.columns import Table, columns
from terok.tui.views.settings import settings_table
from terok.tui.views.text import Line, Span, cropped, said, wrapped

if TYPE_CHECKING:
    from terok.config import Project
    from terok.services.project_look import MirrorLook, ProjectLook

_LABEL = 10


def ordered(found: Iterable[Project | BrokenProject]) -> list[Project | BrokenProject]:
    """Return projects by name, broken ones first."""
    return sorted(found, key=lambda one: (not isinstance(one, BrokenProject), one.name))


def projects_table(found: Sequence[Project | BrokenProject], tasks: Mapping[str, int]) -> Table:
    """Return projects with their numbers of tasks."""
    rows = tuple(_row(one, tasks.get(one.name, 0)) for one in found)
    empty = "no project yet: a makes one"
    return Table(("PROJECT", "AGENT", "CLASS", "TASKS", "REPOSITORY"), rows, empty, (2,), 4, frozenset((3,)))


def _row(one: Project | BrokenProject, tasks: int) -> tuple[Span, ...]:
    if isinstance(one, BrokenProject):
        return Span(one.name, "error"), Span("broken", "error"), Span(""), Span(str(tasks)), Span(one.message, "error")
    return (
        Span(one.name, "bold"),
        Span(one.agent.name),
        Span(one.security_class, "dim"),
        Span(str(tasks)),
        Span(one.git.upstream or "(none)", "plain" if one.git.upstream else "dim"),
    )


def project_lines(one: Project | BrokenProject, cells: int) -> list[Line]:
    """Return a few lines about a project."""
    if isinstance(one, BrokenProject):
        lines: list[Line] = [(Span(text, "error"),) for text in wrapped(one.message, cells, limit=3)]
        return [*lines, (said(one.hint or "", "plain"),)]
    what = one.project.description
    image = " with own lines" if one.image.user_snippet_file or one.image.user_snippet_inline else ""
    return [
        (said(one.name, "bold"), said(f"  {what}" if what else "")),
        (Span("in    ", "dim"), said(one.directory)),
        (Span("image ", "dim"), said(one.image.base_image + image)),
    ]


def look_lines(look: ProjectLook, cells: int) -> list[Line]:
    """Return everything about a project."""
    one = look.project
    if isinstance(one, BrokenProject):
        return [(Span("this project cannot be used", "error"),), *project_lines(one, cells)]
    return [cropped(line, cells) for line in _sections(one, look, cells)]


def _sections(one: Project, look: ProjectLook, cells: int) -> Iterator[Line]:
    unknown = dict(look.unknown)
    if one.project.description:
        yield (said(one.project.description, "bold"),)
    for repo in one.repos or ():
        yield _labeled("repository", f"{repo.upstream}{f', branch {repo.branch}' if repo.branch else ''}")
    yield _labeled("class", one.security_class)
    yield _labeled("directory", one.directory)
    yield _labeled("prompts", "its instructions.md" if one.instructions.strip() else "no instructions of its own")
    yield from _part("Agents", "agents", unknown)
    if look.agents is not None:
        yield _labeled("default", " ".join(filter(None, (one.agent.name, one.agent.provider, one.agent.model))))
        yield _labeled("in images", ", ".join(look.agents))
        yield _labeled("paid by", f"credential set {one.credentials.set}")
    yield from _part("Gate", "mirror", unknown)
    if look.mirror is not None:
        yield from _mirror(look.mirror)
    yield from _part("Egress sets", "sets", unknown)
    if look.sets is not None:
        for group in look.sets.sets:
            mark = Span("* open   ", "working") if group.open else Span("  closed ", "dim")
            yield (mark, said(group.name, "bold" if group.open else "plain"), said(f"  {group.summary}", "dim"))
        yield _labeled("set in", look.sets.set_in)
        if one.shield.allow:
            yield _labeled("and also", ", ".join(one.shield.allow))
    yield from _part("SSH keys", "keys", unknown)
    if look.keys is not None:
        yield from ((said(f"  {key}"),) for key in look.keys or ("none: containers of this project cannot sign",))
    yield from _part("Images", "images", unknown)
    if look.images is not None:
        yield _labeled("built on", one.image.base_image)
        for image in look.images:
            yield (said(f"  {image.reference or image.id[:12]}"), said(f"  {size(image.own_size)}", "dim"))
    yield from _part("Settings", "settings", unknown)
    if look.settings is not None:
        yield from columns(settings_table(look.settings), cells)


def _part(title: str, name: str, unknown: Mapping[str, str]) -> Iterator[Line]:
    yield ()
    yield (Span(title.upper(), "bold"),)
    if name in unknown:
        yield (said(f"  not known: {unknown[name]}", "error"),)


def _mirror(mirror: MirrorLook) -> Iterator[Line]:
    if not mirror.made:
        yield (Span("  there is no mirror yet: "), Span("i", "key"), Span(" makes the project ready"))
        return
    yield _labeled("branches", str(mirror.branches))
    if mirror.pending:
        yield (Span(f"  {mirror.pending} changes upstream wait for you: `terok project gate ops`", "needs"),)
    for work in mirror.work:
        flags = f", {work.flags} findings" if work.flags else ""
        yield (Span("  "), said(work.branch, "review"), said(f"  {work.commits} commits, {work.state}{flags}"))


def _labeled(name: str, text: str) -> Line:
    return Span(f"  {name:<{_LABEL}} ", "dim"), said(text)
