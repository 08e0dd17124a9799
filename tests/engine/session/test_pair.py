"""Two cores and a wire: whatever is lost, cut or killed, all messages arrive and numbers are equal.

Every step on both sides is also folded and re-run (kit), so each schedule tests promise P3 too.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .kit import Pair, Side

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "send", "send", "send", "reply", "reply", "run", "run", "lose", "cut", "connect",
                "kill-desk", "kill-exchange", "bound-desk", "bound-exchange", "wait", "garbled",
            ]
        ),
        st.integers(1, 3),
    ),
    max_size=40,
)  # fmt: skip

VERSIONS = st.sampled_from(["FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.4"])


class Schedule:
    """Plays actions on a pair, and keeps what was accepted for sending."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.accepted: dict[str, list[str]] = {"desk": [], "exchange": []}
        self.count = 0

    def play(self, action: str, times: int) -> None:
        pair = self.pair
        for _ in range(times):
            if action in ("send", "reply"):
                self.send("desk" if action == "send" else "exchange")
            elif action == "run":
                pair.run()
            elif action == "cut":
                pair.cut()
            elif action == "connect":
                pair.connect()
            elif action == "wait":
                pair.pass_time(40)
            elif action in ("lose", "garbled"):
                self.lose(action)
            else:
                how, _, who = action.partition("-")
                side = pair.desk if who == "desk" else pair.exchange
                pair.kill(side, number_from_bound=how == "bound")

    def send(self, who: str) -> None:
        self.count += 1
        text = f"m{self.count}"
        if self.pair.send(getattr(self.pair, who), text):
            self.accepted[who].append(text)

    def lose(self, action: str) -> None:
        """Frames sent now never arrive: as if garbled on the way."""
        self.pair.lose = lambda frame: True
        self.send("desk" if action == "lose" else "exchange")
        self.pair.lose = lambda frame: False

    def come_to_rest(self) -> None:
        """Connect and let heartbeats show what is missing."""
        for _ in range(12):
            self.pair.connect()
            self.pair.run()
            self.pair.pass_time(31)
            if self.at_rest():
                return

    def at_rest(self) -> bool:
        one, two = self.pair.desk.core.state, self.pair.exchange.core.state
        quiet = all(s.logon == "on" and s.gap == "none" and not s.asks for s in (one, two))
        return quiet and (one.next_out, one.next_in) == (two.next_in, two.next_out)


def check(schedule: Schedule) -> None:
    """Equal numbers, and every accepted message delivered once, in order."""
    pair = schedule.pair
    schedule.come_to_rest()
    assert schedule.at_rest()
    assert pair.exchange.delivered == schedule.accepted["desk"]
    assert pair.desk.delivered == schedule.accepted["exchange"]
    for side in (pair.desk, pair.exchange):
        core = side.core
        assert core.fold.digest(core.replayed()) == core.fold.digest(core.live)
        for epoch in range(1, core.state.epoch + 1):
            core.sent_frames(epoch)  # asserts that no number was used twice (P5)


@pytest.mark.parametrize("version", ["FIX.4.0", "FIX.4.2", "FIX.4.4"])
def test_two_cores_trade(version: str) -> None:
    """Logon, messages both ways, a cut, a logon again, and what was on the wire is resent."""
    schedule = Schedule(Pair(version))
    for action, times in [("connect", 1), ("run", 1), ("send", 5), ("reply", 5), ("cut", 1)]:
        schedule.play(action, times)
    check(schedule)


PLAYED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PLAYED
@given(ACTIONS, VERSIONS, st.booleans(), st.integers(1, 12))
def test_any_schedule_ends_with_equal_numbers_and_every_message_in_order(
    actions: list[tuple[str, int]], version: str, next_expected: bool, block: int
) -> None:
    """Sends, losses, cuts, kills with and without a lost tail; 789 or not; small blocks."""
    pair = Pair(version, reservation_block=block, send_next_expected=next_expected)
    schedule = Schedule(pair)
    for action, times in actions:
        schedule.play(action, times)
    check(schedule)


@pytest.mark.deep
@settings(max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIONS, VERSIONS, st.booleans(), st.integers(1, 12))
def test_any_schedule_deep(
    actions: list[tuple[str, int]], version: str, next_expected: bool, block: int
) -> None:
    """The same, for hours of a machine."""
    pair = Pair(version, reservation_block=block, send_next_expected=next_expected)
    schedule = Schedule(pair)
    for action, times in actions:
        schedule.play(action, times)
    check(schedule)


def test_a_side_that_does_not_resend_is_noticed() -> None:
    """The property is not vacuous: with the resend left out, messages are missing."""

    class Lazy(Pair):
        def _resend(self, side: Side, effect: Any) -> None:
            names = side.core.state.names
            assert names is not None
            from durafix.engine.session.resend import gap_fill

            begin, end = effect.begin, effect.end
            self._to_wire(side, gap_fill(names, begin, end + 1, effect.sending_time))

    schedule = Schedule(Lazy())
    for action in ("connect", "run", "send", "cut"):
        schedule.play(action, 1)
    with pytest.raises(AssertionError):
        check(schedule)
