"""How long to wait ahead of the next attempt to connect: exponential, with jitter, as a value.

A schedule is a pure function of its parameters, a seed and the number of the attempt, so a test or
a drill sees the same delays as the engine did. The jitter only shortens: many initiators that lost
the same acceptor come back spread over time, and never later than the bound says. The runtime
brings the seed; nothing random happens here.
"""

from __future__ import annotations

import msgspec

_MASK = (1 << 64) - 1


class Backoff(msgspec.Struct, frozen=True):
    """Delays in seconds: ``first_s`` times ``factor`` per attempt, at most ``longest_s``.

    ``jitter`` is the share of a delay that may be taken off, 0 to 1. ``seed`` picks the schedule.
    """

    first_s: float = 1.0
    factor: float = 2.0
    longest_s: float = 60.0
    jitter: float = 0.5
    seed: int = 0

    def delay_s(self, attempt: int) -> float:
        """The wait ahead of attempt ``attempt``; 1 is the first one that follows a failure."""
        assert attempt >= 1, "attempts are counted from 1"
        assert 0 < self.first_s <= self.longest_s and self.factor >= 1 and 0 <= self.jitter <= 1
        delay = self.first_s
        for _ in range(attempt - 1):
            delay *= self.factor
            if delay >= self.longest_s or self.factor == 1:
                break
        return min(delay, self.longest_s) * (1 - self.jitter * _unit(self.seed, attempt))


def _unit(seed: int, attempt: int) -> float:
    """A number in [0, 1) that looks random: SplitMix64 (Steele, Lea, Flood 2014) of seed and
    attempt.
    """
    z = (seed * 0x9E37_79B9_7F4A_7C15 + attempt * 0xD1B5_4A32_D192_ED03) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) / (1 << 53)
