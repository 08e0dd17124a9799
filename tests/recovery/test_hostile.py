"""Bytes that nobody wrote: no traceback, no endless loop, no wrong "clean"."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from durafix.journal.errors import JournalError
from durafix.journal.simdisk import SimDisk
from durafix.recovery.plan import plan
from durafix.recovery.replay import replay
from durafix.recovery.verify import verify

from .test_verify import sample
from .toys import ROOT, ToyFold, resume

SEGMENTS = f"{ROOT}/segments"


def replaced(disk: SimDisk, path: str, data: bytes) -> None:
    """A file with other content, of another length maybe."""
    if disk.exists(path):
        disk.rename(path, f"{path}.old")
        disk.unlink(f"{path}.old")
    with disk.open(path, write=True, exclusive=True) as file:
        file.pwrite(data, 0)


def splice(disk: SimDisk, dice: random.Random, path: str) -> None:
    """Bytes of the journal in another place of it."""
    source = disk.content(dice.choice(disk.paths()))
    length = dice.choice([8, 64, 512, 4096])
    start = dice.randrange(0, max(1, len(source) - length), 8)
    size = len(disk.content(path))
    disk.poke(path, dice.randrange(0, max(1, size), 8), source[start : start + length])


def cut(disk: SimDisk, dice: random.Random, path: str) -> None:
    """A shorter file."""
    data = disk.content(path)
    replaced(disk, path, data[: dice.randrange(len(data) + 1)])


def extend(disk: SimDisk, dice: random.Random, path: str) -> None:
    """A longer one."""
    replaced(disk, path, disk.content(path) + dice.randbytes(dice.randrange(1, 9000)))


def repeat(disk: SimDisk, dice: random.Random, path: str) -> None:
    """A part of the file, again, in the middle of it: everything behind moves."""
    data = disk.content(path)
    start = dice.randrange(0, max(1, len(data)), 8)
    end = min(len(data), start + dice.choice([64, 80, 512]))
    replaced(disk, path, data[:end] + data[start:])


def garbage(disk: SimDisk, dice: random.Random, path: str) -> None:
    """Nothing of it is left."""
    replaced(disk, path, dice.randbytes(dice.randrange(0, 20_000)))


def another_name(disk: SimDisk, dice: random.Random, path: str) -> None:
    """A copy under the name of another segment."""
    replaced(disk, f"{SEGMENTS}/{dice.randrange(1, 7):08d}.seg", disk.content(path))


def gone(disk: SimDisk, dice: random.Random, path: str) -> None:
    """Without it."""
    disk.unlink(path)


HARMS: list[Callable[[SimDisk, random.Random, str], None]] = [
    splice,
    cut,
    extend,
    repeat,
    garbage,
    another_name,
    gone,
]


def harmed(seed: int) -> SimDisk:
    """A journal with one to three harms."""
    dice, disk = random.Random(seed), sample().kill()
    for _ in range(dice.randrange(1, 4)):
        files = [p for p in disk.paths() if not p.endswith(("LOCK", ".tmp"))]
        if files:
            dice.choice(HARMS)(disk, dice, dice.choice(files))
    return disk


def endure(seeds: range) -> None:
    for seed in seeds:
        disk = harmed(seed)
        untouched = {path: disk.content(path) for path in disk.paths()}
        report = verify(disk, ROOT, pause=lambda seconds: None)
        plan(report).lines(ROOT)
        if report.verdict == "clean":
            resume(disk.kill())  # then it opens
        try:
            replay(disk, ROOT, ToyFold())
        except JournalError:
            assert report.verdict != "clean", seed
        assert {path: disk.content(path) for path in disk.paths()} == untouched
        refused: JournalError | None = None
        try:
            resume(disk)
        except JournalError as error:
            refused = error
        assert refused is None or refused.hint, seed


def test_harmed_journals_are_endured() -> None:
    """Spliced, cut, extended, repeated, replaced, renamed, removed: 60 seeded journals."""
    endure(range(60))


@pytest.mark.deep
def test_two_thousand_harmed_journals_are_endured() -> None:
    """The same with 2,000 seeds."""
    endure(range(1000, 3000))


@pytest.mark.parametrize(
    ("path", "data"),
    [
        (f"{SEGMENTS}/00000005.seg", b""),
        (f"{SEGMENTS}/00000005.seg", bytes(8192)),
        (f"{SEGMENTS}/99999999.seg", bytes(100)),
        (f"{SEGMENTS}/5.seg", b"not a segment's name"),
        (f"{SEGMENTS}/next.tmp", b"\xff" * 9000),
        (f"{ROOT}/TAIL", b""),
        (f"{ROOT}/TAIL", b"x" * 5000),
        (f"{ROOT}/journal.json", b'{"format":2}'),
        (f"{ROOT}/journal.json", b"[" * 10_000),
    ],
)
def test_strange_files_are_told_or_ignored(path: str, data: bytes) -> None:
    """Names that are no segment's are nobody's; the rest is a finding."""
    disk = sample().kill()
    replaced(disk, path, data)
    report = verify(disk, ROOT, pause=lambda seconds: None)
    ignored = path.endswith(("/5.seg", "next.tmp"))
    assert (report.verdict == "clean") == ignored
    assert ("stray-file" in {f.code for f in report.findings}) == path.endswith("/5.seg")
