from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.audit import AuditLog
from terok_sandbox.cli import policies as tooling
from terok_sandbox.cli import shield as handlers
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import AuditError, ShieldError
from terok_sandbox.launch import registry_hosts
from terok_sandbox.shield import control_client, registries
from terok_sandbox.shield.control import carry_out, listen_control, serve_control
from terok_sandbox.shield.control_client import ask
from terok_sandbox.shield.dns_wire import Answer
from terok_sandbox.shield.errors import PolicyError, ShieldNotRunning
from terok_sandbox.shield.live import LivePolicy, load_live
from terok_sandbox.shield.operations import ShieldOperations, explain_name
from terok_sandbox.shield.policy import Policy
from terok_sandbox.shield.policy_file import parse_policy_file
from terok_sandbox.shield.profiles import BUNDLED, list_profiles, profile_lines
from terok_sandbox.shield.protocol import encode
from terok_sandbox.shield.sightings import Sightings
from terok_sandbox.shield.wall import Destination, Wall
from terok_sandbox.sidecar import SCHEMA, PolicyTiers, ShieldWiring, Sidecar

TEXT = """
+ a.example.com:8443        # a mirror
[security_deny]
- b.example.com
expect allow a.example.com:8443
expect deny a.example.com
expect deny [2001:db8::1]:22
expect deny 192.0.2.1:53/udp
"""


def test_policy_files_say_what_they_expect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "site.policy"
    path.write_text(TEXT)
    assert tooling.test(file=str(path)) == 0
    path.write_text(TEXT + "expect allow b.example.com\n")
    assert tooling.test(file=str(path)) == 1
    assert f"{path}:9: b.example.com:443 is deny, not allow" in capsys.readouterr().out
    assert tooling.check(target="b.example.com", container=None, policy=str(path), profiles=None, as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["tier"] == "security_deny"
    assert tooling.why(target="a.example.com:22", container=None, policy=str(path), profiles=None) == 1
    assert "(another port)" in capsys.readouterr().out
    assert tooling.why(target="a.example.com:22", container=None, policy=str(path), profiles=None, as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["rules"][0]["other_port"], told["seen"]) == ("deny", True, [])
    assert tooling.test(file=str(path), as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["expectations"], [(one["line"], one["expected"], one["verdict"]) for one in told["failed"]]) == (
        *(5, [(9, "allow", "deny")]),
    )


@pytest.mark.parametrize("line", ["[nobody]", "expect maybe a:1", "expect allow a:0", "@nothing", "+ A.example", "x"])
def test_a_bad_line_names_file_and_line(line: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy_file(f"# rules\n{line}\n", "p.policy", expand=registries.expand)
    assert refused.value.message.startswith("p.policy:2: ")


@given(st.text())
def test_any_text_is_a_policy_file_or_a_policy_error(text: str) -> None:
    try:
        parse_policy_file(text, "p")
        Destination.parse(text)
    except PolicyError:
        pass


def test_registries_are_what_the_tools_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "GOPROXY", "CARGO_HOME"):
        monkeypatch.delenv(key, raising=False)
    listed = "global.index-url='https://mirror.example.test:8081/simple'\nglobal.extra-index-url='http://two.example.test/'\n"
    found = registries.pip_registry(lambda argv: listed if argv[0] == "pip" else "")
    assert registries.targets(found.urls) == ["mirror.example.test:8081", "two.example.test:80"]
    assert found.configured
    default = registries.pip_registry(lambda argv: "https://one.test/simple https://two.test" if "-c" in argv else "")
    assert (registries.targets(default.urls), default.configured) == (["one.test:443", "two.test:443"], False)
    (tmp_path / ".npmrc").write_text(
        "@ours:registry=https://npm.example.test/\n//npm.example.test/:_authToken=secret\n"
    )
    assert registries.targets(registries.npm_registry(lambda _: "https://n.test/\n", tmp_path).urls) == [
        *("n.test:443", "npm.example.test:443")
    ]
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("# deb http://off.test x\ndeb [a=b] http://apt.test/x stable main\n")
    (tmp_path / "sources.list.d/d.sources").write_text("Types: deb\nURIs: https://deb.test/y http://deb.test\n")
    assert registries.targets(registries.apt_registry(tmp_path).urls) == ["apt.test:80", "deb.test:443", "deb.test:80"]
    (tmp_path / "a.repo").write_text("[on]\nbaseurl=https://on.test/\n[off]\nenabled=0\nbaseurl=https://off.test/\n")
    assert registries.targets(registries.dnf_registry(tmp_path).urls) == ["on.test:443"]
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo/config.toml").write_text(
        '[source.crates-io]\nreplace-with="m"\n[source.m]\nregistry="sparse+https://cargo.test/i/"\n'
    )
    assert registries.targets(registries.cargo_registry(tmp_path).urls) == ["cargo.test:443"]
    assert registries.targets(registries.go_registry(lambda _: "https://go.test,direct").urls) == ["go.test:443"]
    monkeypatch.setitem(registries.READERS, "@pip", lambda: found)
    (line,) = registries.private_overrides(
        "@pip", lookup=lambda name: [ip_address("10.0.0.9" if name.startswith("mirror") else "203.0.113.9")]
    )
    policy = Policy.from_tiers(PolicyTiers(override=(line,)))
    (grant,) = policy.grants("mirror.example.test")
    assert policy.judge_answer(grant, ip_address("10.0.0.9")).allowed
    assert grant.service.port == 8081
    assert not policy.decide_address("10.0.0.9", 8081).allowed


@pytest.mark.parametrize("ask_tool", [registries.run_tool, partial(registries.run_tool, check=False)])
def test_a_tool_of_the_host_takes_nothing_from_the_current_directory(
    ask_tool: Callable[[Sequence[str]], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here.py").write_text("print('of an agent')")
    monkeypatch.chdir(tmp_path)
    assert ask_tool(["python3", "-c", "import here"]) == ""


def test_bundled_profiles_can_be_read_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for symbol in registries.READERS:
        monkeypatch.setitem(registries.READERS, symbol, lambda: registries.Registry(("https://r.test",), False))
    found = list_profiles(tmp_path)
    assert {path.stem for path in BUNDLED.glob("*.policy")} == {one.name for one in found}
    assert all(one.summary and one.sources and one.checked for one in found)
    policy = parse_policy_file("\n".join(profile_lines([one.name for one in found], tmp_path)), "all").policy
    assert policy.decide_name("r.test", 443).allowed
    own = tmp_path / "shield/profiles"
    own.mkdir(parents=True)
    (own / "python.policy").write_text("# summary: ours\n+ only.example.com\n")
    assert profile_lines(["python"], tmp_path) == ("+ only.example.com",)
    for line in ("+ NOT.example.com", "@nothing"):
        (own / "python.policy").write_text(f"\n{line}\n")
        with pytest.raises(PolicyError, match=r"python.policy:2: "):
            profile_lines(["python"], tmp_path)
    for name in ("../python", "nothing", ""):
        with pytest.raises(PolicyError, match="unknown profile"):
            profile_lines([name], tmp_path)


class Names:
    async def query(self, name: str, rdtype: int) -> Answer:
        del name
        return Answer(0, (), tuple(map(ip_address, ("203.0.113.9", "10.0.0.1"))) if rdtype == 1 else (), 60)


class Silent:
    async def run(self, command: str) -> str:
        del command
        return ""


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sidecar]:
    """Serve the control socket of a container `c1`, as its gateway does."""
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    config = SandboxConfig()
    config.ensure_container_dirs("c1")
    config.sidecar_dir.mkdir(parents=True)
    wiring = ShieldWiring("filter", tmp_path / "audit.jsonl", PolicyTiers(project_allow=("+ a.example.com:443",)))
    places = (config.container_runtime_dir("c1"), config.container_state_dir("c1"))
    sidecar = Sidecar(SCHEMA, "1", "c1", "s", *places, None, None, wiring)
    sidecar.save(config.sidecar_path("c1"))
    ready, stop, path = threading.Event(), SimpleNamespace(), config.gateway_socket("c1")

    async def serve() -> None:
        live = LivePolicy(Policy.from_tiers(wiring.tiers), sidecar.gateway_dir / "shield-live.json", channel=Silent())
        sightings = Sightings(AuditLog(wiring.audit_path, container="c1"), clock=asyncio.get_running_loop().time)
        operations = ShieldOperations(
            "c1", live, sightings, explain=lambda name: explain_name(Wall(live.policy), Names(), name)
        )  # type: ignore[arg-type]
        task = asyncio.create_task(serve_control(path, listen_control(path), operations.by_name))
        stop.loop, stop.task = asyncio.get_running_loop(), task
        asyncio.get_running_loop().call_later(0.1, ready.set)
        await asyncio.gather(task, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(5)
    yield sidecar
    stop.loop.call_soon_threadsafe(stop.task.cancel)
    thread.join(5)
    with pytest.raises(ShieldNotRunning):
        ask(path, "status")


def test_a_person_changes_the_wall(container: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    handlers.deny(name="c1", target="a.example.com", minutes=5, reason="enough \x1b[31m", as_json=False)
    handlers.down(name="c1", disengage=False, as_json=False)
    handlers.status(name="c1", as_json=False)
    out = capsys.readouterr().out
    assert "c1: down, filter, 2 rules" in out
    assert "\x1b" not in out
    assert tooling.check(target="a.example.com", container="c1", policy=None, profiles=None, as_json=False) == 1
    handlers.allow(name="c1", target="b.example.com:22", minutes=None, reason="", as_json=False)
    handlers.revoke(name="c1", target="a.example.com", as_json=False)
    handlers.rules(name="c1", as_json=False)
    handlers.preview(name="c1", posture=None, as_json=True)
    out = capsys.readouterr().out
    told = json.loads(out[out.index("{") :])
    assert told["posture"] == "down" and "table inet terok" in told["ruleset"]
    handlers.rules(name="c1", as_json=False)
    handlers.preview(name="c1", posture=None)
    out = capsys.readouterr().out
    assert "live_allow      + b.example.com:22" in out
    assert 'log prefix "terok down"' in out
    assert handlers.resolve(name="c1", host="evil.example", as_json=False) == 1
    assert handlers.resolve(name="c1", host="A.Example.com.", as_json=False) == 0
    out = capsys.readouterr().out
    assert "203.0.113.9: allow" in out and "10.0.0.1: deny: private" in out
    for verb, fields in (("allow", {"target": "169.254.169.254"}), ("posture", {"posture": "open"}), ("nothing", {})):
        with pytest.raises(ShieldError):
            ask(SandboxConfig().gateway_socket("c1"), verb, **fields)
    with pytest.raises(PolicyError):
        handlers.allow(name="c1", target="x.example.com", minutes=-1, reason="", as_json=False)
    handlers.reset(name="c1", as_json=False)
    capsys.readouterr()
    handlers.logs(name="c1", tail=50, as_json=True)
    rows: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["action"] for row in rows] == ["verdict", "posture", "verdict", "verdict", "posture"]


async def reply(operations: ShieldOperations, kind: str, **fields: str) -> dict[str, Any]:
    line = await carry_out(operations.by_name, None, encode(kind, **fields))  # type: ignore[arg-type]
    answer: dict[str, Any] = json.loads(line)
    return answer


async def test_what_a_person_opens_is_recorded_first(tmp_path: Path) -> None:
    log, recorded = tmp_path / "audit.jsonl", []

    class Watching:
        async def run(self, command: str) -> str:
            recorded.append(log.read_text().count("203.0.113.9") if "203.0.113.9" in command else command[:4])
            return ""

    live = LivePolicy(Policy(), tmp_path / "live.json", channel=Watching())
    operations = ShieldOperations("c1", live, Sightings(AuditLog(log), clock=lambda: 0.0), explain=explain_name)  # type: ignore[arg-type]
    assert (await reply(operations, "allow", target="203.0.113.9"))["type"] == "ok"
    assert recorded == [1]
    assert (await reply(operations, "allow", target="169.254.169.254"))["type"] == "error"
    assert len(log.read_text().splitlines()) == 1, "what is refused leaves no row"


@pytest.mark.attack("BRK-1")
async def test_what_a_person_closes_is_closed_also_without_room_for_its_row(tmp_path: Path) -> None:
    (tmp_path / "full").touch()
    live = LivePolicy(Policy(), tmp_path / "live.json", channel=Silent())
    sightings = Sightings(AuditLog(tmp_path / "full/audit.jsonl"), clock=lambda: 0.0)
    operations = ShieldOperations("c1", live, sightings, explain=explain_name)  # type: ignore[arg-type]
    answer = await reply(operations, "deny", target="a.example.com")
    assert answer["type"] == "ok" and "audit.jsonl" in answer["unrecorded"]
    assert (await reply(operations, "posture", posture="quarantine"))["unrecorded"]
    assert (live.posture, len(live.verdicts)) == ("quarantine", 1)
    for kind, fields in (("posture", {"posture": "up"}), ("allow", {"target": "b.example.com"})):
        with pytest.raises(AuditError):
            await reply(operations, kind, **fields)
    assert (live.posture, len(live.verdicts)) == ("quarantine", 1)


def test_a_policy_file_is_a_launch_s_policy(tmp_path: Path) -> None:
    path, config = tmp_path / "site.policy", SandboxConfig(config_dir=tmp_path, shield_profiles=("base",))
    override = '+ 10.0.0.7:5432 %reason="the database" %expires=2099-01-01T00:00:00Z'
    path.write_text(f"+ a.example.com  # ours\n[override]\n{override}\n[security_deny]\n- b.example.com\n")
    tiers = registry_hosts.profile_tiers(config, None, None, ["+ c.example.com"], path)
    assert tiers == PolicyTiers((override,), ("- b.example.com",), (), ("+ a.example.com", "+ c.example.com"))
    assert Wall(Policy.from_tiers(tiers)).decide_destination("10.0.0.7", 5432).allowed
    assert registry_hosts.profile_tiers(config, None, ("base",), (), path).project_allow[0] == "+ a.example.com"
    path.write_text("expect allow a.example.com\n")
    with pytest.raises(PolicyError, match=r"site\.policy:1: a\.example\.com:443 is deny, not allow"):
        registry_hosts.profile_tiers(config, None, None, (), path)


@pytest.mark.attack("OPS-2")
@pytest.mark.parametrize("starts", [False, True])
def test_a_shield_that_starts_meanwhile_takes_the_posture(
    container: Sidecar, monkeypatch: pytest.MonkeyPatch, *, starts: bool
) -> None:
    said: list[str] = []

    def asked(place: Path, verb: str, **fields: str) -> dict[str, Any]:
        said.append(f"{verb} {fields.get('posture')} {load_live(container.gateway_dir / 'shield-live.json').posture}")
        if len(said) == 1 or not starts:
            raise ShieldNotRunning("not yet")
        return {}

    monkeypatch.setattr(control_client, "ask", asked)
    handlers.quarantine(name="c1", as_json=False)
    assert said == ["posture quarantine up", "posture quarantine quarantine"]


def test_a_changed_policy_is_compared_with_the_log(container: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    log = AuditLog(container.shield.audit_path)
    log.append("allowed", name="a.example.com", dest="203.0.113.9")
    log.append("blocked", dest="203.0.113.7", port=22, proto="tcp")
    log.append("refused", name="evil.example")
    log.append("allowed", name="git.example.com", dest="203.0.113.9", tier="project_allow")
    log.append("refused", name="git.example.com", dest="10.0.0.1", tier="private")
    log.append("refused", name="git.example.com", port=22, reason="too many connections", tier="egress")
    path = container.state_dir / "new.policy"
    path.write_text("+ 203.0.113.7:22\n+ git.example.com:22\n")
    tooling.replay(name="c1", file=str(path), as_json=True)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["target"], row["becomes"]) for row in rows] == [
        ("a.example.com", "deny"),
        ("203.0.113.7:22", "allow"),
    ]
