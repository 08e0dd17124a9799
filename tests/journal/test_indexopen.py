"""What lies in ``index/`` is believed only for a reason, and whatever it is, the answers are the
same."""

import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from durafix.journal import indexcheck, indexformat
from durafix.journal._core import crc32c
from durafix.journal.errors import Corrupt
from durafix.journal.index import Index, Status, read_witness
from durafix.journal.indexformat import META_KEY, pack_meta, unpack_meta
from durafix.journal.indexstore import LmdbStore
from durafix.journal.record import Flag

from .journals import Made, epoch, in_, made, out
from .scans import Scan, assert_places, assert_same


@pytest.fixture
def journal(tmp_path: Path) -> Made:
    """Some two hundred events in two epochs."""
    journal = made(tmp_path)
    for i in range(1, 61):
        journal.step(in_(i), out(i, session=2), in_(i, b"again", flags=Flag.COPY))
        if i == 30:
            journal.step(epoch(1))
            journal.rotate()
    journal.mark()
    return journal


def open_index(journal: Made) -> Index:
    return Index.open(journal.disk, journal.root, journal.uuid, commit_events=64, map_bytes=1 << 22)


def folder(journal: Made) -> Path:
    return Path(journal.root, "index")


def build(journal: Made, *, stamped: bool = True) -> bytes:
    """An index that knows everything; the bytes of its data file."""
    with open_index(journal) as index:
        index.catch_up(journal.event)
        index.set_durable(journal.event)
    if not stamped:
        (folder(journal) / "STAMP").unlink()
    return (folder(journal) / "data.mdb").read_bytes()


def reopened(journal: Made) -> tuple[Status, str]:
    """Open, catch up and compare every answer with a scan; how the index came to be."""
    scan = Scan(journal.records)
    with open_index(journal) as index:
        report = index.report
        if report.status in (Status.TRUSTED, Status.CHECKED):
            assert_same(index, Scan(r for r in scan.events if r.event <= index.watermark.indexed))
        index.catch_up(journal.event)
        assert_same(index, scan)
        assert_places(index, scan, step=37)
    return report.status, report.reason


def test_a_new_journal_has_a_fresh_index(tmp_path: Path) -> None:
    journal = made(tmp_path)
    with open_index(journal) as index:
        assert index.report == (Status.FRESH, "")


def test_a_clean_close_is_trusted(journal: Made) -> None:
    build(journal)
    assert reopened(journal) == (Status.TRUSTED, "")


def test_a_trusted_index_goes_on_where_it_was(journal: Made) -> None:
    build(journal)
    journal.step(in_(100), out(100))
    journal.rotate()
    journal.step(in_(101))
    assert reopened(journal) == (Status.TRUSTED, "")


def test_a_stop_without_close_is_checked_entry_by_entry(journal: Made) -> None:
    build(journal, stamped=False)
    assert reopened(journal) == (Status.CHECKED, "it was not closed cleanly")
    assert reopened(journal) == (Status.TRUSTED, "")


def test_an_index_that_was_checked_is_still_a_folder_for_its_owner(journal: Made) -> None:
    """Root may enter any folder; others need the right to."""
    build(journal, stamped=False)
    assert reopened(journal)[0] is Status.CHECKED
    assert folder(journal).stat().st_mode & 0o777 == 0o750


def test_the_stamp_is_gone_while_the_index_is_open(journal: Made) -> None:
    build(journal)
    with open_index(journal):
        assert not (folder(journal) / "STAMP").exists()
    assert (folder(journal) / "STAMP").exists()


def test_a_missing_index_is_rebuilt_and_says_so(journal: Made) -> None:
    build(journal)
    shutil.rmtree(folder(journal))
    assert reopened(journal) == (Status.REBUILT, "it was missing")


def test_a_file_that_changed_after_the_close_is_rebuilt(journal: Made) -> None:
    data = build(journal)
    (folder(journal) / "data.mdb").write_bytes(data[:-1] + b"\x01")
    assert reopened(journal) == (Status.REBUILT, "its file was changed after it was closed")


def test_an_index_of_another_journal_is_rebuilt(journal: Made) -> None:
    build(journal)
    other = bytes(16)
    with Index.open(journal.disk, journal.root, other) as index:
        assert index.report == (Status.REBUILT, "it belongs to another journal")


@pytest.mark.parametrize("stamped", [True, False])
def test_an_index_ahead_of_the_journal_is_rebuilt(tmp_path: Path, stamped: bool) -> None:
    journal = made(tmp_path)
    journal.step(in_(1))
    at = journal.end
    (lost,) = journal.step(in_(2))
    build(journal, stamped=stamped)
    with journal.disk.open(journal.path, write=True) as file:
        file.pwrite(bytes(72), at)
    journal.records.remove(lost)
    journal.event = 1
    status, reason = reopened(journal)
    assert status is Status.REBUILT
    assert "ahead of the journal" in reason


def test_an_index_of_another_history_is_rebuilt(tmp_path: Path) -> None:
    """The same numbers at the same places, but other records."""
    one, two = made(tmp_path / "one"), made(tmp_path / "two")
    one.step(in_(1, b"aa"))
    two.step(in_(1, b"bb"))
    build(one)
    shutil.copytree(folder(one), folder(two))
    assert reopened(two)[0] is Status.REBUILT


def test_a_copy_of_an_older_index_catches_up(journal: Made) -> None:
    build(journal)
    kept = shutil.copytree(folder(journal), Path(journal.root, "kept"))
    for i in range(200, 230):
        journal.step(in_(i))
    build(journal)
    shutil.rmtree(folder(journal))
    kept.rename(folder(journal))
    assert reopened(journal)[0] is Status.TRUSTED


def rewrite_meta(journal: Made, change: Callable[[bytes], bytes]) -> None:
    """Change the watermark inside a file without a stamp."""
    store = LmdbStore(str(folder(journal)))
    raw = store.get(META_KEY)
    assert raw is not None
    store.commit([], change(raw))
    store.close()


def test_a_watermark_with_a_wrong_checksum_is_refused(journal: Made) -> None:
    build(journal, stamped=False)
    rewrite_meta(journal, lambda raw: raw[:30] + bytes([raw[30] ^ 1]) + raw[31:])
    assert read_witness(journal.disk, journal.root) is None
    status, reason = reopened(journal)
    assert status is Status.REBUILT
    assert "watermark" in reason


def test_a_watermark_of_another_format_is_refused(journal: Made) -> None:
    build(journal, stamped=False)

    def newer(raw: bytes) -> bytes:
        body = (indexformat.FORMAT + 1).to_bytes(4, "big") + raw[4:-4]
        return body + struct.pack(">I", crc32c(META_KEY + body))

    rewrite_meta(journal, newer)
    assert reopened(journal)[0] is Status.REBUILT


@pytest.mark.parametrize("change", ["entries", "crc_sum"])
def test_a_missing_entry_shows_in_the_count_or_the_sum(journal: Made, change: str) -> None:
    build(journal, stamped=False)

    def lie(raw: bytes) -> bytes:
        meta = unpack_meta(raw)
        assert meta is not None
        return pack_meta(meta._replace(**{change: getattr(meta, change) + 1}))

    rewrite_meta(journal, lie)
    status, reason = reopened(journal)
    assert status is Status.REBUILT
    assert "entries instead of" in reason


def test_an_entry_that_was_changed_is_found_by_the_check(journal: Made) -> None:
    build(journal, stamped=False)
    with lmdb.open(str(folder(journal))) as env, env.begin(write=True) as txn:
        cursor = txn.cursor()
        assert cursor.set_range(b"e")
        key, value = cursor.item()
        txn.put(key, value[:5] + bytes([value[5] ^ 1]) + value[6:])
    with pytest.raises(Corrupt, match="fails its checksum"):
        indexcheck.copy(str(folder(journal)), str(folder(journal)) + ".copy")
    assert reopened(journal)[0] is Status.REBUILT


def test_leftovers_of_a_check_are_taken_away(journal: Made) -> None:
    build(journal, stamped=False)
    shutil.copytree(folder(journal), Path(journal.root, "index.new"))
    assert reopened(journal)[0] is Status.CHECKED
    assert not Path(journal.root, "index.new").exists()


def test_a_file_in_the_place_of_the_folder_is_replaced(journal: Made) -> None:
    folder(journal).write_bytes(b"not a folder")
    assert reopened(journal)[0] is Status.REBUILT


def test_a_damaged_lock_file_does_no_harm(journal: Made) -> None:
    build(journal)
    (folder(journal) / "lock.mdb").write_bytes(b"\xff" * 9000)
    assert reopened(journal)[0] is Status.TRUSTED


def test_the_witness_comes_from_the_stamp_or_from_a_child(journal: Made) -> None:
    build(journal)
    stamped = read_witness(journal.disk, journal.root, journal.uuid)
    assert stamped is not None
    assert (stamped.indexed, stamped.durable) == (journal.event, journal.event)
    last = Scan(journal.records).events[-1]
    assert (stamped.segment, stamped.offset) == last.position
    assert stamped.header_crc == last.header_crc
    (folder(journal) / "STAMP").unlink()
    before = (folder(journal) / "data.mdb").read_bytes()
    assert read_witness(journal.disk, journal.root, journal.uuid) == stamped
    assert (folder(journal) / "data.mdb").read_bytes() == before
    assert read_witness(journal.disk, journal.root, bytes(16)) is None


def test_there_is_no_witness_without_an_index(journal: Made) -> None:
    assert read_witness(journal.disk, journal.root) is None
    folder(journal).mkdir()
    for data in (b"", b"\x00" * 8192, random.Random(1).randbytes(20_000)):
        (folder(journal) / "data.mdb").write_bytes(data)
        assert read_witness(journal.disk, journal.root) is None


def test_the_witness_can_be_read_beside_the_owner(journal: Made) -> None:
    with open_index(journal) as index:
        index.catch_up(journal.event)
        index.set_durable(journal.event)
        index.commit()
        assert read_witness(journal.disk, journal.root, journal.uuid) == index.watermark


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One seeded damage: bits, a cut, zeros, garbage, a page moved, or pages repeated."""
    spoiled = bytearray(data)
    at = rng.randrange(len(data))
    length = rng.choice([8, 100, 4096])
    page, other = (4096 * rng.randrange(len(data) // 4096) for _ in range(2))
    match rng.randrange(7):
        case 0 | 1 | 2:
            for _ in range(rng.choice([1, 1, 3, 40])):
                spoiled[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 3:
            del spoiled[at:]
        case 4:
            spoiled[at : at + length] = bytes(len(spoiled[at : at + length]))
        case 5:
            spoiled[at : at + length] = rng.randbytes(len(spoiled[at : at + length]))
        case _:
            spoiled[page : page + 4096] = data[other : other + 4096]
    return bytes(spoiled)


def spoil(journal: Made, base: Path, data: bytes, rng: random.Random, *, stamped: bool) -> Status:
    """Put a damaged copy of the index in place, and open it."""
    shutil.rmtree(folder(journal), ignore_errors=True)
    folder(journal).mkdir()
    (folder(journal) / "data.mdb").write_bytes(damaged(data, rng))
    if stamped:
        shutil.copy(base / "STAMP", folder(journal) / "STAMP")
    return reopened(journal)[0]


def kept(journal: Made) -> tuple[Path, bytes]:
    """A copy of a whole index with its stamp, and its data file."""
    data = build(journal)
    return shutil.copytree(folder(journal), Path(journal.root, "kept")), data


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_index_with_its_stamp_changes_no_answer(journal: Made, seed: int) -> None:
    base, data = kept(journal)
    rng = random.Random(seed)
    for _ in range(50):
        status = spoil(journal, base, data, rng, stamped=True)
        assert status in (Status.REBUILT, Status.TRUSTED)  # a damage may change nothing


@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_index_without_a_stamp_changes_no_answer(journal: Made, seed: int) -> None:
    """The child that looks at it may die; we do not."""
    base, data = kept(journal)
    rng = random.Random(100 + seed)
    got = {spoil(journal, base, data, rng, stamped=False) for _ in range(10)}
    assert got <= {Status.REBUILT, Status.CHECKED}


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_damages_change_no_answer(journal: Made, seed: int) -> None:
    base, data = kept(journal)
    rng = random.Random(1000 + seed)
    for number in range(1000):
        spoil(journal, base, data, rng, stamped=number % 2 == 0)


_REBUILD = """
import sys
from durafix.journal.index import Index
from durafix.journal.realdisk import RealDisk
index = Index.open(RealDisk(), sys.argv[1], bytes(range(16)), commit_events=8)
print("open", flush=True)
for upto in range(1, int(sys.argv[2]) + 1):
    index.catch_up(upto)
index.close()
print("closed", flush=True)
"""


def kill_rebuilds(journal: Made, rng: random.Random, cycles: int) -> None:
    """Kill the process that builds the index at random moments; each time all answers hold."""
    for _ in range(cycles):
        if rng.random() < 0.5:
            shutil.rmtree(folder(journal), ignore_errors=True)
        child = subprocess.Popen(
            [sys.executable, "-c", _REBUILD, journal.root, str(journal.event)],
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        time.sleep(rng.random() * 0.2)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        reopened(journal)


def test_a_rebuild_that_is_killed_leaves_nothing_wrong(journal: Made) -> None:
    kill_rebuilds(journal, random.Random(1), 4)


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_five_hundred_killed_rebuilds_leave_nothing_wrong(journal: Made) -> None:
    kill_rebuilds(journal, random.Random(2), 500)
