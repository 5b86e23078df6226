"""The section `image:` of the shared `config.yml`, which this wheel owns; sections of others pass."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from terok_util import atomic_write, config_error, ensure_dir, load_config_file, read_config_file, yaml

from terok_executor.errors import RequestError
from terok_executor.image.reference import DEFAULT_BASE_IMAGE, parse_base
from terok_executor.paths import config_file


def _base(text: str) -> str:
    try:
        return parse_base(text).text
    except RequestError as error:
        raise ValueError(error.message) from error


class RawImageSection(BaseModel):
    """The parts of images. `agents` is a selection; the snippets are for project images, which terok builds."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    base_image: Annotated[str, AfterValidator(_base)] = DEFAULT_BASE_IMAGE
    family: Literal["deb", "rpm"] | None = None
    agents: str = "all"
    user_snippet_inline: str = ""
    user_snippet_file: str = ""


class ExecutorConfigView(BaseModel):
    """The executor's view of `config.yml`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    image: RawImageSection = RawImageSection()

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the file, by default the user's; a missing one says nothing. ConfigError names file, line and key."""
        file = path or config_file()
        return cls.parse(file, read_config_file(file))

    @classmethod
    def parse(cls, file: Path, content: bytes) -> Self:
        """Return what `content`, that of `file`, says; raises as `load` does."""
        scope = load_config_file(file, content)
        section = scope.data.get("image")
        try:
            return cls.model_validate({} if section is None else {"image": section})
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            problem = first["msg"].removeprefix("Value error, ")
            hint = "the key is not known here; check its spelling and indentation"
            raise config_error(
                scope, first["loc"], problem, hint=hint if first["type"] == "extra_forbidden" else None
            ) from None


def set_image_agents(selection: str, path: Path | None = None) -> Path:
    """Write `image.agents`, keeping comments and everything else; return the file. ConfigError if it is damaged."""
    file = path or config_file()
    ExecutorConfigView.load(file)
    document = (yaml.load(file) if file.exists() else None) or {}
    section = document.get("image")
    if section is None:
        document["image"] = {"agents": selection}
    else:
        section["agents"] = selection
    ensure_dir(file.parent)
    atomic_write(file, yaml.dump(document))
    return file
