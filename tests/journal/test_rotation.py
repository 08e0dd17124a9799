"""Segment files come prepared, get their name last, and can be tried again after a full disk."""

import errno

import pytest

from durafix.journal.errors import DiskFull, Exists
from durafix.journal.manifest import Layout
from durafix.journal.record import Kind
from durafix.journal.rotation import Segments
from durafix.journal.segment import Policy, SegmentHeader, page_crc, read_header_pages
from durafix.journal.simdisk import SimDisk
from durafix.journal.simfile import Fault
from durafix.journal.siminode import Loss

from ..kit.readback import read_segment
from ..kit.writing import ROOT, Desk, RecordingDisk, draft

SIZE = 64 << 10


@pytest.fixture
def disk() -> SimDisk:
    """A disk with an empty folder for segments."""
    disk = SimDisk()
    disk.mkdir("/j")
    disk.mkdir("/j/segments")
    disk.fsync_dir("/j")
    disk.fsync_dir("/")
    return disk


def header(segment: int = 1) -> SegmentHeader:
    """A header page."""
    return SegmentHeader(
        journal_uuid=bytes(16),
        segment=segment,
        salt=7,
        base_event=1,
        term=1,
        created_ns=1,
        policy=Policy.ALWAYS,
        pad_bytes=512,
        allocated_bytes=SIZE,
        previous_seal=bytes(32),
        chain=bytes(32),
    )


@pytest.mark.parametrize("loss", list(Loss))
def test_a_segments_name_never_appears_without_its_header(disk: SimDisk, loss: Loss) -> None:
    """The power is cut before each operation."""
    segments = Segments(disk, Layout("/j"), SIZE)
    images: list[SimDisk] = []
    disk.on_operation = lambda verb, path: images.extend(disk.crash(loss, n) for n in (1, 2, 3))
    file, page, crc = segments.install(header())
    disk.on_operation = None
    images += [disk.crash(loss, n) for n in (1, 2, 3)]
    for image in images:
        if image.exists("/j/segments/00000001.seg"):
            data = image.content("/j/segments/00000001.seg")
            assert read_header_pages(data).header == header()
            assert len(data) == SIZE
    assert images[-1].exists("/j/segments/00000001.seg")
    assert file.path == "/j/segments/00000001.seg"
    assert page_crc(page) == crc


def test_an_old_next_file_is_thrown_away(disk: SimDisk) -> None:
    with disk.open("/j/segments/next.tmp", write=True, create=True) as file:
        file.pwrite(b"garbage" * 2000, 0)
    segments = Segments(disk, Layout("/j"), SIZE)
    made, _, _ = segments.install(header())
    assert not any(made.pread(8192, SIZE))


def test_prepare_on_a_full_disk_leaves_nothing_behind(disk: SimDisk) -> None:
    disk.capacity_bytes = 1000
    segments = Segments(disk, Layout("/j"), SIZE)
    with pytest.raises(DiskFull):
        segments.prepare()
    assert disk.listdir("/j/segments") == []
    assert not segments.prepared
    disk.capacity_bytes = None
    segments.prepare()
    assert segments.prepared


def test_install_never_replaces_a_segment(disk: SimDisk) -> None:
    with disk.open("/j/segments/00000001.seg", write=True, create=True) as file:
        file.pwrite(b"precious", 0)
    with pytest.raises(Exists):
        Segments(disk, Layout("/j"), SIZE).install(header())
    assert disk.content("/j/segments/00000001.seg") == b"precious"


@pytest.mark.parametrize("verb", ["pwrite", "allocate", "rename"])
def test_install_goes_on_after_a_full_disk(disk: SimDisk, verb: str) -> None:
    disk.faults.append(Fault(verb, code=errno.ENOSPC))
    segments = Segments(disk, Layout("/j"), SIZE)
    with pytest.raises(DiskFull):
        segments.install(header())
    segments.install(header())
    after = disk.crash(Loss.DROP).content("/j/segments/00000001.seg")
    assert read_header_pages(after).header == header()


def test_close_takes_the_prepared_file_away(disk: SimDisk) -> None:
    segments = Segments(disk, Layout("/j"), SIZE)
    segments.prepare()
    segments.close()
    assert disk.listdir("/j/segments") == []


def test_nothing_lands_behind_a_seal_that_a_full_disk_held_up() -> None:
    """A mark that finds no room rotates; the disk is full just then, and nothing else is queued."""
    disk = RecordingDisk()
    desk = Desk(disk=disk, segment_bytes=32 << 10)
    while desk.writer._appender.free_bytes > 400:
        desk.put(draft("x", 448))
    desk.put(draft("last", 130))
    assert desk.writer._appender.free_bytes < 64
    disk.faults.append(Fault("pwrite", path="00000001.seg", code=errno.ENOSPC, kept=10))
    desk.wait_ms(50)
    assert desk.writer.segment == 1
    desk.wait_ms(200)
    assert (desk.writer.segment, desk.writer.state) == (2, "running")
    found = read_segment(disk, ROOT, 1)
    assert found is not None
    assert found.rows[-1][5] == Kind.SEAL
    assert found.end == len(found.data)
