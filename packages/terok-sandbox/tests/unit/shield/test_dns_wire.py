from __future__ import annotations

import struct
from ipaddress import ip_address

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.shield.dns_wire import (
    Answer,
    BadAnswerError,
    MalformedQueryError,
    TruncatedError,
    read_answer,
    read_question,
    write_reply,
    write_upstream_query,
)

QUERY = dns.message.make_query("www.example.com", "A", use_edns=0).to_wire()


def spoiled(wire: bytes) -> st.SearchStrategy[bytes]:
    """Byte flips, cuts and tails of a well-formed message."""
    flips = st.lists(st.tuples(st.integers(0, len(wire) - 1), st.integers(0, 255)), max_size=6)

    def apply(args: tuple[list[tuple[int, int]], int, bytes]) -> bytes:
        data = bytearray(wire)
        for at, value in args[0]:
            data[at] = value
        return bytes(data[: args[1]]) + args[2]

    return st.tuples(flips, st.integers(0, len(wire)), st.binary(max_size=16)).map(apply)


def upstream_answer(
    *records: tuple[str, str, str], asked: str = "www.example.com", rdtype: str = "A", ident: int = 7
) -> bytes:
    query = dns.message.make_query(asked, rdtype)
    query.id = ident
    reply = dns.message.make_response(query)
    for owner, kind, value in records:
        reply.answer.append(dns.rrset.from_text(owner + ".", 100, "IN", kind, value))
    return reply.to_wire()


@given(st.binary(max_size=600) | spoiled(QUERY))
@pytest.mark.attack("HOST-1")
def test_any_bytes_are_a_question_or_refused(wire: bytes) -> None:
    try:
        question = read_question(wire)
    except MalformedQueryError as error:
        assert error.reply is None or error.reply[:2] == wire[:2]
        if error.reply is not None and len(error.reply) > 12:
            assert dns.message.from_wire(error.reply).rcode() == dns.rcode.BADVERS
        else:
            assert error.reply is None or error.reply[3] & 15
        return
    assert question.name is None or set(question.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    theirs = dns.message.from_wire(wire)
    assert (theirs.question[0].rdtype, theirs.edns >= 0) == (question.rdtype, question.payload is not None)
    reply = dns.message.from_wire(write_reply(question, explain=(18, "why")))
    assert theirs.is_response(reply)


@given(
    st.lists(st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True), min_size=1, max_size=8),
    st.sampled_from(["A", "AAAA", "TXT"]),
    st.sampled_from([None, 0, 512, 1232, 65535]),
    st.lists(st.from_regex(r"c_[a-z0-9_]{1,20}(\.[a-z0-9]{1,9}){0,9}", fullmatch=True), max_size=16, unique=True),
    st.integers(0, 32),
    st.booleans(),
)
def test_replies_are_what_a_library_reads(
    labels: list[str], rdtype: str, payload: int | None, chain: list[str], count: int, tcp: bool
) -> None:
    query = dns.message.make_query(
        ".".join(labels), rdtype, payload=payload or 0, use_edns=None if payload is None else 0
    )
    question = read_question(query.to_wire())
    kind, base = ("AAAA", "2001:db8::") if rdtype == "AAAA" else ("A", "192.0.2.")
    found = [ip_address(f"{base}{number}") for number in range(count)] if rdtype != "TXT" else []
    wire = write_reply(question, chain=chain if found else (), addresses=found, ttl=77, tcp=tcp)
    assert len(wire) <= (65535 if tcp else max(512, min(payload or 0, 1232)))
    reply = dns.message.from_wire(wire, raise_on_truncation=False)
    assert query.is_response(reply)
    records = [record for rrset in reply.answer for record in rrset]
    if not found:
        [negative] = reply.authority
        assert (records, negative.ttl, negative[0].minimum) == ([], 77, 77)
        return
    assert {rrset.ttl for rrset in reply.answer} == {77}
    cut = bool(reply.flags & dns.flags.TC)
    assert not (cut and tcp)
    assert len(records) == len(chain) + count if not cut else len(records) < len(chain) + count
    if len(records) >= len(chain):
        assert [one.to_text() for one in records[len(chain) :]] == [
            str(one) for one in found[: len(records) - len(chain)]
        ]
        owner = (chain[-1] if chain else ".".join(labels)) + "."
        assert all(one.name.to_text() == owner for one in reply.answer if dns.rdatatype.to_text(one.rdtype) == kind)


def test_another_version_of_edns_is_answered_with_ours() -> None:
    query = dns.message.make_query("www.example.com", "A", use_edns=1)
    with pytest.raises(MalformedQueryError) as caught:
        read_question(query.to_wire())
    reply = dns.message.from_wire(caught.value.reply or b"")
    assert query.is_response(reply)
    assert (reply.rcode(), reply.edns, reply.answer) == (dns.rcode.BADVERS, 0, [])


@given(spoiled(upstream_answer(("www.example.com", "CNAME", "a.example.net."), ("a.example.net", "A", "203.0.113.9"))))
def test_any_upstream_bytes_are_an_answer_or_refused(wire: bytes) -> None:
    try:
        answer = read_answer(wire, "www.example.com", 1, 7)
    except BadAnswerError:
        return
    assert len(answer.addresses) <= 32


def test_labels_that_hold_other_bytes_have_no_name() -> None:
    for label in (b"ev\x00il", b"a.b", b"under_score", b"sp ace", "bü".encode(), b"%41"):
        wire = (
            struct.pack("!6H", 1, 0x100, 1, 0, 0, 0)
            + bytes([len(label)])
            + label
            + b"\3com\0"
            + struct.pack("!HH", 1, 1)
        )
        assert read_question(wire).name is None
    assert read_question(dns.message.make_query("WwW.eXample.com", "A").to_wire()).name == "www.example.com"


def test_the_spelling_of_the_question_is_repeated() -> None:
    question = read_question(dns.message.make_query("WwW.eXample.com", "A").to_wire())
    reply = dns.message.from_wire(write_reply(question, addresses=[ip_address("203.0.113.9")], ttl=60))
    assert reply.question[0].name.to_text() == reply.answer[0].name.to_text() == "WwW.eXample.com."


def test_a_large_reply_is_cut_for_datagrams_only() -> None:
    question = read_question(dns.message.make_query("example.com", "AAAA", use_edns=False).to_wire())
    many = [ip_address(f"2001:db8::{i:x}") for i in range(32)]
    cut = dns.message.from_wire(write_reply(question, addresses=many), raise_on_truncation=False)
    assert cut.flags & dns.flags.TC
    assert 10 < len(cut.answer[0]) < 32, "for clients that do not ask again it holds what fits"
    assert len(dns.message.from_wire(write_reply(question, addresses=many, tcp=True)).answer[0]) == 32


def test_only_the_chain_from_the_question_counts() -> None:
    wire = upstream_answer(
        ("www.example.com", "CNAME", "cdn_1.example.net."),
        ("cdn_1.example.net", "A", "203.0.113.9"),
        ("other.example.org", "A", "203.0.113.66"),
    )
    assert read_answer(wire, "www.example.com", 1, 7) == Answer(
        0, ("cdn_1.example.net",), (ip_address("203.0.113.9"),), 100
    )


@pytest.mark.parametrize(
    ("wire", "mismatch"),
    [
        (upstream_answer(ident=8), True),
        (upstream_answer(asked="www.example.org"), True),
        (upstream_answer(rdtype="AAAA"), True),
        (write_upstream_query("www.example.com", 1, 7, edns=True), True),
        (upstream_answer(("www.example.com", "CNAME", "www.example.com.")), False),
        (upstream_answer(("www.example.com", "CNAME", "a\\000b.example.com.")), False),
    ],
)
def test_answers_to_other_questions_and_loops_are_refused(wire: bytes, mismatch: bool) -> None:
    with pytest.raises(BadAnswerError) as caught:
        read_answer(wire, "www.example.com", 1, 7)
    assert caught.value.mismatch == mismatch


def test_truncation_and_failures_are_told_apart() -> None:
    wire = bytearray(upstream_answer())
    wire[2] |= 2
    with pytest.raises(TruncatedError):
        read_answer(bytes(wire), "www.example.com", 1, 7)
    wire = bytearray(upstream_answer())
    wire[3] |= int(dns.rcode.SERVFAIL)
    with pytest.raises(BadAnswerError, match="SERVFAIL"):
        read_answer(bytes(wire), "www.example.com", 1, 7)
