"""A price-time order book, pure: orders in, reports out, nothing else.

Owns matching and the idea of what a report says. It knows no session handle, no message and no
clock, so that the book after a crash can be built again from the journaled orders: same orders in
the same order, same reports, same keys.

Invariant: each order gets exactly one acknowledgement or rejection, fills never exceed its
quantity, and every trade has two reports with the same quantity and price. ``submit`` for an event
that was the last one of its session returns the same reports again, because a handler may be run
twice for one message.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

BUY, SELL = "1", "2"
MARKET, LIMIT = "1", "2"
ORDERS_MAX = 2_000_000
"""Orders that a book remembers; beyond it new ones are rejected, so that memory stays bounded."""


class Order(NamedTuple):
    """A NewOrderSingle as the book needs it. ``event`` is its event number in the journal; price
    None is market.
    """

    session: str
    event: int
    cl_ord_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal | None


class Report(NamedTuple):
    """One ExecutionReport to be. ``exec_type`` in 4.4 terms: 0 new, F trade, 4 canceled, 8
    rejected.

    ``key`` is the idempotency key of the send: a report is sent once however often its order is
    handled.
    """

    session: str
    key: str
    order_id: str
    exec_id: str
    cl_ord_id: str
    orig_cl_ord_id: str
    symbol: str
    side: str
    exec_type: str
    status: str
    quantity: Decimal
    last_quantity: Decimal
    last_price: Decimal
    leaves: Decimal
    filled: Decimal
    average: Decimal
    text: str


@dataclass(slots=True)
class _Live:
    """An order and what has become of it."""

    order: Order
    leaves: Decimal
    filled: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    canceled: bool = False

    @property
    def status(self) -> str:
        if self.canceled:
            return "4"
        if not self.filled:
            return "0"
        return "1" if self.leaves else "2"


@dataclass(slots=True)
class _Side:
    """Resting orders of one side of one symbol, best first: sorted by (price for the taker,
    arrival).
    """

    queue: list[tuple[Decimal, int, _Live]] = field(
        default_factory=list[tuple[Decimal, int, _Live]]
    )

    def rest(self, live: _Live) -> None:
        price = live.order.price
        assert price is not None, "a market order does not rest"
        rank = price if live.order.side == SELL else -price
        bisect.insort(self.queue, (rank, live.order.event, live))

    def best(self) -> _Live | None:
        while self.queue and (self.queue[0][2].canceled or not self.queue[0][2].leaves):
            del self.queue[0]
        return self.queue[0][2] if self.queue else None


class Book:
    """All symbols. Names of sessions are opaque; reports say where they go."""

    def __init__(self) -> None:
        self._sides: dict[tuple[str, str], _Side] = {}
        self._orders: dict[tuple[str, str], _Live] = {}
        self._last: dict[str, tuple[int, list[Report]]] = {}

    def submit(self, order: Order) -> list[Report]:
        """Take an order: acknowledge or reject it, match it, let the rest of a limit order rest."""
        known = self._last.get(order.session)
        if known and known[0] == order.event:
            return known[1]
        reports = self._reject(order) or self._match(order)
        self._last[order.session] = (order.event, reports)
        return reports

    def cancel(self, session: str, event: int, cl_ord_id: str, orig_cl_ord_id: str) -> list[Report]:
        """Cancel what is left of an order; an empty list when there is nothing to cancel."""
        known = self._last.get(session)
        if known and known[0] == event:
            return known[1]
        live = self._orders.get((session, orig_cl_ord_id))
        reports: list[Report] = []
        if live and live.leaves and not live.canceled:
            live.canceled, live.leaves = True, Decimal(0)
            report = _report(live, event, 0, "4")
            reports = [report._replace(cl_ord_id=cl_ord_id, orig_cl_ord_id=orig_cl_ord_id)]
        self._last[session] = (event, reports)
        return reports

    def resting(self, symbol: str, side: str) -> list[tuple[Decimal, Decimal]]:
        """(price, quantity left) of what rests, best first."""
        queue = self._sides.get((symbol, side), _Side()).queue
        return [
            (live.order.price, live.leaves)
            for _, _, live in queue
            if live.leaves and live.order.price is not None
        ]

    def _reject(self, order: Order) -> list[Report]:
        text = ""
        if (order.session, order.cl_ord_id) in self._orders:
            text = "ClOrdID was used before"
        elif order.side not in (BUY, SELL):
            text = "only Side 1 and 2"
        elif order.quantity <= 0 or (order.price is not None and order.price <= 0):
            text = "quantity and price must be positive"
        elif len(self._orders) >= ORDERS_MAX:
            text = "the book is full"
        if not text:
            return []
        live = _Live(order, Decimal(0))
        return [_report(live, order.event, 0, "8")._replace(status="8", text=text)]

    def _match(self, order: Order) -> list[Report]:
        live = _Live(order, order.quantity)
        self._orders[order.session, order.cl_ord_id] = live
        reports = [_report(live, order.event, 0, "0")]
        other = self._side(order.symbol, SELL if order.side == BUY else BUY)
        while live.leaves and (resting := other.best()) and _crosses(order, resting.order):
            quantity = min(live.leaves, resting.leaves)
            price = resting.order.price
            assert price is not None, "a market order does not rest"
            for one in (live, resting):
                one.leaves -= quantity
                one.filled += quantity
                one.paid += quantity * price
                trade = _report(one, order.event, len(reports), "F")
                reports.append(trade._replace(last_quantity=quantity, last_price=price))
        if live.leaves and order.price is not None:
            self._side(order.symbol, order.side).rest(live)
        elif live.leaves:
            live.canceled, live.leaves = True, Decimal(0)
            text = "nothing left to trade with"
            reports.append(_report(live, order.event, len(reports), "4")._replace(text=text))
        return reports

    def _side(self, symbol: str, side: str) -> _Side:
        return self._sides.setdefault((symbol, side), _Side())


def quantity_of(reports: Iterable[Report]) -> Decimal:
    """What was traded in these reports, one side counted."""
    return sum((r.last_quantity for r in reports if r.exec_type == "F"), Decimal(0)) / 2


def _crosses(taker: Order, maker: Order) -> bool:
    if taker.price is None or maker.price is None:
        return True
    return taker.price >= maker.price if taker.side == BUY else taker.price <= maker.price


def _report(live: _Live, event: int, index: int, exec_type: str) -> Report:
    order = live.order
    average = (live.paid / live.filled).quantize(Decimal("0.0001")) if live.filled else Decimal(0)
    return Report(
        session=order.session,
        key=f"x{event}-{index}",
        order_id=f"o{order.event}",
        exec_id=f"e{event}-{index}",
        cl_ord_id=order.cl_ord_id,
        orig_cl_ord_id="",
        symbol=order.symbol,
        side=order.side,
        exec_type=exec_type,
        status=live.status,
        quantity=order.quantity,
        last_quantity=Decimal(0),
        last_price=Decimal(0),
        leaves=live.leaves,
        filled=live.filled,
        average=average,
        text="",
    )
