"""Counting by size: bounded memory, bounded error."""

import random

import pytest

from durafix.engine.observe import COUNTERS, Counters, Histogram


@pytest.mark.parametrize("value", [0, 1, 15, 16, 17, 31, 32, 33, 1000, 123_456_789, (1 << 63) - 1])
def test_a_value_is_found_within_a_sixteenth(value: int) -> None:
    """From 0 to the largest number of nanoseconds."""
    histogram = Histogram()
    histogram.record(value)
    assert value - value / 16 <= histogram.quantile(1) <= value
    assert histogram.high == value


def test_quantiles_are_those_of_the_values() -> None:
    """Within the error of a bucket."""
    dice = random.Random(7)
    values = sorted(int(dice.expovariate(1e-6)) for _ in range(5000))
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    for share in (0.01, 0.5, 0.99, 0.999):
        exact = values[int(share * len(values))]
        assert abs(histogram.quantile(share) - exact) <= exact / 12
    summary = histogram.summary()
    assert summary["count"] == 5000 and summary["mean"] == sum(values) // 5000


def test_a_clock_that_steps_back_counts_as_zero() -> None:
    """No exception on the way of a message."""
    histogram = Histogram()
    histogram.record(-5)
    histogram.record(-(1 << 40))
    assert (histogram.count, histogram.quantile(1), histogram.total) == (2, 0, 0)


def test_an_empty_histogram_is_all_zeros() -> None:
    """So that a dashboard needs no special case."""
    assert set(Histogram().summary().values()) == {0}


def test_counters_are_a_closed_list() -> None:
    """A misspelt metric is a bug, found at once."""
    counters = Counters()
    counters.add("sends", 2)
    assert counters.snapshot()["sends"] == 2
    assert set(COUNTERS) <= set(counters.snapshot())
    with pytest.raises(KeyError):
        counters.add("sneds")
    with pytest.raises(KeyError):
        counters.refuse_greeting("unkown")
