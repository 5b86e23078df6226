from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.shield.wildcard_limits import BURST, WildcardLimits, below, shape_refusal


@pytest.mark.attack("DNS-2")
@given(st.binary(min_size=60, max_size=150))
def test_encoded_data_does_not_pass_as_a_host_name(data: bytes) -> None:
    encoded = base64.b32encode(hashlib.shake_128(data).digest(len(data))).decode().rstrip("=").lower()
    labels = ".".join(encoded[at : at + 30] for at in range(0, len(encoded), 30))
    assert shape_refusal(labels)


@pytest.mark.parametrize(
    "labels",
    ["www", "d111111abcdef8", "my-bucket-2024.s3.eu-central-1", "productionresultssa17", "registry-1", "a.b.c.d.e"],
)
def test_ordinary_host_names_pass(labels: str) -> None:
    assert shape_refusal(labels) is None


@pytest.mark.attack("DNS-1")
def test_new_names_below_a_zone_are_rationed() -> None:
    budget = WildcardLimits()
    taken = [budget.refuse_name(f"n{i}.example.com", "example.com", now=0.0) for i in range(200)]
    assert taken.count(None) == BURST
    assert budget.refuse_name("n0.example.com", "example.com", now=0.0) is None  # known
    assert budget.refuse_name("n0.example.net", "example.net", now=0.0) is None  # another zone
    assert budget.refuse_name("late.example.com", "example.com", now=10.0) is None
    assert below("a.b.example.com", "example.com") == "a.b"
