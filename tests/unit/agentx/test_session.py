"""The session as rows: event and instant in; exact effects, state and deadline out. Then any octets at all."""

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.agentx import answer as a
from haagent.agentx import codec
from haagent.agentx import events as e
from haagent.agentx import pdu as p
from haagent.agentx import session as s
from haagent.agentx.varbind import Kind, SearchRange, Varbind
from haagent.mib.tree import SCALAR, Column, Tree

ROOT = (1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 112)
TREE = Tree(
    [
        Column((*ROOT, 1), Kind.INTEGER, int, SCALAR, (42,)),
        Column((*ROOT, 2, 1, 1), Kind.GAUGE32, int, [(n,) for n in range(1, 201)], range(1, 201)),
        Column(
            (*ROOT, 2, 1, 2), Kind.OCTET_STRING, lambda row: b"%d" % row, [(n,) for n in range(1, 201)], range(1, 201)
        ),
    ]
)
SESSION_ID = 77


def waiting() -> s.Session:
    return s.Session(ROOT, "haagent", lambda: TREE, Random(1), 100.0)


def opened() -> tuple[s.Session, p.Pdu]:
    session = waiting()
    assert session.next_deadline == 100.0
    assert session.handle(e.DeadlinePassed(), 100.0) == [e.Connect()]
    (sent,) = session.handle(e.Connected(), 100.0)
    return session, said(sent)


def serving() -> s.Session:
    session, opening = opened()
    capabilities, register = session.handle(reply(opening), 100.0)
    assert session.handle(reply(said(capabilities)), 100.0) == []
    assert session.handle(reply(said(register)), 100.0) == [e.Report(True, "registered")]
    return session


def said(effect: e.Effect) -> p.Pdu:
    assert isinstance(effect, e.Send)
    pdu = codec.decode(effect.data)
    assert isinstance(pdu, p.Pdu)
    return pdu


def reply(asked: p.Pdu, error: int = 0, session_id: int = SESSION_ID) -> e.BytesReceived:
    return e.BytesReceived(codec.encode(p.Pdu(p.Response(error=error), session_id, 0, asked.packet_id)))


def ask(session: s.Session, body: p.Body, **fields: object) -> list[e.Effect]:
    request = p.Pdu(body, **({"session_id": SESSION_ID, "transaction_id": 5, "packet_id": 6} | fields))  # type: ignore[arg-type]
    return session.handle(e.BytesReceived(codec.encode(request)), 101.0)


def answer(session: s.Session, body: p.Body, **fields: object) -> p.Response:
    (sent,) = ask(session, body, **fields)
    pdu = said(sent)
    assert isinstance(pdu.body, p.Response)
    assert (pdu.session_id, pdu.transaction_id, pdu.packet_id) == (fields.get("session_id", SESSION_ID), 5, 6)
    assert pdu.context is None  # snmpd would read a context where the flag is set
    return pdu.body


# ------------------------------------------------------------------------- opening


def test_open_then_capabilities_and_one_registration_without_a_context() -> None:
    session, opening = opened()
    assert opening.body == p.Open(0, ROOT, b"haagent")
    capabilities, register = (said(effect) for effect in session.handle(reply(opening), 100.0))
    assert capabilities.body == p.AddAgentCaps(ROOT, b"haagent")
    assert register.body == p.Register(ROOT)
    assert (register.session_id, register.context, register.flags) == (SESSION_ID, None, 0)
    assert session.state == s.Registering(SESSION_ID)
    assert session.handle(reply(capabilities, p.Error.PROCESSING_ERROR), 100.0) == []  # nice to have, no more
    assert session.handle(reply(register), 100.0) == [e.Report(True, "registered")]
    assert session.next_deadline == 100.0 + s.IDLE_TIME


def test_the_echo_that_snmpd_puts_into_its_responses_is_ignored() -> None:
    session, opening = opened()
    echo = (Varbind(ROOT, Kind.OCTET_STRING, b"haagent"),)
    octets = codec.encode(p.Pdu(p.Response(varbinds=echo), SESSION_ID, 0, opening.packet_id))
    session.handle(e.BytesReceived(octets), 100.0)
    assert session.state == s.Registering(SESSION_ID)


@pytest.mark.parametrize(
    ("error", "words"), [(p.Error.OPEN_FAILED, "open failed"), (999, "error 999")], ids=["known", "unknown"]
)
def test_a_refused_open_is_reported_and_tried_again(error: int, words: str) -> None:
    session, opening = opened()
    effects = session.handle(reply(opening, error), 100.0)
    assert effects == [e.Disconnect(), e.Report(False, f"the master refused the session: {words}")]
    assert isinstance(session.state, s.Waiting)


def test_a_refused_registration_closes_the_session_first() -> None:
    session, opening = opened()
    _capabilities, register = session.handle(reply(opening), 100.0)
    closing, *rest = session.handle(reply(said(register), p.Error.DUPLICATE_REGISTRATION), 100.0)
    assert said(closing).body == p.Close(p.CloseReason.OTHER)
    assert rest == [e.Disconnect(), e.Report(False, "the master refused our subtree: duplicate registration")]


def test_the_backoff_grows_to_thirty_seconds_and_starts_over_after_success() -> None:
    session = waiting()
    now, delays = 100.0, []
    for _attempt in range(8):
        assert session.handle(e.DeadlinePassed(), now) == [e.Connect()]
        session.handle(e.ConnectionFailed("connection refused"), now)
        assert session.next_deadline is not None
        assert session.handle(e.DeadlinePassed(), session.next_deadline - 0.001) == []  # early: no harm
        delays.append(session.next_deadline - now)
        now = session.next_deadline
    assert 1.0 <= delays[0] <= 1.5
    assert delays == sorted(delays)
    assert delays[-1] == 30.0
    session = serving()
    session.handle(e.ConnectionFailed("the master closed the connection"), 200.0)
    assert session.next_deadline is not None
    assert 201.0 <= session.next_deadline <= 201.5


def test_a_connection_that_does_not_come_is_given_up() -> None:
    session = waiting()
    session.handle(e.DeadlinePassed(), 100.0)
    assert session.next_deadline == 100.0 + s.CONNECT_TIMEOUT
    disconnect, report = session.handle(e.DeadlinePassed(), 105.0)
    assert (disconnect, report) == (e.Disconnect(), e.Report(False, "no connection within 5 seconds"))
    assert session.handle(e.ConnectionFailed("cancelled"), 105.0) == []  # the echo of our own doing


# ------------------------------------------------------------------------ answering


def test_get() -> None:
    ranges = tuple(SearchRange(name) for name in ((*ROOT, 1, 0), (*ROOT, 2, 1, 1, 999), (*ROOT, 9, 9)))
    assert answer(serving(), p.Get(ranges)).varbinds == (
        Varbind((*ROOT, 1, 0), Kind.INTEGER, 42),
        Varbind((*ROOT, 2, 1, 1, 999), Kind.NO_SUCH_INSTANCE),
        Varbind((*ROOT, 9, 9), Kind.NO_SUCH_OBJECT),
    )


def test_get_next_with_include_end_and_the_end_of_the_view() -> None:
    ranges = (
        SearchRange(ROOT),
        SearchRange((*ROOT, 1, 0), include=True),
        SearchRange((*ROOT, 2, 1, 1, 200), end=(*ROOT, 2, 1, 2)),
        SearchRange((*ROOT, 2, 1, 2, 200)),
    )
    assert answer(serving(), p.GetNext(ranges)).varbinds == (
        Varbind((*ROOT, 1, 0), Kind.INTEGER, 42),
        Varbind((*ROOT, 1, 0), Kind.INTEGER, 42),
        Varbind((*ROOT, 2, 1, 1, 200), Kind.END_OF_MIB_VIEW),
        Varbind((*ROOT, 2, 1, 2, 200), Kind.END_OF_MIB_VIEW),
    )


def test_get_bulk_goes_row_by_row_and_stops_when_all_have_ended() -> None:
    column = (*ROOT, 2, 1, 1)
    ranges = (SearchRange(ROOT), SearchRange((*column, 198), end=(*ROOT, 2, 1, 2)), SearchRange((*ROOT, 2, 1, 2, 199)))
    assert answer(serving(), p.GetBulk(1, 10, ranges)).varbinds == (
        Varbind((*ROOT, 1, 0), Kind.INTEGER, 42),
        Varbind((*column, 199), Kind.GAUGE32, 199),
        Varbind((*ROOT, 2, 1, 2, 200), Kind.OCTET_STRING, b"200"),
        Varbind((*column, 200), Kind.GAUGE32, 200),
        Varbind((*ROOT, 2, 1, 2, 200), Kind.END_OF_MIB_VIEW),
        Varbind((*column, 200), Kind.END_OF_MIB_VIEW),
        Varbind((*ROOT, 2, 1, 2, 200), Kind.END_OF_MIB_VIEW),
    )


def test_get_bulk_is_bounded() -> None:
    many = answer(serving(), p.GetBulk(0, 65535, (SearchRange(ROOT),))).varbinds
    assert len(many) == a.BULK_LIMIT
    assert answer(serving(), p.GetBulk(0, 0, (SearchRange(ROOT),))).varbinds == ()


@pytest.mark.parametrize("context", [None, b""])
@pytest.mark.parametrize("big_endian", [True, False])
def test_the_answer_has_the_byte_order_of_the_request_and_no_context(context: bytes | None, big_endian: bool) -> None:
    (sent,) = ask(serving(), p.Get((SearchRange((*ROOT, 1, 0)),)), context=context, big_endian=big_endian)
    assert said(sent).big_endian is big_endian
    assert said(sent).context is None
    assert said(sent).body == p.Response(varbinds=(Varbind((*ROOT, 1, 0), Kind.INTEGER, 42),))


def test_a_request_that_is_sent_again_is_answered_again() -> None:
    session = serving()
    first, second = (ask(session, p.GetNext((SearchRange(ROOT),))) for _time in range(2))
    assert first == second != []


def test_split_and_joined_requests_are_answered_in_order() -> None:
    session = serving()
    octets = b"".join(
        codec.encode(p.Pdu(p.GetNext((SearchRange((*ROOT, 2, 1, 1, n)),)), SESSION_ID, 1, n)) for n in range(10, 13)
    )
    whole = session.handle(e.BytesReceived(octets), 101.0)
    assert [said(effect).packet_id for effect in whole] == [10, 11, 12]
    single = [effect for octet in octets for effect in session.handle(e.BytesReceived(bytes([octet])), 101.0)]
    assert single == whole


def test_writing_is_refused_at_its_first_variable() -> None:
    session = serving()
    refused = answer(session, p.Varbinds(p.PduType.TEST_SET, (Varbind((*ROOT, 1, 0), Kind.INTEGER, 1),)))
    assert refused == p.Response(error=p.Error.NOT_WRITABLE, index=1)
    assert answer(session, p.Bare(p.PduType.COMMIT_SET)).error == p.Error.COMMIT_FAILED
    assert answer(session, p.Bare(p.PduType.UNDO_SET)).error == p.Error.NO_ERROR
    assert ask(session, p.Bare(p.PduType.CLEANUP_SET)) == []


def test_a_wrong_session_or_context_is_said_so() -> None:
    session = serving()
    get = p.Get((SearchRange((*ROOT, 1, 0)),))
    assert answer(session, get, session_id=78).error == p.Error.NOT_OPEN
    assert answer(session, get, context=b"other").error == p.Error.UNSUPPORTED_CONTEXT


def test_what_only_a_subagent_sends_is_counted_and_ignored() -> None:
    session = serving()
    assert ask(session, p.Open(0, ROOT, b"")) == []
    assert ask(session, p.Bare(p.PduType.PING)) == []
    assert ask(session, p.Varbinds(p.PduType.NOTIFY, ())) == []
    assert session.counters["out_of_place"] == 3


# ---------------------------------------------------------- notifications and liveness


def test_a_notification_is_sent_while_registered_and_dropped_otherwise() -> None:
    varbinds = (Varbind((1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0), Kind.OBJECT_IDENTIFIER, (*ROOT, 0, 1)),)
    session = serving()
    (sent,) = session.handle(e.NotificationRaised(varbinds), 101.0)
    assert said(sent).body == p.Varbinds(p.PduType.NOTIFY, varbinds)
    session = waiting()
    assert session.handle(e.NotificationRaised(varbinds), 101.0) == []
    assert session.counters["notifications_dropped"] == 1


def test_a_refused_notification_is_counted() -> None:
    session = serving()
    (sent,) = session.handle(e.NotificationRaised(()), 101.0)
    assert session.handle(reply(said(sent), p.Error.PROCESSING_ERROR), 101.0) == []
    assert session.counters["refused_by_master"] == 1
    assert isinstance(session.state, s.Serving)


def test_ping_after_fifteen_idle_seconds_and_reopen_without_an_answer() -> None:
    session = serving()
    ask(session, p.Get(()))  # at 101: not idle
    assert session.next_deadline == 116.0
    assert session.handle(e.DeadlinePassed(), 115.9) == []
    (ping,) = session.handle(e.DeadlinePassed(), 116.0)
    assert said(ping).body == p.Bare(p.PduType.PING)
    assert session.next_deadline == 126.0
    closing, *rest = session.handle(e.DeadlinePassed(), 126.0)
    assert said(closing).body == p.Close(p.CloseReason.TIMEOUTS)
    assert rest == [e.Disconnect(), e.Report(False, "the master does not answer")]


def test_an_answered_ping_is_followed_by_another() -> None:
    session = serving()
    (ping,) = session.handle(e.DeadlinePassed(), 115.0)
    session.handle(reply(said(ping)), 115.5)
    assert session.next_deadline == 130.5


def test_a_master_that_forgot_us_or_closes_is_asked_anew() -> None:
    session = serving()
    (ping,) = session.handle(e.DeadlinePassed(), 115.0)
    effects = session.handle(reply(said(ping), p.Error.NOT_OPEN), 115.0)
    assert e.Report(False, "the master does not know our session") in effects
    effects = ask(serving(), p.Close(p.CloseReason.BY_MANAGER))
    assert effects == [e.Disconnect(), e.Report(False, "the master closed the session: by manager")]


def test_an_open_that_is_never_answered_is_given_up() -> None:
    session, _opening = opened()
    assert session.next_deadline == 110.0
    assert session.handle(e.DeadlinePassed(), 110.0)[-1] == e.Report(False, "the master does not answer")


def test_a_stray_response_is_counted() -> None:
    session = serving()
    assert session.handle(reply(p.Pdu(p.Bare(p.PduType.PING), packet_id=4711)), 101.0) == []
    assert session.counters["stray_responses"] == 1


def test_stopping_says_so_once_and_for_all() -> None:
    session = serving()
    closing, disconnect = session.handle(e.Stopped(), 101.0)
    assert (said(closing).body, disconnect) == (p.Close(p.CloseReason.SHUTDOWN), e.Disconnect())
    assert session.handle(e.ConnectionFailed("closed"), 101.0) == []
    assert session.next_deadline is None
    assert waiting().handle(e.Stopped(), 101.0) == [e.Disconnect()]


# -------------------------------------------------------------------------- bad input


def vector(name: str) -> bytes:
    vectors = json.loads((Path(__file__).parents[2] / "vectors" / "agentx.json").read_text())["vectors"]
    return bytes.fromhex(next(each["pdu_hex"] for each in vectors if each["name"] == name))


def test_malformed_pdus_are_counted_and_three_in_a_row_are_enough() -> None:
    session = serving()
    assert session.handle(e.BytesReceived(vector("be_bad_unknown_type_19")), 101.0) == []
    assert session.handle(e.BytesReceived(vector("be_bad_truncated_oid")), 101.0) == []
    assert (session.counters["malformed_type"], session.counters["malformed_truncated"]) == (1, 1)
    assert len(ask(session, p.Get(()))) == 1  # a good one in between
    for _time in range(2):
        assert session.handle(e.BytesReceived(vector("be_bad_truncated_oid")), 101.0) == []
    closing, *rest = session.handle(e.BytesReceived(vector("be_bad_truncated_oid")), 101.0)
    assert said(closing).body == p.Close(p.CloseReason.PARSE_ERROR)
    assert rest == [e.Disconnect(), e.Report(False, "the master sent what is no AgentX")]


def test_a_malformed_request_is_answered_with_parse_error() -> None:
    octets = bytearray(codec.encode(p.Pdu(p.Get((SearchRange(ROOT),)), SESSION_ID, 5, 6)))
    octets[codec.HEADER_LENGTH] = 200  # sub-identifiers
    (sent,) = serving().handle(e.BytesReceived(bytes(octets)), 101.0)
    assert said(sent) == p.Pdu(p.Response(error=p.Error.PARSE_ERROR), SESSION_ID, 5, 6)


def test_lost_framing_needs_a_new_connection() -> None:
    effects = serving().handle(e.BytesReceived(b"HTTP/1.1 400 Bad Request\r\n"), 101.0)
    assert effects[-1] == e.Report(False, "the master sent what is no AgentX")


@given(st.lists(st.binary(max_size=80), max_size=5))
def test_any_octets_end_in_effects(chunks: list[bytes]) -> None:
    session = serving()
    for chunk in chunks:
        for effect in session.handle(e.BytesReceived(chunk), 101.0):
            assert isinstance(effect, e.Send | e.Disconnect | e.Report)
    assert session.next_deadline is not None


TYPES = st.integers(1, 19)


@given(st.lists(st.tuples(TYPES, st.sampled_from([0, 8, 16, 24]), st.binary(max_size=48)), max_size=5))
def test_any_payload_under_a_good_header_ends_in_effects(pdus: list[tuple[int, int, bytes]]) -> None:
    session = serving()
    for code, flags, payload in pdus:
        order = "big" if flags & 16 else "little"
        head = bytes([1, code, flags, 0]) + b"".join(n.to_bytes(4, order) for n in (SESSION_ID, 1, 1, len(payload)))
        session.handle(e.BytesReceived(head + payload), 101.0)
    assert session.next_deadline is not None
