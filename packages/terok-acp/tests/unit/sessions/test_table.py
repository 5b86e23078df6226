from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from terok_acp.errors import EndpointError, SessionsError, TableBusy
from terok_acp.sessions.forgetting import forget_sessions
from terok_acp.sessions.row import SessionRow
from terok_acp.sessions.table import SessionTable, stored_sessions

ROW = SessionRow(
    key="k1",
    container="task-1",
    agent="claude",
    backend_id="b/1",
    editor_cwd="/home/u/p",
    container_cwd="/workspace",
    title="first",
    model="claude:opus",
    capability_key="cap",
    created=1.5,
    updated=2.0,
)


def test_sessions_outlive_the_writer(tmp_path: Path) -> None:
    second = replace(ROW, key="k2", backend_id=None, editor_cwd="/other", updated=3.0, model=None, found=True)
    table = SessionTable(tmp_path / "c")
    assert stored_sessions(tmp_path / "none") == [] and table.rows() == []
    for row in (ROW, second, replace(second, key="k3", updated=1.0)):  # several without a backend yet
        table.put(row)
    assert stored_sessions(tmp_path / "c", "/home/u/p") == [ROW]
    table.put(replace(ROW, title="renamed"))
    table.close()

    table = SessionTable(tmp_path / "c")
    assert [row.key for row in table.rows()] == ["k2", "k1", "k3"] and table.get("k2") == second
    assert table.by_backend("claude", "b/1") == table.get("k1") == replace(ROW, title="renamed")
    assert table.by_backend("codex", "b/1") is None and table.get("nothing") is None
    table.transcripts.append("k1", "{}")
    table.transcripts.flush()
    table.remove("k1")
    table.remove("k1")
    assert table.get("k1") is None and not list((tmp_path / "c/transcripts").iterdir())
    table.close()


def test_there_is_one_writer(tmp_path: Path) -> None:
    table = SessionTable(tmp_path)
    with pytest.raises(TableBusy):
        SessionTable(tmp_path)
    table.close()
    SessionTable(tmp_path).close()


@pytest.mark.attack("ACP-41")
def test_an_agent_that_gives_one_id_twice_takes_no_session_over(tmp_path: Path) -> None:
    table = SessionTable(tmp_path)
    table.put(ROW)
    with pytest.raises(SessionsError):
        table.put(replace(ROW, key="k2"))
    assert table.rows() == [ROW]
    table.close()


def test_files_are_private_and_a_damaged_one_says_so(tmp_path: Path) -> None:
    SessionTable(tmp_path).close()
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir() if path.is_file()}
    assert modes["sessions.db"] == modes["lock"] == 0o600
    (tmp_path / "sessions.db").write_bytes(b"no database, but long enough to be taken for one" * 99)
    with pytest.raises(SessionsError, match=r"sessions\.db"):
        SessionTable(tmp_path)
    with pytest.raises(SessionsError):
        stored_sessions(tmp_path)


def test_a_container_that_is_gone_leaves_nothing_and_a_running_daemon_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEROK_ACP_STATE_DIR", str(tmp_path))
    forget_sessions("task-1")
    table = SessionTable(tmp_path / "task-1")
    table.put(ROW)
    table.transcripts.append("k1", "{}")
    with pytest.raises(TableBusy):
        forget_sessions("task-1", patience=0)
    table.close()
    SessionTable(tmp_path / "task-12").close()
    forget_sessions("task-1", patience=0)
    assert [path.name for path in tmp_path.iterdir()] == ["task-12"]
    with pytest.raises(EndpointError):
        forget_sessions("../task-12")
