"""Times keep every nanosecond in both directions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durafix.tools.render.times import duration, parse_rfc3339, rfc3339


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000_000))
def test_a_time_survives_text(ns: int) -> None:
    """Integers all the way: no digit is lost to a float."""
    assert parse_rfc3339(rfc3339(ns)) == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T01:00:00.5+01:00", 500_000_000),
        ("1970-01-01 00:00:00.000000001", 1),
        ("1969-12-31T23:00Z", -3_600_000_000_000),
    ],
)
def test_offsets_and_fractions_are_read(text: str, ns: int) -> None:
    """Without a zone it is UTC; seconds may be left out."""
    assert parse_rfc3339(text) == ns


@pytest.mark.parametrize("text", ["", "today", "2026-11-25", "2026-13-01T00:00:00Z", "1e9"])
def test_other_text_is_refused(text: str) -> None:
    """With a ValueError, whatever is wrong."""
    with pytest.raises(ValueError, match="."):
        parse_rfc3339(text)


def test_durations_use_the_unit_that_fits() -> None:
    """Three digits are enough for a person."""
    assert [duration(n) for n in (12, 1_500, 2_340_000, 1_500_000_000, 90_000_000_000)] == [
        "12 ns",
        "1.5 us",
        "2.34 ms",
        "1.5 s",
        "1.5 min",
    ]
