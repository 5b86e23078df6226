"""What the controller inherits."""

from __future__ import annotations

from terok.wire.environment import controller_environment


def test_the_controller_gets_nothing_that_might_be_a_secret() -> None:
    needed = {
        "HOME": "/home/a",
        "LC_ALL": "C",
        "https_proxy": "http://proxy.example.org",
        "CONTAINERS_CONF": "/a",
        "TEROK_ROOT": "/b",
        "SSH_AUTH_SOCK": "/c",
    }
    secrets = {
        "MY_SERVICE": "hunter2",
        "ANTHROPIC_API_KEY": "sk",
        "TEROK_PASSPHRASE": "x",
        "TEROK_GATE_TOKEN": "x",
        "LD_PRELOAD": "/lib/evil.so",
    }
    assert controller_environment(needed | secrets) == needed
