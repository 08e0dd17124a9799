"""The judge finds each thing that must not be, in journals that were made up for it."""

import struct
from collections.abc import Callable

import msgspec
import pytest

from durafix.journal.position import Position
from durafix.journal.record import Direction, Flag, Kind, Record
from durafix.tools.demo.ledger import Ledger
from durafix.tools.demo.reconcile import Accepted, Problem, fold_agrees, reconcile

TAKEN = Flag.CONSUMED | Flag.DELIVER


class Journal:
    """Records of one session, made by hand. ``seq`` counts by itself in each direction."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.next = {Direction.IN: 1, Direction.OUT: 1}
        self.add(Kind.EPOCH, msgspec.json.encode({"epoch": 1, "next_out": 1, "next_in": 1}))

    def add(
        self, kind: Kind, payload: bytes, *, way: Direction = Direction.NONE, seq: int = 0,
        flags: int = 0,
    ) -> int:  # fmt: skip
        """Append one event; returns its number."""
        number = len(self.records) + 1
        self.records.append(
            Record(
                Position(1, 8192), number, 0, seq, 1, kind, way, flags | Flag.LAST, 1, 0, payload
            )
        )
        return number

    def sent(self, text: str, seq: int | None = None) -> tuple[int, int]:
        """An OUT record; returns (event, MsgSeqNum)."""
        seq = self.next[Direction.OUT] if seq is None else seq
        self.next[Direction.OUT] = max(self.next[Direction.OUT], seq + 1)
        payload = struct.pack("<HqQ", 18, 0, 0) + fix(text, seq)
        return self.add(Kind.OUT, payload, way=Direction.OUT, seq=seq), seq

    def got(self, text: str, *, flags: int = TAKEN, seq: int | None = None) -> int:
        """An IN record; returns its event."""
        seq = self.next[Direction.IN] if seq is None else seq
        if flags & Flag.CONSUMED:
            self.next[Direction.IN] = seq + 1
        payload = struct.pack("<Hq", 10, 0) + fix(text, seq)
        return self.add(Kind.IN, payload, way=Direction.IN, seq=seq, flags=flags)

    def state(self, **values: object) -> None:
        """A STATE record."""
        self.add(Kind.STATE, msgspec.json.encode(values))

    def done(self, event: int, result: int = 0) -> None:
        """The application's cursor."""
        self.add(Kind.CURSOR, struct.pack("<qQB", 0, event, result))


def fix(text: str, seq: int) -> bytes:
    """A frame; its transport fields differ from side to side, as on a wire with resends."""
    return f"8=FIX.4.4|9=5|{text}|34={seq}|52=20260101-00:00:00|10=000|".replace(
        "|", "\x01"
    ).encode()


def order(name: str) -> str:
    """A NewOrderSingle."""
    return f"35=D|11={name}|55=MSFT|38=100"


def ack(name: str, exec_id: str, kind: str = "0", quantity: int = 0) -> str:
    """An ExecutionReport."""
    return f"35=8|11={name}|17={exec_id}|150={kind}|38=100|32={quantity}"


class Day:
    """Two journals of a day on which all went well, up to where a test spoils it."""

    def __init__(self) -> None:
        self.desk, self.exchange = Journal(), Journal()
        self.accepted: dict[str, Accepted] = {}

    def send(self, name: str) -> None:
        """An order is accepted by ``send`` and journaled."""
        self.accepted[name] = Accepted(name, *self.desk.sent(order(name)))

    def arrive(self, name: str) -> None:
        """It arrives, and its handler finishes."""
        self.exchange.done(self.exchange.got(order(name)))

    def answer(self, name: str, exec_id: str, kind: str = "0", quantity: int = 0) -> None:
        """A report goes out and comes in."""
        self.exchange.sent(ack(name, exec_id, kind, quantity))
        self.desk.done(self.desk.got(ack(name, exec_id, kind, quantity)))

    def trade(self, name: str) -> None:
        """All of it."""
        self.send(name)
        self.arrive(name)
        self.answer(name, f"e-{name}")

    def problems(self) -> list[Problem]:
        """The verdict."""
        desk = Ledger.of("desk", self.desk.records)
        return reconcile(desk, Ledger.of("exchange", self.exchange.records), self.accepted)


@pytest.fixture
def day() -> Day:
    """Two orders, traded."""
    day = Day()
    day.trade("c1")
    day.trade("c2")
    return day


def codes(day: Day) -> list[tuple[str, str]]:
    """(code, subject) of each problem."""
    return [(p.code, p.subject) for p in day.problems()]


def test_a_day_on_which_all_went_well_is_clean(day: Day) -> None:
    """No problem is made up."""
    assert day.problems() == []


def lost(day: Day) -> None:
    day.accepted["c9"] = Accepted("c9", 99, 9)


def missing(day: Day) -> None:
    day.send("c3")


def unfinished(day: Day) -> None:
    day.send("c3")
    day.exchange.got(order("c3"))
    day.answer("c3", "e3")


def parked(day: Day) -> None:
    day.send("c3")
    day.exchange.done(day.exchange.got(order("c3")), 2)
    day.answer("c3", "e3")


def invented(day: Day) -> None:
    day.desk.sent("35=0")
    day.arrive("c3")
    day.answer("c3", "e3")


def altered(day: Day) -> None:
    day.send("c3")
    day.exchange.done(day.exchange.got(order("c3").replace("38=100", "38=900")))
    day.answer("c3", "e3")


def executed_twice(day: Day) -> None:
    day.answer("c2", "e-again")


def report_twice(day: Day) -> None:
    day.answer("c2", "e-c2", "F", 10)


def delivered_twice(day: Day) -> None:
    day.desk.sent("35=0")
    day.arrive("c2")


def unanswered(day: Day) -> None:
    day.send("c3")
    day.arrive("c3")


def overfilled(day: Day) -> None:
    day.answer("c1", "f1", "F", 60)
    day.answer("c1", "f2", "F", 50)


def report_lost(day: Day) -> None:
    day.exchange.sent(ack("c1", "f1", "F", 10))
    day.desk.got("35=0")


def report_invented(day: Day) -> None:
    day.exchange.sent("35=0")
    day.desk.done(day.desk.got(ack("c1", "f1", "F", 10)))


def number_reused(day: Day) -> None:
    day.desk.sent("35=0|112=x", seq=2)


def number_reused_on_the_wire(day: Day) -> None:
    day.exchange.got("35=0|112=x", seq=2, flags=Flag.COPY)


def receipt_wrong(day: Day) -> None:
    day.accepted["c1"] = day.accepted["c1"]._replace(seq=77)


def numbers_differ(day: Day) -> None:
    day.desk.sent("35=0")


def numbers_differ_the_other_way(day: Day) -> None:
    day.exchange.sent("35=0")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lost, [("order-lost", "c9")]),
        (missing, [("order-missing", "c3"), ("numbers-differ", "4")]),
        (unfinished, [("order-unfinished", "c3")]),
        (parked, [("order-unfinished", "c3")]),
        (invented, [("order-invented", "c3")]),
        (altered, [("order-altered", "c3")]),
        (executed_twice, [("order-executed-twice", "c2")]),
        (report_twice, [("report-sent-twice", "e-c2")]),
        (delivered_twice, [("order-delivered-twice", "c2")]),
        (unanswered, [("order-unanswered", "c3")]),
        (overfilled, [("order-overfilled", "c1")]),
        (report_lost, [("report-missing", "f1")]),
        (report_invented, [("report-invented", "f1")]),
        (number_reused, [("number-reused", "2")]),
        (number_reused_on_the_wire, [("number-reused", "2")]),
        (receipt_wrong, [("receipt-wrong", "c1")]),
        (numbers_differ, [("numbers-differ", "4")]),
        (numbers_differ_the_other_way, [("numbers-differ", "4")]),
    ],
)
def test_each_thing_that_must_not_be_is_found(
    day: Day, spoil: Callable[[Day], None], expected: list[tuple[str, str]]
) -> None:
    """One thing is wrong, and it is named by its code and by what it is about."""
    spoil(day)
    assert codes(day) == expected


def test_an_order_that_waited_behind_a_gap_counts_when_it_is_delivered(day: Day) -> None:
    """Queued frames are judged later, by an event that refers to them."""
    day.send("c3")
    day.send("c4")
    waiting = day.exchange.got(order("c4"), flags=Flag.QUEUED | Flag.COPY, seq=4)
    day.exchange.done(day.exchange.got(order("c3"), seq=3))
    day.exchange.state(type="dequeued", event=waiting, seq=4, flags=int(TAKEN), cause="gap")
    day.exchange.done(waiting)
    day.answer("c3", "e3")
    day.answer("c4", "e4")
    assert codes(day) == []


def test_a_resend_may_repeat_a_number_and_is_no_second_delivery(day: Day) -> None:
    """43=Y is what repeats; the duplicate is journaled as a copy and goes nowhere."""
    day.exchange.got(order("c2") + "|43=Y|122=20260101-00:00:00", seq=2, flags=Flag.COPY)
    assert codes(day) == []


def test_gap_fills_and_skipped_numbers_move_both_sides(day: Day) -> None:
    """What a crash may have used up is skipped by one side and filled for the other."""
    day.desk.state(type="numbers-skipped", begin=3, end=5, cause="crash")
    day.exchange.state(type="inbound-moved", before=3, to=6, cause="gap fill")
    assert codes(day) == []


def test_a_gap_fill_repeats_a_number_with_43_and_reuses_none(day: Day) -> None:
    """Only frames without 43=Y take a number."""
    day.desk.sent("35=4|123=Y|36=3|43=Y", seq=2)
    assert codes(day) == []


def test_a_frame_of_the_old_epoch_moves_no_number_of_the_new_one(day: Day) -> None:
    """While a reset is on its way, what is still taken of the epoch before is flagged as a copy."""
    day.exchange.got("35=0", seq=9, flags=Flag.CONSUMED | Flag.COPY)
    assert codes(day) == []


def test_a_reset_starts_new_numbers(day: Day) -> None:
    """Number 1 of epoch 2 is no second number 1."""
    for side in (day.desk, day.exchange):
        side.add(Kind.EPOCH, msgspec.json.encode({"epoch": 2, "next_out": 1, "next_in": 1}))
        side.next = {Direction.IN: 1, Direction.OUT: 1}
    day.trade("c3")
    assert codes(day) == []


def test_the_fold_must_end_with_the_numbers_of_the_frames(day: Day) -> None:
    """Two derivations of the same numbers: one by the session core, one without it."""
    ledger = Ledger.of("desk", day.desk.records)
    assert fold_agrees(ledger, (3, 3)) == []
    assert [p.code for p in fold_agrees(ledger, (3, 4))] == ["fold-differs"]
