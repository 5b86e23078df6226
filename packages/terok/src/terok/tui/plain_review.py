"""The plain form of reviews and races: numbered menus; what a person decides is done by commands of terok."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from terok.model.hunks import FileDiff
from terok.model.race import Race, Standing
from terok.services.review_look import Look
from terok.tui.background.race import board_of, compared
from terok.tui.background.review import Trouble, laid_out, look, pair_of, record
from terok.tui.views.plain_review import CELLS, attempt_lines, file_lines, sheet_lines
from terok.tui.views.review_overview import overview
from terok.tui.views.review_promotion import decided, moved_words
from terok.tui.views.review_remarks import remarks

_HELP: Final = (
    "number     show the lines of a file",
    "m number   mark a file as viewed",
    "c PLACE    comment on PATH:12, PATH:12-20, PATH:-12 (deleted), PATH, #N or, without a place, on all of it",
    "o          show only what is new since the last look, or all",
    "k COMMAND  check: run a command on the commit",
    "p BRANCH   promote to this branch",
    "j          reject, with a note",
    "l          list the files again",
    "b          go back",
)
_RACE_HELP: Final = (
    "number     review an attempt",
    "d A B      show how two attempts differ",
    "k number   keep an attempt: promote it, archive the others",
    "b          go back",
)

Say = Callable[[str], None]
Read = Callable[[str], str | None]
Command = Callable[[list[str]], Any]


class PlainReview:
    """The conversation about what a task brings."""

    def __init__(self, say: Say, read: Read, command: Command, task: str) -> None:
        self._say, self._read, self._command, self._subject = say, read, command, task
        self._since = False
        self._seen: Look | None = None

    def run(self) -> None:
        """Talk until the person goes back."""
        if not self._list():
            return
        for text in _HELP:
            self._say(text)
        while (line := self._read("review> ")) is not None:
            word, _, rest = line.strip().partition(" ")
            if word in ("b", "q", ""):
                return
            self._do(word, rest.strip())

    def _do(self, word: str, rest: str) -> None:
        verbs: Mapping[str, Callable[[str], object]] = {
            "m": self._mark,
            "c": self._comment,
            "o": lambda _: self._turn(),
            "k": lambda text: text and self._command(["review", self._subject, f"--check={text}"]),
            "p": self._promote,
            "j": lambda _: self._reject(),
            "l": lambda _: self._list(),
        }
        if word.isdigit():
            self._show(word)
        elif word in verbs:
            verbs[word](rest)
        else:
            for text in _HELP:
                self._say(text)

    def _list(self) -> bool:
        found = look(self._subject, since=self._since, ignore_space=False)
        if isinstance(found, Trouble):
            self._say(found.message)
            self._say(found.hint)
            return False
        self._seen, said = found.look, remarks(found.look)
        for line in sheet_lines(overview(found.look, said.get("", ()), CELLS, _now())):
            self._say(line)
        for line in file_lines(found.look, said, found.counts):
            self._say(line)
        record(found.look)
        return True

    def _turn(self) -> None:
        self._since = not self._since
        if not self._list():
            self._since = not self._since

    def _file(self, number: str) -> FileDiff | None:
        files = self._seen.changes.files if self._seen is not None else ()
        if number.isdigit() and 1 <= int(number) <= len(files):
            return files[int(number) - 1]
        self._say(f"there is no file {number}; l lists them")
        return None

    def _show(self, number: str) -> None:
        if (file := self._file(number)) is None or self._seen is None:
            return
        said = remarks(self._seen).get(file.path, ())
        pair = pair_of(self._seen, ignore_space=False)
        _, sheet = laid_out(file, said, CELLS, split=False, pair=pair, whole=self._seen.changes.whole)
        for line in sheet_lines(sheet):
            self._say(line)

    def _mark(self, number: str) -> None:
        if (file := self._file(number)) is not None:
            self._command(["review", self._subject, f"--viewed={file.path}"])

    def _comment(self, place: str) -> None:
        text = self._read("your comment> ")
        if text and text.strip():
            self._command(["review", self._subject, "--comment", *([place] if place else []), text])

    def _promote(self, target: str) -> None:
        if self._seen is None or not target:
            self._say("say to which branch: p BRANCH")
            return
        if said := moved_words(self._seen):
            self._say(said)
        words, command = decided(self._seen, self._subject, target, "")
        if (self._read(f"{words}? yes does it> ") or "").strip() == "yes":
            self._command(command)

    def _reject(self) -> None:
        note = self._read("because> ")
        if note and note.strip():
            self._command(["reject", self._subject, f"--message={note}"])


class PlainRace:
    """The conversation about the race that a task is an attempt of."""

    def __init__(self, say: Say, read: Read, command: Command, task: str) -> None:
        self._say, self._read, self._command, self._subject = say, read, command, task

    def run(self) -> None:
        """Talk until the person goes back."""
        found = board_of(self._subject)
        if isinstance(found, Trouble):
            self._say(found.message)
            self._say(found.hint)
            return
        for text in (*attempt_lines(found.board), *_RACE_HELP):
            self._say(text)
        rows = {str(one.number): one for one in found.board.standings}
        while (line := self._read("race> ")) is not None:
            word, *rest = line.split() or ["b"]
            if word in rows:
                PlainReview(self._say, self._read, self._command, rows[word].task).run()
            elif word == "d" and len(rest) == 2 and set(rest) <= set(rows):
                self._difference(found.board.race, rows[rest[0]], rows[rest[1]])
            elif word == "k" and len(rest) == 1 and rest[0] in rows:
                self._command(["race", "keep", rows[rest[0]].task])
            elif word == "b":
                return
            else:
                for text in _RACE_HELP:
                    self._say(text)

    def _difference(self, race: Race, one: Standing, other: Standing) -> None:
        found = compared(race, one.tip, other.tip, ignore_space=False)
        if isinstance(found, Trouble):
            self._say(found.message)
            return
        for file in found.changes.files:
            _, sheet = laid_out(file, (), CELLS, split=False, pair=found.pair, whole=found.changes.whole)
            for line in sheet_lines(sheet):
                self._say(line)


def _now() -> float:
    import time

    return time.time()
