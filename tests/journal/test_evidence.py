"""What stands behind a bad place is found wherever it stands, and proves no more than it says."""

from pathlib import Path

from durafix.journal._core import Packer
from durafix.journal.evidence import Behind, look_behind, search_from, tail_slot
from durafix.journal.realdisk import RealDisk
from durafix.journal.record import DEPTH_UNKNOWN, Kind, Stop

from .journals import UUID, in_, made

SALT = 99
MIB = 1 << 20


def record(event: int, depth: int, *, kind: int = Kind.STATE, payload: bytes = b"") -> bytes:
    packer = Packer(SALT, 1, 8192)
    packer.single(event, 1, depth, kind, 0, 0, 0, 0, payload)
    return packer.take()


def behind(path: Path, data: bytes, *, last_event: int = 5, enough: int = 1 << 62) -> Behind:
    path.write_bytes(data)
    with RealDisk().open(str(path)) as file:
        return look_behind(file, SALT, 0, last_event, enough)


def test_nothing_behind_proves_nothing(tmp_path: Path) -> None:
    for data in (b"", b"x" * 63, bytes(3 * MIB), b"\xa1\x5e\xd0\xf1" * 1000):
        assert behind(tmp_path / "f", data) == Behind(0, None)


def test_a_record_that_continues_is_named_with_its_place(tmp_path: Path) -> None:
    assert behind(tmp_path / "f", bytes(80) + record(6, 3)) == Behind(0, 80)
    assert behind(tmp_path / "f", bytes(80) + record(5, 0, kind=Kind.MARK)) == Behind(0, 80)


def test_only_the_first_record_behind_may_continue(tmp_path: Path) -> None:
    assert behind(tmp_path / "f", record(9, 2) + record(6, 3)) == Behind(7, None)


def test_a_header_across_two_windows_is_found(tmp_path: Path) -> None:
    """One window is 1 MiB."""
    for at in range(MIB - 72, MIB + 16, 8):
        assert behind(tmp_path / "f", bytes(at) + record(9, 2)) == Behind(7, None)


def test_all_records_behind_are_heard_until_there_is_enough(tmp_path: Path) -> None:
    data = record(9, 8) + bytes(8) + record(12, 4, payload=b"p" * 100) + bytes(2 * MIB)
    data += record(20, 1)
    assert behind(tmp_path / "f", data) == Behind(19, None)
    assert behind(tmp_path / "f", data, enough=6) == Behind(8, None)


def test_an_unknown_depth_proves_nothing(tmp_path: Path) -> None:
    assert behind(tmp_path / "f", record(1 << 33, DEPTH_UNKNOWN)) == Behind(0, None)


def test_a_payload_behind_a_good_header_is_not_searched(tmp_path: Path) -> None:
    """It may hold a copy of a record, which proves nothing about this place."""
    inner = record(9, 0)
    outer = record(6, 1, payload=inner)
    path = tmp_path / "f"
    path.write_bytes(outer)
    with RealDisk().open(str(path)) as file:
        for stop in (Stop.PAYLOAD_CRC, Stop.ALIGNMENT, Stop.SHORT):
            assert search_from(file, 0, stop) == len(outer)
        for stop in (Stop.HEADER_CRC, Stop.MAGIC, Stop.ZERO, Stop.PREVIOUS):
            assert search_from(file, 0, stop) == 8
        assert search_from(file, len(outer) - 8, Stop.SHORT) == len(outer)


def test_a_tail_file_speaks_for_its_own_journal_only(tmp_path: Path) -> None:
    journal = made(tmp_path)
    assert tail_slot(journal.disk, journal.root, UUID) is None
    journal.step(in_(1))
    journal.tail()
    slot = tail_slot(journal.disk, journal.root, UUID)
    assert slot is not None
    assert slot.event == 1
    assert tail_slot(journal.disk, journal.root, bytes(16)) is None
    Path(journal.root, "TAIL").write_bytes(bytes(1024))
    assert tail_slot(journal.disk, journal.root, UUID) is None
