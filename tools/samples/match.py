"""A small exchange: matches NewOrderSingles, cancels on request, reports what happened.

Owns the way between messages and the book. The book lives in memory only; after a restart it is
folded again from the journaled orders whose handlers had finished, and the unfinished ones come
again by themselves. Every report has a key, so that an order that is handled twice is reported
once: this is how an application becomes exactly-once on an at-least-once engine.

Invariant: the book changes in the order in which handlers finish. One lock around each handler
keeps that order the same for all sessions, so that the fold after a crash meets the same orders in
the same order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal

import anyio

from ...engine import Application, Message, NotLoggedOn, Refuse, Session
from ...engine.session.events import In
from ...engine.session.records import decode
from ...journal.record import Kind, Record
from ..render.frames import message_type
from ..render.records import cause_and_key, cursor_of, frame_of
from ..source import Selection, Source
from .book import MARKET, Book, Order, Report

ORDER, CANCEL = "D", "F"
OUTBOX_MAX = 100_000
"""Reports that may wait for sessions that are logged out; beyond it new orders are refused."""


class MatchingApplication(Application):
    """Give it the path of its journal: it takes up where it stopped."""

    def __init__(self, journal: str = "") -> None:
        self.book = Book()
        self._journal = journal
        self._sessions: dict[str, Session] = {}
        self._outbox: dict[str, deque[Report]] = {}
        self._lock = anyio.Lock()

    def on_create(self, session: Session) -> None:
        """Keep the session by name, because a trade reports to two; the first time, fold the book.

        The engine has judged and settled the journal by now, and gives nothing to handlers yet.
        """
        if self._journal and not self._sessions:
            source = Source(self._journal)
            for report in unsent(self.book, source.records(Selection()), source.roster):
                self._outbox.setdefault(report.session, deque()).append(report)
        self._sessions[session.name] = session

    async def on_logon(self, session: Session) -> None:
        """Send what waited while the session was away."""
        async with self._lock:
            await self._drain(session.name)

    async def on_message(self, session: Session, message: Message) -> None:
        """Handle an order or a cancel; everything else is refused as unsupported."""
        if message.type not in (ORDER, CANCEL):
            raise Refuse(code=3)
        async with self._lock:
            if sum(map(len, self._outbox.values())) >= OUTBOX_MAX:
                raise Refuse("too many reports wait for sessions that are logged out")
            for report in handle(self.book, session.name, message):
                self._outbox.setdefault(report.session, deque()).append(report)
            if message.type == CANCEL and session.name not in self._outbox:
                await self._refuse_cancel(session, message)
            for name in list(self._outbox):
                await self._drain(name)

    async def _refuse_cancel(self, session: Session, message: Message) -> None:
        reject = Message(
            "9",
            {37: "NONE", 11: message[11], 41: message[41], 39: "8", 434: "1", 102: "1"},
        )
        await session.send(reject, key=f"x{message.event_number}-cancel")

    async def _drain(self, name: str) -> None:
        """Send the waiting reports of a session in order, as far as it is logged on."""
        session, waiting = self._sessions.get(name), self._outbox.get(name)
        while session is not None and waiting:
            try:
                await session.send(execution_report(waiting[0], session), key=waiting[0].key)
            except NotLoggedOn:
                return
            waiting.popleft()
        self._outbox.pop(name, None)


def handle(book: Book, session: str, message: Message) -> list[Report]:
    """What the book says to one message. ``Refuse`` if a number in it is none."""
    event = message.event_number
    if message.type == CANCEL:
        return book.cancel(session, event, message[11], message[41])
    price = None if message[40] == MARKET else message.decimal(44)
    quantity = message.decimal(38)
    return book.submit(
        Order(session, event, message[11], message[55], message[54], quantity, price)
    )


def unsent(book: Book, records: Iterable[Record], roster: dict[int, str]) -> list[Report]:
    """Fold the finished orders of a journal into the book; returns the reports never sent."""
    waiting: dict[int, tuple[str, Message]] = {}
    said: list[Report] = []
    keys: set[str] = set()
    for record in records:
        if record.kind == Kind.IN:
            if message_type(frame_of(record)) in (ORDER, CANCEL):
                event = decode(record)
                assert isinstance(event, In)
                message = Message.from_frame(event.frame, event_number=record.event)
                waiting[record.event] = (roster.get(record.session, ""), message)
        elif record.kind == Kind.OUT:
            keys.add(cause_and_key(record)[1].decode("latin-1"))
        elif record.kind == Kind.CURSOR:
            number, result = cursor_of(record)
            if number in waiting:
                session, message = waiting.pop(number)
                if result == "done":
                    said += handle(book, session, message)
    return [report for report in said if report.key not in keys]


def execution_report(report: Report, session: Session) -> Message:
    """An ExecutionReport in the words of the session's FIX version."""
    old = session.id.begin_string < "FIX.4.3"
    kind = report.status if old and report.exec_type == "F" else report.exec_type
    values: dict[int, str | int | Decimal] = {
        37: report.order_id,
        11: report.cl_ord_id,
        17: report.exec_id,
        150: kind,
        39: report.status,
        55: report.symbol,
        54: report.side,
        38: report.quantity,
        151: report.leaves,
        14: report.filled,
        6: report.average,
    }
    if old:
        values[20] = "0"
    if report.exec_type == "F":
        values[32], values[31] = report.last_quantity, report.last_price
    if report.orig_cl_ord_id:
        values[41] = report.orig_cl_ord_id
    if report.text:
        values[58] = report.text
    return Message("8", values)
