"""Vendors' credential files: what is read, what an odd shape says, and what a task finds instead."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.auth.credential_files import claims, dig, extract, phantom_text
from terok_executor.credentials import public_part
from terok_executor.errors import CredentialShapeError
from terok_executor.roster.loader import load_agents
from terok_executor.roster.types import CredentialFile

AGENTS = load_agents(Path("/nonexistent"))
CLAUDE = AGENTS["claude"].credential_files[0]
CODEX = AGENTS["codex"].credential_files[0]


def jwt(body: dict[str, Any]) -> str:
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (b"{}", json.dumps(body).encode(), b"s")
    )


ID_CLAIMS = {"email": "ann@example.test", "https://api.openai.com/auth": {"chatgpt_plan_type": "plus"}, "sub": "x"}
CLAUDE_FILE = {
    "claudeAiOauth": {
        "accessToken": "sk-ant-oat01-real",
        "refreshToken": "sk-ant-ort01-real",
        "expiresAt": 1_900_000_000_000,
        "scopes": ["user:inference"],
        "subscriptionType": "max",
        "somethingNew": {"of": ["no", "interest"]},
    },
    "another": 1,
}
CODEX_FILE = {
    "OPENAI_API_KEY": None,
    "tokens": {
        "id_token": jwt(ID_CLAIMS),
        "access_token": jwt({"exp": 1_900_000_000}),
        "refresh_token": "rt-real",
        "account_id": "acc-1",
    },
    "last_refresh": "2030-01-01T00:00:00Z",
}


def read(spec: CredentialFile, document: object) -> dict[str, Any]:
    return extract(spec, json.dumps(document).encode())


def test_a_credential_is_read_by_the_paths_of_the_roster() -> None:
    assert read(CLAUDE, CLAUDE_FILE) == {
        "type": "oauth",
        "access_token": "sk-ant-oat01-real",
        "refresh_token": "sk-ant-ort01-real",
        "expires_at": 1_900_000_000,
        "scopes": ["user:inference"],
        "subscription_type": "max",
    }
    found = read(CODEX, CODEX_FILE)
    assert (found["expires_at"], found["account_id"], found["email"], found["plan"]) == (
        1_900_000_000, "acc-1", "ann@example.test", "plus",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"claudeAiOauth": {"accessToken": 7}}, "claudeAiOauth.accessToken: a token is needed, a int was found"),
        ({"claudeAiOauth": {}}, "claudeAiOauth.accessToken: a token is needed, nothing was found"),
        ({"claudeAiOauth": []}, "claudeAiOauth.accessToken: a token is needed, nothing was found"),
        ({"claudeAiOauth": {**CLAUDE_FILE["claudeAiOauth"], "expiresAt": "soon"}}, "claudeAiOauth.expiresAt: a time"),
        (
            {"claudeAiOauth": {**CLAUDE_FILE["claudeAiOauth"], "refreshToken": ""}},
            "refreshToken: a token is needed, an em",
        ),
        ({"claudeAiOauth": {**CLAUDE_FILE["claudeAiOauth"], "scopes": {"a": 1}}}, "claudeAiOauth.scopes: a text"),
        ([], "claudeAiOauth.accessToken"),
    ],
)
def test_a_changed_shape_names_file_and_key_and_no_value(change: object, message: str) -> None:
    with pytest.raises(CredentialShapeError) as caught:
        read(CLAUDE, change)
    assert caught.value.message.startswith("/home/dev/.claude/.credentials.json: ")
    assert message in caught.value.message
    assert "sk-ant" not in caught.value.message + (caught.value.hint or "")


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["claudeAiOauth", "accessToken", "refreshToken", "expiresAt", "x"]), inner
            )
        ),
    )
)
def test_no_file_is_a_traceback(content: object) -> None:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    for spec in (CLAUDE, CODEX):
        try:
            assert extract(spec, data)["access_token"]
        except CredentialShapeError as error:
            assert spec.path in error.message


def test_other_formats_are_read_alike() -> None:
    for format_, data in (("env", b"# x\nexport KEY='abc'\n"), ("toml", b"KEY = 'abc'"), ("yaml", b"KEY: abc # x")):
        spec = CredentialFile("/f", "api_key", {"key": ("KEY",)}, format_, {}, {"KEY": "{phantom}"})
        assert extract(spec, data) == {"type": "api_key", "key": "abc"}
        text = phantom_text(spec, "ph-1", {})
        assert text is not None
        assert extract(spec, text.encode())["key"] == "ph-1"


def test_a_task_finds_a_file_of_the_same_shape_with_nothing_real_in_it() -> None:
    for spec, document in ((CLAUDE, CLAUDE_FILE), (CODEX, CODEX_FILE)):
        credential = read(spec, document)
        known = public_part(credential)
        text = phantom_text(spec, "phantom-token", known)
        assert text is not None
        for name in ("access_token", "refresh_token", "id_token"):
            assert credential.get(name, "-absent-") not in text
        shape = json.loads(text)
        assert dig(shape, spec.fields["access_token"]) == "phantom-token"
        for name, path in spec.optional.items():
            if name in known:
                assert dig(shape, path) == known[name], name
    shown = json.loads(phantom_text(CODEX, "phantom-token", public_part(read(CODEX, CODEX_FILE))) or "")
    assert (claims(shown["tokens"]["id_token"]) or {})["email"] == "ann@example.test"
    assert "rateLimitTier" not in (phantom_text(CLAUDE, "t", {"scopes": []}) or "")
