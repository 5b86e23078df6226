"""The settings of `config.yml` that are not about one project."""

from __future__ import annotations

from terok_util import lean_dataclass

from terok.config.kept import kept
from terok.config.layers import host_sources, resolve, stack_of
from terok.config.sections import ControllerSection, HostTasksSection, NotifySection, TuiSection


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings that are about all projects."""

    tasks: HostTasksSection = HostTasksSection()
    controller: ControllerSection = ControllerSection()
    notify: NotifySection = NotifySection()
    tui: TuiSection = TuiSection()


KINDS = {kind.__name__: kind for kind in (Settings, HostTasksSection, ControllerSection, NotifySection, TuiSection)}


def load_settings() -> Settings:
    """Return the settings; ConfigError, naming file, line and key, if a file is wrong."""
    sources = host_sources()
    if not sources:
        return Settings()

    def make() -> Settings:
        from terok.config.owners import HOST  # imports pydantic
        from terok.config.validation import checked, parse

        value = parse(resolve(stack_of(map(checked, sources))), HOST).product
        return Settings(tasks=value.tasks, controller=value.controller, notify=value.notify, tui=value.tui)

    value: Settings = kept("settings", make, sources=sources, kinds=KINDS)
    return value
