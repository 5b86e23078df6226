"""A sign-in service: a script inside the sign-in's container, and a token endpoint on the loopback."""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8123
REFRESH_TOKEN = "rt-first-0123456789abcdef"


def jwt(body: dict) -> str:
    parts = (json.dumps({"alg": "none"}), json.dumps(body), "signature")
    return ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts)


ACCOUNT = {"chatgpt_plan_type": "plus", "chatgpt_account_id": "acc-1", "chatgpt_user_id": "user-1"}
ID_TOKEN = jwt({"email": "ann@example.test", "exp": 4_000_000_000, "https://api.openai.com/auth": ACCOUNT})
EXPIRED = jwt({"exp": 1_000_000_000, "jti": "0123456789abcdef"})
FRESH = jwt({"exp": 4_000_000_000, "jti": "fedcba9876543210"})


class Service(BaseHTTPRequestHandler):
    """Answers Codex's device sign-in at once, with an access token that expired long ago."""

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.reply(*self.answer(body))

    def answer(self, _body: bytes) -> tuple[int, dict]:
        if self.path.endswith("/usercode"):
            return 200, {"device_auth_id": "dev-1", "user_code": "ABCD-12345", "interval": "1"}
        if self.path.endswith("/deviceauth/token"):
            return 200, {"authorization_code": "code-1", "code_challenge": "c", "code_verifier": "v"}
        return 200, {"id_token": ID_TOKEN, "access_token": EXPIRED, "refresh_token": REFRESH_TOKEN}

    def reply(self, status: int, document: dict) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class TokenEndpoint:
    """Counts refreshes; each invalidates the last refresh token. With `refuses` it answers as after a ban."""

    def __init__(self) -> None:
        self.url, self.refreshes, self.refuses, self.refresh_token = "", 0, False, REFRESH_TOKEN
        self._lock = threading.Lock()

    def answer(self, body: dict) -> tuple[int, dict]:
        with self._lock:
            if self.refuses or body.get("refresh_token") != self.refresh_token:
                return 400, {"error": "invalid_grant"}
            self.refreshes += 1
            self.refresh_token = f"rt-{self.refreshes}-0123456789abcdef"
            return 200, {"access_token": FRESH, "refresh_token": self.refresh_token, "expires_in": 3600}


@contextmanager
def token_endpoint() -> Iterator[TokenEndpoint]:
    endpoint = TokenEndpoint()

    class Handler(Service):
        def answer(self, body: bytes) -> tuple[int, dict]:
            return endpoint.answer(json.loads(body))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/token"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
