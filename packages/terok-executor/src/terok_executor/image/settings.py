"""The section `image:` of `config.yml`, read without pydantic: a file is validated once, not by every command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from terok_util import atomic_write, config_error, ensure_dir, load_config_file, read_config_file, remembered, yaml

from terok_executor.errors import RequestError
from terok_executor.image.reference import DEFAULT_BASE_IMAGE, parse_base
from terok_executor.paths import cache_dir, config_file
from terok_executor.roster.spelling import Checked, OneOf, Section

_CODE = [Path(__file__).parent / name for name in ("settings.py", "reference.py")]


def _base(text: str) -> str:
    try:
        return parse_base(text).text
    except RequestError as error:
        raise ValueError(error.message) from error


@dataclass(frozen=True, slots=True)
class ImageSettings(Section):
    """Ingredients of images. `agents` is a selection; the snippets are for project images, which terok builds."""

    base_image: Annotated[str, Checked(_base)] = DEFAULT_BASE_IMAGE
    family: Annotated[str, OneOf("deb", "rpm")] | None = None
    agents: str = "all"
    user_snippet_inline: str = ""
    user_snippet_file: str = ""

    @classmethod
    def load(cls) -> ImageSettings:
        """Return the user's settings; ConfigError, naming file, line and key, if the file is wrong."""
        file = config_file()
        if not file.exists():
            return cls()
        data = read_config_file(file)
        settings: ImageSettings = remembered(
            cache_dir() / "image.json",
            lambda: ExecutorConfigView.parse(file, data).image,
            sources=[(str(file), data)],
            kinds={"ImageSettings": cls},
            code=_CODE,
        )
        return settings


@dataclass(frozen=True, slots=True)
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
        from pydantic import TypeAdapter, ValidationError  # takes as long as a whole command that needs no validation

        scope = load_config_file(file, content)
        section = scope.data.get("image")
        try:
            return cls() if section is None else cls(TypeAdapter(ImageSettings).validate_python(section))
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
