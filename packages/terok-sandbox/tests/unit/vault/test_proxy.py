"""Who may ask for what: tokens, rules, the audit before release."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web
from terok_sandbox.audit_chain import verify_audit
from terok_sandbox.shield.live_store import LiveState, save_live
from terok_sandbox.values.posture import LIVE_FILE
from terok_sandbox.vault import access
from terok_sandbox.vault.tokens import mint

from .conftest import CONTAINER, SECRET, Provider, Vault, error


async def test_a_request_goes_out_with_the_real_key(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    async with client.post("/v1/messages?beta=true", json={"a": 1}, headers={"User-Agent": "agent/1"}) as response:
        assert response.status == 200 and await response.json() == {"ok": True, "size": 8}
    method, path, headers, body = provider.requests[0]
    assert (method, path, json.loads(body)) == ("POST", "/v1/messages?beta=true", {"a": 1})
    assert headers["x-api-key"] == SECRET and headers["User-Agent"] == "agent/1"
    assert headers["Host"] in provider.url and headers["Accept-Encoding"] == "identity"
    assert vault.token not in repr(provider.requests)


async def test_the_audit_row_is_there_before_the_upstream_is_dialed(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    seen = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.extend(vault.audit())
        return web.Response(text="hello")

    provider.handler = handler
    async with client.get("/v1/models?secret-query=1") as response:
        await response.read()
    assert [(row["action"], row["path"], row["verdict"]) for row in seen] == [("request", "/v1/models", "released")]
    await asyncio.sleep(0.05)
    first, second = vault.audit()
    assert second["action"] == "response" and second["status"] == 200 and second["bytes"] == 5
    assert second["request"] == first["request"] and first["token_id"] == vault.db.list_tokens()[0].token_id
    text = vault.wiring.audit_path.read_text()
    assert SECRET not in text and vault.token not in text and "secret-query" not in text


async def test_nothing_is_released_without_its_audit_row(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    vault.wiring.audit_path.mkdir()
    async with client.get("/v1/x") as response:
        assert response.status == 503 and await error(response) == "audit_unavailable"
    assert not provider.requests


async def test_an_exchanged_audit_is_noticed_before_the_next_release(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    async with client.get("/v1/x") as response:
        assert response.status == 200
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.extend(str(row["action"]) for row in vault.audit())
        return web.Response()

    provider.handler = handler
    vault.wiring.audit_path.rename(vault.wiring.audit_path.with_name("away"))
    async with client.get("/v1/x") as response:
        assert response.status == 200
    assert "request" in seen and "log_replaced" in seen and not verify_audit(vault.wiring.audit_path).ok


@pytest.mark.attack(id="TOK-1")
async def test_another_container_s_token_is_refused_and_audited(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    stolen = vault.db.create_token("elsewhere", "stub")
    async with client.get("/v1/x", headers={"x-api-key": stolen}) as response:
        assert response.status == 403 and await error(response) == "foreign_token"
    assert not provider.requests
    row = vault.audit()[-1]
    assert (row["verdict"], row["reason"]) == ("refused", "foreign_token")
    assert row["token_id"] in {token.token_id for token in vault.db.list_tokens("elsewhere")}


async def test_tokens_that_do_not_work(vault: Vault, client: aiohttp.ClientSession, provider: Provider) -> None:
    other = vault.db.create_token(CONTAINER, "absent")
    keyless = vault.db.create_token(CONTAINER, "stub", "empty")
    cases = [({"x-api-key": mint()}, 401, "unknown_token"), ({"x-api-key": ""}, 401, "missing_token"),
             ({"x-api-key": other}, 404, "no_route"), ({"x-api-key": keyless}, 502, "credential_missing"),
             ({"Authorization": f"Bearer {other}"}, 400, "ambiguous_token")]  # fmt: skip
    for headers, status, code in cases:
        async with client.get("/v1/x", headers=headers) as response:
            assert (response.status, await error(response)) == (status, code)
    async with client.get(f"/v1/x?t={vault.token}", headers={"x-api-key": ""}) as response:
        assert (response.status, await error(response)) == (403, "token_in_url")
    async with client.get(f"/v1/{vault.token}/x") as response:
        assert (response.status, await error(response)) == (403, "token_in_url")
    assert not provider.requests and vault.token not in vault.wiring.audit_path.read_text()


async def test_changes_take_effect_with_the_next_request(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "FRESH_SECONDS", 0.0)

    async def status() -> tuple[int, str]:
        async with client.get("/v1/x") as response:
            return response.status, "" if response.status == 200 else await error(response)

    assert await status() == (200, "")
    vault.db.store_credential("default", "stub", {"key": "another-real-secret"})
    assert await status() == (200, "") and provider.requests[-1][2]["x-api-key"] == "another-real-secret"
    vault.wiring.routes_path.write_text("{broken")
    assert await status() == (503, "routes_unusable")
    vault.routes(stub={"upstream": provider.url})
    assert await status() == (200, "") and provider.requests[-1][2]["Authorization"] == "Bearer another-real-secret"
    vault.wiring.passphrase_file.unlink()
    assert await status() == (503, "vault_unavailable"), "locking the vault locks running containers out"
    vault.wiring.passphrase_file.write_text("wrong")
    vault.wiring.passphrase_file.chmod(0o600)
    assert await status() == (503, "vault_unavailable")
    vault.wiring.passphrase_file.write_text(vault.passphrase)
    assert await status() == (200, "")
    vault.db.revoke_tokens(CONTAINER)
    assert await status() == (401, "unknown_token")


async def test_routes_limit_what_is_asked_and_where_the_token_stands(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    vault.routes(stub={"upstream": provider.url, "rules": ["registry-read"], "token_in": ["bearer", "x-own-token"]})
    bearer, bare = {"Authorization": f"Bearer {vault.token}", "x-api-key": ""}, {"x-api-key": ""}
    cases = [("GET", bearer, 200, ""), ("POST", bearer, 403, "rule_refused"), ("GET", {}, 403, "token_misplaced"),
             ("GET", {**bare, "X-Own-Token": vault.token}, 200, ""),
             ("GET", {**bare, "X-Other-Token": vault.token}, 401, "missing_token")]  # fmt: skip
    for method, headers, status, code in cases:
        async with client.request(method, "/x", headers=headers) as response:
            assert (response.status, "" if status == 200 else await error(response)) == (status, code), headers
    assert [row["reason"] for row in vault.audit() if row.get("verdict") == "refused"] == [
        "rule_refused", "token_misplaced", "missing_token"]  # fmt: skip
    assert len(provider.requests) == 2 and vault.token not in repr(provider.requests)


async def test_health(vault: Vault, client: aiohttp.ClientSession) -> None:
    async with client.get("/-/health", headers={"x-api-key": ""}) as response:
        assert response.status == 200 and await response.json() == {"status": "ok", "container": CONTAINER}
    vault.wiring.passphrase_file.unlink()
    async with client.get("/-/health") as response:
        assert response.status == 503 and SECRET.encode() not in await response.read()


async def test_a_quarantine_ends_what_is_open_and_answers_nothing_else(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "FRESH_SECONDS", 0.0)
    state = vault.wiring.audit_path.with_name(LIVE_FILE)

    async def silent(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"a\n")
        await asyncio.sleep(20)
        return answer

    provider.handler = silent
    async with client.get("/v1/x") as response:
        assert await response.content.readany() == b"a\n"
        save_live(state, LiveState("quarantine"))
        with pytest.raises(aiohttp.ClientError):
            await response.content.readany()
    provider.handler = None
    seen = len(provider.requests)
    async with client.get("/v1/x") as response:
        assert (response.status, await error(response)) == (403, "quarantined")
    state.write_text("{damaged")
    async with client.get("/v1/x") as response:
        assert (response.status, await error(response)) == (403, "quarantined")
    assert len(provider.requests) == seen
    save_live(state, LiveState("down"))
    async with client.get("/v1/x") as response:
        assert response.status == 200
