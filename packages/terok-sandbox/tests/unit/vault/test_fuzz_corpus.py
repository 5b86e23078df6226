"""The fuzz target's corpus and Hypothesis's variations of it, without atheris: what must hold, holds."""

from __future__ import annotations

import importlib.util
import sys
import types
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FUZZ = Path(__file__).parents[2] / "fuzz"
CORPUS = [path.read_bytes() for path in sorted((FUZZ / "corpus").iterdir())]


@pytest.fixture(scope="module")
def target() -> types.ModuleType:
    """Load the fuzz target with a stand-in for atheris."""
    stand_in = types.ModuleType("atheris")
    stand_in.instrument_imports = nullcontext  # type: ignore[attr-defined]
    sys.modules.setdefault("atheris", stand_in)
    spec = importlib.util.spec_from_file_location("vault_request_fuzz", FUZZ / "vault_request.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.attack(id="HTTP-4")
@settings(max_examples=300)
@given(
    st.sampled_from(CORPUS),
    st.integers(0, 400),
    st.integers(0, 30),
    st.sampled_from([b"", b"\r\n", b"\n", b"TOKEN", b": ", b"\x00", b"Host: b\r\n", b"%2e%2e/", b" ", b"Bearer TOKEN"]),
)
def test_variations_of_the_corpus(target: types.ModuleType, seed: bytes, at: int, cut: int, put: bytes) -> None:
    target.one_input(seed[:at] + put + seed[at + cut :])


def test_the_corpus_reaches_the_swap(target: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    whole = target.request_head
    monkeypatch.setattr(target, "request_head", lambda *words: sent.append(whole(*words)) or sent[-1])
    for seed in CORPUS:
        target.one_input(seed)
    assert len(sent) >= 3 and all(target.SECRET.encode() in one for one in sent)
