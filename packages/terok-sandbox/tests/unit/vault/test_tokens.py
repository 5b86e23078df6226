from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.vault.errors import BadCredential
from terok_sandbox.vault.swap import _TOKEN68
from terok_sandbox.vault.tokens import ALPHABETS, DEFAULT_SHAPE, TokenShape, mint

shapes = st.builds(
    TokenShape,
    prefix=st.text(alphabet="abcXYZ019-._", max_size=20),
    length=st.integers(32, 200),
    alphabet=st.sampled_from([*ALPHABETS, "ABCDEFGHIJKLMNOP"]),
)


@pytest.mark.attack(id="TOK-2")
@given(shapes)
def test_minted_tokens_have_their_shape_and_fit_a_header(shape: TokenShape) -> None:
    token = mint(shape)
    assert shape.matches(token)
    assert token.startswith(shape.prefix) and len(token) == len(shape.prefix) + shape.length
    assert _TOKEN68.fullmatch(token)
    assert token != mint(shape)


def test_the_default_shape() -> None:
    token = mint()
    assert token.startswith("terok-p-") and len(token) == 40 and DEFAULT_SHAPE.matches(token)
    assert not DEFAULT_SHAPE.matches(token.upper()) and not DEFAULT_SHAPE.matches(token + "0")


@pytest.mark.parametrize(
    ("prefix", "length", "alphabet"),
    [("", 31, "hex"), ("", 0, "hex"), ("", 600, "hex"), ("a b", 32, "hex"), ("", 64, "aab"), ("", 64, ""),
     ("", 64, "x"), ("x" * 65, 32, "hex"), ("", 64, "abc:"), ("", 64, "ab\n")],
)  # fmt: skip
def test_guessable_or_unusable_shapes_are_refused(prefix: str, length: int, alphabet: str) -> None:
    with pytest.raises(BadCredential):
        TokenShape(prefix, length, alphabet)
