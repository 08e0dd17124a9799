"""What the simulation found, each case as short as it gets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from durafix.journal.record import Draft, Kind
from durafix.journal.simdisk import SimDisk
from durafix.journal.simfile import SimCrash
from durafix.journal.siminode import Loss
from durafix.recovery.resume import Options, Resumed, open_journal

from ..crash.kill_child import LastFold, payload_of

ROOT = "/journal"


def opened(disk: SimDisk) -> Resumed[list[int]]:
    """Open, or make, without a thread."""
    return open_journal(disk, ROOT, LastFold(), create=True, options=Options(threaded=False))


def die(disk: SimDisk, when: Callable[[str, str], bool]) -> None:
    """Open again, and stop before the operation that ``when`` is true for."""

    def watch(verb: str, path: str) -> None:
        if when(verb, path):
            raise SimCrash

    disk.on_operation = watch
    with pytest.raises(SimCrash):
        opened(disk)


def test_a_cut_that_a_killed_recovery_made_is_durable_before_the_segment_is_read_only() -> None:
    """Recovery truncates behind its seal and is killed before the fsync; the next one sees a short
    file in the page cache. If it only syncs data, a power cut brings the old size back, behind a
    file that nobody may write any more.
    """
    disk = SimDisk()
    writer = opened(disk).writer
    writer.append([Draft(Kind.IN, 1, 0, 1, 1, payload_of(1))], 1)
    writer.commit()
    disk = disk.kill()
    die(disk, lambda verb, path: verb == "fsync" and path.endswith("00000001.seg"))
    disk = disk.kill()
    die(disk, lambda verb, path: path.endswith("next.tmp"))
    disk = disk.crash(Loss.DROP)
    opened(disk).writer.close()
