"""A folder is a journal once journal.json is in it, and says clearly what it is when it is none."""

from pathlib import Path

import pytest

from durafix.journal.disk import RealDisk, write_whole
from durafix.journal.errors import Exists, FormatUnknown, Locked, Missing
from durafix.journal.manifest import (
    Layout,
    Manifest,
    create,
    load,
    lock_writer,
    segment_numbers,
)
from durafix.journal.simdisk import SimDisk
from durafix.journal.siminode import Loss

UUID = bytes(range(16))


def test_create_then_load(tmp_path: Path) -> None:
    disk, root = RealDisk(), str(tmp_path / "j")
    made = create(disk, root, uuid=UUID, created_ns=5)
    assert made == load(disk, root) == load(disk, root + "/") == Manifest(1, UUID, 5)
    assert disk.listdir(root) == ["LOCK", "journal.json", "quarantine", "segments"]
    assert segment_numbers(disk, root) == []
    lock_writer(disk, root).release()


def test_an_empty_folder_becomes_a_journal(tmp_path: Path) -> None:
    create(RealDisk(), str(tmp_path), uuid=UUID, created_ns=5)
    assert load(RealDisk(), str(tmp_path)).uuid == UUID


def test_create_refuses_a_journal_and_a_folder_with_other_things(tmp_path: Path) -> None:
    disk = RealDisk()
    create(disk, str(tmp_path / "j"), uuid=UUID, created_ns=5)
    with pytest.raises(Exists, match="journal already"):
        create(disk, str(tmp_path / "j"), uuid=UUID, created_ns=5)
    with pytest.raises(Exists, match="not empty"):
        create(disk, str(tmp_path), uuid=UUID, created_ns=5)
    (tmp_path / "k/segments").mkdir(parents=True)
    (tmp_path / "k/segments/00000001.seg").touch()
    with pytest.raises(Exists, match="not empty: segments"):
        create(disk, str(tmp_path / "k"), uuid=UUID, created_ns=5)


@pytest.mark.parametrize("loss", list(Loss))
def test_a_crash_while_it_is_made_leaves_a_journal_or_a_folder_to_finish(loss: Loss) -> None:
    """Before each operation: what survives is loaded as it is, or made again; a promise is kept."""
    images: list[SimDisk] = []
    disk = SimDisk(1)
    disk.on_operation = lambda verb, path: images.extend(disk.crash(loss, seed) for seed in (1, 2))
    create(disk, "/j", uuid=UUID, created_ns=5)
    disk.on_operation = None
    for image in images:
        if not image.exists("/j/journal.json"):
            create(image, "/j", uuid=UUID, created_ns=5)
        assert load(image, "/j").uuid == UUID
        assert image.listdir("/j/segments") == []
    assert load(disk.crash(loss), "/j").uuid == UUID


def test_a_missing_folder_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="no such journal"):
        load(RealDisk(), str(tmp_path / "none"))


def test_a_folder_that_is_no_journal_says_so(tmp_path: Path) -> None:
    with pytest.raises(FormatUnknown, match="not a journal"):
        load(RealDisk(), str(tmp_path))


def test_segments_without_a_manifest_say_so(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    (tmp_path / "segments/00000001.seg").touch()
    with pytest.raises(FormatUnknown, match=r"journal\.json is gone"):
        load(RealDisk(), str(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"format":2,"anything":1}', "format 2; this version reads format 1"),
        (b'{"format":1,"uuid":"zz","created_ns":1}', "cannot be read"),
        (b'{"format":"1"}', "cannot be read"),
        (b"\xff\xfe garbage", "cannot be read"),
        (b"", "cannot be read"),
        (b'{"a":' * 700, "cannot be read"),
        (b" " * 10_000_000 + b"{}", "far too long"),
        (b'{"format":1,"uuid":"%s","created_ns":-5}' % (b"0" * 32), "out of range"),
    ],
)
def test_a_manifest_that_we_cannot_read_says_why(tmp_path: Path, text: bytes, message: str) -> None:
    write_whole(RealDisk(), str(tmp_path / "journal.json"), text)
    with pytest.raises(FormatUnknown, match=message) as caught:
        load(RealDisk(), str(tmp_path))
    assert caught.value.where.endswith("journal.json")
    assert caught.value.hint


def test_the_second_writer_is_locked_out(tmp_path: Path) -> None:
    disk, root = RealDisk(), str(tmp_path / "j")
    create(disk, root, uuid=UUID, created_ns=5)
    lock = lock_writer(disk, root)
    with pytest.raises(Locked):
        lock_writer(disk, root)
    lock.release()
    lock_writer(disk, root).release()


def test_only_segment_names_count(tmp_path: Path) -> None:
    folder = tmp_path / "segments"
    folder.mkdir()
    for name in ("00000010.seg", "00000002.seg", "next.tmp", "1.seg", "x", "00000003.seg~"):
        (folder / name).touch()
    assert segment_numbers(RealDisk(), str(tmp_path)) == [2, 10]
    assert Layout(str(tmp_path)).segment(2) == str(folder / "00000002.seg")
