"""The clock: where wall time and monotonic time come from.

Owns the two readings that the session core gets with each input. Wall time is for people and for
the wire (tag 52), and may step back; monotonic time is what every timer counts on. Nothing else in
the engine asks the system for the time, so that a test, a replay or a drill can hand in another
clock.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two readings, both in nanoseconds."""

    def utc_ns(self) -> int:
        """Wall time, nanoseconds since 1970-01-01 UTC; may go back."""
        ...

    def mono_ns(self) -> int:
        """Monotonic time, nanoseconds since some start; never goes back within a process."""
        ...


class SystemClock:
    """The machine's clocks."""

    utc_ns = staticmethod(time.time_ns)
    mono_ns = staticmethod(time.monotonic_ns)


class FakeClock:
    """A clock that moves only when told to.

    ``advance`` moves both readings; ``step_wall`` moves the wall alone, as a clock correction does.
    Timers of an engine on this clock run from ``testing.FakeTimers``.
    """

    def __init__(self, utc_ns: int = 1_700_000_000_000_000_000, mono_ns: int = 1_000_000_000):
        self._utc_ns = utc_ns
        self._mono_ns = mono_ns

    def utc_ns(self) -> int:
        """The wall reading that was set."""
        return self._utc_ns

    def mono_ns(self) -> int:
        """The monotonic reading that was set."""
        return self._mono_ns

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass on both readings."""
        assert seconds >= 0, "monotonic time does not go back"
        self._utc_ns += round(seconds * 1e9)
        self._mono_ns += round(seconds * 1e9)

    def step_wall(self, seconds: float) -> None:
        """Correct the wall clock by ``seconds``, which may be negative."""
        self._utc_ns += round(seconds * 1e9)


def utc_now() -> datetime:
    """The time for TransactTime (60) and the like: aware, UTC."""
    return datetime.now(UTC)
