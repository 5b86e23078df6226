"""The section `image:` of `config.yml`, read without pydantic: a file is validated once, not by every command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from terok_util import (
    ConfigScope,
    ConfigStack,
    atomic_write,
    config_error,
    config_layers,
    ensure_dir,
    load_config_file,
    read_config_file,
    remembered,
    yaml,
)
from terok_util.values import lean_dataclass

from terok_executor.errors import RequestError
from terok_executor.image.reference import DEFAULT_BASE_IMAGE, parse_base
from terok_executor.paths import cache_dir, config_file
from terok_executor.roster.spelling import Checked, Documented, OneOf

_CODE = [Path(__file__).parent / name for name in ("settings.py", "reference.py")]


def _base(text: str) -> str:
    try:
        return parse_base(text).text
    except RequestError as error:
        raise ValueError(error.message) from error


@lean_dataclass(frozen=True, slots=True)
class ImageSettings(Documented):
    """Ingredients of images. `agents` is a selection; the snippets are for project images, which terok builds."""

    base_image: Annotated[str, Checked(_base)] = DEFAULT_BASE_IMAGE
    """The image below everything: a reference, `mmdebstrap:SUITE` or `oci-archive:FILE`."""
    family: Annotated[str, OneOf("deb", "rpm")] | None = None
    """Kind of packages of the base; by default known by its name."""
    agents: str = "all"
    """Agents in images: `all`, `a,b` or `all,-x`."""
    user_snippet_inline: str = ""
    """Lines of a Containerfile for project images."""
    user_snippet_file: str = ""
    """File with lines of a Containerfile for project images, before the inline ones."""

    @classmethod
    def load(cls) -> ImageSettings:
        """Return the user's settings; ConfigError, naming file, line and key, if the file is wrong."""
        layers = config_layers(config_file())
        if not layers:
            return cls()
        settings: ImageSettings = remembered(
            cache_dir() / "image.json",
            lambda: ExecutorConfigView.parse_layers(layers).image,
            sources=[(str(file), data) for file, data in layers],
            kinds={"ImageSettings": cls},
            code=_CODE,
        )
        return settings


@lean_dataclass(frozen=True, slots=True)
class ExecutorConfigView:
    """The executor's view of `config.yml`: the section it owns; those of other wheels pass."""

    image: ImageSettings = ImageSettings()

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the file, by default the user's; a missing one is empty. ConfigError names file, line and key."""
        file = path or config_file()
        return cls.parse(file, read_config_file(file))

    @classmethod
    def parse(cls, file: Path, content: bytes) -> Self:
        """Return the view of `content`, that of `file`; raises as `load` does."""
        return cls.parse_layers([(file, content)])

    @classmethod
    def parse_layers(cls, layers: Iterable[tuple[Path, bytes]]) -> Self:
        """Return the view of files laid over each other, the lowest first; raises as `load` does."""
        view, stack = cls(), ConfigStack()
        for file, content in layers:
            scope = load_config_file(file, content)
            stack.push(scope)
            cls._validated(scope.data, scope)  # by itself, so that an error is found where it stands
            view = cls._validated(stack.resolve(), scope)
        return view

    @classmethod
    def _validated(cls, data: Mapping[str, Any], scope: ConfigScope) -> Self:
        from pydantic import TypeAdapter, ValidationError  # takes as long as a whole command that needs no validation

        try:
            return cls(TypeAdapter(ImageSettings).validate_python(data.get("image", {})))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            problem, hint = first["msg"].removeprefix("Value error, "), None
            if first["type"] == "unexpected_keyword_argument":
                problem, hint = "unknown key", "check its spelling and indentation"
            raise config_error(scope, ("image", *first["loc"]), problem, hint=hint) from None


def set_image_agents(selection: str, path: Path | None = None) -> Path:
    """Write `image.agents`, keeping comments and everything else; return the file. ConfigError if it is damaged."""
    file = path or config_file()
    ExecutorConfigView.load(file)
    document = (yaml.load(file) if file.exists() else None) or {}
    document["image"] = document.get("image") or {}
    document["image"]["agents"] = selection
    ensure_dir(file.parent)
    atomic_write(file, yaml.dump(document))
    return file
