from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.errors import RosterError
from terok_executor.roster.roster import parse_selection

KNOWN = ("demo", "claude", "codex")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("all", ("claude", "codex", "demo")),
        ("", ("claude", "codex", "demo")),
        ("Codex, claude", ("claude", "codex")),
        ("-demo", ("claude", "codex")),
        ("all,-demo,-codex", ("claude",)),
        ("claude,codex,-codex", ("claude",)),
    ],
)
def test_selections(text: str, names: tuple[str, ...]) -> None:
    assert parse_selection(text, KNOWN) == names


@pytest.mark.parametrize("text", ["nobody", "-nobody", "claude,-claude", "-all", "all,-claude,-codex,-demo", "-"])
def test_selections_that_are_refused(text: str) -> None:
    with pytest.raises(RosterError):
        parse_selection(text, KNOWN)


@given(st.text())
def test_any_text_is_a_selection_of_known_names_or_refused(text: str) -> None:
    try:
        names = parse_selection(text, KNOWN)
    except RosterError:
        return
    assert names
    assert set(names) <= set(KNOWN)
