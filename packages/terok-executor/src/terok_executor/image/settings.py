"""The image settings of `config.yml`, validated once by `ExecutorConfigView` and then remembered for every command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from terok_util import read_config_file, remembered

from terok_executor.image.reference import DEFAULT_BASE_IMAGE
from terok_executor.paths import cache_dir, config_file

if TYPE_CHECKING:
    from terok_executor.image.reference import Family

_CODE = [Path(__file__).parent / name for name in ("settings.py", "config_view.py", "reference.py")]


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """Section `image:`; see `RawImageSection`."""

    base_image: str = DEFAULT_BASE_IMAGE
    family: Family | None = None
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

        def make() -> ImageSettings:
            from terok_executor.image.config_view import ExecutorConfigView

            return cls(**ExecutorConfigView.parse(file, data).image.model_dump())

        kept = cache_dir() / "image.json"
        sources = [(str(file), data)]
        found: ImageSettings = remembered(kept, make, sources=sources, kinds={"ImageSettings": cls}, code=_CODE)
        return found
