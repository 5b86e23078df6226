"""The label of an up-to-date image, remembered because rendering it would take longer than asking Podman.

The label is a digest of everything the layer is built from. It is stored beside a digest of its sources, which are
quicker to read: the agents' values, the templates, the lock and the host's CA bundle.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from terok_util import namespace_config_dir, remembered
from terok_util.files.remember import frozen
from terok_util.values import lean_dataclass

from terok_executor.image.context import BuildContext
from terok_executor.image.lock import LOCK_FILE, load_lock
from terok_executor.image.reference import Family
from terok_executor.paths import RESOURCES, cache_dir
from terok_executor.roster.types import Installed


@lean_dataclass(frozen=True, slots=True)
class Contents:
    """The labels of one base's images.

    `l0` is the tag of the tools image, `build` that of the image in which stages run, `bundle` the host's CA
    bundle.
    """

    base: str
    l0: str
    build: str
    family: Family
    bundle: Path | None

    def of_l0(self, parent: str) -> str:
        """Return the label of the tools image on the base whose id is `parent`; errors as `read_certificates`."""
        bundle = self.bundle

        def render() -> BuildContext:
            from terok_executor.image.registries import read_certificates
            from terok_executor.image.render import render_l0

            return render_l0(self.base, read_certificates(bundle) if bundle else (), self.family)

        return self._remembered("tools", parent, render, [_source(bundle)] if bundle else [])

    def of_l1(self, parent: str, agents: Sequence[Installed]) -> str:
        """Return the label of the image with these agents on the tools image whose id is `parent`."""

        def render() -> BuildContext:
            from terok_executor.image.render import render_l1

            return render_l1(self.l0, self.build, agents, load_lock(), self.family)

        values = json.dumps(sorted((frozen(agent) for agent in agents), key=lambda entry: str(entry["name"]))).encode()
        locks = [RESOURCES / LOCK_FILE, namespace_config_dir() / LOCK_FILE]
        names = "-".join(sorted(agent.name for agent in agents))[:100]
        return self._remembered(f"with-{names}", parent, render, [("agents", values), *map(_source, locks)])

    def _remembered(
        self, name: str, parent: str, render: Callable[[], BuildContext], more: Iterable[tuple[str, bytes]]
    ) -> str:
        tags = f"{self.base} {self.l0} {self.build} {self.family} {parent}".encode()
        templates = [_source(path) for path in sorted((RESOURCES / "image").iterdir())]
        label: str = remembered(
            cache_dir() / "images" / f"{self.l0.rpartition(':')[2]}.{name}.json",
            lambda: render().content_hash(parent),
            sources=[("image", tags), *templates, *more],
            kinds={},
            code=sorted(Path(__file__).parent.glob("*.py")),
        )
        return label


def _source(path: Path) -> tuple[str, bytes]:
    return str(path), path.read_bytes() if path.is_file() else b""
