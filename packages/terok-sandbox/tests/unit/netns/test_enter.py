from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from terok_sandbox.errors import NetnsError
from terok_sandbox.netns.enter import enter
from terok_util.process import run


def test_a_child_is_inside_and_its_tools_may_change_the_network(
    namespace: int, inside: Callable[[Callable[[], str]], str]
) -> None:
    assert inside(lambda: str(os.stat("/proc/self/ns/net").st_ino)) == str(os.fstat(namespace).st_ino)
    assert inside(lambda: run(["nft", "add", "table", "inet", "probe"], timeout=5).text) == ""
    assert "probe" in inside(lambda: run(["nft", "list", "tables"], timeout=5).text)


def test_it_enters_from_within_the_owning_user_namespace(
    namespace: int, inside: Callable[[Callable[[], str]], str]
) -> None:
    """As from Podman's own user namespace: entering that one again would be refused by the kernel."""

    def again() -> str:
        enter(namespace)
        return run(["nft", "list", "tables"], timeout=5).text

    assert inside(again) == ""


def test_what_is_no_network_namespace_is_an_error() -> None:
    descriptor = os.open("/dev/null", os.O_RDONLY)
    with pytest.raises(NetnsError, match="owner cannot be found"):
        enter(descriptor)
    os.close(descriptor)
