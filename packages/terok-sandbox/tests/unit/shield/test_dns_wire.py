from __future__ import annotations

import struct
from ipaddress import ip_address

import dns.message
import dns.rcode
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
        assert error.reply is None or (error.reply[:2] == wire[:2] and len(error.reply) == 12 and error.reply[3] & 15)
        return
    assert question.name is None or set(question.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    dns.message.from_wire(write_reply(question, explain=(18, "why")))


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
    assert dns.message.from_wire(write_reply(question, addresses=many), raise_on_truncation=False).flags & dns.flags.TC
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
