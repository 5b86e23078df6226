from __future__ import annotations

import pytest
from terok_acp.wall.mcp import servers_in
from terok_acp.wall.rules import Rules

OPEN = Rules(mcp_commands=frozenset({"/usr/bin/mcp-git"}), host_allowed=lambda host, port: True)


def http(url: object, kind: str = "http") -> dict[str, object]:
    return {"type": kind, "name": "s", "url": url, "headers": [{"name": "Authorization", "value": "Bearer s3cret"}]}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "127.0.0.1",
        "127.1",
        "127.255.255.254",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "169.254.169.254",
        "[fe80::1]",
        "host.docker.internal",
        "host.containers.internal",
    ],
)
def test_no_spelling_of_the_editor_s_machine_passes(host: str) -> None:
    kept, notices = servers_in([http(f"https://{host}/mcp"), http(f"http://{host}:8080/mcp", "sse")], OPEN)
    assert kept == [] and len(notices) == 2 and "editor's machine" in notices[0]


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "https://",
        "ftp://e/x",
        "file:///etc",
        "//e/x",
        "https://e:99999/",
        "https://u:p@e/",
        "https://e\\@f/",
        "https://e /",
        "https://é/",
        "https://[::1/",
        "javascript:x",
    ],
)
def test_what_is_no_plain_web_address_does_not_pass(url: object) -> None:
    assert servers_in([http(url)], OPEN)[0] == []


def test_the_shield_decides_about_the_rest_by_name_and_port() -> None:
    asked = []
    rules = Rules(host_allowed=lambda host, port: asked.append((host, port)) or host == "mcp.example")
    kept, notices = servers_in([http("https://MCP.example/x"), http("http://other.example:81/", "sse")], rules)
    assert kept == [http("https://MCP.example/x")] and asked == [("mcp.example", 443), ("other.example", 81)]
    assert notices == ("MCP server s was left out: the shield does not allow other.example:81",)


def test_a_command_runs_only_if_the_project_allows_it_and_no_secret_is_told() -> None:
    allowed = {"name": "git", "command": "/usr/bin/mcp-git", "args": ["-v"], "env": [{"name": "T", "value": "s3cret"}]}
    refused = allowed | {"name": "x\x1b[31m\n", "command": "/usr/bin/mcp-git2", "_meta": {"k": 1}}
    kept, notices = servers_in([allowed | {"_meta": {}}, refused, {"type": "acp", "name": "a"}, 5, None], OPEN)
    assert kept == [allowed] and len(notices) == 4
    assert not any("s3cret" in line or "\x1b" in line or "\n" in line for line in notices)
    assert servers_in("nothing", OPEN) == ([], ()) and servers_in([allowed], Rules())[0] == []
