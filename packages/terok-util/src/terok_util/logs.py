"""Log lines without secrets and without control sequences for a terminal."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import os
import time
from pathlib import Path
from typing import Any, TextIO

from terok_util.errors import FileError, UsageError
from terok_util.redaction import redact
from terok_util.text import safe_text

MAX_LOG_BYTES = 8 * 1024 * 1024
"""Size at which a log file is moved to `<path>.1`; one such file is kept."""
_MAX_MESSAGE = 8192
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class RedactionFilter(logging.Filter):
    """Mask registered secrets in message, arguments, extra fields, traceback and stack of a record.

    Add it to handlers, which get the records of all loggers.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite `record` in place; always True."""
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - a wrong format string must not lose the record
            message = f"{record.msg} (arguments lost: {type(error).__name__})"
        record.msg, record.args = redact(message), None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.exc_info = None
        record.exc_text = record.exc_text and redact(record.exc_text)
        record.stack_info = record.stack_info and redact(record.stack_info)
        for name, value in vars(record).items():
            if name not in _STANDARD and not isinstance(value, bool | int | float | None):
                setattr(record, name, redact(str(value)))
        return True


def configure_logging(
    identifier: str,
    *,
    level: str = "INFO",
    stream: TextIO | None = None,
    path: str | os.PathLike[str] | None = None,
    json_lines: bool = False,
) -> None:
    """Send the log records of this process to a stream or a file; a second call replaces the first.

    `identifier` is the process's name in every line. The lines go to `stream`, by default standard error, or to the
    file `path`: created 0600, not through a link, and rotated at 8 MiB. With `json_lines` a record is a JSON object
    (time, level, logger, process, message, extra fields) instead of a line of text with a traceback on the lines after.
    UsageError for an unknown level, FileError if the file cannot be opened.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise UsageError(f"unknown log level: {safe_text(level)}", hint="use DEBUG, INFO, WARNING or ERROR")
    handler = logging.StreamHandler(stream) if path is None else _open(Path(path))
    handler.setFormatter(_JsonLines(identifier) if json_lines else _Lines(identifier))
    handler.addFilter(RedactionFilter())
    handler.set_name("terok")
    root = logging.getLogger()
    for old in [present for present in root.handlers if present.get_name() == "terok"]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(number)


def _open(path: Path) -> logging.Handler:
    try:
        return _PrivateFile(path, maxBytes=MAX_LOG_BYTES, backupCount=1, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise FileError(f"cannot open log {path}: {error.strerror}") from error


class _PrivateFile(logging.handlers.RotatingFileHandler):
    def _open(self) -> io.TextIOWrapper:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.baseFilename, flags, 0o600)
        return open(descriptor, "a", encoding=self.encoding, errors=self.errors)  # noqa: PTH123 - a descriptor


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


class _Lines(logging.Formatter):
    def __init__(self, identifier: str) -> None:
        super().__init__()
        self._identifier = identifier

    def row(self, record: logging.LogRecord) -> dict[str, Any]:
        return {
            "time": _time(record),
            "identifier": self._identifier,
            "process": record.process,
            "level": record.levelname,
            "logger": record.name,
            "message": safe_text(record.getMessage(), limit=_MAX_MESSAGE),
        }

    def format(self, record: logging.LogRecord) -> str:
        head = "{time} {identifier}[{process}] {level} {logger}: {message}".format(**self.row(record))
        details = [safe_text(text, multiline=True) for text in (record.exc_text, record.stack_info) if text]
        return "\n".join([head, *details])


class _JsonLines(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        row = self.row(record)
        row |= {name: value for name, value in vars(record).items() if name not in _STANDARD and name not in row}
        row |= {name: text for name in ("exc_text", "stack_info") if (text := getattr(record, name))}
        return json.dumps(row, ensure_ascii=True)
