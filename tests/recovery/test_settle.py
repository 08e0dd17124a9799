"""The order of writes with which the end of a journal is settled: each durable before the next."""

from __future__ import annotations

import itertools

from durafix.journal.reader import Reader
from durafix.journal.record import Kind
from durafix.journal.simdisk import SimDisk
from durafix.recovery.verify import verify

from .toys import ROOT, Machine, new_disk, resume

SEGMENT = f"{ROOT}/segments/00000001.seg"
COPY = f"{ROOT}/quarantine/copy.tmp"


def stopped(mode: str) -> SimDisk:
    """A journal of one segment after ``kill -9``."""
    disk = new_disk()
    machine = Machine(disk, mode)
    for i in range(12):
        machine.feed(f"t{i % 3}")
    return disk.kill()


def operations(disk: SimDisk, mode: str) -> list[str]:
    """What an opening does to the disk before the writer begins."""
    done: list[str] = []

    def hook(verb: str, path: str) -> None:
        name = path.removeprefix(f"{ROOT}/")
        if name.startswith("quarantine/0"):
            name = "quarantine/NAME"
        done.append(f"{verb} {name}")

    disk.on_operation = hook
    resume(disk, mode)
    disk.on_operation = None
    return list(itertools.takewhile(lambda op: "TAIL" not in op and "next.tmp" not in op, done))


SET_ASIDE = [
    "create quarantine/copy.tmp",
    "pwrite quarantine/copy.tmp",
    "fsync quarantine/copy.tmp",
    "rename quarantine/NAME",
    "fsync_dir quarantine",
]
REWRITE = ["pwrite segments/00000001.seg"]
MAKE_DURABLE = ["fdatasync segments/00000001.seg", "fsync_dir segments"]
REPAIR = ["pwrite segments/00000001.seg", "fdatasync segments/00000001.seg"]
SEAL = ["pwrite segments/00000001.seg", "fdatasync segments/00000001.seg"]
CLOSE = [
    "truncate segments/00000001.seg",
    "fsync segments/00000001.seg",
    "protect segments/00000001.seg",
]


def test_what_was_acknowledged_by_a_sync_is_not_written_again() -> None:
    """Under ``always`` the tail file says so: a REPAIR, a SEAL, and the file is closed."""
    assert operations(stopped("always"), "always") == MAKE_DURABLE + REPAIR + SEAL + CLOSE


def test_what_lies_in_the_cache_only_is_copied_and_written_first() -> None:
    """Under ``never``, and with a torn tail, which gets a copy of its own."""
    disk = stopped("never")
    assert operations(disk.kill(), "never") == (
        SET_ASIDE + REWRITE + MAKE_DURABLE + REPAIR + SEAL + CLOSE
    )
    end = len(disk.content(SEGMENT).rstrip(b"\0"))
    disk.poke(SEGMENT, -(-end // 512) * 512, b"torn")
    assert operations(disk, "never") == (
        SET_ASIDE + REWRITE + SET_ASIDE + MAKE_DURABLE + REPAIR + SEAL + CLOSE
    )


def test_a_closed_segment_is_only_synced() -> None:
    """Its seal, and the cut behind it, may be in the cache only; no byte is written."""
    disk = new_disk()
    machine = Machine(disk)
    machine.feed("t0")
    machine.writer.close()
    synced = ["fsync segments/00000001.seg", "fsync_dir segments"]
    assert operations(disk.kill(), "always") == [*synced, "protect segments/00000001.seg"]


def test_the_seal_of_recovery_is_one_that_verify_accepts() -> None:
    """Root, counts and chain, over what was accepted, the REPAIR and its padding."""
    for mode in ("always", "interval", "never"):
        disk = stopped(mode)
        again = resume(disk, mode)
        again.writer.close()
        report = verify(disk, ROOT, pause=lambda seconds: None)
        assert (report.verdict, report.sealed) == ("clean", True)
        kinds = [r.kind for r in Reader(disk, ROOT).records() if r.position.segment == 1]
        assert kinds[-3:] == [Kind.REPAIR, Kind.PAD, Kind.SEAL]
