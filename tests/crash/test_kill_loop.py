"""SIGKILL at random moments of a real process: opening, appending, rotating, indexing, closing.

A kill keeps the page cache, so this proves nothing about fsync (test_power_loss.py does); it proves
that no moment of the program is a bad one to die. The expected verdict comes from the
acknowledgements that came over the pipe.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from durafix.journal.disk import RealDisk
from durafix.journal.manifest import load, segment_numbers
from durafix.journal.record import Kind

from ..kit.readback import read_events
from .kill_child import payload_of

ROOT = Path(__file__).parents[2]


class Victim:
    """The forking process, and what its children said."""

    def __init__(self, journal: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.kill_child", journal],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, bufsize=0,
        )  # fmt: skip
        self._lines: list[str] = []
        self._rest = b""
        self.acknowledged = 0
        self.opened = 0
        self.ended = 0
        self.rows: set[str] = set()

    def life(self, seed: int, mode: str, dice: random.Random) -> int:
        """One child from birth to death; returns how it died (0: it ended by itself)."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seed} {mode}\n".encode())
        pid = int(self._line().split()[1])
        if dice.random() < 0.3:  # while it opens
            time.sleep(dice.random() * 0.03)
        else:
            self._take(self._line())
            time.sleep(dice.random() * 0.06)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        while not (line := self._line()).startswith("dead"):
            self._take(line)
        return int(line.split()[1])

    def _take(self, line: str) -> None:
        word, *rest = line.split()
        if word == "open":
            assert int(rest[0]) >= self.acknowledged, "an acknowledged event is gone"
            self.opened += 1
            self.rows.add(rest[1])
        elif word == "ack":
            self.acknowledged = int(rest[0])
        elif word == "end":
            self.ended += 1
        else:
            self._lines.insert(0, line)

    def _line(self) -> str:
        assert self._process.stdout is not None
        while not self._lines:
            ready, _, _ = select.select([self._process.stdout], [], [], 60)
            data = os.read(self._process.stdout.fileno(), 1 << 16) if ready else b""
            assert data, "the child said nothing for a minute"
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._lines += [line.decode() for line in lines]
        return self._lines.pop(0)

    def stop(self) -> None:
        """End the forking process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait(30)


def check(journal: str, victim: Victim) -> int:
    """Read everything back: all that was acknowledged is there, in order, and nothing else."""
    events = read_events(RealDisk(), journal)
    assert len(events) >= victim.acknowledged
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    for event in events:
        if event.kind != Kind.REPAIR:
            assert (event.kind, event.payload) == (Kind.IN, payload_of(event.number))
    return len(events)


def loop(journal: str, mode: str, cycles: int, seed: int) -> Victim:
    """So many lives of one journal."""
    dice = random.Random(seed)
    victim = Victim(journal)
    try:
        for cycle in range(cycles):
            status = victim.life(seed * 100_000 + cycle, mode, dice)
            assert status in (0, -signal.SIGKILL)
            if cycle % 50 == 49:
                check(journal, victim)
    finally:
        victim.stop()
    return victim


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[str]:
    """Where the journal is made."""
    yield str(tmp_path / "journal")
    assert load(RealDisk(), str(tmp_path / "journal")).format == 1


@pytest.mark.parametrize(("mode", "cycles"), [("always", 24), ("interval", 6), ("never", 6)])
def test_what_was_acknowledged_survives_every_kill(journal: str, mode: str, cycles: int) -> None:
    victim = loop(journal, mode, cycles, seed=1)
    assert check(journal, victim) > 0
    assert victim.opened > cycles // 3
    assert len(segment_numbers(RealDisk(), journal)) > cycles // 3


@pytest.mark.deep
@pytest.mark.timeout(1800)
def test_five_hundred_kills_with_rotation_and_index_commits(journal: str) -> None:
    """Under ``always``; every acknowledged event is there, in order, none invented."""
    victim = loop(journal, "always", 500, seed=2)
    events = check(journal, victim)
    print(
        f"{victim.opened} openings, {victim.ended} clean ends, {events} events, "
        f"{len(segment_numbers(RealDisk(), journal))} segments, opening rows {sorted(victim.rows)}"
    )


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", ["interval", "never"])
def test_many_kills_under_the_lazy_policies(journal: str, mode: str) -> None:
    """A kill keeps the page cache, so what was covered is there too."""
    check(journal, loop(journal, mode, 200, seed=3))
