from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from terok_util import FileError, UsageError, configure_logging, logs, redaction, register_secret


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The root logger without the handlers of the test runner, which refuses wrong format strings."""
    root = logging.getLogger()
    level = root.level
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(redaction, "_registered", {})
    monkeypatch.setattr(redaction, "_ordered", ())
    register_secret("log-s3cret")
    yield root
    for handler in root.handlers:
        handler.close()
    root.setLevel(level)


pytestmark = pytest.mark.usefixtures("root")


def fail() -> None:
    raise ValueError("boom log-s3cret")


def write(log: logging.Logger) -> None:
    log.info("key %s\nforged line \x1b[2J", "log-s3cret", extra={"header": {"x": "log-s3cret"}})
    try:
        fail()
    except ValueError:
        log.exception("failed")
    log.debug("not shown")


def test_text_lines_are_redacted_and_safe() -> None:
    stream = io.StringIO()
    configure_logging("broker", stream=stream)
    write(logging.getLogger("some.room"))
    out = stream.getvalue()
    assert "s3cret" not in out
    assert out.replace("\n", "").isprintable()
    first, failed, *trace = out.splitlines()
    assert first.endswith(r"INFO some.room: key [redacted] forged line \x1b[2J")
    assert " broker[" in first
    assert failed.endswith("ERROR some.room: failed")
    assert trace[0].startswith("Traceback")
    assert "ValueError: boom [redacted]" in trace
    assert "not shown" not in out


def test_json_lines() -> None:
    stream = io.StringIO()
    configure_logging("broker", stream=stream, json_lines=True, level="debug")
    write(logging.getLogger("some.room"))
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [row["level"] for row in rows] == ["INFO", "ERROR", "DEBUG"]
    assert "s3cret" not in stream.getvalue()
    assert rows[0]["header"] == "{'x': '[redacted]'}"
    assert rows[0]["identifier"] == "broker"
    assert rows[1]["exc_text"].startswith("Traceback")


def test_file_is_private_rotated_and_never_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_LOG_BYTES", 2000)
    path = tmp_path / "log"
    configure_logging("a", path=path)
    for number in range(60):
        logging.getLogger("x").info("line %d", number)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size <= 2000
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log", "log.1"]
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(FileError, match="cannot open log"):
        configure_logging("a", path=tmp_path / "link")


def test_second_call_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging("a", stream=first)
    configure_logging("a", stream=second)
    logging.getLogger("x").warning("once")
    assert (first.getvalue(), second.getvalue().count("once")) == ("", 1)
    with pytest.raises(UsageError, match="unknown log level"):
        configure_logging("a", level="loud")


def test_wrong_format_string_does_not_lose_the_line() -> None:
    record = logging.LogRecord("x", logging.INFO, "f.py", 1, "count %d", ("log-s3cret",), None)
    assert logs.RedactionFilter().filter(record)
    assert record.getMessage() == "count %d (arguments lost: TypeError)"
