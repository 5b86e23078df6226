"""The wizard as a form, and the file that its answers make. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from terok.services.projects import document
from terok.services.wizard import NAME, Suggestions, questions, settings
from terok.tui.views.form import Field

_LABELS: Final = {
    "git.upstream": "repository",
    NAME: "name",
    "project.description": "about",
    "gate.security_class": "class",
    "agent.name": "agent",
    "image.base_image": "base image",
    "image.user_snippet_inline": "image line",
}


def wizard_fields(suggested: Suggestions, given: Mapping[str, str]) -> list[Field]:
    """Return the questions as fields: with what was given, else with what is proposed."""
    found: list[Field] = []
    answers: dict[str, str] = {}
    for question in questions(suggested, answers):
        value, problem = given.get(question.key, question.default), ""
        try:
            value = question.accept(value)
        except ValueError as error:
            problem = str(error)
        answers[question.key] = value
        label = _LABELS.get(question.key, question.key)
        found.append(Field(question.key, label, value, question.text, question.choices, problem))
    return found


def wizard_file(suggested: Suggestions, fields: list[Field]) -> tuple[str, dict[str, object], str]:
    """Return the project's name, its sections, and the text of its file."""
    answers = {field.key: field.value for field in fields}
    name, data = answers[NAME], settings(answers, suggested)
    return name, data, document(name, data)
