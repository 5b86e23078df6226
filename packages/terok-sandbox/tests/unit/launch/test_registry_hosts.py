from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from terok_sandbox.config import SandboxConfig
from terok_sandbox.launch import registry_hosts
from terok_sandbox.shield.profiles import profile_lines, profile_overrides
from terok_sandbox.shield.registries import READERS, Registry


def test_an_images_own_registries_are_read(tmp_path: Path) -> None:
    for name, text in {
        "etc/pip.conf": "[global]\nindex-url = https://pip.example.test:8443/simple\n",
        "home/dev/.npmrc": "@ours:registry=https://npm.example.test/\n//npm.example.test/:_authToken=x\n",
        "etc/apt/sources.list": "deb http://apt.example.test/debian stable main\n",
        "etc/yum.repos.d/a.repo": "[a]\nbaseurl=https://dnf.example.test/\n",
        "root/.pip/pip.conf": "not a configuration",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    variables = {"PIP_EXTRA_INDEX_URL": "https://more.example.test/", "GOPROXY": "https://go.example.test,direct"}
    assert registry_hosts.configured_urls(tmp_path, variables) == {
        "@pip": ["https://more.example.test/", "https://pip.example.test:8443/simple"],
        "@npm": ["https://npm.example.test/"],
        "@apt": ["http://apt.example.test/debian"],
        "@dnf": ["https://dnf.example.test/"],
        "@go": ["https://go.example.test"],
    }


def test_redirects_are_learned_once_and_forgotten_with_their_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(("https://site.test/simple",), configured=True)
    for symbol in registry_hosts.LEARNED:
        monkeypatch.setitem(READERS, symbol, lambda: registry)
    asked: list[str] = []

    def ask(argv: Sequence[str]) -> str:
        asked.append(argv[0])
        if argv[0] == "python3":
            return '{"install": [{"download_info": {"url": "https://files.test/p.whl"}}]}'
        if argv[0] == "npm":
            return "no such thing"
        return "https://cdn.files.test:8443/p.whl" if argv[-1].startswith("https://files.test") else ""

    config = SandboxConfig(state_dir=tmp_path / "s", runtime_dir=tmp_path / "r", vault_dir=tmp_path / "v")
    config.state_dir.mkdir()
    assert registry_hosts.learn_redirects(config, ask=ask) == (
        "@pip: 2 further hosts, @npm: 0 further hosts, @apt: 0 further hosts"
    )
    count = len(asked)
    registry_hosts.learn_redirects(config, ask=ask)
    assert len(asked) == count
    led = ["files.test:443", "cdn.files.test:8443"]
    assert registry_hosts.redirect_targets(config, "@pip") == led
    own = tmp_path / "shield/profiles/mine.policy"
    own.parent.mkdir(parents=True)
    own.write_text("@pip\n")
    lines = profile_lines(["mine"], tmp_path, also=lambda symbol: registry_hosts.redirect_targets(config, symbol))
    assert lines == tuple(f"+ {target} %from=@pip" for target in ("site.test:443", *led))
    assert profile_overrides(["mine"], tmp_path, also=lambda _: led) == (), "nothing of it is on a private address"
    other = Registry(("https://other.test/simple",), configured=True)
    monkeypatch.setitem(READERS, "@pip", lambda: other)
    assert registry_hosts.redirect_targets(config, "@pip") == []
