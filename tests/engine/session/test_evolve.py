"""evolve refuses what the core must never emit."""

from __future__ import annotations

import pytest

from durafix.engine.session import events as e
from durafix.engine.session.evolve import evolve
from durafix.engine.session.inputs import At
from durafix.engine.session.memo import SecondReader
from durafix.engine.wire.errors import BadValue

from .kit import NS, START_UTC_NS, acceptor

AT = At(1, 1)


@pytest.mark.parametrize(
    ("event", "promise"),
    [
        (e.Out(3, 0, b"0", b""), "in order"),
        (e.Out(1, 0, b"0", b""), "in order"),
        (e.Reserved(1, 0), "stays reserved"),
        (e.InboundMoved(2, 1, "x"), "opens an epoch"),
        (e.LogonChanged("accepted", "on", "x"), "no transition"),
        (e.LogonChanged("logout-sent", "on", "x"), "leads to leaving"),
        (e.GapChanged("filled", "none", "x"), "no transition"),
        (e.LinkChanged("connected", "up", "x"), "no transition"),
        (e.NumbersSkipped(5, 9, "x"), "from the next number"),
    ],
)
def test_an_event_that_breaks_a_promise_stops_there(event: e.Event, promise: str) -> None:
    """Asserts are our bugs: P5, the tables, and numbers that only rise within an epoch."""
    state = acceptor().logged_on().state
    with pytest.raises(AssertionError, match=promise):
        evolve(state, event, 99, AT)


def test_a_number_beyond_the_reservation_stops_there() -> None:
    """P5: reserved before it is used."""
    state = acceptor().logged_on().state
    evolve(state, e.Reserved(1, 1), 99, AT)
    with pytest.raises(AssertionError, match="reserved before"):
        evolve(state, e.Out(2, 0, b"0", b""), 100, AT)


@pytest.mark.parametrize("fraction", ["", ".123", ".123456", ".123456789"])
def test_the_memo_of_seconds_answers_as_the_parser(fraction: str) -> None:
    """To the second, remembered or not."""
    read = SecondReader()
    text = b"20250615-15:06:40" + fraction.encode()
    assert read(text) == read(text) == START_UTC_NS
    assert read(b"20250615-15:06:41") == START_UTC_NS + NS


@pytest.mark.parametrize(
    "bad", [b"", b"20250615-15:06:40.", b"20250615-15:06:40.12x", b"20250615-15:06:40Z"]
)
def test_the_memo_of_seconds_takes_no_other_form(bad: bytes) -> None:
    """A remembered second does not excuse a bad fraction."""
    read = SecondReader()
    read(b"20250615-15:06:40")
    with pytest.raises(BadValue):
        read(bad)
