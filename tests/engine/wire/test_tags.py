"""The tables of header, trailer and session tags."""

from __future__ import annotations

from durafix.engine.wire import tags
from durafix.engine.wire.tags import HEADER_TAGS, SESSION_TAGS, TRAILER_TAGS


def test_each_name_has_its_own_number() -> None:
    """Two names for one tag would be a slip."""
    numbers = [
        value for name, value in vars(tags).items() if name.isupper() and isinstance(value, int)
    ]
    assert len(numbers) == len(set(numbers)) > 50


def test_header_and_trailer_do_not_overlap() -> None:
    """What only the session may set is header or trailer."""
    assert not HEADER_TAGS & TRAILER_TAGS
    assert set(SESSION_TAGS) <= HEADER_TAGS | TRAILER_TAGS
    assert set(SESSION_TAGS) == {8, 9, 10, 34, 35, 43, 49, 52, 56, 122, 369}
