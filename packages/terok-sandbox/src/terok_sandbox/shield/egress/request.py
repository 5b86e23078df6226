"""The head of a proxy request: CONNECT, or plain HTTP in absolute form. Bytes in, value out, no I/O.

`http1` reads the head. A request that two servers could understand differently is refused: a second `Host` or
`Content-Length`, both lengths at once. The head sent upstream is written anew from the parsed one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from terok_sandbox.http1.head import HttpSyntaxError, RequestHead, lower_name, read_request
from terok_sandbox.shield.policy.names import folded

MAX_HEAD: Final = 64 * 1024
MAX_HEADERS: Final = 200
_AUTHORITY: Final = re.compile(rb"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:@/?#\\]+))(?::([0-9]{1,5}))?\Z")
_PATH: Final = re.compile(rb"[/?][\x21-\x7e]*\Z")
_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"http2-settings", b"proxy-connection"}
    | {b"proxy-authorization", b"proxy-authenticate", b"alt-used"}
)
_REFUSED_METHODS: Final = frozenset({"TRACE", "TRACK"})


class BadProxyRequest(Exception):
    """The request is refused; `status` is the HTTP status to answer with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """A request head, what to send upstream (`forward`), and the length of the `body` in bytes (`None`: in chunks)."""

    connect: bool
    host: str
    port: int
    method: str = "CONNECT"
    forward: bytes = b""
    body: int | None = 0


def split_head(data: bytes) -> tuple[bytes, bytes] | None:
    """Return (head, rest), `None` while the head has not ended; raises `BadProxyRequest` when it is too long."""
    end = data.find(b"\r\n\r\n")
    if end < 0 and len(data) <= MAX_HEAD:
        return None
    if end < 0 or end > MAX_HEAD:
        raise BadProxyRequest(431, "the request head is too large")
    return data[: end + 4], data[end + 4 :]


def parse_head(head: bytes) -> Head:
    """Parse a head that ends with an empty line; raises `BadProxyRequest`."""
    try:
        request = read_request(head, obs_text=True)
        names = [lower_name(name) for name, _ in request.fields]
    except HttpSyntaxError as error:
        raise BadProxyRequest(400, str(error)) from error
    if len(names) > MAX_HEADERS:
        raise BadProxyRequest(431, "too many headers")
    if request.method == "CONNECT":
        host, port = _authority(request.target.encode(), None)
        return Head(True, host, port)
    return _plain(request, names)


def _plain(request: RequestHead, names: list[bytes]) -> Head:
    target = request.target.encode()
    if request.method in _REFUSED_METHODS:
        raise BadProxyRequest(405, "the method is not allowed")
    if target[:7].lower() != b"http://":
        raise BadProxyRequest(400, "the proxy takes absolute http:// URLs and CONNECT")
    cut = min((at for at in (target.find(b"/", 7), target.find(b"?", 7)) if at >= 0), default=len(target))
    host, port = _authority(target[7:cut], 80)
    path = target[cut:] or b"/"
    if not _PATH.match(path):
        raise BadProxyRequest(400, "a malformed URL")
    values: dict[bytes, list[bytes]] = {}
    for name, (_, value) in zip(names, request.fields, strict=True):
        values.setdefault(name, []).append(value)
    hosts = values.get(b"host", [])
    if len(hosts) != 1 or _authority(hosts[0], 80) != (host, port):
        raise BadProxyRequest(400, "the Host header is not the URL's host")
    body = _length(values)
    if body != 0 and request.method in ("GET", "HEAD"):
        raise BadProxyRequest(400, "a body where none is expected")
    origin = path if path.startswith(b"/") else b"/" + path
    dropped = _HOP | _named(values.get(b"connection", []))
    lines = [request.method.encode() + b" " + origin + b" HTTP/1.1"]
    lines += [b"%b: %b" % field for name, field in zip(names, request.fields, strict=True) if name not in dropped]
    return Head(False, host, port, request.method, b"\r\n".join([*lines, b"Connection: close", b"", b""]), body)


def _named(connection: list[bytes]) -> set[bytes]:
    """Return the headers that `Connection` says are for this hop; never those that frame or address the request."""
    named = {word.strip().lower() for value in connection for word in value.split(b",")}
    return named - {b"host", b"content-length", b"transfer-encoding"}


def _length(values: dict[bytes, list[bytes]]) -> int | None:
    codings = [value.lower() for value in values.get(b"transfer-encoding", [])]
    lengths = values.get(b"content-length", [])
    if codings == [b"chunked"] and not lengths:
        return None
    if codings:
        raise BadProxyRequest(400, "a body is one Content-Length or plainly chunked")
    if not lengths:
        return 0
    if len(lengths) != 1 or not re.fullmatch(rb"[0-9]{1,15}", lengths[0]):
        raise BadProxyRequest(400, "an unusable Content-Length")
    return int(lengths[0])


def _authority(text: bytes, default: int | None) -> tuple[str, int]:
    match = _AUTHORITY.match(text)
    if match is None or (match[3] is None and default is None):
        raise BadProxyRequest(400, "a malformed host and port")
    port = int(match[3]) if match[3] is not None else default or 0
    if not 0 < port < 65536:
        raise BadProxyRequest(400, "invalid port: use 1 to 65535")
    if match[1]:
        try:
            return str(IPv6Address(match[1].decode())), port  # the one spelling of an address that is metered
        except ValueError:
            raise BadProxyRequest(400, "a malformed address") from None
    host = match[2]
    if any(byte < 0x21 or byte > 0x7E for byte in host):
        raise BadProxyRequest(400, "a malformed host")
    return folded(host.decode("ascii")), port
