"""Waiting between attempts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from durafix.engine.session.backoff import Backoff


def test_delays_double_up_to_the_longest() -> None:
    """Without jitter the schedule is exact."""
    plain = Backoff(first_s=1, factor=2, longest_s=10, jitter=0)
    assert [plain.delay_s(n) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert Backoff(first_s=3, factor=1, jitter=0).delay_s(50) == 3
    assert plain.delay_s(10**6) == 10, "many attempts cost nothing"


@given(st.integers(0, 2**64), st.integers(1, 200))
def test_jitter_only_shortens_and_is_bounded(seed: int, attempt: int) -> None:
    """The same seed gives the same delays."""
    plain = Backoff(jitter=0).delay_s(attempt)
    delay = Backoff(jitter=0.5, seed=seed).delay_s(attempt)
    assert plain / 2 <= delay <= plain
    assert delay == Backoff(jitter=0.5, seed=seed).delay_s(attempt)


def test_seeds_spread() -> None:
    """A thousand initiators do not come back at once."""
    delays = sorted(Backoff(seed=seed).delay_s(1) for seed in range(1000))
    assert len(set(delays)) == 1000
    assert delays[0] < 0.55 and delays[-1] > 0.95
