"""A desk and an exchange, each on its own disk, while power fails on either side at any moment.

The loop of the real demo, on a simulated disk, network and clock, so that unsynced sectors are
dropped, kept, torn and reordered, which SIGKILL never does. Each test runs whole lives and judges
them at the end; a failure names the command that runs the same lives again.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from durafix.journal.siminode import Loss

from .judge import judge
from .loop import Broken
from .world import Mode, Sabotage, Scenario, live

MODES: tuple[Mode, ...] = ("always", "interval", "never")
LOSSES = [tuple(Loss), *((loss,) for loss in Loss)]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Each death is a critical line in the log of its engine."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def survive(scenario: Scenario) -> Counter[str]:
    """Live and judge; what is broken is told with the way to see it again."""
    try:
        return judge(live(scenario))
    except Broken as broken:
        raise Broken(f"{broken}\nrun it again: {scenario.again}") from broken


@pytest.mark.parametrize("mode", MODES)
def test_what_the_policy_promises_outlives_every_power_cut(mode: Mode) -> None:
    """Nothing lost that was durable, nothing invented, no number twice, everything replays."""
    counts: Counter[str] = Counter()
    for seed in (2, 3):
        counts += survive(Scenario(mode, seed))
    assert counts["deaths"] >= 40
    for seen in ("deaths while recovering", "resent", "gap fills", "kills", "hashes met"):
        assert counts[seen], f"the simulation has become too kind: no {seen}"


@pytest.mark.parametrize("loss", list(Loss), ids=lambda loss: loss.value)
def test_each_kind_of_loss_under_the_weakest_policy(loss: Loss) -> None:
    """Under ``never`` what is not durable is all that may go, whichever part of it stays."""
    survive(Scenario("never", 11, losses=(loss,)))


def test_under_always_nothing_is_forgiven() -> None:
    """No order twice, no unknown report, no unmarked repeat: the lists of losses stay empty."""
    counts = survive(Scenario("always", 21))
    assert not [what for what in counts if "forgiven" in what or "unmarked" in what]


def test_the_same_seed_gives_the_same_lives() -> None:
    """Frames, deaths and promises: a seed that failed fails again."""
    ends = [live(Scenario("interval", 5, deaths=10)) for _ in range(2)]
    assert ends[0].counts == ends[1].counts
    assert ends[0].desk.streams == ends[1].desk.streams
    assert ends[0].exchange.streams == ends[1].exchange.streams
    assert ends[0].desk.notes.heard == ends[1].desk.notes.heard


@pytest.mark.parametrize(
    ("sabotage", "modes"),
    [
        ("fdatasync", MODES),
        ("fsync_dir", MODES),
        # Under ``always`` no frame leaves before its number is on disk: nothing to reserve for.
        ("reservation", ("interval", "never")),
    ],
)
def test_a_build_without_it_fails(sabotage: Sabotage, modes: tuple[Mode, ...]) -> None:
    """fdatasync, the folder fsync and the reservation: taken out, the lives above break."""
    for mode in modes:
        for seed in range(6):
            try:
                survive(Scenario(mode, seed, sabotage=sabotage))
            except Broken:
                break
        else:
            pytest.fail(f"{sabotage} taken out under {mode}, and nobody noticed")


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("losses", LOSSES, ids=lambda ls: ls[0].value if len(ls) == 1 else "any")
@pytest.mark.parametrize("mode", MODES)
def test_two_thousand_states(
    mode: Mode, losses: tuple[Loss, ...], deep_seed: int, deep_seconds: float
) -> None:
    """At least 100 deaths for each policy and kind of loss (2,100 in all), and more while there is
    time.
    """
    counts: Counter[str] = Counter()
    end = time.monotonic() + deep_seconds / (len(MODES) * len(LOSSES))
    seed = deep_seed * 1000
    while counts["deaths"] < 100 or time.monotonic() < end:
        counts += survive(Scenario(mode, seed, losses=losses))
        seed += 1
    print(mode, [loss.value for loss in losses], dict(counts))
