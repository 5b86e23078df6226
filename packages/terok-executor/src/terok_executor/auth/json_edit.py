"""Changes one value in the text of a JSON file and nothing else; comments and trailing commas are allowed. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(
    r"(?P<skip>\s+|//[^\n]*|/\*.*?\*/)"
    r'|(?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")'
    r"|(?P<mark>[{}\[\]:,])"
    r'|(?P<word>[^\s{}\[\]:,"/]+)',
    re.DOTALL,
)


@dataclass(slots=True)
class _Value:
    start: int
    end: int = 0
    members: dict[str, _Value] | None = None
    first: int | None = None
    """Position of an object's first key."""


@dataclass(slots=True)
class _Reader:
    text: str
    tokens: list[tuple[str, int, int]] = field(default_factory=list)
    at: int = 0

    def __post_init__(self) -> None:
        position = 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None or match.lastgroup is None:
                raise self.error(position)
            if match.lastgroup != "skip":
                self.tokens.append((match.lastgroup, position, match.end()))
            position = match.end()

    def error(self, position: int) -> ValueError:
        return ValueError(f"line {self.text.count(chr(10), 0, position) + 1}: not JSON")

    def document(self) -> _Value:
        value = self.value()
        if self.at != len(self.tokens):
            raise self.error(self.tokens[self.at][1])
        return value

    def value(self) -> _Value:
        _, start, end = self.take()
        mark = self.text[start:end]
        if mark == "{":
            return self.collection(_Value(start, members={}), "}")
        if mark == "[":
            return self.collection(_Value(start), "]")
        try:
            json.loads(mark)
        except ValueError:
            raise self.error(start) from None
        return _Value(start, end)

    def collection(self, value: _Value, closing: str) -> _Value:
        while not self.accept(closing):
            if value.members is None:
                self.value()
            else:
                kind, start, end = self.take()
                if kind != "string" or not self.accept(":"):
                    raise self.error(start)
                value.first = start if value.first is None else value.first
                value.members[json.loads(self.text[start:end])] = self.value()
            if not self.accept(",") and not self.following(closing):
                raise self.error(self.take()[1])
        value.end = self.tokens[self.at - 1][2]
        return value

    def take(self) -> tuple[str, int, int]:
        if self.at >= len(self.tokens):
            raise self.error(len(self.text))
        self.at += 1
        return self.tokens[self.at - 1]

    def following(self, mark: str) -> bool:
        return self.at < len(self.tokens) and self.text[slice(*self.tokens[self.at][1:])] == mark

    def accept(self, mark: str) -> bool:
        found = self.following(mark)
        self.at += found
        return found


def set_key(text: str, path: tuple[str, ...], value: Any) -> str:
    """Return the text with `value` at a path of keys; objects on the way are made.

    ValueError, with line or key, if the text is not JSON or a value on the way is not an object.
    """
    node = _Reader(text).document()
    for depth, key in enumerate(path):
        if node.members is None:
            where = ".".join(path[:depth]) or "the file"
            raise ValueError(f"{where}: an object is needed")
        if key not in node.members:
            for rest in reversed(path[depth + 1 :]):
                value = {rest: value}
            return _insert(text, node, f"{json.dumps(key)}: {json.dumps(value)}")
        node = node.members[key]
    if value == {} and node.members is not None:
        return text
    return text[: node.start] + json.dumps(value) + text[node.end :]


def _insert(text: str, node: _Value, member: str) -> str:
    inside = node.start + 1
    line = text.rfind("\n", 0, node.start) + 1
    indent = re.match(r"[ \t]*", text[line:])
    outer = indent[0] if indent else ""
    if node.first is None:
        # A comment may be all there is; it stays in front of what is added.
        held = text[inside : node.end - 1].rstrip()
        return f"{text[:inside]}{held}\n{outer}  {member}\n{outer}{text[node.end - 1 :]}"
    start = text.rfind("\n", inside, node.first)
    lead = text[start : node.first] if start >= 0 and not text[start : node.first].strip() else ""
    return f"{text[:inside]}{lead}{member},{'' if lead else ' '}{text[inside:]}"
