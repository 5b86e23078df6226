from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from terok_executor.errors import RequestError, RosterError
from terok_executor.launch.check import check_request
from terok_executor.launch.request import AgentRequest
from terok_executor.launch.task_files import MAX_PROMPT_BYTES
from terok_executor.roster.loader import load_agents, load_providers
from terok_executor.roster.roster import AgentRoster

NONE = Path("/nonexistent")
ROSTER = AgentRoster(load_agents(NONE), load_providers(NONE))


@pytest.fixture
def request_(tmp_path: Path) -> AgentRequest:
    (tmp_path / ".git").mkdir()
    return AgentRequest(agent="claude", repo=str(tmp_path), prompt="do it")


def test_defaults(request_: AgentRequest) -> None:
    run = check_request(request_, ROSTER)
    assert run.task.name == f"terok-executor-{run.task.id}"
    assert run.task.work_branch == f"terok/{run.task.id[:8]}"
    assert run.provider.name == "anthropic"
    assert check_request(request_, ROSTER).task.name != run.task.name
    assert check_request(replace(request_, branch="fix/it"), ROSTER).task.work_branch == "fix/it"


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": ""},
        {"prompt": " \n"},
        {"prompt": "x" * (MAX_PROMPT_BYTES + 1)},
        {"repo": "/no/such/place"},
        {"repo": "nonsense"},
        {"repo": "https://user:pw@example.org/x"},
        {"name": "UPPER"},
        {"name": "../x"},
        {"name": ""},
        {"branch": "-x"},
        {"branch": "a..b"},
        {"branch": "a/"},
        {"branch": "x.lock"},
        {"branch": ""},
        {"timeout": 0},
        {"timeout": 10**9},
        {"allow": ("x y",)},
        {"authorship": "nobody"},
        {"authorship": "human"},
        {"human_name": "Ann"},
        {"instructions": [1]},
        {"shared_dir": Path("/no/such/place")},
        {"shared_dir": Path("relative")},
        {"shared_dir": Path("/tmp"), "shared_mount": "/a:/b"},
        {"shared_dir": Path("/tmp"), "shared_mount": "/a/../etc"},
        {"shared_dir": Path("/tmp"), "shared_mount": "/workspace/"},
        {"shared_dir": Path("/tmp"), "shared_mount": "/home"},
        {"shared_dir": Path("/tmp"), "shared_mount": "/home/dev/.claude/agents"},
        {"shared_dir": Path("/tmp"), "shared_mount": "//usr/local/bin"},
        {"model": 'x" evil'},
        {"repo": None},
        {"gate": False},
        {"workspace": Path("/no/such/place")},
        {"workspace": Path("/tmp"), "repo": None, "branch": "main"},
        {"workspace": Path("/tmp"), "sealed": True},
        {"workspace": Path("/usr")},
        {"sealed": True, "web": True},
        {"web": True, "prompt": None},
        {"family": "apk"},
        {"subagents": (Path("/no/such/file.md"),)},
        {"project_id": "../x"},
        {"project_id": "My.Project"},
        {"max_turns": 0},
        {"timezone": "Europe/Berlin\nX=1"},
        {"timezone": "../etc"},
        {"public_url": "proxy.example.org"},
        {"public_url": "https://proxy.example.org/path"},
        {"public_url": "https://user@proxy.example.org"},
        {"public_url": "javascript:alert(1)"},
        {"public_url": "https://proxy.example.org:443"},
        {"public_url": "https://Proxy.example.org"},
    ],
)
def test_bad_requests_are_usage_errors_of_one_line(request_: AgentRequest, change: dict[str, object]) -> None:
    with pytest.raises(RequestError) as caught:
        check_request(replace(request_, **change), ROSTER)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.message


def test_a_shared_directory_may_be_where_nothing_else_is(request_: AgentRequest) -> None:
    for place in ("/shared", "/data/in", "/home/dev/shared", "/var/lib/mine"):
        assert check_request(replace(request_, shared_dir=Path("/tmp"), shared_mount=place), ROSTER)


def test_addresses_of_proxies_as_browsers_show_them(request_: AgentRequest) -> None:
    for url in ("https://a.example.org", "http://127.0.0.1:8080/", "https://[::1]:8443", "http://x:443"):
        assert check_request(replace(request_, public_url=url), ROSTER)


def test_unknown_names(request_: AgentRequest) -> None:
    for change in ({"agent": "nobody"}, {"provider": "nobody"}, {"provider": "openai"}, {"tools": ("nobody",)}):
        with pytest.raises(RosterError):
            check_request(replace(request_, **change), ROSTER)
