"""The simulated disk loses what was not synced, keeps what was, and does it the same way for the
same seed.
"""

import errno

import pytest

from durafix.journal.errors import DiskFull, IoFailed, Locked
from durafix.journal.simdisk import SimDisk
from durafix.journal.simfile import Fault, SimCrash, SimFile
from durafix.journal.siminode import SECTOR_BYTES, Loss

OLD, NEW = b"o" * 4096, b"n" * 4096


@pytest.fixture
def disk() -> SimDisk:
    """One durable file of old bytes, overwritten with new ones that are not synced."""
    disk = SimDisk(7)
    disk.open("/a", write=True, create=True).pwrite(OLD, 0)
    opened(disk).fsync()
    disk.fsync_dir("/")
    opened(disk).pwrite(NEW, 0)
    return disk


def opened(disk: SimDisk, path: str = "/a") -> SimFile:
    """The file, for writing."""
    return disk.open(path, write=True)


@pytest.mark.parametrize("loss", list(Loss))
def test_what_was_synced_survives(disk: SimDisk, loss: Loss) -> None:
    opened(disk).fdatasync()
    assert disk.crash(loss).content("/a") == NEW


@pytest.mark.parametrize(
    ("loss", "content"),
    [(Loss.KEEP, NEW), (Loss.DROP, OLD), (Loss.DATA, OLD), (Loss.NAMES, NEW)],
)
def test_what_was_not_synced_survives_or_not(disk: SimDisk, loss: Loss, content: bytes) -> None:
    assert disk.crash(loss).content("/a") == content


def test_mixed_decides_for_each_sector_and_tears_some(disk: SimDisk) -> None:
    kinds: set[str] = set()
    for seed in range(40):
        content = disk.crash(Loss.MIXED, seed).content("/a")
        for start in range(0, 4096, SECTOR_BYTES):
            sector = content[start : start + SECTOR_BYTES]
            new = sector.count(b"n")
            assert sector == b"n" * new + b"o" * (SECTOR_BYTES - new)
            kinds.add("new" if new == SECTOR_BYTES else "torn" if new else "old")
    assert kinds == {"new", "old", "torn"}


def test_torn_keeps_a_prefix_of_the_writes() -> None:
    disk = SimDisk()
    file = disk.open("/a", write=True, create=True)
    file.allocate(8 * 4096)
    file.fsync()
    disk.fsync_dir("/")
    for i in range(8):
        file.pwrite(bytes([i + 1]) * 4096, i * 4096)
    lengths: set[int] = set()
    for seed in range(40):
        content = disk.crash(Loss.TORN, seed).content("/a")
        written = len(content.rstrip(b"\0"))
        lengths.add(written)
        assert content[:written] == b"".join(bytes([i + 1]) * 4096 for i in range(8))[:written]
    assert len(lengths) > 5
    assert any(length % SECTOR_BYTES for length in lengths)


def test_the_same_seed_gives_the_same_bytes(disk: SimDisk) -> None:
    images = {disk.crash(Loss.MIXED, 3).content("/a") for _ in range(5)}
    assert len(images) == 1
    assert disk.crash(Loss.MIXED, 4).content("/a") not in images


def test_a_write_makes_the_whole_block_pending_with_its_bytes(disk: SimDisk) -> None:
    """A sector that a sync made durable stays what it is when its neighbour is written."""
    opened(disk).fdatasync()
    opened(disk).pwrite(b"x" * 512, 1024)
    assert {write.sector for write in opened(disk)._node.pending} == set(range(8))
    for seed in range(20):
        content = disk.crash(Loss.MIXED, seed).content("/a")
        assert content[:1024] == NEW[:1024]
        assert content[1536:] == NEW[1536:]


@pytest.mark.parametrize("kept", [True, False])
def test_a_name_survives_only_a_sync_of_its_folder(kept: bool) -> None:
    disk = SimDisk()
    disk.mkdir("/d")
    disk.fsync_dir("/")
    with disk.open("/d/a", write=True, create=True) as file:
        file.pwrite(b"x", 0)
        file.fsync()
    if kept:
        disk.fsync_dir("/d")
    assert disk.crash(Loss.DROP).exists("/d/a") is kept
    assert disk.crash(Loss.KEEP).exists("/d/a")


def test_a_rename_that_is_lost_leaves_the_old_name() -> None:
    disk = SimDisk()
    for name in ("/a", "/b"):
        with disk.open(name, write=True, create=True) as file:
            file.pwrite(name.encode(), 0)
            file.fsync()
    disk.fsync_dir("/")
    disk.rename("/a", "/b")
    lost, kept = disk.crash(Loss.DROP), disk.crash(Loss.KEEP)
    assert (lost.content("/a"), lost.content("/b")) == (b"/a", b"/b")
    assert kept.paths() == ["/b"]
    assert kept.content("/b") == b"/a"


def test_what_is_in_a_lost_folder_is_lost() -> None:
    disk = SimDisk()
    disk.mkdir("/d")
    with disk.open("/d/a", write=True, create=True) as file:
        file.fsync()
    disk.fsync_dir("/d")
    assert disk.crash(Loss.DROP).paths() == []


def test_fdatasync_keeps_a_size_that_grew_and_not_one_that_shrank() -> None:
    disk = SimDisk()
    file = disk.open("/a", write=True, create=True)
    disk.fsync_dir("/")
    file.pwrite(OLD, 0)
    file.fdatasync()
    assert len(disk.crash(Loss.DROP).content("/a")) == 4096
    file.truncate(100)
    file.fdatasync()
    assert len(disk.crash(Loss.DROP).content("/a")) == 4096
    file.fsync()
    assert len(disk.crash(Loss.DROP).content("/a")) == 100


def test_size_and_content_are_lost_apart() -> None:
    disk = SimDisk()
    file = disk.open("/a", write=True, create=True)
    disk.fsync_dir("/")
    file.pwrite(OLD, 0)
    assert disk.crash(Loss.DATA).content("/a") == bytes(4096)
    assert disk.crash(Loss.NAMES).content("/a") == b""


def test_kill_keeps_everything_and_frees_the_lock(disk: SimDisk) -> None:
    disk.lock("/LOCK")
    with pytest.raises(Locked):
        disk.lock("/LOCK")
    after = disk.kill()
    after.lock("/LOCK").release()
    assert after.content("/a") == NEW
    assert after.crash(Loss.DROP).content("/a") == OLD
    opened(after).fsync()
    assert after.crash(Loss.DROP).content("/a") == NEW
    assert disk.crash(Loss.DROP).content("/a") == OLD


# Faults


@pytest.mark.parametrize("revert", [False, True])
def test_a_failed_sync_makes_nothing_durable_and_neither_does_the_next(
    disk: SimDisk, revert: bool
) -> None:
    """The pages count as clean: readers see the bytes, or not, and no sync writes them."""
    disk.faults.append(Fault("fdatasync", revert=revert))
    file = opened(disk)
    with pytest.raises(IoFailed):
        file.fdatasync()
    file.fdatasync()
    assert file.pread(0, 4096) == (OLD if revert else NEW)
    assert file.pread_direct(0, 4096) == OLD
    assert disk.crash(Loss.DROP).content("/a") == OLD
    assert disk.crash(Loss.KEEP).content("/a") == NEW
    file.pwrite(b"z", 0)
    file.fdatasync()
    assert disk.crash(Loss.DROP).content("/a")[:1] == b"z"


def test_a_full_disk_takes_what_fits(disk: SimDisk) -> None:
    disk.capacity_bytes = 5000
    file = opened(disk)
    with pytest.raises(DiskFull):
        file.pwrite(b"x" * 2000, 4000)
    assert file.size() == 5000
    with pytest.raises(DiskFull):
        file.allocate(5001)
    assert disk.free_bytes("/") == 0
    file.pwrite(b"y" * 5000, 0)
    disk.capacity_bytes = None
    file.allocate(9000)


def test_a_fault_strikes_the_nth_matching_operation(disk: SimDisk) -> None:
    disk.faults.append(Fault("pwrite", nth=2, count=2, code=errno.ENOSPC, path="/a", kept=3))
    file = opened(disk)
    results = []
    for i in range(4):
        try:
            file.pwrite(b"12345", 10 * i)
            results.append("ok")
        except DiskFull:
            results.append("full")
    assert results == ["ok", "full", "full", "ok"]
    assert file.pread(10, 5) == b"123nn"


def test_a_broken_range_cannot_be_read(disk: SimDisk) -> None:
    disk.break_range("/a", 1000, 1010)
    file = opened(disk)
    assert file.pread(0, 1000) == NEW[:1000]
    for read in (file.pread, file.pread_direct):
        with pytest.raises(IoFailed):
            read(1009, 1)
    assert file.pread(1010, 10) == NEW[:10]


def test_rot_changes_the_medium_and_what_readers_see(disk: SimDisk) -> None:
    disk.flip("/a", 5, bit=1)
    disk.poke("/a", 4094, b"zzzz")
    assert disk.content("/a")[5] == ord("n") ^ 2
    assert disk.content("/a")[4094:] == b"zz"
    assert disk.crash(Loss.DROP).content("/a")[5] == ord("n") ^ 2


def test_a_crash_in_the_hook_ends_this_disk(disk: SimDisk) -> None:
    def stop(verb: str, path: str) -> None:
        if verb == "fdatasync":
            raise SimCrash

    disk.on_operation = stop
    file = opened(disk)
    file.pwrite(b"x", 0)
    with pytest.raises(SimCrash):
        file.fdatasync()
    disk.on_operation = None
    for act in (lambda: file.pwrite(b"y", 0), lambda: file.pread(0, 1), lambda: disk.listdir("/")):
        with pytest.raises(SimCrash):
            act()
    assert disk.crash(Loss.KEEP).content("/a")[:1] == b"x"


@pytest.mark.parametrize("lie", ["fdatasync", "fsync"])
def test_a_lying_sync_does_nothing(lie: str) -> None:
    disk = SimDisk(lies=frozenset({lie}))
    file = disk.open("/a", write=True, create=True)
    disk.fsync_dir("/")
    file.pwrite(OLD, 0)
    file.fdatasync() if lie == "fdatasync" else file.fsync()
    assert disk.crash(Loss.DROP).content("/a") == b""


def test_a_sync_covers_what_was_written_before_it_began() -> None:
    """Bytes that another thread writes meanwhile are not promised."""
    disk = SimDisk()
    file = disk.open("/a", write=True, create=True)
    disk.fsync_dir("/")
    file.allocate(8192)
    file.pwrite(b"before", 0)

    def meanwhile(verb: str, path: str) -> None:
        if verb == "fdatasync":
            file.pwrite(b"meanwhile", 4096)

    disk.on_operation = meanwhile
    file.fdatasync()
    content = disk.crash(Loss.DROP).content("/a")
    assert content.rstrip(b"\0") == b"before"
