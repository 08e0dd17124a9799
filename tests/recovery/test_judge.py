"""Each row of the opening table has a journal in which it decides, and so has each witness."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from durafix.journal.reader import Reader
from durafix.journal.record import HEADER_BYTES, Draft, Header, Kind, padded
from durafix.journal.segment import FIRST_RECORD, read_header_pages
from durafix.journal.simdisk import SimDisk
from durafix.journal.simfile import SimCrash
from durafix.recovery.judge import Judgement, follow, headers_behind, judge, nonzero_end, proves
from durafix.recovery.resume import open_journal
from durafix.recovery.scan import Walk, read_readable
from durafix.recovery.table import Decision
from durafix.recovery.witness import read_witnesses

from .toys import ROOT, Machine, Ticker, ToyFold, new_disk, options, resume

UUID = Ticker().uuid()


def stopped(mode: str = "always", steps: int = 20) -> SimDisk:
    """One segment that was never closed, under ``mode``."""
    disk = new_disk()
    machine = Machine(disk, mode)
    for i in range(steps):
        machine.feed(f"t{i % 3}")
    return disk.kill()


def last_path(disk: SimDisk) -> str:
    return max(path for path in disk.paths() if path.endswith(".seg"))


def judged(disk: SimDisk, *, last: bool = True, path: str = "") -> Judgement:
    """The judgement on the first bad place that no row 1 passes over."""
    path = path or last_path(disk)
    witnesses = read_witnesses(disk, ROOT, UUID)
    with disk.open(path) as file:
        pages = read_header_pages(file.pread(0, FIRST_RECORD))
        walk = Walk(file, int(path[-12:-4]), pages, size=file.size())
        for _ in walk:
            pass
        return judge(walk, witness=witnesses.durable, blind=witnesses.blind, last=last)


def event_offset(disk: SimDisk, nth: int) -> int:
    """Offset of the nth event of the last segment, counted from the end if negative."""
    number = int(last_path(disk)[-12:-4])
    places = [
        r.position.offset
        for r in Reader(disk, ROOT).records()
        if r.position.segment == number and r.numbered
    ]
    return places[nth]


def data_end(disk: SimDisk) -> int:
    end = len(disk.content(last_path(disk)).rstrip(b"\0"))
    return -(-end // 512) * 512


def damaged_pad(disk: SimDisk) -> None:
    pad = next(r for r in Reader(disk, ROOT).records() if r.kind == Kind.PAD)
    disk.flip(last_path(disk), pad.position.offset + 30)


def zeroed_event(disk: SimDisk) -> None:
    disk.poke(last_path(disk), event_offset(disk, -5), bytes(8192))


def shortened(disk: SimDisk) -> None:
    with disk.open(last_path(disk), write=True) as file:
        file.truncate(data_end(disk) + 100)


def unreadable(disk: SimDisk) -> None:
    disk.break_range(last_path(disk), data_end(disk) + 4096, data_end(disk) + 4097)


def untouched(disk: SimDisk) -> None:
    pass


def torn(disk: SimDisk) -> None:
    disk.poke(last_path(disk), data_end(disk), b"torn")


def torn_and_blind(disk: SimDisk) -> None:
    torn(disk)
    disk.unlink(f"{ROOT}/TAIL")


@pytest.mark.parametrize(
    ("harm", "row", "decision"),
    [
        (damaged_pad, 1, Decision.UNNUMBERED_DAMAGE),
        (zeroed_event, 2, Decision.CORRUPTION),
        (shortened, 4, Decision.CORRUPTION),
        (unreadable, 5, Decision.CANNOT_TELL),
        (untouched, 6, Decision.CLEAN_END),
        (torn_and_blind, 7, Decision.CANNOT_TELL),
        (torn, 8, Decision.TORN_TAIL),
    ],
)
def test_each_row_has_a_journal_in_which_it_decides(
    harm: Callable[[SimDisk], None], row: int, decision: Decision
) -> None:
    """Row 3 is below: it takes a segment with a successor."""
    disk = stopped()
    harm(disk)
    judgement = judged(disk)
    assert (judgement.row.number, judgement.row.decision) == (row, decision)


def test_row_3_decides_for_a_segment_with_a_successor_and_in_front_of_a_seal() -> None:
    """With every other witness silenced: no tail file, under ``never``, no later record."""
    disk = new_disk()
    machine = Machine(disk, "never")
    for i in range(20):
        machine.feed(f"t{i % 3}")
    machine.writer.close()
    dead = disk.kill()
    dead.poke(f"{ROOT}/TAIL", 0, bytes(1024))
    seal = [r for r in Reader(dead, ROOT).records() if r.kind == Kind.SEAL][-1]
    last = event_offset(dead, -1)
    no_seal = dead.kill()
    no_seal.poke(last_path(dead), last, bytes(4096))
    assert judged(no_seal, last=False).row.number == 3
    with_seal = dead.kill()
    with_seal.poke(last_path(dead), last, bytes(seal.position.offset - last))
    judgement = judged(with_seal)
    assert judgement.behind.seal and judgement.row.decision is Decision.CORRUPTION
    assert judged(no_seal).row.decision is Decision.CORRUPTION  # row 4: it was cut to its seal


def test_a_later_record_alone_proves_what_was_durable() -> None:
    """No tail file: number less depth of a record behind the hole."""
    disk = stopped()
    disk.poke(f"{ROOT}/TAIL", 0, bytes(1024))
    disk.poke(last_path(disk), event_offset(disk, -9), bytes(600))
    judgement = judged(disk)
    assert judgement.row.number == 2 and judgement.durable == judgement.behind.durable


def test_the_tail_file_alone_proves_what_was_durable() -> None:
    """Everything from an event on is zeros."""
    disk = stopped()
    disk.poke(last_path(disk), event_offset(disk, -1), bytes(20_000))
    judgement = judged(disk)
    assert judgement.row.number == 2 and judgement.behind.durable == 0


def test_without_any_witness_lost_writes_look_like_a_clean_end() -> None:
    """The blind spot that the docs name: nothing behind, no tail slot, no index."""
    disk = stopped()
    disk.poke(f"{ROOT}/TAIL", 0, bytes(1024))
    disk.poke(last_path(disk), event_offset(disk, -1), bytes(20_000))
    assert judged(disk).row.decision in (Decision.CLEAN_END, Decision.TORN_TAIL)


def test_a_seal_is_a_clean_end_unless_a_witness_lies_beyond_it() -> None:
    """A stop between a seal and the next segment is legal; a lost segment is not."""
    disk = new_disk()
    machine = Machine(disk)
    for i in range(90):
        machine.feed(f"t{i % 3}")
    dead = disk.kill()
    assert judged(dead, last=False, path=f"{ROOT}/segments/00000001.seg").row.number == 2
    dead.poke(f"{ROOT}/TAIL", 0, bytes(1024))
    assert judged(dead, path=f"{ROOT}/segments/00000001.seg").row.number == 6


def test_a_step_that_was_cut_in_half_counts_from_its_first_event() -> None:
    """E is the first event of the open step, so its durable part cannot be cut away."""
    disk = stopped("never")
    whole = judged(disk)
    second = event_offset(disk, -1)
    disk.poke(last_path(disk), second, bytes(4096))
    judgement = judged(disk)
    assert judgement.row.number == 8 and judgement.expected < whole.expected - 1


def test_an_event_proves_nothing_about_itself() -> None:
    """Depth 0 is for records without a number; an unknown depth proves nothing."""
    fields = {"magic": 0, "header_crc": 0, "payload_bytes": 0, "payload_crc": 0, "salt": 0}
    rest = {"utc_ns": 0, "seq": 0, "session": 0, "direction": 0, "flags": 0, "previous_crc": 0}

    def header(kind: int, event: int, depth: int) -> Header:
        return Header(**fields, **rest, kind=kind, event=event, depth=depth)

    assert proves(header(Kind.IN, 10, 3)) == 7
    assert proves(header(Kind.IN, 10, 0)) == 0
    assert proves(header(Kind.MARK, 10, 0)) == 10
    assert proves(header(Kind.IN, 10, 0xFFFF_FFFF)) == 0
    assert proves(header(Kind.IN, 10, 11)) == 0


def test_bytes_behind_a_repair_do_not_continue_it() -> None:
    """What a REPAIR cut may still look like records; none of them may come back to life.

    The damaged event is larger than the REPAIR, so its successor stands untouched behind it, with
    just the number that comes after the REPAIR's.
    """
    disk = new_disk()
    machine = Machine(disk, "never")
    machine.feed("t0")
    for payload in (b"big=1" + bytes(1500), b"ghost=1", b"ghost=2"):
        machine.writer.append([Draft(Kind.STATE, 0, 0, 1, 0, payload)], 1)
    machine.writer.commit()
    base = disk.kill()
    base.poke(last_path(base), event_offset(base, -3), bytes(HEADER_BYTES))
    for stop in range(1, 60):
        first = base.kill()

        def hook(verb: str, path: str, first: SimDisk = first, stop: int = stop) -> None:
            if first.operations >= stop:
                raise SimCrash

        first.on_operation = hook
        try:
            resume(first, "never")
        except SimCrash:
            second = first.kill()
            resume(second, "never")
            events = [r for r in Reader(second, ROOT).records() if r.numbered]
            assert [r.kind for r in events].count(Kind.REPAIR) == 1, stop
            assert events[-1].kind == Kind.REPAIR, stop
            assert not [r for r in events if b"ghost" in r.payload], stop
        else:
            return
    raise AssertionError("the opening took more operations than were tried")


def test_headers_are_found_across_chunks_and_unreadable_blocks() -> None:
    """The search steps over a block that the disk refuses and over the payloads of records."""
    disk = stopped()
    path = last_path(disk)
    with disk.open(path) as file:
        salt = read_header_pages(file.pread(0, FIRST_RECORD)).header.salt  # type: ignore[union-attr]
        found = [offset for offset, _ in headers_behind(file, FIRST_RECORD, file.size(), salt)]
        records = [r.position.offset for r in Reader(disk, ROOT).records()]
        assert found == records
        disk.break_range(path, 12_288, 12_289)
        some = [offset for offset, _ in headers_behind(file, FIRST_RECORD, file.size(), salt)]
        assert set(some) < set(found) and max(some) == max(found)
        assert all(not 12_288 <= offset < 16_384 for offset in some)
        data, refused = read_readable(file, 8192, 8192)
        assert refused and len(data) == 4096
        assert nonzero_end(file, 8192, file.size())[1]


def test_a_walk_over_records_larger_than_a_chunk_sees_them_all() -> None:
    """A record of several megabytes needs a larger read, and no more memory than that."""
    disk = new_disk()
    resumed = open_journal(
        disk, ROOT, ToyFold(), create=True, options=options(segment_bytes=16 << 20)
    )
    payload = bytes(range(256)) * 12_000
    resumed.writer.append([Draft(Kind.STATE, 0, 0, 0, 0, b"a=1" + payload)], 1)
    resumed.writer.append([Draft(Kind.STATE, 0, 0, 0, 0, b"b=1")], 1)
    resumed.writer.commit()
    with disk.open(last_path(disk)) as file:
        pages = read_header_pages(file.pread(0, FIRST_RECORD))
        walk = Walk(file, 1, pages, size=file.size(), merkle=True)
        kinds = [row[5] for batch in follow(walk) for row in batch.rows]
        assert kinds.count(Kind.STATE) == 2 and walk.event == 2
        assert walk.offset > FIRST_RECORD + padded(len(payload))
