"""The book matches by price, then time, and says the same again when it is asked again."""

from decimal import Decimal
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from durafix.tools.samples.book import BUY, SELL, Book, Order, Report, quantity_of

EVENTS = count(1)


def order(name: str, side: str, quantity: int, price: str | None, event: int = 0) -> Order:
    """An order of one session for one symbol."""
    limit = None if price is None else Decimal(price)
    return Order("S", event or next(EVENTS), name, "MSFT", side, Decimal(quantity), limit)


def said(reports: list[Report]) -> list[tuple[str, str, str, int, int]]:
    """(ClOrdID, ExecType, OrdStatus, LastQty, LeavesQty)."""
    return [
        (r.cl_ord_id, r.exec_type, r.status, int(r.last_quantity), int(r.leaves)) for r in reports
    ]


def test_an_order_without_a_counterpart_is_acknowledged_and_rests() -> None:
    """At its price, with all of its quantity."""
    book = Book()
    assert said(book.submit(order("b1", BUY, 100, "10.00"))) == [("b1", "0", "0", 0, 100)]
    assert book.resting("MSFT", BUY) == [(Decimal("10.00"), Decimal(100))]


def test_the_best_price_trades_first_and_the_older_order_at_one_price() -> None:
    """At the price of the order that rests."""
    book = Book()
    for name, price in (("s1", "10.02"), ("s2", "10.01"), ("s3", "10.01")):
        book.submit(order(name, SELL, 100, price))
    reports = book.submit(order("b1", BUY, 250, "10.02"))
    assert said(reports) == [
        ("b1", "0", "0", 0, 250),
        ("b1", "F", "1", 100, 150),
        ("s2", "F", "2", 100, 0),
        ("b1", "F", "1", 100, 50),
        ("s3", "F", "2", 100, 0),
        ("b1", "F", "2", 50, 0),
        ("s1", "F", "1", 50, 50),
    ]
    assert [r.last_price for r in reports[1:]] == [
        *[Decimal("10.01")] * 4,
        *[Decimal("10.02")] * 2,
    ]
    assert reports[5].average == Decimal("10.0120")


def test_a_market_order_trades_what_is_there_and_the_rest_is_canceled() -> None:
    """It never rests."""
    book = Book()
    book.submit(order("s1", SELL, 50, "10"))
    assert said(book.submit(order("b1", BUY, 80, None))) == [
        ("b1", "0", "0", 0, 80),
        ("b1", "F", "1", 50, 30),
        ("s1", "F", "2", 50, 0),
        ("b1", "4", "4", 0, 0),
    ]
    assert book.resting("MSFT", BUY) == []


def test_the_same_event_again_is_not_executed_again() -> None:
    """A handler may run twice for one message: the same reports, the same keys, the same book."""
    book = Book()
    first = book.submit(order("b1", BUY, 100, "10", event=7_000_000))
    assert book.submit(order("b1", BUY, 100, "10", event=7_000_000)) == first
    assert len(book.resting("MSFT", BUY)) == 1


def test_a_used_cl_ord_id_is_rejected() -> None:
    """A new event with an old id is another order with a wrong name."""
    book = Book()
    book.submit(order("b1", BUY, 100, "10"))
    assert said(book.submit(order("b1", BUY, 100, "10"))) == [("b1", "8", "8", 0, 0)]


def test_a_canceled_order_trades_no_more() -> None:
    """And canceling it twice does nothing."""
    book = Book()
    book.submit(order("b1", BUY, 100, "10"))
    (report,) = book.cancel("S", next(EVENTS), "x1", "b1")
    assert (report.cl_ord_id, report.orig_cl_ord_id, report.status) == ("x1", "b1", "4")
    assert book.cancel("S", next(EVENTS), "x2", "b1") == []
    assert said(book.submit(order("s1", SELL, 10, "10"))) == [("s1", "0", "0", 0, 10)]


@given(
    st.lists(
        st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 9), st.integers(98, 102)),
        max_size=60,
    )
)
def test_what_is_bought_is_sold_and_nothing_is_overfilled(
    flow: list[tuple[str, int, int]],
) -> None:
    """Whatever the flow: both sides trade the same, and filled plus left is the quantity."""
    book, reports = Book(), list[Report]()
    for event, (side, quantity, price) in enumerate(flow, 1):
        reports += book.submit(order(f"c{event}", side, quantity, str(price), event))
    by_side = {
        side: sum(r.last_quantity for r in reports if r.side == side) for side in (BUY, SELL)
    }
    assert by_side[BUY] == by_side[SELL] == quantity_of(reports)
    assert all(r.filled + r.leaves == r.quantity for r in reports)
    assert len({r.key for r in reports}) == len(reports)
    assert sum(r.exec_type == "0" for r in reports) == len(flow)
