"""The page's listener on the host."""

from __future__ import annotations

import socket

from terok_executor.web.page import listen


def test_what_the_page_s_listener_accepts_sends_at_once() -> None:
    with listen(None) as listener, socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
