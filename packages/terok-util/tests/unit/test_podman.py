from __future__ import annotations

import pytest
from terok_util import podman_userns_args


@pytest.mark.parametrize("version", [(4, 3), (4, 9), (5, 0)])
def test_one_option_where_podman_has_it(version: tuple[int, int]) -> None:
    assert podman_userns_args(version, euid=1000) == ["--userns=keep-id:uid=1000,gid=1000"]


def test_explicit_ranges_cover_every_id_once() -> None:
    args = podman_userns_args((4, 2), euid=1000)
    for option in ("--uidmap", "--gidmap"):
        ranges = [tuple(map(int, args[at + 1].split(":"))) for at, word in enumerate(args) if word == option]
        inside = sorted(start + offset for start, _, size in ranges for offset in range(size))
        outside = sorted(start + offset for _, start, size in ranges for offset in range(size))
        assert inside == outside == list(range(65537))
        assert (1000, 0, 1) in ranges


def test_root_maps_nothing() -> None:
    assert podman_userns_args((5, 4), euid=0) == []
