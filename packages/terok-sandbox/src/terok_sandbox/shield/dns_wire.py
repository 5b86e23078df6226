"""DNS messages: questions from the container, our replies, questions to an upstream and its answers. No I/O.

Questions are read byte by byte, a few fields of one shape, because a container may send very many of them. A library
reads the answers of an upstream.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.OPT
import dns.rdtypes.ANY.SOA
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA

from terok_sandbox.shield.policy.addresses import Address

# The record types are imported here, in the fork server: the first question must not wait for them.
HEADER: Final = 12
OUR_PAYLOAD: Final = 1232
MAX_CHAIN: Final = 16
MAX_ADDRESSES: Final = 32
ADDRESS_TYPES: Final = frozenset({int(dns.rdatatype.A), int(dns.rdatatype.AAAA)})

NOERROR: Final = int(dns.rcode.NOERROR)
NXDOMAIN: Final = int(dns.rcode.NXDOMAIN)
SERVFAIL: Final = int(dns.rcode.SERVFAIL)
BADVERS: Final = int(dns.rcode.BADVERS)
PROHIBITED: Final = int(dns.edns.EDECode.PROHIBITED)

_IN, _CNAME, _SOA, _OPT, _EDE = 1, 5, 6, 41, 15
_MAX_NAME: Final = 255
_QR, _TC, _RA = 0x80, 0x02, 0x80
_ONE_QUESTION: Final = b"\0\1\0\0\0\0"
_FIXED: Final = struct.Struct("!HHIH")
_TYPE_CLASS: Final = struct.Struct("!HH")
_NEGATIVE: Final = struct.Struct("!sHHIH2s5I")
"""An SOA record of the root. Whatever name was asked for is below it, so that every cache takes it as one about it."""
_HOST_BYTES: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-")
_MAX_EXPLANATION: Final = 200


class MalformedQueryError(Exception):
    """Bytes that are not a question; `reply` are the bytes to send back, if any."""

    def __init__(self, reply: bytes | None) -> None:
        super().__init__("malformed query")
        self.reply = reply


class BadAnswerError(Exception):
    """An upstream's bytes do not answer our question; `mismatch` says that they may be someone else's."""

    def __init__(self, what: str, *, mismatch: bool = False) -> None:
        super().__init__(what)
        self.mismatch = mismatch


class TruncatedError(BadAnswerError):
    """The answer did not fit into a datagram; `part` is as much of it as did."""

    def __init__(self, part: Answer) -> None:
        super().__init__("truncated")
        self.part = part


@dataclass(frozen=True, slots=True)
class Question:
    """One question; `name` is in lower case, `None` when its labels hold bytes that no host name has.

    `shown` is the name for people, `section` what a reply repeats, `payload` the largest datagram that an EDNS
    client takes, `None` for one without EDNS.
    """

    ident: bytes
    section: bytes
    recursion: int
    name: str | None
    shown: str
    rdtype: int
    payload: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """An upstream's answer: the chain of names after the asked one, addresses, and the smallest TTL in seconds."""

    rcode: int
    chain: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    ttl: int = 0


def read_question(wire: bytes) -> Question:
    """Parse a query; raises `MalformedQueryError` for anything that is not one question of class IN."""
    if len(wire) < HEADER or wire[2] & _QR:
        raise MalformedQueryError(None)
    if wire[2] & 0x78:
        raise MalformedQueryError(_header_reply(wire, dns.rcode.NOTIMP))
    try:
        labels, end = _labels(wire)
        rdtype, rdclass = _TYPE_CLASS.unpack_from(wire, end)
        payload, version = _edns(wire, end + _TYPE_CLASS.size)
    except (struct.error, LookupError, ValueError) as error:
        raise MalformedQueryError(_header_reply(wire, dns.rcode.FORMERR)) from error
    if rdclass != _IN:
        raise MalformedQueryError(_header_reply(wire, dns.rcode.REFUSED))
    lowered = b".".join(labels).lower()
    canonical = bool(labels) and all(_HOST_BYTES.issuperset(label) for label in lowered.split(b"."))
    name = lowered.decode("ascii") if canonical and lowered.count(b".") == len(labels) - 1 else None
    shown = _shown(labels) if name is None else name
    section = wire[HEADER : end + _TYPE_CLASS.size]
    question = Question(wire[:2], section, wire[2] & 1, name, shown, rdtype, payload)
    if version:
        raise MalformedQueryError(write_reply(question, BADVERS))
    return question


def _labels(wire: bytes) -> tuple[list[bytes], int]:
    if wire[4:10] != _ONE_QUESTION:
        raise ValueError("not one question")
    labels, at = [], HEADER
    while length := wire[at]:
        if length > 63 or at + length - HEADER >= _MAX_NAME:  # no pointers: there is nothing they could point at
            raise ValueError("no name")
        labels.append(wire[at + 1 : at + 1 + length])
        at += 1 + length
    return labels, at + 1


def _edns(wire: bytes, at: int) -> tuple[int | None, int]:
    if wire[10:HEADER] == b"\0\0":
        if at != len(wire):
            raise ValueError("more than a question")
        return None, 0
    rdtype, payload, flags, size = _FIXED.unpack_from(wire, at + 1)
    if wire[10:HEADER] != b"\0\1" or wire[at] or rdtype != _OPT:
        raise ValueError("not one OPT record")
    at += 1 + _FIXED.size
    if at + size != len(wire):
        raise ValueError("not as long as it says")
    while at < len(wire):
        at += _TYPE_CLASS.size + _TYPE_CLASS.unpack_from(wire, at)[1]
    if at != len(wire):
        raise ValueError("options that do not end")
    return payload, flags >> 16 & 0xFF


def _header_reply(wire: bytes, rcode: int) -> bytes:
    """Answer with a bare header: the id and opcode of the query, no question."""
    return wire[:2] + bytes([_QR | (wire[2] & 0x79), _RA | rcode]) + bytes(8)


def _shown(labels: Sequence[bytes]) -> str:
    """Spell a name as zone files do, so that no byte of it can be taken for another."""
    plain = _HOST_BYTES | frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
    return ".".join("".join(chr(b) if b in plain else f"\\{b:03d}" for b in label) for label in labels)[:255]


def write_reply(
    question: Question,
    rcode: int = NOERROR,
    *,
    chain: Sequence[str] = (),
    addresses: Sequence[Address] = (),
    ttl: int = 0,
    explain: tuple[int, str] | None = None,
    tcp: bool = False,
) -> bytes:
    """Build a reply that repeats the question as it was spelled.

    Where a datagram ends it holds as many addresses as fit and is marked as truncated (TC). A negative answer may be
    kept for `ttl` seconds, as the SOA record in it says. `explain` is an extended DNS error (code, text) for clients
    that speak EDNS.
    """
    options = _option(rcode, explain) if question.payload is not None else b""
    limit = 65535 if tcp else 512 if question.payload is None else max(512, min(question.payload, OUR_PAYLOAD))
    room = limit - HEADER - len(question.section) - len(options)
    records = _records(question, chain, addresses, ttl)
    body = b"".join(records)
    cut = len(body) > room
    while len(body) > room:
        body = body[: -len(records.pop())]
    authority = b""
    if not addresses and rcode in (NOERROR, NXDOMAIN) and room >= _NEGATIVE.size:
        authority = _NEGATIVE.pack(b"\0", _SOA, _IN, ttl, 22, b"\0\0", 1, 3600, 600, 86400, ttl)
    flags = bytes([_QR | question.recursion | (_TC if cut else 0), _RA | rcode & 15])
    counts = struct.pack("!4H", 1, len(records), bool(authority), bool(options))
    return b"".join((question.ident, flags, counts, question.section, body, authority, options))


def _records(question: Question, chain: Sequence[str], addresses: Sequence[Address], ttl: int) -> list[bytes]:
    records = []
    owner, at = b"\xc0\x0c", HEADER + len(question.section)
    for target in chain:
        data = b"".join(bytes([len(label)]) + label for label in target.encode("ascii").split(b".")) + b"\0"
        records.append(owner + _FIXED.pack(_CNAME, _IN, ttl, len(data)) + data)
        start = at + len(owner) + _FIXED.size
        owner, at = (0xC000 | start).to_bytes(2, "big") if start < 0x4000 else data, start + len(data)
    for address in addresses:
        data = address.packed
        records.append(owner + _FIXED.pack(question.rdtype, _IN, ttl, len(data)) + data)
    return records


def _option(rcode: int, explain: tuple[int, str] | None) -> bytes:
    data = b""
    if explain is not None:
        text = explain[1][:_MAX_EXPLANATION].encode()[:_MAX_EXPLANATION]
        data = struct.pack("!3H", _EDE, 2 + len(text), explain[0]) + text
    return b"\0" + _FIXED.pack(_OPT, OUR_PAYLOAD, rcode >> 4 << 24, len(data)) + data


def write_upstream_query(name: str, rdtype: int, identity: int, *, edns: bool) -> bytes:
    """Build our own question; nothing of the container's query but name and type reaches an upstream."""
    query = dns.message.make_query(name + ".", dns.rdatatype.RdataType(rdtype), use_edns=0 if edns else None)
    if edns:
        query.use_edns(0, 0, OUR_PAYLOAD)
    query.id = identity
    return query.to_wire()


def read_answer(wire: bytes, name: str, rdtype: int, identity: int) -> Answer:
    """Parse an upstream's answer, along the chain that starts at `name`; raises `BadAnswerError`, `TruncatedError`."""
    if len(wire) < HEADER or wire[:2] != identity.to_bytes(2, "big") or not wire[2] & 0x80:
        raise BadAnswerError("an answer to another question", mismatch=True)
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True, raise_on_truncation=False)
    except (dns.exception.DNSException, ValueError, LookupError) as error:
        raise BadAnswerError("a malformed answer") from error
    asked = dns.name.from_text(name)
    if message.rcode() == dns.rcode.FORMERR and not message.question:
        raise BadAnswerError("FORMERR")
    if len(message.question) != 1 or message.question[0].name != asked or int(message.question[0].rdtype) != rdtype:
        raise BadAnswerError("an answer to another question", mismatch=True)
    if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise BadAnswerError(dns.rcode.to_text(message.rcode()))
    answer = _follow(message, asked, rdtype)
    if message.flags & dns.flags.TC:
        raise TruncatedError(answer)
    return answer


def _follow(message: dns.message.Message, owner: dns.name.Name, rdtype: int) -> Answer:
    records = {(rrset.name, int(rrset.rdtype)): rrset for rrset in message.answer if rrset.rdclass == dns.rdataclass.IN}
    chain: list[str] = []
    ttl = 0x7FFFFFFF
    while (alias := records.get((owner, int(dns.rdatatype.CNAME)))) is not None:
        owner, ttl = alias[0].target, min(ttl, alias.ttl)
        target = _canonical_or_service(owner)
        if target is None or len(chain) >= MAX_CHAIN:
            raise BadAnswerError("an unusable chain of names")
        chain.append(target)
    found = records.get((owner, rdtype))
    if found is None:
        return Answer(int(message.rcode()), tuple(chain), (), min(ttl, 60))
    addresses = tuple(ip_address(record.address) for record in list(found)[:MAX_ADDRESSES])
    return Answer(NOERROR, tuple(chain), addresses, min(ttl, found.ttl))


def _canonical_or_service(name: dns.name.Name) -> str | None:
    """Return a host name in lower case, also with the underscores that delivery networks use; `None` for others."""
    labels = [label.lower() for label in name.labels[:-1]]
    if not labels or any(byte not in _HOST_BYTES and byte != 0x5F for label in labels for byte in label):
        return None
    return b".".join(labels).decode("ascii")
