"""Many lives of one journal on a disk whose power is cut, each opened again by recovery.

A life appends, rotates and waits until the power goes, before some operation, perhaps in the middle
of recovery itself. What was promised in any life is there in every later one, in order, and the
second opening of an image finds what the first one found. The same lives with syncs that lie must
lose something.
"""

from __future__ import annotations

import random

import pytest

from durafix.journal.errors import JournalError
from durafix.journal.policy import Mode, Policy
from durafix.journal.record import Draft, Kind
from durafix.journal.simdisk import SimDisk
from durafix.journal.simfile import SimCrash
from durafix.journal.siminode import Loss
from durafix.recovery.resume import Options, Resumed, open_journal

from ..kit.fakes import Counter, FakeClock
from ..kit.readback import read_events
from .kill_child import LastFold, payload_of

ROOT = "/journal"
MODES: tuple[Mode, ...] = ("always", "interval", "never")


class Lost(AssertionError):
    """Something that was promised is gone, or something is there that was never appended."""


class Lives:
    """One journal, its disk, and the promises of all lives so far."""

    def __init__(self, mode: Mode, seed: int, lies: frozenset[str] = frozenset()) -> None:
        self.mode: Mode = mode
        self.lies = lies
        self.dice = random.Random(f"{mode}/{seed}")
        self.clock = FakeClock()
        self.salts = Counter()
        self.disk = SimDisk(seed)
        self.durable = 0
        self.covered = 0
        self.opened = 0

    def open(self, disk: SimDisk) -> Resumed[list[int]]:
        """Open, or make, without a thread."""
        options = Options(
            policy=Policy(self.mode, interval_ms=20),
            segment_bytes=32 << 10,
            threaded=False,
            clock=self.clock.utc,
            monotonic=self.clock.monotonic,
            uuids=lambda: bytes(range(16)),
            salts=self.salts,
        )
        return open_journal(disk, ROOT, LastFold(), create=True, options=options)

    def life(self) -> None:
        """Open, check what is there, go on until the power goes."""
        left = self.dice.choice((self.dice.randrange(40), self.dice.randrange(200)))
        killed = self.dice.random() < 0.2

        def count(verb: str, path: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise SimCrash

        self.disk.on_operation = count
        try:
            self._live()
        except SimCrash:
            pass
        self.disk.on_operation = None
        if killed:
            self.disk = self.disk.kill()
        else:
            self.disk = self.disk.crash(self.dice.choice(list(Loss)), self.dice.randrange(99))
            self.covered = self.durable  # a power cut takes what was only covered
        self.disk.lies = self.lies

    def _live(self) -> None:
        opened = self.open(self.disk)
        self.disk.lies = self.lies  # making the journal was honest
        self.opened += 1
        writer = opened.writer
        self._check(writer.next_event - 1)
        self.durable = self.covered = writer.next_event - 1  # recovery promises what it accepts
        writer.listen(lambda: self._note(writer.covered, writer.durable))
        for _ in range(60):
            first = writer.next_event
            numbers = range(first, first + self.dice.randrange(1, 4))
            drafts = [Draft(Kind.IN, 1, 0, 1, n, payload_of(n)) for n in numbers]
            writer.append(drafts, self.clock.utc(), sync=self.dice.random() < 0.05)
            if self.dice.random() < 0.6:
                writer.commit()
            if self.dice.random() < 0.2:
                self.clock.advance_ms(self.dice.randrange(80))
                writer.pump()
        writer.close()
        opened.index.close()

    def _note(self, covered: int, durable: int) -> None:
        self.covered, self.durable = covered, durable

    def _check(self, last: int) -> None:
        if last < self.covered:
            raise Lost(f"{self.covered} events were promised, {last} are there")
        events = read_events(self.disk, ROOT)
        if [event.number for event in events] != list(range(1, last + 1)):
            raise Lost(f"the journal opened at {last}, a reader finds {len(events)}")
        for event in events:
            ours = event.kind == Kind.IN and event.payload == payload_of(event.number)
            if not (ours or event.kind == Kind.REPAIR):
                raise Lost(f"event {event.number} was never appended")

    def reopen_twice(self) -> None:
        """recover(recover(x)) = recover(x): the events are the same."""
        first = self.disk.kill()
        opened = self.open(first)
        before = read_events(first, ROOT)
        opened.index.close()
        second = first.kill()
        again = self.open(second)
        assert read_events(second, ROOT) == before
        assert again.state == opened.state
        again.index.close()


def run(lives: Lives, count: int) -> None:
    """So many lives, each checked by the next."""
    for _ in range(count):
        lives.life()
    lives.open(lives.disk).index.close()


@pytest.mark.parametrize("mode", MODES)
def test_every_promise_outlives_every_power_cut_and_recovery(mode: Mode) -> None:
    for seed in range(6):
        lives = Lives(mode, seed)
        run(lives, 8)
        lives.reopen_twice()


@pytest.mark.parametrize("lie", ["fdatasync", "fsync_dir"])
@pytest.mark.parametrize("mode", MODES)
def test_with_a_lying_sync_a_promise_breaks(mode: Mode, lie: str) -> None:
    """Recovery refuses the journal, or a promised event is gone; it does not stay unnoticed."""
    noticed = 0
    for seed in range(20):
        try:
            run(Lives(mode, seed, frozenset({lie})), 8)
        except (Lost, JournalError):
            noticed += 1
            if noticed == 3:
                return
    pytest.fail(f"noticed only {noticed} times")


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", MODES)
def test_two_thousand_states(mode: Mode) -> None:
    """The same, 100 journals of 20 lives under each policy."""
    for seed in range(100, 200):
        lives = Lives(mode, seed)
        run(lives, 20)
        lives.reopen_twice()
