"""A histogram of bounded size with a bounded relative error: each power of two is cut into 16 equal
parts.

Owns counting and percentiles of non-negative integers (nanoseconds, bytes, batch sizes). A value is
found again within 1/16 of itself, from 0 to 2^63, in 960 counters. Counting is on the way of every
message, so it does nothing but find a counter and add. Not thread-safe: one owner at a time.
"""

from __future__ import annotations

SUB_BITS = 4
BUCKETS = (63 - SUB_BITS + 1) << SUB_BITS


class Histogram:
    """Counts of values by size."""

    __slots__ = ("_buckets", "high", "total")

    def __init__(self) -> None:
        self._buckets = [0] * BUCKETS
        self.total = 0
        self.high = 0

    def record(self, value: int) -> None:
        """Count one value; a negative one (a clock that stepped back) counts as 0."""
        shift = value.bit_length() - SUB_BITS - 1
        if shift > 0:
            if value < 0:
                shift, value = 0, 0
            self._buckets[(shift << SUB_BITS) + (value >> shift)] += 1
        else:
            value = max(value, 0)
            self._buckets[value] += 1
        self.total += value
        if value > self.high:
            self.high = value

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self._buckets)

    def quantile(self, share: float) -> int:
        """The value below which ``share`` (0 to 1) of the values lie, as the lower end of its
        bucket; 0 if empty.
        """
        left = share * self.count
        for bucket, count in enumerate(self._buckets):
            left -= count
            if count and left <= 0:
                return min(_lower(bucket), self.high)
        return self.high

    def summary(self) -> dict[str, int]:
        """Count, mean and the percentiles that people ask for, integers in the unit of the
        values.
        """
        count = self.count
        return {
            "count": count,
            "mean": self.total // count if count else 0,
            "p50": self.quantile(0.5),
            "p99": self.quantile(0.99),
            "p999": self.quantile(0.999),
            "max": self.high,
        }


def _lower(bucket: int) -> int:
    shift = max((bucket >> SUB_BITS) - 1, 0)
    return (bucket - (shift << SUB_BITS)) << shift
