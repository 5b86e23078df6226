"""The settings of `config.yml` that are not about one project."""

from __future__ import annotations

from terok_util import ConfigStack, lean_dataclass

from terok.config.kept import kept
from terok.config.layers import host_sources, read_scope, resolve
from terok.config.sections import ControllerSection, HostTasksSection, NotifySection


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings that are about all projects."""

    tasks: HostTasksSection = HostTasksSection()
    controller: ControllerSection = ControllerSection()
    notify: NotifySection = NotifySection()


KINDS = {kind.__name__: kind for kind in (Settings, HostTasksSection, ControllerSection, NotifySection)}


def load_settings() -> Settings:
    """Return the settings; ConfigError, naming file, line and key, if a file is wrong."""
    sources = host_sources()
    if not sources:
        return Settings()

    def make() -> Settings:
        from terok.config.owners import HOST  # imports pydantic
        from terok.config.validation import check, parse

        stack = ConfigStack()
        for source in sources:
            scope = read_scope(source)
            check(scope, HOST)
            stack.push(scope)
        value = parse(resolve(stack), HOST).product
        return Settings(tasks=value.tasks, controller=value.controller, notify=value.notify)

    files = [(str(path), content) for _, path, content in sources]
    value: Settings = kept("settings", make, sources=files, kinds=KINDS)
    return value
