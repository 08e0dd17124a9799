"""The judge of a demo: two ledgers and the list of accepted orders in, problems out.

Pure. The rules are a table, one function each, so that a person can read what "clean" means. A
verdict without problems says: every order accepted by ``send`` reached the other application, none
was invented or altered, none was executed twice, every report came back, no two frames without 43=Y
in an epoch share a number, and both sides end with equal numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from .ledger import ORDER, REPORT, Fact, Ledger

NEW, TRADE = "0", "F"


class Problem(NamedTuple):
    """One thing that must not be: a stable code, the id or number it is about, a sentence."""

    code: str
    subject: str
    text: str


class Accepted(NamedTuple):
    """What the desk was told when ``send`` accepted an order: ClOrdID, event number, MsgSeqNum."""

    cl_ord_id: str
    event: int
    seq: int


def reconcile(desk: Ledger, exchange: Ledger, accepted: Mapping[str, Accepted]) -> list[Problem]:
    """All problems of a finished demo, the desk's journal on one side and the exchange's on the
    other.
    """
    return [
        *_accepted_is_journaled(desk, accepted),
        *_arrived(desk, exchange, ORDER, "order"),
        *_executed_once(exchange),
        *_arrived(exchange, desk, REPORT, "report"),
        *_fills_fit(exchange),
        *_numbers(desk),
        *_numbers(exchange),
        *_ends_equal(desk, exchange),
        *_ends_equal(exchange, desk),
    ]


def fold_agrees(ledger: Ledger, numbers: tuple[int, int]) -> list[Problem]:
    """The session core's own fold ends with the numbers (out, in) that the frames show."""
    if (ledger.next_out, ledger.next_in) == numbers:
        return []
    text = f"{ledger.name}: the frames end at {ledger.next_out} and {ledger.next_in}, "
    text += f"the replayed state at {numbers[0]} and {numbers[1]}"
    return [Problem("fold-differs", ledger.name, text)]


def _accepted_is_journaled(desk: Ledger, accepted: Mapping[str, Accepted]) -> Iterator[Problem]:
    """What ``send`` acknowledged is in the journal, once, at the event and number that it said."""
    for told in accepted.values():
        facts = desk.sent.get((ORDER, told.cl_ord_id), [])
        if not facts:
            yield Problem(
                "order-lost", told.cl_ord_id, f"accepted as event {told.event}, not journaled"
            )
        elif len(facts) > 1:
            events = ", ".join(str(f.event) for f in facts)
            yield Problem("order-sent-twice", told.cl_ord_id, f"journaled as events {events}")
        elif (facts[0].event, facts[0].seq) != (told.event, told.seq):
            yield Problem(
                "receipt-wrong",
                told.cl_ord_id,
                f"the receipt said event {told.event}, MsgSeqNum {told.seq}; the journal has "
                f"event {facts[0].event}, MsgSeqNum {facts[0].seq}",
            )


def _arrived(sender: Ledger, receiver: Ledger, kind: bytes, word: str) -> Iterator[Problem]:
    """What one side sent, the other side's application finished, once and unchanged; and nothing
    else.
    """
    for (message_type, name), facts in sender.sent.items():
        if message_type == kind:
            yield from _one_arrived(facts, receiver, kind, name, word)
    for (message_type, name), facts in receiver.delivered.items():
        if message_type == kind and (kind, name) not in sender.sent:
            yield Problem(
                f"{word}-invented",
                name,
                f"{receiver.name} got it as event {facts[0].event}; {sender.name} never sent it",
            )


def _one_arrived(
    facts: list[Fact], receiver: Ledger, kind: bytes, name: str, word: str
) -> Iterator[Problem]:
    got = receiver.delivered.get((kind, name), [])
    if not got:
        yield Problem(
            f"{word}-missing",
            name,
            f"sent as MsgSeqNum {facts[0].seq}; {receiver.name} never delivered it",
        )
        return
    if len(got) > len(facts):
        events = ", ".join(str(f.event) for f in got)
        yield Problem(
            f"{word}-delivered-twice", name, f"{receiver.name} delivered it as events {events}"
        )
    if sorted(got[0].content) != sorted(facts[0].content):
        yield Problem(f"{word}-altered", name, "it arrived with other fields than it was sent with")
    for fact in got:
        if fact.event not in receiver.done:
            yield Problem(
                f"{word}-unfinished",
                name,
                f"{receiver.name}'s application did not finish event {fact.event}",
            )


def _executed_once(exchange: Ledger) -> Iterator[Problem]:
    """Each delivered order was answered by one acknowledgement, and no ExecID was sent twice."""
    answers: Counter[str] = Counter()
    for (kind, name), facts in exchange.sent.items():
        if kind != REPORT:
            continue
        if len(facts) > 1:
            events = ", ".join(str(f.event) for f in facts)
            yield Problem("report-sent-twice", name, f"ExecID journaled as events {events}")
        if facts[0].get(b"150") == NEW:
            answers[facts[0].get(b"11")] += 1
    for name, count in answers.items():
        if count > 1:
            yield Problem("order-executed-twice", name, f"{count} acknowledgements")
    for kind, name in exchange.delivered:
        if kind == ORDER and not answers[name]:
            yield Problem("order-unanswered", name, "delivered, but never acknowledged")


def _fills_fit(exchange: Ledger) -> Iterator[Problem]:
    """The trades of an order add up to no more than its quantity."""
    filled: dict[str, Decimal] = {}
    quantity: dict[str, Decimal] = {}
    for (kind, _), facts in exchange.sent.items():
        if kind == REPORT and facts[0].get(b"150") == TRADE:
            name = facts[0].get(b"11")
            filled[name] = filled.get(name, Decimal(0)) + Decimal(facts[0].get(b"32"))
            quantity[name] = Decimal(facts[0].get(b"38"))
    for name, total in filled.items():
        if total > quantity[name]:
            yield Problem("order-overfilled", name, f"{total} traded of {quantity[name]}")


def _numbers(side: Ledger) -> Iterator[Problem]:
    """Within an epoch no two frames without 43=Y share a number: as journaled, and as seen by the
    peer.
    """
    for epoch, seq, event in side.reused:
        yield Problem(
            "number-reused", str(seq), f"{side.name} sent it again in epoch {epoch} (event {event})"
        )
    for epoch, seq, event in side.reused_by_peer:
        yield Problem(
            "number-reused",
            str(seq),
            f"{side.name} received it twice in epoch {epoch} (event {event})",
        )


def _ends_equal(sender: Ledger, receiver: Ledger) -> Iterator[Problem]:
    """The next number that one side will send is the next one that the other side expects."""
    if sender.next_out != receiver.next_in:
        yield Problem(
            "numbers-differ",
            str(sender.next_out),
            f"{sender.name} would send {sender.next_out}, {receiver.name} expects "
            f"{receiver.next_in}",
        )
