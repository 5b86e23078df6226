"""The few questions whose answers make a project. Pure: front ends ask them, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from terok_util import TerokError

from terok.config.layers import nested
from terok.model.names import check_project_name
from terok.services.projects import suggested_name

NAME = "name"
"""The one answer that is not a key of `project.yml`."""
_FIRST = ("project", "git", "gate", "agent", "image")


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `key` is a dotted key of `project.yml`, or `name`; an empty answer is the default."""

    key: str
    text: str
    default: str = ""
    choices: tuple[str, ...] = ()
    check: Callable[[str], object] | None = None

    def accept(self, answer: str) -> str:
        """Return an answer, or the default for an empty one; ValueError, which says why, for one that is wrong."""
        given = answer.strip() or self.default
        if self.choices and given not in self.choices:
            near = [choice for choice in self.choices if given and choice.startswith(given)]
            if len(near) != 1:
                raise ValueError(f"use one of {', '.join(self.choices)}")
            given = near[0]
        if self.check is not None:
            try:
                self.check(given)
            except TerokError as error:
                raise ValueError(f"{error.message}; {error.hint}" if error.hint else error.message) from error
        return given


@dataclass(frozen=True, slots=True)
class Suggestions:
    """The answers that the wizard proposes: the repository here, the agents there are, and what `config.yml` says."""

    repository: str
    agents: tuple[str, ...]
    agent: str
    base_image: str
    security_class: str
    taken: frozenset[str]


def ask(suggested: Suggestions, answer: Callable[[Question], str]) -> dict[str, str]:
    """Return the answers by key; `answer` asks one question, and may be asked it again if it is wrong."""
    answers: dict[str, str] = {}
    for question in questions(suggested, answers):
        answers[question.key] = answer(question)
    return answers


def questions(suggested: Suggestions, answers: Mapping[str, str]) -> Iterator[Question]:
    """Yield the questions; a later one depends on the answers to those before it."""
    yield Question("git.upstream", "Repository: a directory, or an https or ssh address", suggested.repository)
    repository = answers["git.upstream"]

    def free(name: str) -> None:
        check_project_name(name)
        if name in suggested.taken:
            raise TerokError(f"there is a project {name} already")

    proposed = suggested_name(repository)
    yield Question(NAME, "Name of the project", "" if proposed in suggested.taken else proposed, check=free)
    yield Question("project.description", "What is it about? (one line, may be empty)")
    if ":" in repository:
        text = "May containers reach the repository's server directly (online), or only the gate (gatekeeping)?"
        yield Question("gate.security_class", text, suggested.security_class, ("gatekeeping", "online"))
    yield Question("agent.name", "Agent", suggested.agent, suggested.agents)
    yield Question("image.base_image", "Base image", suggested.base_image)
    yield Question("image.user_snippet_inline", "A line for its image, such as RUN apt-get … (may be empty)")


def settings(answers: Mapping[str, str], suggested: Suggestions) -> dict[str, Any]:
    """Return the sections of `project.yml` for answers: only what is not the default anyway."""
    usual = {
        "agent.name": suggested.agent,
        "image.base_image": suggested.base_image,
        "gate.security_class": suggested.security_class,
    }
    said = {key: answers[key] for key in sorted(answers, key=_place) if key != NAME}
    return nested({key: value for key, value in said.items() if value and value != usual.get(key)})


def read_answers(document: Any) -> tuple[str, dict[str, Any]]:
    """Return name and sections of answers in a file: those of `project.yml`, and `name`; ValueError for others."""
    if not isinstance(document, dict) or not isinstance(document.get(NAME), str):
        raise ValueError("answers are the sections of project.yml, and `name:` with the project's name")
    return document[NAME], {section: values for section, values in document.items() if section != NAME}


def _place(key: str) -> int:
    """Return the place of a key's section in a file."""
    section = key.partition(".")[0]
    return _FIRST.index(section) if section in _FIRST else len(_FIRST)
