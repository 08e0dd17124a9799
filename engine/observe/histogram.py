"""A histogram of bounded size with a bounded relative error: each power of two is cut into 16 equal
parts.

Owns counting and percentiles of integers (nanoseconds, bytes, batch sizes). A value is found again
within 1/16 of itself, from 1 to 2^63, in at most 960 counters that exist only once used. Not
thread-safe: one owner.
"""

from __future__ import annotations

SUB_BITS = 4
SUB = 1 << SUB_BITS


class Histogram:
    """Counts of values by size."""

    __slots__ = ("_buckets", "count", "high", "low", "total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.total = 0
        self.low = 0
        self.high = 0

    def record(self, value: int) -> None:
        """Count one value; a negative one (a clock that stepped back) counts as 0."""
        value = max(value, 0)
        shift = max(value.bit_length() - SUB_BITS - 1, 0)
        bucket = (shift << SUB_BITS) + (value >> shift)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.low = value if not self.count else min(self.low, value)
        self.high = max(self.high, value)
        self.count += 1
        self.total += value

    def quantile(self, share: float) -> int:
        """The value below which ``share`` (0 to 1) of the values lie, as the lower end of its
        bucket; 0 if empty.
        """
        left = share * self.count
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return min(max(_lower(bucket), self.low), self.high)
        return self.high

    def summary(self) -> dict[str, int]:
        """Count, mean and the percentiles that people ask for, all integers in the unit of the
        values.
        """
        return {
            "count": self.count,
            "mean": self.total // self.count if self.count else 0,
            "min": self.low,
            "p50": self.quantile(0.5),
            "p99": self.quantile(0.99),
            "p999": self.quantile(0.999),
            "max": self.high,
        }


def _lower(bucket: int) -> int:
    shift = max((bucket >> SUB_BITS) - 1, 0)
    return (bucket - (shift << SUB_BITS)) << shift
