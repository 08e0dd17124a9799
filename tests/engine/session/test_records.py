"""Events and inputs as records, and back."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durafix.engine.session import events as e
from durafix.engine.session import inputs as i
from durafix.engine.session.identity import SessionId
from durafix.engine.session.records import decode, draft, drafts, monotonic_ns
from durafix.engine.session.settings import SessionSettings
from durafix.engine.session.step import Outcome
from durafix.journal.position import Position
from durafix.journal.record import Draft, Kind, Record

from .kit import acceptor, roster_draft

AT = i.At(1_750_000_000_000_000_000, 77)
SETTINGS = SessionSettings(SessionId("FIX.4.4", "A", "B", qualifier="Q"), "acceptor")
FRAME = acceptor().peer("D", 7, "11=a|")


def record_of(made: Draft, number: int = 9) -> Record:
    """As it would be read back, LAST set."""
    return Record(
        Position(1, 8192), number, AT.utc_ns, made.seq, made.session, made.kind, made.direction,
        made.flags | 1, 1, 0, made.payload,
    )  # fmt: skip


EVENTS: list[Any] = [
    e.In(7, 12, FRAME),
    e.Out(7, 32, b"D", FRAME.raw, 5, b"key"),
    e.Out(8, 0, b"D", FRAME.raw),
    e.Cursor(4, 7, "done"),
    e.Cursor(4, 7, "refused", "no cr\u00e9dit", 6),
    e.EpochOpened(2, 1, 5, "why"),
    e.Reserved(2, 1000),
    e.Configured(SETTINGS),
    e.LinkChanged("lost", "down", "x"),
    e.LogonChanged("accepted", "on", "Logon 1", 30),
    e.GapChanged("too-high", "asked", "x", 1, 5, 2),
    e.LivenessChanged("frame", "alive", "x"),
    e.InboundMoved(1, 5, "GapFill 1"),
    e.NumbersSkipped(2, 10, "x"),
    e.Dequeued(3, 7, 12, "gap filled"),
    e.Superseded((3, 4), (7, 8), "x"),
    e.ResendAsked(1, 5, "x"),
    e.Resent(1, 5, 2, "20250615-15:06:40", ((1, 2, "g"), (3, 5, "s")), True),
    e.OperatorSet("ann", "why", 1, 2, 3, 4),
    e.Noted("peer-ahead", "x", 9),
]
INPUTS: list[i.Input] = [
    i.Configure(SETTINGS), i.Start(True, False), i.LinkUp("peer"), i.LinkDown("x"),
    i.Authenticated(True, "ok"), i.Tick(), i.ResendRuns(1, 5, ((1, 5, "g"),), True, 2),
    i.LogoutCommand("x"), i.ResetCommand("ann", "x"), i.SetNumbers(1, 2, "ann", "x"), i.Stop(),
]  # fmt: skip


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_comes_back_as_it_was(event: Any) -> None:
    """decode is the inverse of draft; every kind of event is in the list."""
    assert decode(record_of(draft(event, 1, AT))) == event


def test_the_list_above_is_complete() -> None:
    """A new event needs a line there."""
    assert {type(event) for event in EVENTS} == set(e.Event.__args__)
    assert {type(inp) for inp in INPUTS} == set(i.JournaledInput.__args__)


@pytest.mark.parametrize("inp", INPUTS, ids=lambda inp: type(inp).__name__)
def test_every_input_comes_back_with_its_monotonic_time(inp: i.Input) -> None:
    """INPUT records: one JSON object with type and mono."""
    made = drafts(inp, Outcome([EVENTS[9]], [], None, False), 1, AT)
    assert [d.kind for d in made] == [Kind.INPUT, Kind.STATE]
    record = record_of(made[0])
    assert decode(record) == inp and monotonic_ns(record) == 77
    assert msgspec.json.decode(record.payload)["mono"] == 77


@pytest.mark.parametrize("event", EVENTS[:5])
def test_the_payloads_that_strangers_read(event: Any) -> None:
    """The frame starts at head; the monotonic time stands behind it."""
    made = draft(event, 1, AT)
    assert monotonic_ns(record_of(made)) == 77
    if not isinstance(event, e.Cursor):
        head = int.from_bytes(made.payload[:2], "little")
        assert made.payload[head:] == FRAME.raw
    assert made.seq == event.seq


def test_a_step_without_events_has_no_records() -> None:
    """Rule 21."""
    assert drafts(i.Tick(), Outcome([], [], None, False), 1, AT) == []


def test_kinds_of_others_are_none_of_ours() -> None:
    """Roster, clock, repair, hash, and operator records without a session."""
    assert decode(record_of(roster_draft("FIX.4.4:A->B"))) is None
    for kind in (Kind.CLOCK, Kind.REPAIR, Kind.HASH, Kind.OPERATOR, Kind.INPUT):
        record = record_of(Draft(kind, 0, 0, 0, 0, b'{"type":"hold"}'))
        assert decode(record) is None and monotonic_ns(record) is None


@given(st.sampled_from([k for k in Kind if k not in (Kind.IN, Kind.OUT)]), st.binary(max_size=80))
def test_a_payload_that_the_core_did_not_write_is_an_error_of_value(
    kind: Kind, data: bytes
) -> None:
    """Never a crash of another kind: the caller turns it into a finding."""
    with contextlib.suppress(ValueError, struct.error, IndexError):
        decode(record_of(Draft(kind, 0, 0, 1, 0, data)))
