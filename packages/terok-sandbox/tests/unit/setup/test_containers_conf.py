from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.config.host_files import conf_path
from terok_sandbox.errors import SetupError
from terok_sandbox.setup.containers_conf import (
    DEFAULT_HOOK_DIRS,
    add_hook_dir,
    later_files,
    names_hook_dir,
    remove_hook_dir,
    with_hook_dir,
)

OURS = "/state/hooks"
TEXTS = [
    "",
    "# only a comment",
    "[containers]\nlog_size_max = 1\n",
    "[engine]\nruntime = 'runc' # mine\n\n[network]\n",
    "  [ engine ]   # indented\nruntime = 'runc'",
    "[engine]",
    "[engine.runtimes]\nrunc = ['/usr/bin/runc']\n",
]
WITH_LIST = [
    "[engine]\nhooks_dir = ['/a', '/b'] # keep\nruntime = 'runc'\n",
    '[engine]\nhooks_dir = [\n  "/a", # first\n  "/b",\n]\n',
    "engine = { runtime = 'crun', hooks_dir = ['/a'] }\n",
    "engine.hooks_dir = ['/a']\n",
    "[engine]\nhooks_dir = []\n",
    "[engine]\nhooks_dir = ['/a', {append = true}] # keep\n",
]


def hook_dirs(text: str) -> list[str]:
    return list(tomllib.loads(text)["engine"]["hooks_dir"])


@pytest.mark.parametrize("text", TEXTS)
def test_the_setting_is_made_with_podman_s_defaults_and_taken_back(text: str) -> None:
    added = with_hook_dir(text, OURS, present=True)
    assert hook_dirs(added) == [*DEFAULT_HOOK_DIRS, OURS]
    assert with_hook_dir(added, OURS, present=True) == added
    back = with_hook_dir(added, OURS, present=False)
    assert tomllib.loads(back) == tomllib.loads(text)
    assert back.rstrip("\n") == text.rstrip("\n")


@pytest.mark.parametrize("text", WITH_LIST)
def test_an_existing_list_is_extended(text: str) -> None:
    before = hook_dirs(text)
    added = with_hook_dir(text, OURS, present=True)
    assert hook_dirs(added) == [*before, OURS]
    assert all(comment in added for comment in ("# keep", "# first") if comment in text)
    back = with_hook_dir(added, OURS, present=False)
    assert tomllib.loads(back) == tomllib.loads(text)


def test_entries_added_later_by_others_stay() -> None:
    added = with_hook_dir("", OURS, present=True)
    longer = with_hook_dir(added.replace(f'"{OURS}"', f'"{OURS}", "/later"'), OURS, present=False)
    assert hook_dirs(longer) == [*DEFAULT_HOOK_DIRS, "/later"]
    more = with_hook_dir(added + "runtime = 'crun'\n", OURS, present=False)
    assert tomllib.loads(more) == {"engine": {"runtime": "crun"}}


@pytest.mark.parametrize("text", ["engine.runtime = 'runc'\n", "engine = {runtime = 'runc'}\n"])
def test_an_engine_table_without_a_header_is_left_to_its_owner(text: str) -> None:
    with pytest.raises(SetupError) as refused:
        with_hook_dir(text, OURS, present=True)
    assert refused.value.hint and OURS in refused.value.hint


@given(
    st.text(alphabet="abe#'\"[]={}.\n ,/", max_size=60)
    | st.lists(st.sampled_from([*TEXTS, *WITH_LIST]), max_size=2).map("\n".join)
)
def test_any_text_is_edited_or_refused(text: str) -> None:
    try:
        added = with_hook_dir(text, OURS, present=True)
    except SetupError as error:
        assert "\n" not in error.message
        return
    assert OURS in hook_dirs(added)
    back = with_hook_dir(added, OURS, present=False)
    assert tomllib.loads(back) == tomllib.loads(text)


@pytest.mark.parametrize("text", ["[engine", "engine = 1\n", "[engine]\nhooks_dir = '/a'\n", "[[engine]]\nx = 1\n"])
def test_a_file_that_cannot_be_edited_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "containers.conf"
    path.write_text(text)
    with pytest.raises(SetupError):
        add_hook_dir(path, Path(OURS))
    assert path.read_text() == text


def test_the_file_comes_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "containers" / "containers.conf"
    assert names_hook_dir(path, Path(OURS)) is None
    assert add_hook_dir(path, Path(OURS))
    assert names_hook_dir(path, Path(OURS))
    assert not add_hook_dir(path, Path(OURS))
    assert remove_hook_dir(path, Path(OURS))
    assert not path.exists()
    assert not remove_hook_dir(path, Path(OURS))


def test_mode_and_link_of_the_file_stay(tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.conf"
    target.write_text("[containers]\n")
    target.chmod(0o600)
    path = tmp_path / "containers.conf"
    path.symlink_to(target)
    add_hook_dir(path, Path(OURS))
    assert path.is_symlink()
    assert OURS in target.read_text()
    assert target.stat().st_mode & 0o777 == 0o600


def test_which_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINERS_CONF", "/named.conf")
    assert conf_path() == Path("/named.conf")
    monkeypatch.delenv("CONTAINERS_CONF")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/xdg")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert conf_path() == Path("/xdg/containers/containers.conf")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert conf_path() == Path("/etc/containers/containers.conf")


def test_what_is_read_later_counts_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTAINERS_CONF", raising=False)
    path = tmp_path / "containers.conf"
    drop_ins = [tmp_path / "containers.conf.d" / name for name in ("10.conf", "20.conf")]
    drop_ins[0].parent.mkdir()
    for one in drop_ins:
        one.write_text("")
    (drop_ins[0].parent / "not-read").write_text("[engine")
    assert later_files(path) == drop_ins
    monkeypatch.setenv("CONTAINERS_CONF_OVERRIDE", "/last.conf")
    assert later_files(path) == [*drop_ins, Path("/last.conf")]
    monkeypatch.setenv("CONTAINERS_CONF", str(path))
    assert later_files(path) == [Path("/last.conf")]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("", None),
        ("[engine]\nruntime = 'crun'\n", None),
        ("[engine]\nhooks_dir = []\n", False),
        ("[engine]\nhooks_dir = ['/other']\n", False),
        ("[engine]\nhooks_dir = ['/other', {append = true}]\n", None),
        ("[engine]\nhooks_dir = ['/other', {append = false}]\n", False),
        (f"[engine]\nhooks_dir = ['{OURS}']\n", True),
        (f"[engine]\nhooks_dir = ['{OURS}', {{append = true}}]\n", True),
    ],
)
def test_whether_a_file_names_the_directory(tmp_path: Path, text: str, verdict: bool | None) -> None:
    path = tmp_path / "x.conf"
    path.write_text(text)
    assert names_hook_dir(path, Path(OURS)) is verdict
