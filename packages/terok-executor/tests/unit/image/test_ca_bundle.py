from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.errors import PrerequisiteError
from terok_executor.image.registries import host_bundle_path, read_certificates


def test_a_bundle_is_split_and_doubles_go(tmp_path: Path) -> None:
    first, second = trustme.CA().cert_pem.bytes(), trustme.CA().cert_pem.bytes()
    path = tmp_path / "ca.pem"
    path.write_bytes(b"# a comment\n" + first + b"text\n" + second + first)
    certificates = read_certificates(path)
    assert [pem.strip() for pem in certificates] == [first.strip(), second.strip()]


def test_private_keys_in_a_bundle_are_left_out(tmp_path: Path) -> None:
    authority = trustme.CA()
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.private_key_pem.bytes() + authority.cert_pem.bytes())
    assert b"PRIVATE" not in b"".join(read_certificates(path))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"", "no PEM certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged"),
    ],
)
def test_an_unusable_bundle_is_a_prerequisite_with_a_hint(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PrerequisiteError, match=reason) as caught:
        read_certificates(path)
    assert caught.value.exit_code == 5
    assert "SSL_CERT_FILE" in (caught.value.hint or "")


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_certificates(data: bytes) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with pytest.raises(PrerequisiteError):
            read_certificates(Path(file.name))


def test_the_environment_names_the_bundle() -> None:
    assert host_bundle_path({"SSL_CERT_FILE": "/x/y"}) == Path("/x/y")
