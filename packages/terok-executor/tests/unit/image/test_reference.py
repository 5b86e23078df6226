from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.errors import RequestError
from terok_executor.image.reference import check_family, detect_family, l0_tag, l1_tag, parse_base


@pytest.mark.parametrize(
    "text",
    [
        "debian:trixie",
        "localhost/base",
        "registry.example.org:5000/team/base-image:1.2",
        "quay.io/x/y@sha256:" + "a" * 64,
        "ubuntu",
    ],
)
def test_image_references(text: str) -> None:
    base = parse_base(text)
    assert base.image == text
    assert base.suite is None


def test_a_suite_becomes_a_local_image() -> None:
    assert parse_base("mmdebstrap:trixie").image == "localhost/terok-base:trixie"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "x\nRUN evil",
        "-v",
        "--help",
        "mmdebstrap:",
        "mmdebstrap:../x",
        "mmdebstrap:-x",
        "UPPER/x y",
        "a" * 300,
        "$(id)",
        "x;y",
        "debian:",
        "x@sha256:zz",
        "/abs",
        "a//b",
    ],
)
def test_what_could_change_a_containerfile_or_a_command_line(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_base(text)
    assert caught.value.exit_code == 2


@given(st.text(max_size=60))
def test_an_accepted_reference_is_one_plain_word(text: str) -> None:
    try:
        base = parse_base(text)
    except RequestError:
        return
    assert base.text.split() == [base.text]
    assert base.image.isascii()
    assert not base.image.startswith("-")


def test_tags_tell_bases_and_agents_apart() -> None:
    base = parse_base("mmdebstrap:trixie")
    assert l0_tag(base) == "localhost/terok-l0:mmdebstrap-trixie"
    assert l1_tag(base, ["demo", "claude"]) == "localhost/terok-l1-cli:mmdebstrap-trixie-claude-demo"
    long = parse_base("registry.example.org/" + "a" * 150)
    other = parse_base("registry.example.org/" + "a" * 151)
    assert len(l1_tag(long, ["demo"]).rpartition(":")[2]) <= 120
    assert l1_tag(long, ["demo"]) != l1_tag(other, ["demo"])


@pytest.mark.parametrize(
    ("base", "family"),
    [
        ("fedora:44", "rpm"),
        ("docker.io/library/fedora:44", "rpm"),
        ("registry.fedoraproject.org/fedora:44", "rpm"),
        ("quay.io/podman/stable", "rpm"),
        ("registry.access.redhat.com/ubi9/ubi-minimal", "rpm"),
        ("nvcr.io/nvidia/cuda:12.4.1-devel-ubi9", "rpm"),
        ("nvidia/cuda:12.4.1-runtime-rockylinux9", "rpm"),
        ("nvidia/cuda:12.4.1-devel-ubuntu24.04", "deb"),
        ("rocm/dev-ubuntu-24.04", "deb"),
        ("debian:trixie", "deb"),
        ("mmdebstrap:trixie", "deb"),
        ("localhost/mine", "deb"),
    ],
)
def test_families(base: str, family: str) -> None:
    assert detect_family(base) == family
    assert check_family(None, base) == family
    assert check_family("rpm", base) == "rpm"
    with pytest.raises(RequestError, match="unknown package family"):
        check_family("apk", base)


def test_images_of_gpu_vendors() -> None:
    assert [parse_base(text).gpu for text in ("nvidia/cuda:12-ubi9", "rocm/dev", "debian")] == [True, True, False]


def test_an_archive_is_named_by_what_it_is(tmp_path: Path) -> None:
    archive = tmp_path / "base.tar"
    archive.write_bytes(b"one")
    first = parse_base(f"oci-archive:{archive}")
    assert first.image.startswith("localhost/terok-base:archive-")
    archive.write_bytes(b"another")
    assert parse_base(f"oci-archive:{archive}").image != first.image
    assert l0_tag(parse_base(f"oci-archive:{archive}")).startswith("localhost/terok-l0:archive-")
    for bad in ("oci-archive:/no/such/file", f"oci-archive:{tmp_path}", "oci-archive:"):
        with pytest.raises(RequestError, match="no archive"):
            parse_base(bad)
