"""Project images: a person's lines of a Containerfile on top of the image with agents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from terok_executor.errors import BuildError, RequestError
from terok_executor.image.builder import ImageBuilder
from terok_executor.image.context import CONTENT_LABEL, BuildContext
from terok_executor.image.podman import ImagePodman
from terok_executor.image.reference import PROJECT_PREFIX
from terok_executor.roster.types import Installed

PROJECT_LABEL = "ai.terok.project"
"""The project that an image is for, and after a slash whose project that is."""
MAX_SNIPPET = 64 * 1024
_FORBIDDEN = re.compile(r"\s*(FROM|ADD|ONBUILD|USER|COPY(?!.*\s--from=))\b", re.IGNORECASE)
_REASONS = {
    "FROM": "the base is `image.base_image`",
    "ONBUILD": "nothing is built on top of it",
    "USER": "the lines are carried out as root, and the container runs as its own user",
}


def render_project(parent: str, snippet: str) -> BuildContext:
    """Return what a project image is built from; RequestError for lines that cannot be part of it."""
    if len(snippet.encode("utf-8", "surrogateescape")) > MAX_SNIPPET or "\0" in snippet:
        raise RequestError(f"the image snippet is larger than {MAX_SNIPPET} bytes, or no text")
    inside = False  # an instruction that goes on from the line before
    for number, line in enumerate(snippet.splitlines(), 1):
        if not inside and (match := _FORBIDDEN.match(line)):
            word = match[1].upper()
            reason = _REASONS.get(word, "there are no files to copy but those of images (COPY --from=); fetch with RUN")
            raise RequestError(f"line {number} of the image snippet: {word} cannot be used", hint=reason)
        if not line.lstrip().startswith("#"):
            inside = line.rstrip().endswith("\\")
    return BuildContext(f"FROM {parent}\nUSER root\n{snippet.rstrip()}\nUSER dev\n", {})


def project_tag(name: str, parent: str) -> str:
    """Return the tag of a project's image; another parent is another image."""
    return f"{PROJECT_PREFIX}{name}-{parent.rpartition(':')[2]}"[:190]


def build_project_image(
    builder: ImageBuilder,
    name: str,
    snippet: str,
    agents: Iterable[Installed],
    known: Mapping[str, Installed],
    *,
    owner: str = "",
    rebuild: bool = False,
    full_rebuild: bool = False,
) -> tuple[str, bool]:
    """Bring a project's image up to date, with at least these agents; return its tag, and whether it was built.

    Args:
        builder: Builds the images below, and knows their base.
        name: The project's name.
        snippet: Lines of a Containerfile, carried out as root.
        agents: What has to be in the image.
        known: Everything that may be in it, by name.
        owner: Whose project it is, where several people's projects share one storage.
        rebuild: Build agents and snippet anew.
        full_rebuild: Build base and tools anew too.

    Raises:
        RequestError: The snippet cannot be used.
        BuildError: An image could not be built; a tag moves only on success.
    """
    chosen = tuple(agents)
    render_project("parent", snippet)
    forced = rebuild or full_rebuild
    if forced:
        parent = builder.build(chosen, rebuild=rebuild, full_rebuild=full_rebuild).l1
    else:
        parent = builder.ensure_default_l1(chosen, known)
    tag, context = project_tag(name, parent), render_project(parent, snippet)
    seen = ImagePodman.find().facts_of([parent, tag])
    if seen and not forced and seen[1].labels.get(CONTENT_LABEL) == context.content_hash(seen[0].id):
        return tag, False
    labels = {PROJECT_LABEL: f"{name}/{owner}"}
    try:
        return tag, builder.build_layer(context, tag, parent, labels=labels, force=forced)
    except BuildError as error:
        raise BuildError(error.message, hint="the lines are those of `image.user_snippet_*`") from error
