"""An NFLOG netlink socket: copies of packets that a `log group` rule of this network namespace has marked."""

from __future__ import annotations

import errno
import socket
import struct
import time
from typing import Final

from terok_sandbox.errors import NetnsError

NFLOG_GROUP: Final = 100
COPY_BYTES: Final = 128  # how much of each packet is copied: headers and no payload worth the name

_NETLINK_NETFILTER, _SOL_NETLINK, _NETLINK_NO_ENOBUFS = 12, 270, 5
_RECEIVE_BUFFER: Final = 256 * 1024
_BUSY_RETRY: Final = 0.02

_NFNL_SUBSYS_ULOG, _NFULNL_MSG_CONFIG = 4, 1
_CFG_CMD, _CFG_MODE, _CFG_TIMEOUT, _CFG_QTHRESH = 1, 2, 4, 5
_CMD_BIND, _COPY_PACKET = 1, 2
_NLM_F_REQUEST_ACK, _NLMSG_ERROR = 5, 2


def open_packet_log(group: int = NFLOG_GROUP, *, deadline: float = 0.0) -> socket.socket:
    """Return a non-blocking socket bound to NFLOG `group` of the current network namespace.

    The kernel delivers at most 10 ms or 32 packets late; when the reader is slow it drops copies, it never blocks the
    container. A group that has a reader is tried again until `deadline` (`time.monotonic`): it may be the worker of a
    supervisor that died. Raises `NetnsError`.
    """
    while True:
        try:
            return _open(group)
        except OSError as error:
            busy = error.errno in (errno.EBUSY, errno.EEXIST)
            if busy and time.monotonic() + _BUSY_RETRY < deadline:
                time.sleep(_BUSY_RETRY)
                continue
            why = "it already has a reader" if busy else error.strerror or "no answer"
            raise NetnsError(f"cannot open packet log group {group}: {why}") from error


def _open(group: int) -> socket.socket:
    log = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    try:
        log.settimeout(2)
        log.bind((0, 0))
        log.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        log.setsockopt(_SOL_NETLINK, _NETLINK_NO_ENOBUFS, 1)
        _configure(log, group, _CFG_CMD, struct.pack("=B", _CMD_BIND))
        _configure(log, group, _CFG_MODE, struct.pack("!IBx", COPY_BYTES, _COPY_PACKET))
        _configure(log, group, _CFG_TIMEOUT, struct.pack("!I", 1))
        _configure(log, group, _CFG_QTHRESH, struct.pack("!I", 32))
        log.setblocking(False)
    except BaseException:
        log.close()
        raise
    return log


def _configure(log: socket.socket, group: int, attribute: int, value: bytes) -> None:
    body = struct.pack("!BBH", socket.AF_UNSPEC, 0, group)
    body += struct.pack("=HH", 4 + len(value), attribute) + value + bytes(-len(value) % 4)
    kind = (_NFNL_SUBSYS_ULOG << 8) | _NFULNL_MSG_CONFIG
    log.send(struct.pack("=IHHII", 16 + len(body), kind, _NLM_F_REQUEST_ACK, 1, 0) + body)
    while True:
        answer = log.recv(8192)
        _, answered, _, _, _ = struct.unpack_from("=IHHII", answer)
        if answered != _NLMSG_ERROR:
            continue  # a packet that arrived between bind and mode
        (code,) = struct.unpack_from("=i", answer, 16)
        if code:
            raise OSError(-code, errno.errorcode.get(-code, "error"))
        return
