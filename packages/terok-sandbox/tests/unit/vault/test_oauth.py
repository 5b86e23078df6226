from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from terok_sandbox.vault import oauth as oauth_credentials
from terok_sandbox.vault.access import VaultAccess
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.oauth import FreshCredentials, RefreshError, SignInNeeded, Subject, refresh
from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.routes import OAuthRefresh, read_oauth
from terok_sandbox.vault.store import CredentialDB, expiry


class Endpoint:
    """A token endpoint that gives each refresh token out once, as rotating vendors do."""

    def __init__(self) -> None:
        self.valid = "refresh-0"
        self.asked: list[dict[str, Any]] = []
        self.answer: tuple[int, bytes] | None = None
        self.delay = 0.0
        self.lifetime = 3600
        it = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(it.delay)
                status, data = it.answer or it.rotate(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/oauth/token"

    def rotate(self, body: dict[str, Any]) -> tuple[int, bytes]:
        self.asked.append(body)
        if body["refresh_token"] != self.valid:
            return 400, b'{"error": "invalid_grant"}'
        number = len(self.asked)
        self.valid = f"refresh-{number}"
        document = {"access_token": f"access-{number}", "refresh_token": self.valid, "expires_in": self.lifetime}
        return 200, json.dumps(document).encode()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    it = Endpoint()
    thread = threading.Thread(target=it.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield it
    it.server.shutdown()
    thread.join()
    it.server.server_close()


def signed_in(database: CredentialDB, lifetime: float) -> None:
    data = {"type": "oauth", "access_token": "access-0", "refresh_token": "refresh-0", "account": "kept"}
    database.store_credential("default", "stub", {**data, "expires_at": int((time.time() + lifetime) * 1000)})


@pytest.fixture
async def fresh(files, endpoint: Endpoint) -> FreshCredentials:
    oauth = {"token_url": endpoint.url, "client_id": "client", "scope": "all"}
    files.routes(stub={"upstream": "https://api.example.com", "oauth_refresh": oauth})
    access = VaultAccess(files.wiring)
    assert await access.ready() is None
    return FreshCredentials(access, files.wiring, "box")


def stored(files) -> dict[str, Any]:
    return files.db.load_credential("default", "stub")


async def test_a_token_near_its_end_is_refreshed_once_and_stored_first(files, fresh, endpoint: Endpoint) -> None:
    signed_in(files.db, 300)
    endpoint.delay = 0.1
    results = await asyncio.gather(*(fresh.current("stub", "default") for _ in range(20)))
    assert {result.data["access_token"] for result in results} == {"access-1"}
    assert endpoint.asked == [
        {"grant_type": "refresh_token", "refresh_token": "refresh-0", "client_id": "client", "scope": "all"}
    ]
    assert stored(files)["refresh_token"] == "refresh-1" and stored(files)["account"] == "kept"
    assert 3500 < expiry(stored(files)) - time.time() < 3700
    await asyncio.sleep(0.01)
    assert await fresh._access.ready() is None
    assert (await fresh.current("stub", "default")).data["access_token"] == "access-1" and len(endpoint.asked) == 1
    rows = files.audit()
    assert [(row["action"], row["container"], row["provider"]) for row in rows] == [("oauth-refresh", "box", "stub")]


async def test_a_rejected_token_is_refreshed_once(files, fresh, endpoint: Endpoint) -> None:
    signed_in(files.db, 86400)
    first = await fresh.current("stub", "default")
    assert first.data["access_token"] == "access-0" and not endpoint.asked
    fresh.rejected("stub", "default", first)
    second = await fresh.current("stub", "default")
    assert second.data["access_token"] == "access-1"
    await asyncio.sleep(0.01)
    await fresh._access.ready()
    fresh.rejected("stub", "default", first)
    assert (await fresh.current("stub", "default")).data["access_token"] == "access-1" and len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        ((400, b'{"error": "invalid_grant"}'), 401, "sign_in_needed"),
        ((500, b"oops"), 502, "refresh_failed"),
        ((302, b""), 502, "refresh_failed"),
        ((200, b"[]"), 502, "refresh_failed"),
        ((200, b'{"access_token": "a\\nb"}'), 502, "refresh_failed"),
        ((200, b"\xff" * 100_000), 502, "refresh_failed"),
    ],
)
async def test_what_the_vendor_says_is_passed_on(
    files, fresh, endpoint: Endpoint, answer: tuple[int, bytes], status: int, reason: str
) -> None:
    endpoint.answer = answer
    signed_in(files.db, -1)
    for _ in range(2):
        refusal = await fresh.current("stub", "default")
        assert isinstance(refusal, VaultRefusal) and (refusal.status, refusal.reason) == (status, reason)
        assert status != 401 or refusal.hint == "run `terok-executor auth stub` on the host"
    assert stored(files)["refresh_token"] == "refresh-0" and "refresh-0" not in repr(refusal)
    signed_in(files.db, 200)
    await asyncio.sleep(0.01)
    await fresh._access.ready()
    usable = await fresh.current("stub", "default")
    assert usable.data["access_token"] == "access-0"


@pytest.mark.parametrize("answer", [(400, b'{"error": "invalid_grant"}'), (500, b"oops")])
async def test_a_token_that_has_not_expired_stays_usable_when_its_refresh_fails(
    files, fresh, endpoint: Endpoint, answer: tuple[int, bytes]
) -> None:
    endpoint.answer = answer
    signed_in(files.db, 3000)
    first = await fresh.current("stub", "default")
    fresh.rejected("stub", "default", first)
    for _ in range(3):
        again = await fresh.current("stub", "default")
        assert not isinstance(again, VaultRefusal) and again.data["access_token"] == "access-0"


async def test_a_refresh_that_hangs_does_not_keep_a_usable_token_back(
    files, fresh, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth_credentials, "PATIENCE_SECONDS", 0.01)
    endpoint.delay = 0.5
    signed_in(files.db, 300)
    assert (await fresh.current("stub", "default")).data["access_token"] == "access-0"
    async with asyncio.timeout(20):
        while (await fresh.current("stub", "default")).data["access_token"] != "access-1":
            await asyncio.sleep(0.01)
            await fresh._access.ready()
    assert len(endpoint.asked) == 1


async def test_keys_are_left_alone(files, fresh, endpoint: Endpoint) -> None:
    assert (await fresh.current("stub", "default")).data["type"] == "api_key"
    files.db.store_credential("default", "stub", {"type": "oauth", "access_token": "a" * 20})
    await asyncio.sleep(0.01)
    await fresh._access.ready()
    assert (await fresh.current("stub", "default")).data["access_token"] == "a" * 20
    assert await fresh.current("other", "default") is None and not endpoint.asked


def test_processes_that_share_a_credential_refresh_it_once(files, endpoint: Endpoint) -> None:
    signed_in(files.db, -1)
    endpoint.delay = 0.2
    program = (
        "import sys,pathlib\nfrom terok_sandbox.vault.oauth import *\n"
        "from terok_sandbox.vault.routes import OAuthRefresh\n"
        "db,phrase,url=sys.argv[1:]\nsubject=Subject(pathlib.Path(db),'default','stub')\n"
        "print(refresh(subject,phrase,OAuthRefresh(url,'c'),'access-0')['access_token'])\n"
    )
    argv = [sys.executable, "-c", program, str(files.wiring.db_path), files.passphrase, endpoint.url]
    children = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _ in range(4)]
    assert [child.communicate()[0] for child in children] == [b"access-1\n"] * 4
    assert len(endpoint.asked) == 1 and stored(files)["refresh_token"] == "refresh-1"


def test_a_removed_credential_and_a_closed_port(files, endpoint: Endpoint) -> None:
    subject, spec = Subject(files.wiring.db_path, "default", "stub"), OAuthRefresh("http://127.0.0.1:9/t", "c")
    signed_in(files.db, -1)
    with pytest.raises(RefreshError, match="cannot be reached"):
        refresh(subject, files.passphrase, spec, "access-0")
    files.db.delete_credential("default", "stub")
    with pytest.raises(SignInNeeded):
        refresh(subject, files.passphrase, spec, "access-0")


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"token_url": "https://a/t"},
        {"token_url": "http://a.example/t", "client_id": "c"},
        {"token_url": "https://u:p@a/t", "client_id": "c"},
        {"token_url": "https://a/t?x", "client_id": "c"},
        {"token_url": "https://a:99999/t", "client_id": "c"},
        {"token_url": "https://a/t", "client_id": 1},
        {"token_url": "https://a/t", "client_id": "c", "more": "x"},
    ],
)
def test_routes_say_where_tokens_go(value: object) -> None:
    with pytest.raises(ValueError, match=r"must|out of range"):
        read_oauth(value)
    assert read_oauth({"token_url": "https://a/t", "client_id": "c"}).token_url == "https://a/t"


@pytest.mark.parametrize("lifetime", [3600, 120])
async def test_a_path_that_answers_401_and_tokens_that_live_shortly_cause_one_refresh_a_minute(
    files, fresh, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, lifetime: int
) -> None:
    endpoint.lifetime = lifetime
    signed_in(files.db, 86400)
    fresh.rejected("stub", "default", await fresh.current("stub", "default"))
    for _ in range(5):
        credential = await fresh.current("stub", "default")
        assert credential.data["access_token"] == "access-1"
        fresh.rejected("stub", "default", credential)
        await asyncio.sleep(0.01)
        await fresh._access.ready()
    assert len(endpoint.asked) == 1
    monkeypatch.setattr("time.monotonic", lambda now=time.monotonic: now() + 61)
    assert (await fresh.current("stub", "default")).data["access_token"] == "access-2"


async def test_nobody_is_asked_for_a_token_without_an_audit_row(files, fresh, endpoint: Endpoint) -> None:
    signed_in(files.db, -1)
    files.wiring.audit_path.mkdir()
    refusal = await fresh.current("stub", "default")
    assert isinstance(refusal, VaultRefusal) and refusal.status == 502 and not endpoint.asked


def test_what_the_vendor_gave_is_stored_although_the_vault_is_busy_for_long(
    files, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terok_sandbox.vault.connection.BUSY_SECONDS", 0.1)
    signed_in(files.db, -1)
    spec, busy, results = OAuthRefresh(endpoint.url, "c"), threading.Event(), []
    rotate = endpoint.rotate

    def rotate_while_somebody_writes(body: dict[str, Any]) -> tuple[int, bytes]:
        busy.set()
        held.wait(5)
        return rotate(body)

    endpoint.rotate = rotate_while_somebody_writes  # type: ignore[method-assign]
    held = threading.Event()
    subject = Subject(files.wiring.db_path, "default", "stub")
    asking = threading.Thread(target=lambda: results.append(refresh(subject, files.passphrase, spec, "access-0")))
    asking.start()
    assert busy.wait(5)
    with files.db.transaction():
        held.set()
        asking.join(1)
        assert asking.is_alive(), "it waits for the vault"
    asking.join(10)
    assert results[0]["access_token"] == "access-1" and stored(files)["refresh_token"] == "refresh-1"


def test_a_vault_that_takes_nothing_is_found_out_before_the_vendor_is_asked(
    files, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(files.db, -1)

    def full(*_: object) -> None:
        raise VaultError("no space left")

    monkeypatch.setattr(CredentialDB, "store_credential", full)
    with pytest.raises(VaultError, match="no space left"):
        refresh(
            Subject(files.wiring.db_path, "default", "stub"),
            files.passphrase,
            OAuthRefresh(endpoint.url, "c"),
            "access-0",
        )
    assert not endpoint.asked


def test_a_refresh_takes_the_way_of_the_environment_s_proxy(files, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            said.append((self.path, self.headers.get("Proxy-Authorization")))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    signed_in(files.db, -1)
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}).start()
        monkeypatch.setenv("https_proxy", f"http://me:pass@127.0.0.1:{proxy.server_port}")
        with pytest.raises(RefreshError, match="cannot be reached") as caught:
            refresh(
                Subject(files.wiring.db_path, "default", "stub"),
                files.passphrase,
                OAuthRefresh("https://vendor.invalid/token", "c"),
                "access-0",
            )
        proxy.shutdown()
    assert said == [("vendor.invalid:443", "Basic bWU6cGFzcw==")] and "pass" not in str(caught.value)
