from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.image.registries import archive_entries, build_variables, debian_sources, usable


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://mirror.example.org/simple", True),
        ("http://mirror:8080/", True),
        ("file:///opt/simple", False),
        ("https://user:pw@mirror/simple", False),
        ("https://token@mirror/", False),
        ("https://a b/", False),
        ("https://a\n/", False),
        ("", False),
    ],
)
def test_only_locations_without_secrets_go_into_a_build(value: str, expected: bool) -> None:
    assert usable(value) is expected


def test_the_environment_wins_over_the_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"npm": "file:///nope"}
    monkeypatch.setattr(
        "terok_executor.image.registries._ask", lambda argv: said.get(argv[0], "https://asked.example/")
    )
    assert build_variables({"PIP_INDEX_URL": "https://env.example/simple"}) == {
        "PIP_INDEX_URL": "https://env.example/simple"
    }
    assert build_variables({"npm_config_registry": "https://n.example/"}) == {
        "NPM_CONFIG_REGISTRY": "https://n.example/",
        "PIP_INDEX_URL": "https://asked.example/",
    }


ONE_LINE = """\
# comment
deb [signed-by=/x arch=amd64] https://mirror.example.org/debian bookworm main contrib
deb https://mirror.example.org/debian bookworm-updates main
deb-src https://mirror.example.org/debian bookworm main
"""
DEB822 = """\
Types: deb
URIs: https://mirror.example.org/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://security.example.org/debian-security
Suites: bookworm-security
Components: main
"""


def test_both_formats_of_apt() -> None:
    assert archive_entries(ONE_LINE) == [
        ("https://mirror.example.org/debian", "bookworm"),
        ("https://mirror.example.org/debian", "bookworm-updates"),
    ]
    assert archive_entries(DEB822)[-1] == ("http://security.example.org/debian-security", "bookworm-security")


def test_a_debian_host_lends_its_mirrors_to_another_suite(tmp_path: Path) -> None:
    apt, release = tmp_path / "apt", tmp_path / "os-release"
    (apt / "sources.list.d").mkdir(parents=True)
    (apt / "sources.list.d" / "debian.sources").write_text(DEB822)
    release.write_text('ID=debian\nVERSION_CODENAME="bookworm"\n')
    assert debian_sources("trixie", apt, release) == (
        "deb https://mirror.example.org/debian trixie main",
        "deb https://mirror.example.org/debian trixie-updates main",
        "deb http://security.example.org/debian-security trixie-security main",
    )
    assert debian_sources("sid", apt, release) == ("deb https://mirror.example.org/debian sid main",)
    release.write_text("ID=ubuntu\nVERSION_CODENAME=noble\n")
    assert debian_sources("trixie", apt, release) == ()


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    archive_entries(text)
