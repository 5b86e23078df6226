"""Builds of the images that agents run in, only when their sources have changed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from terok_util import TerokError, atomic_write, ensure_dir, remove_tree
from terok_util.process import ProcessError, ProcessTimeout
from terok_util.values import lean_dataclass

from terok_executor.errors import BuildError, PrerequisiteError
from terok_executor.image import reference, render
from terok_executor.image.base import ensure_base
from terok_executor.image.contents import Contents
from terok_executor.image.context import AGENTS_LABEL, CONTENT_LABEL, PARTS_LABEL, BuildContext
from terok_executor.image.lock import load_lock
from terok_executor.image.podman import ImageFacts, ImagePodman, OnLine, silent, workshop
from terok_executor.image.reference import DEFAULT_BASE_IMAGE, L1_PREFIX, PREFIXES, build_tag
from terok_executor.image.registries import build_variables, host_bundle_path, read_certificates
from terok_executor.image.tail import LineTail
from terok_executor.paths import cache_dir
from terok_executor.roster.install import PipStage
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.types import Installed, Tool

BUILD_SECONDS = 3600.0


@lean_dataclass(frozen=True, slots=True)
class ImageSet:
    """The tags of the images of one base, and whether anything had to be built."""

    l0: str
    l1: str
    l1_sidecar: str | None = None
    built: bool = False


class ImageBuilder:
    """Builds L0 and L1 of one base. Concurrent builds take turns."""

    def __init__(
        self, base_image: str = DEFAULT_BASE_IMAGE, family: str | None = None, *, on_line: OnLine | None = None
    ) -> None:
        """Validate the base and its package family (RequestError); nothing else is done."""
        self.base = reference.parse_base(base_image)
        self.family = reference.check_family(family, base_image)
        self._on_line = on_line or silent

    def l0_tag(self) -> str:
        """Return the tag of the tools image."""
        return reference.l0_tag(self.base)

    def l1_tag(self, agents: Iterable[str | Installed] | None = None) -> str:
        """Return the tag of the image with these agents, by default all."""
        return reference.l1_tag(self.base, (agent.name for agent in _installed(agents)))

    def l1_sidecar_tag(self, tool: str | Tool | None = None) -> str:
        """Return the tag of the image with a sidecar tool alone, by default the roster's first."""
        return reference.sidecar_tag(self.base, _sidecar(tool).name)

    def build(
        self,
        agents: Iterable[str | Installed] | None = None,
        *,
        rebuild: bool = False,
        full_rebuild: bool = False,
    ) -> ImageSet:
        """Bring both images up to date and return their tags; names are those of the shared roster, None all of it.

        `rebuild` builds the agents anew, `full_rebuild` the base and tools too.
        Raises BuildError, or PrerequisiteError for a missing tool or an unusable CA bundle; tags move only on success.
        """
        chosen = _installed(agents)
        return self._build(chosen, self.l1_tag(chosen), rebuild=rebuild, full_rebuild=full_rebuild)

    def build_base(
        self,
        agents: str | Iterable[str] = "all",
        *,
        roster: AgentRoster | None = None,
        rebuild: bool = False,
        full_rebuild: bool = False,
        sidecar: str | None = None,
        build_dir: Path | None = None,
    ) -> ImageSet:
        """Build as `build` does, for names or a selection such as `all,-x` of a roster (default: the shared one).

        `sidecar` names a tool whose image is built too. The build contexts are left in `build_dir`, a new or empty
        directory; else ValueError before anything is done. RosterError for an unknown name.
        """
        if build_dir is not None and build_dir.exists() and (not build_dir.is_dir() or any(build_dir.iterdir())):
            raise ValueError(f"the build directory {build_dir} is not an empty directory")
        known = roster or AgentRoster.shared()
        text = agents if isinstance(agents, str) else ",".join(agents)
        chosen = known.select(text)
        if build_dir is not None:
            for name, context in (("l0", self.render_l0()), ("l1", self.render_l1(chosen))):
                ensure_dir(build_dir / name)
                context.write(build_dir / name)
        images = self.build(chosen, rebuild=rebuild, full_rebuild=full_rebuild)
        if sidecar is None:
            return images
        return replace(images, l1_sidecar=self.build_sidecar(known.tool(sidecar, kind="sidecar"), rebuild=rebuild))

    def ensure_default_l1(
        self, agents: Iterable[str | Installed] | None = None, known: Mapping[str, Installed] | None = None
    ) -> str:
        """Return the tag of an up-to-date image with these agents, see `present`; builds one if there is none."""
        chosen = _installed(agents)
        return self.present(chosen, AgentRoster.shared().installs if known is None else known) or self.build(chosen).l1

    def looking(self, agents: Iterable[Installed], known: Mapping[str, Installed]) -> Callable[[], str]:
        """Begin to look for an image as `ensure_default_l1` does; the function returned waits, and builds if need be.

        Podman takes a tenth of a second to say what there is, and the caller has other things to do meanwhile.
        """
        chosen = tuple(agents)
        found: list[str | BaseException | None] = []

        def look() -> None:
            try:
                found.append(self.present(chosen, known))
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                found.append(error)

        thread = threading.Thread(target=look, name="terok-image")
        thread.start()

        def image() -> str:
            thread.join()
            (answer,) = found
            if isinstance(answer, BaseException):
                raise answer
            return answer or self.build(chosen).l1

        return image

    def build_sidecar(self, tool_name: str | Tool | None = None, *, rebuild: bool = False) -> str:
        """Bring the image with one sidecar tool and no agent up to date and return its tag; errors as for `build`."""
        tool = _sidecar(tool_name)
        return self._build((tool,), self.l1_sidecar_tag(tool), rebuild=rebuild, full_rebuild=False).l1

    def _build(self, chosen: tuple[Installed, ...], tag: str, *, rebuild: bool, full_rebuild: bool) -> ImageSet:
        podman = ImagePodman.find()
        l0_context, l1_context = self.render_l0(), self.render_l1(chosen)
        if not (rebuild or full_rebuild) and self._up_to_date(podman, l0_context, l1_context, tag):
            return ImageSet(self.l0_tag(), tag)
        with workshop(podman, self.base.image) as directory:
            parent = ensure_base(podman, self.base, self._on_line, directory, refresh=full_rebuild)
            below, l0_built = self._layer(podman, directory, l0_context, self.l0_tag(), parent, {}, full_rebuild)
            forced = rebuild or full_rebuild
            digests = render.part_digests(below, chosen, load_lock(), self.family)
            labels = {AGENTS_LABEL: ",".join(sorted(agent.name for agent in chosen))}
            if digests:
                labels[PARTS_LABEL] = " ".join(f"{name}={digest}" for name, digest in sorted(digests.items()))
            parts = {} if forced else self._parts(podman, digests)
            if render.needs_build(chosen, parts):
                self._build_image(podman, directory, below, full_rebuild)
            made_of = self.render_l1(chosen, parts)
            _, l1_built = self._layer(podman, directory, l1_context, tag, below, labels, forced, made_of)
        return ImageSet(self.l0_tag(), tag, built=l0_built or l1_built)

    def _build_image(self, podman: ImagePodman, directory: Path, below: str, force: bool) -> None:
        """Bring the image in which stages run up to date."""
        self._layer(
            podman, directory, render.render_build(self.l0_tag(), self.family), build_tag(self.base), below, {}, force
        )

    @staticmethod
    def _parts(podman: ImagePodman, digests: Mapping[str, str]) -> dict[str, str]:
        """Return an image in storage that has a part, by the name of the part."""
        tags = [text for text in podman.references() if text.startswith(PREFIXES)]
        return {
            name: facts.id
            for facts in (podman.facts_of(tags) or () if tags else ())
            for name, digest in digests.items()
            if f"{name}={digest}" in facts.labels.get(PARTS_LABEL, "").split()
        }

    def pip_report(self, stage: PipStage) -> Any:
        """Return pip's report on the newest versions of a stage's packages, from an image of this base.

        Raises as `build` does.
        """
        podman = ImagePodman.find()
        with workshop(podman, self.base.image) as directory:
            parent = ensure_base(podman, self.base, self._on_line, directory)
            below, _ = self._layer(podman, directory, self.render_l0(), self.l0_tag(), parent, {}, force=False)
            self._build_image(podman, directory, below, force=False)
            context = render.render_pins(build_tag(self.base), [text.partition("==")[0] for text in stage.requirements])
            output = ensure_dir(directory / "output")
            self._carry_out(
                podman, directory, context, "pip's report", labels={CONTENT_LABEL: "report"}, force=True, output=output
            )
            self._prune(podman)
            return json.loads((output / "report.json").read_bytes())

    def present(self, agents: Iterable[Installed], known: Mapping[str, Installed]) -> str | None:
        """Return an up-to-date image in storage with these agents and perhaps others of `known`; None without one."""
        wanted = frozenset(agent.name for agent in agents)
        podman = ImagePodman.find()
        contents = Contents(self.base.image, self.l0_tag(), build_tag(self.base), self.family, host_bundle_path())
        own = reference.l1_tag(self.base, wanted)
        usual = cache_dir() / "images" / f"{own.rpartition(':')[2]}.tag"
        guess = _first_line(usual) or own

        def fits(below: str, facts: ImageFacts) -> bool:
            names = frozenset(facts.labels.get(AGENTS_LABEL, "").split(","))
            if not wanted <= names <= known.keys():
                return False
            return facts.labels.get(CONTENT_LABEL) == contents.of_l1(below, [known[name] for name in names])

        seen = podman.facts_found([self.base.image, self.l0_tag(), guess])
        # Where the base or L0 is the one that is missing, the second is not what an L0 on the first would be.
        if len(seen) < 2 or seen[1].labels.get(CONTENT_LABEL) != contents.of_l0(seen[0].id):
            return None
        below = seen[:2]
        if len(seen) == 3 and fits(below[1].id, seen[2]):
            return guess
        tags = [text for text in podman.references() if text.startswith(L1_PREFIX)]
        for tag, facts in zip(tags, podman.facts_of(tags) or () if tags else (), strict=False):
            if fits(below[1].id, facts):
                with suppress(TerokError):
                    ensure_dir(usual.parent)
                    atomic_write(usual, f"{tag}\n", durable=False)
                return tag
        return None

    def build_layer(
        self, context: BuildContext, tag: str, parent: str, *, labels: dict[str, str], force: bool = False
    ) -> bool:
        """Bring an image on top of `parent`, which is in storage, up to date; return whether it was built.

        Raises as `build` does.
        """
        podman = ImagePodman.find()
        with workshop(podman, self.base.image) as directory:
            below = podman.facts(parent)
            if below is None:
                raise BuildError(f"image {parent} is not in storage", hint="`podman images` lists what is")
            return self._layer(podman, directory, context, tag, below.id, labels, force)[1]

    detect_family = staticmethod(reference.detect_family)
    stage_scripts = staticmethod(render.stage_scripts)
    stage_tmux_config = staticmethod(render.stage_tmux_config)
    stage_toad_agents = staticmethod(render.stage_toad_agents)

    @staticmethod
    def image_agents(image: str) -> frozenset[str]:
        """Return the agents installed in an image, from its label; empty for an image that is not ours."""
        facts = ImagePodman.find().facts(image)
        return frozenset((facts.labels.get(AGENTS_LABEL, "") if facts else "").split(",")) - {""}

    def render_l0(self) -> BuildContext:
        """Return what the tools image is built from; PrerequisiteError for an unusable CA bundle."""
        bundle = host_bundle_path()
        return render.render_l0(self.base.image, read_certificates(bundle) if bundle else (), self.family)

    def render_l1(
        self, agents: Iterable[str | Installed] | None = None, present: Mapping[str, str] | None = None
    ) -> BuildContext:
        """Return what the image with these agents is built from; `present` as there."""
        return render.render_l1(
            self.l0_tag(), build_tag(self.base), _installed(agents), load_lock(), self.family, present
        )

    def render_l1_sidecar(self, tool_name: str | Tool | None = None) -> BuildContext:
        """Return what the image with one sidecar tool and no agent is built from."""
        return self.render_l1((_sidecar(tool_name),))

    def _up_to_date(self, podman: ImagePodman, l0_context: BuildContext, l1_context: BuildContext, tag: str) -> bool:
        """Tell in one call of Podman whether there is nothing to do, which is the usual case."""
        facts = podman.facts_of([self.base.image, self.l0_tag(), tag])
        if facts is None:
            return False
        base, l0, l1 = facts
        present = [image.labels.get(CONTENT_LABEL) for image in (l0, l1)]
        return present == [l0_context.content_hash(base.id), l1_context.content_hash(l0.id)]

    def _layer(
        self,
        podman: ImagePodman,
        directory: Path,
        context: BuildContext,
        tag: str,
        parent: str,
        labels: dict[str, str],
        force: bool,
        made_of: BuildContext | None = None,
    ) -> tuple[str, bool]:
        """Build an image unless there is one of the same content; `made_of` has the same result sooner."""
        content = context.content_hash(parent)
        present = podman.facts(tag)
        if present and not force and present.labels.get(CONTENT_LABEL) == content:
            return present.id, False
        self._carry_out(
            podman, directory, made_of or context, tag, labels={**labels, CONTENT_LABEL: content}, force=force
        )
        built = podman.facts(tag)
        if built is None:
            raise BuildError(f"image {tag} is not in storage after the build")
        self._prune(podman)
        return built.id, True

    def _prune(self, podman: ImagePodman) -> None:
        """Remove the image that had the tag, and stages, which have their parent's label; they do no harm."""
        if problem := podman.prune(CONTENT_LABEL):
            self._on_line(f"note: older images are still there, and go with the next build: {problem}")

    def _carry_out(
        self,
        podman: ImagePodman,
        directory: Path,
        context: BuildContext,
        tag: str,
        *,
        labels: Mapping[str, str],
        force: bool = False,
        output: Path | None = None,
    ) -> None:
        self._on_line(f"building {tag}")
        tail = LineTail(self._on_line)
        hint = "the build's output above says more; `terok-executor build` repeats it"
        try:
            remove_tree(directory / "context")
            context.write(ensure_dir(directory / "context"))
            code = podman.build(
                directory / "context",
                tag,
                tail,
                labels=labels,
                arguments=build_variables() if "\nARG " in context.containerfile else {},
                no_cache=force,
                timeout=BUILD_SECONDS,
                output=output,
            )
        except ProcessTimeout:
            raise BuildError(f"image {tag} was not built within {BUILD_SECONDS:.0f} s", hint=hint) from None
        except ProcessError as error:
            raise BuildError(f"image {tag} could not be built: {error.message}", hint=hint) from None
        except OSError as error:
            problem = f"the build context of {tag} cannot be written: {error.strerror}"
            raise PrerequisiteError(problem, hint=f"free space where {directory} is") from None
        if code:
            raise tail.failure(f"image {tag} could not be built", hint=hint)


def _installed(agents: Iterable[str | Installed] | None) -> tuple[Installed, ...]:
    """Return agents and tools by value, those named from the shared roster; RosterError for an unknown name."""
    if agents is None:
        return tuple(AgentRoster.shared().select("all"))
    return tuple(
        chosen
        for agent in agents
        for chosen in (AgentRoster.shared().select(agent) if isinstance(agent, str) else (agent,))
    )


def _sidecar(tool: str | Tool | None) -> Tool:
    """Return a sidecar tool by value; by default the shared roster's first."""
    if tool is None:
        return next(iter(AgentRoster.shared().sidecars.values()))
    return AgentRoster.shared().tool(tool, kind="sidecar") if isinstance(tool, str) else tool


def _first_line(file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text("ascii").partition("\n")[0]
    return ""


def our_images(podman: ImagePodman) -> list[str]:
    """Return the references of every image built here, agents' images before the tools images under them."""
    repositories = [f"localhost/terok-{kind}" for kind in ("l2", "l1-cli", "l1-sidecar", "build", "l0", "base")]
    references = podman.references()
    return [ref for repository in repositories for ref in references if ref.rpartition(":")[0] == repository]
