"""The REPAIR event: what it says about numbers, and that a damaged one errs on the safe side."""

from durafix.journal.record import Flag, Kind
from durafix.recovery.repair_record import Repair, asks_for_bound, draft


def repair(*, from_bound: bool) -> Repair:
    return Repair(
        type="cut", row=8, term=1, segment=1, offset=8192, durable=0, from_bound=from_bound
    )


def test_a_repair_says_whether_numbers_go_on_from_the_bound() -> None:
    """As JSON that a stranger can read."""
    for answer in (True, False):
        event = draft(repair(from_bound=answer))
        assert (event.kind, event.flags, event.session) == (Kind.REPAIR, Flag.NONE, 0)
        assert asks_for_bound(event.payload) is answer


def test_a_repair_that_cannot_be_read_asks_for_the_bound() -> None:
    """A number too many is skipped rather than one used twice."""
    for payload in (b"", b"{", b"[]", b"{}", b'{"from_bound":1}'):
        assert asks_for_bound(payload)
