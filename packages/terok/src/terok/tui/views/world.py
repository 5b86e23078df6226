"""Everything the terminal interface knows, as one value, and what each piece of news makes of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from functools import singledispatch

from terok_util import lean_dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok.model.task import Task
    from terok.services.inbox import TaskDetail


@lean_dataclass(frozen=True, slots=True)
class World:
    """Tasks by id, and what is under way with them. `silence` says why nothing new is heard, "" while it is."""

    tasks: Mapping[str, Task] = field(default_factory=dict)
    short: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, TaskDetail] = field(default_factory=dict)
    """Of the task that is looked at; others may be left from before."""
    shields: Mapping[str, str] = field(default_factory=dict)
    """The posture of the walls that were asked, when they were."""
    pending: Mapping[str, str] = field(default_factory=dict)
    """Whatever a person has asked for and is not done yet: the tasks, each with words such as `stopping`."""
    loaded: bool = False
    silence: str = ""
    installed: str = ""
    """Which other version was installed since this one runs, "" for none."""


@lean_dataclass(frozen=True, slots=True)
class Loaded:
    """All tasks were read."""

    tasks: tuple[Task, ...]
    short: Mapping[str, str]


@lean_dataclass(frozen=True, slots=True)
class Changed:
    """Some tasks were read anew, and some are gone."""

    tasks: tuple[Task, ...]
    gone: frozenset[str] = frozenset()


@lean_dataclass(frozen=True, slots=True)
class Heard:
    """The controller is followed (""), or cannot be, with the reason."""

    silence: str = ""


@lean_dataclass(frozen=True, slots=True)
class Looked:
    """Everything about one task, and the posture of its wall if that was asked."""

    detail: TaskDetail | None = None
    task: str = ""
    shield: str | None = None


@lean_dataclass(frozen=True, slots=True)
class Begun:
    """A person has asked for something; `words` says what is going on with the tasks."""

    tasks: tuple[str, ...]
    words: str


@lean_dataclass(frozen=True, slots=True)
class Settled:
    """Something that was asked for has come to an end, good or bad."""

    tasks: tuple[str, ...]


@lean_dataclass(frozen=True, slots=True)
class Installed:
    """Another version was installed."""

    version: str


News = Loaded | Changed | Heard | Looked | Begun | Settled | Installed


@singledispatch
def after(news: object, world: World) -> World:
    """Return the world after a piece of news."""
    raise TypeError(type(news).__name__)


@after.register
def _(news: Loaded, world: World) -> World:
    return replace(world, tasks={task.id: task for task in news.tasks}, short=news.short, loaded=True)


@after.register
def _(news: Changed, world: World) -> World:
    tasks = {key: task for key, task in world.tasks.items() if key not in news.gone}
    tasks |= {task.id: task for task in news.tasks}
    return replace(world, tasks=tasks)


@after.register
def _(news: Heard, world: World) -> World:
    return replace(world, silence=news.silence)


@after.register
def _(news: Looked, world: World) -> World:
    details, shields = world.details, world.shields
    if news.detail is not None:
        details = {news.detail.task.id: news.detail}
    if news.shield is not None:
        shields = {**shields, news.task: news.shield}
    return replace(world, details=details, shields=shields)


@after.register
def _(news: Begun, world: World) -> World:
    return replace(world, pending={**world.pending, **dict.fromkeys(news.tasks, news.words)})


@after.register
def _(news: Settled, world: World) -> World:
    return replace(world, pending={key: words for key, words in world.pending.items() if key not in news.tasks})


@after.register
def _(news: Installed, world: World) -> World:
    return replace(world, installed=news.version)
