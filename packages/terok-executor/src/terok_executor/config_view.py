"""The section ``image:`` of the shared ``config.yml``, which this wheel owns; sections of others pass."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict
from terok_util import atomic_write, ensure_dir, yaml

from terok_executor.errors import RequestError, RosterError
from terok_executor.image.reference import DEFAULT_BASE_IMAGE, parse_base
from terok_executor.image_settings import config_file
from terok_executor.reading import read_text
from terok_executor.roster.loader import MAX_FILE_BYTES, parse_source, validated


def _base(text: str) -> str:
    try:
        return parse_base(text).text
    except RequestError as error:
        raise ValueError(error.message) from error


class RawImageSection(BaseModel):
    """What images are made of. ``agents`` is a selection; the snippets are for project images, which terok builds."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    base_image: Annotated[str, AfterValidator(_base)] = DEFAULT_BASE_IMAGE
    family: Literal["deb", "rpm"] | None = None
    agents: str = "all"
    user_snippet_inline: str = ""
    user_snippet_file: str = ""


class ExecutorConfigView(BaseModel):
    """The executor's view of ``config.yml``."""

    model_config = ConfigDict(extra="allow", frozen=True)

    image: RawImageSection = RawImageSection()

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the file, by default the user's; a missing one says nothing. RosterError names file, line and key."""
        file = path or config_file()
        if not file.exists():
            return cls()
        text = read_text(file, MAX_FILE_BYTES, error=RosterError)
        return cls.parse(file, text)

    @classmethod
    def parse(cls, file: Path, text: str) -> Self:
        """Return what ``text``, the content of ``file``, says; raises as `load` does."""
        view: Self = validated(cls, "image", [parse_source(str(file), text)])
        return view


def set_image_agents(selection: str, path: Path | None = None) -> Path:
    """Write ``image.agents``, keeping comments and everything else; return the file. RosterError if it is damaged."""
    file = path or config_file()
    ExecutorConfigView.load(file)
    document = (yaml.load(file.read_text("utf-8"), name=str(file)) if file.exists() else None) or {}
    section = document.get("image")
    if section is None:
        document["image"] = {"agents": selection}
    else:
        section["agents"] = selection
    ensure_dir(file.parent)
    atomic_write(file, yaml.dump(document))
    return file
