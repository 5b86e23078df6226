"""DNS messages: questions from the container, our replies, questions to an upstream and its answers. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

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
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from terok_sandbox.shield.policy.addresses import Address

# The record types are imported here, in the fork server: the first question must not wait for them.
HEADER: Final = 12
OUR_PAYLOAD: Final = 1232
MAX_CHAIN: Final = 16
MAX_ADDRESSES: Final = 32
ADDRESS_TYPES: Final = frozenset({int(dns.rdatatype.A), int(dns.rdatatype.AAAA)})
_CANONICAL_BYTES: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-")

NOERROR: Final = int(dns.rcode.NOERROR)
NXDOMAIN: Final = int(dns.rcode.NXDOMAIN)
SERVFAIL: Final = int(dns.rcode.SERVFAIL)
PROHIBITED: Final = int(dns.edns.EDECode.PROHIBITED)
FILTERED: Final = int(dns.edns.EDECode.FILTERED)


class MalformedQueryError(Exception):
    """Bytes that are no question; ``reply`` is what to send back, if anything."""

    def __init__(self, reply: bytes | None) -> None:
        super().__init__("malformed query")
        self.reply = reply


class BadAnswerError(Exception):
    """An upstream's bytes are no answer to our question; ``mismatch`` says that they may be someone else's."""

    def __init__(self, what: str, *, mismatch: bool = False) -> None:
        super().__init__(what)
        self.mismatch = mismatch


class TruncatedError(BadAnswerError):
    """The answer did not fit into a datagram."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question; ``name`` is in lower case, ``None`` when its labels hold bytes that no host name has."""

    message: dns.message.Message
    name: str | None
    shown: str
    rdtype: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What an upstream said: the chain of names after the asked one, addresses, and the smallest TTL in seconds."""

    rcode: int
    chain: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    ttl: int = 0


def read_question(wire: bytes) -> Question:
    """Parse a query; raises :class:`MalformedQueryError` for anything that is not one question of class IN."""
    if len(wire) < HEADER or wire[2] & 0x80:
        raise MalformedQueryError(None)
    try:
        message = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError, LookupError) as error:
        raise MalformedQueryError(_header_reply(wire, dns.rcode.FORMERR)) from error
    if message.opcode() != dns.opcode.QUERY:
        raise MalformedQueryError(_header_reply(wire, dns.rcode.NOTIMP))
    if len(message.question) != 1 or message.answer or message.authority:
        raise MalformedQueryError(_header_reply(wire, dns.rcode.FORMERR))
    asked = message.question[0]
    if asked.rdclass != dns.rdataclass.IN:
        raise MalformedQueryError(_header_reply(wire, dns.rcode.REFUSED))
    return Question(message, _canonical(asked.name), _shown(asked.name), int(asked.rdtype))


def _header_reply(wire: bytes, rcode: int) -> bytes:
    """Answer with a bare header: the id and opcode of the query, no question."""
    return wire[:2] + bytes([0x80 | (wire[2] & 0x79), 0x80 | rcode]) + bytes(8)


def _canonical(name: dns.name.Name) -> str | None:
    labels = [label.lower() for label in name.labels[:-1]]
    if not labels or any(byte not in _CANONICAL_BYTES for label in labels for byte in label):
        return None
    return b".".join(labels).decode("ascii")


def _shown(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True)[:255]


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
    """Build a reply that repeats the question as it was spelled; it is truncated (TC) where a datagram ends.

    *explain* is an extended DNS error (code, text), sent to clients that speak EDNS.
    """
    query = question.message
    reply = dns.message.make_response(query, recursion_available=True, our_payload=OUR_PAYLOAD)
    reply.set_rcode(dns.rcode.Rcode(rcode))
    if query.edns >= 0 and explain is not None:
        option = dns.edns.EDEOption(dns.edns.EDECode(explain[0]), explain[1][:200])
        reply.use_edns(0, 0, OUR_PAYLOAD, query.payload, options=[option])
    owner = query.question[0].name
    for target in chain:
        reply.answer.append(dns.rrset.from_text(owner, ttl, "IN", "CNAME", target + "."))
        owner = dns.name.from_text(target)
    if addresses:
        kind = dns.rdatatype.to_text(dns.rdatatype.RdataType(question.rdtype))
        reply.answer.append(dns.rrset.from_text(owner, ttl, "IN", kind, *map(str, addresses)))
    limit = 65535 if tcp else max(512, min(query.payload, OUR_PAYLOAD)) if query.edns >= 0 else 512
    return reply.to_wire(max_size=limit, prefer_truncation=True)


def write_upstream_query(name: str, rdtype: int, identity: int, *, edns: bool) -> bytes:
    """Build our own question; nothing of the container's query but name and type reaches an upstream."""
    query = dns.message.make_query(name + ".", dns.rdatatype.RdataType(rdtype), use_edns=0 if edns else None)
    if edns:
        query.use_edns(0, 0, OUR_PAYLOAD)
    query.id = identity
    return query.to_wire()


def read_answer(wire: bytes, name: str, rdtype: int, identity: int) -> Answer:
    """Parse an upstream's answer to the question (*name*, *rdtype*, *identity*).

    Only the chain that starts at *name* counts. Raises :class:`BadAnswerError`, :class:`TruncatedError`.
    """
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
    if message.flags & dns.flags.TC:
        raise TruncatedError("truncated")
    if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise BadAnswerError(dns.rcode.to_text(message.rcode()))
    return _follow(message, asked, rdtype)


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
    """As :func:`_canonical`, with the underscores that delivery networks use in the names behind the first."""
    labels = [label.lower() for label in name.labels[:-1]]
    if not labels or any(byte not in _CANONICAL_BYTES and byte != 0x5F for label in labels for byte in label):
        return None
    return b".".join(labels).decode("ascii")
