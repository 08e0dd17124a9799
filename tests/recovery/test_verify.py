"""Verification: damage anywhere is found, named and never a traceback; a live end is no damage."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

import pytest

from durafix.journal.errors import Missing
from durafix.journal.reader import Reader
from durafix.journal.record import HEADER_BYTES, Direction, Draft, Flag, Kind, padded
from durafix.journal.simdisk import SimDisk
from durafix.recovery.errors import Damaged
from durafix.recovery.table import Decision
from durafix.recovery.verify import Report, verify

from .toys import ROOT, SESSION, Machine, ToyFold, new_disk, resume

LAST = f"{ROOT}/segments/00000004.seg"
"""Of ``sample``."""


def check(disk: SimDisk) -> Report:
    """Verify without waiting for a writer that is not there."""
    return verify(disk, ROOT, pause=lambda seconds: None)


def codes(report: Report) -> set[str]:
    """Codes of everything that is no note."""
    return {found.code for found in report.findings if found.severity != "note"}


@cache
def sample() -> SimDisk:
    """Two reigns, four segments, the last one live, by the Writer. Do not change it."""
    disk = new_disk()
    machine = Machine(disk, "never")
    for i in range(150):
        machine.feed(f"t{i % 7}")
    machine.hash()
    machine.writer.close()
    machine = Machine(disk.kill(), "always")
    for i in range(70):
        machine.feed(f"t{i % 7}")
    return machine.disk


def test_a_name_that_no_terminal_should_see_is_shown_in_escapes() -> None:
    """File names are bytes of strangers too: control characters, and what is no text at all."""
    disk = sample().kill()
    for name in ("\n\x1b[31m.seg", "\udcff.seg"):
        disk.open(f"{ROOT}/segments/{name}", write=True, exclusive=True).close()
    strays = [found.message for found in check(disk).findings if found.code == "stray-file"]
    assert len(strays) == 2
    assert all(text.isascii() and text.isprintable() for text in strays)


def test_a_journal_without_damage_is_clean() -> None:
    """Every record is counted; what is only worth knowing is a note."""
    report = check(sample())
    assert (report.verdict, codes(report)) == ("clean", set())
    assert report.counts.segments == 4 and report.counts.events == report.counts.last_event
    assert report.counts.kinds[Kind.ROSTER] == 1 + report.counts.segments
    assert report.roster == {1: SESSION} and not report.sealed and not report.grew


def test_a_folder_that_is_not_there_is_an_error_and_one_that_is_no_journal_a_doubt() -> None:
    """Exit codes differ: nothing to look at, and nothing that can be told."""
    disk = new_disk()
    with pytest.raises(Missing):
        check(disk)
    disk.mkdir(ROOT)
    report = check(disk)
    assert (report.verdict, codes(report)) == ("cannot-tell", {"format-unknown"})


def test_verify_changes_nothing() -> None:
    """No operation of the disk but reads; it takes no lock."""
    disk = sample().kill()
    disk.flip(LAST, 8192 + 20)
    before = disk.operations
    check(disk)
    assert disk.operations == before


def flips(count: int, seed: int) -> Iterator[tuple[str, int, int]]:
    """Seeded places (file, offset, bit) all over the journal; each file as likely as the others."""
    disk, dice = sample(), random.Random(seed)
    files = [p for p in disk.paths() if not p.endswith(("LOCK", ".tmp"))]
    for _ in range(count):
        path = dice.choice(files)
        yield path, dice.randrange(len(disk.content(path))), dice.randrange(8)


def unprotected() -> set[tuple[str, int]]:
    """Bytes that no checksum covers: the digits of ``created_ns`` in journal.json."""
    path = f"{ROOT}/journal.json"
    text = sample().content(path)
    start = text.index(b'"created_ns":') + len(b'"created_ns":')
    return {(path, at) for at in range(start, text.index(b"}", start))}


def flip_and_check(places: Iterator[tuple[str, int, int]]) -> None:
    exempt = unprotected()
    for path, offset, bit in places:
        disk = sample().kill()
        disk.flip(path, offset, bit)
        report = check(disk)
        assert report.verdict != "clean" or (path, offset) in exempt, (path, offset, bit)
        if path.endswith(".seg"):
            number = int(path[-12:-4])
            assert any(
                f.position is not None and f.position.segment == number
                for f in report.findings
                if f.severity != "note"
            ), (path, offset, bit, report.findings)


def test_a_flipped_bit_is_found_wherever_it_is() -> None:
    """300 seeded places: never clean, never a traceback, and the segment is named."""
    flip_and_check(flips(300, seed=1))


@pytest.mark.deep
def test_a_flipped_bit_is_found_at_two_thousand_places() -> None:
    """The same at 2,000 places."""
    flip_and_check(flips(2000, seed=2))


@pytest.mark.deep
def test_garbage_in_place_of_bytes_is_found() -> None:
    """Runs of random bytes, up to 3000 long, in 1,000 seeded places."""
    dice = random.Random(3)
    for path, offset, _ in flips(1000, seed=4):
        disk = sample().kill()
        old = disk.content(path)
        disk.poke(path, offset, dice.randbytes(dice.randrange(1, 3000)))
        if disk.content(path) != old and not path.endswith("journal.json"):
            assert check(disk).verdict != "clean", (path, offset)


def test_damage_names_segment_offset_event_session_direction_and_number() -> None:
    """A payload is damaged: its header still says what it was."""
    disk = sample().kill()
    record = [r for r in Reader(disk, ROOT).records() if r.kind == Kind.OUT][20]
    path = f"{ROOT}/segments/{record.position.segment:08d}.seg"
    disk.flip(path, record.position.offset + 66)
    found = next(f for f in check(disk).findings if f.code == "record-payload")
    assert (found.position, found.event) == (record.position, record.event)
    assert (found.session, found.session_name) == (1, SESSION)
    assert (found.direction, found.seq) == (Direction.OUT, record.seq)


def test_a_damaged_header_is_named_by_event_number_and_neighbours() -> None:
    """The expected event, and the MsgSeqNum that is missing between those before and behind."""
    disk = sample().kill()
    record = [r for r in Reader(disk, ROOT).records() if r.kind == Kind.OUT][20]
    disk.flip(f"{ROOT}/segments/{record.position.segment:08d}.seg", record.position.offset + 40)
    report = check(disk)
    found = next(f for f in report.findings if f.code == "record-header")
    assert (found.position, found.event) == (record.position, record.event)
    lost = next(f for f in report.findings if f.code == "number-lost")
    assert (lost.direction, lost.evidence["first"], lost.evidence["last"]) == (
        Direction.OUT,
        record.seq,
        record.seq,
    )


class Acknowledged:
    """A journal under ``interval`` with a durable part and one that is not, and the test's own log.

    ``ends`` holds (offset behind its last byte that is not zero, event number) of each event in the
    last segment;
    ``durable`` is the last event that the writer called durable, ``whole`` the last event of each
    step.
    """

    def __init__(self) -> None:
        disk = new_disk()
        machine = Machine(disk, "interval")
        for i in range(60):
            machine.feed(f"t{i % 5}")
        machine.writer.close()
        self.machine = Machine(disk.kill(), "interval")
        self.whole = {self.machine.writer.durable}
        for i in range(12):
            self.whole.add(self.machine.feed(f"t{i % 5}"))
        self.whole.add(self.machine.hash(sync=True))
        self.durable = self.machine.writer.durable
        assert self.durable == max(self.whole)
        for i in range(9):
            self.whole.add(self.machine.feed(f"t{i % 5}"))
        self.disk = self.machine.disk.kill()
        self.path = max(path for path in self.disk.paths() if path.endswith(".seg"))
        number = int(self.path[-12:-4])
        records = [r for r in Reader(self.disk, ROOT).records() if r.position.segment == number]
        self.borders = [r.position.offset for r in records]
        self.ends = [
            (r.position.offset + HEADER_BYTES + len(r.payload.rstrip(b"\0")), r.event)
            for r in records
            if r.numbered
        ]
        self.data_end = self.borders[-1] + padded(len(records[-1].payload))
        self.size = len(self.disk.content(self.path))

    def kept(self, offset: int) -> int:
        """The last event whose bytes all lie before ``offset``."""
        first = self.ends[0][1] - 1
        return max((event for end, event in self.ends if end <= offset), default=first)

    def places(self, count: int, seed: int) -> list[int]:
        dice = random.Random(seed)
        some = [dice.randrange(self.borders[0], self.data_end) for _ in range(count)]
        return sorted({*self.borders, self.data_end, *some})


@cache
def acknowledged() -> Acknowledged:
    return Acknowledged()


def lose_writes(count: int, seed: int) -> None:
    log = acknowledged()
    for offset in log.places(count, seed):
        disk = log.disk.kill()
        disk.poke(log.path, offset, bytes(log.size - offset))
        report, kept = check(disk), log.kept(offset)
        if kept < log.durable:
            assert report.verdict == "damaged" and "events-lost" in codes(report), offset
            with pytest.raises(Damaged):
                resume(disk, "interval")
            continue
        assert codes(report) <= {"torn-tail"}, (offset, report.findings)
        again = resume(disk, "interval")
        assert again.state.last_event - 1 == max(e for e in log.whole if e <= kept)
        assert (again.report.decision is Decision.TORN_TAIL) == ("torn-tail" in codes(report))
        assert (
            log.machine.fold.digest(again.state) == log.machine.digests[again.state.last_event - 1]
        )


def test_lost_writes_are_judged_as_the_log_of_acknowledgements_says() -> None:
    """Zeros from each record border, and from 60 other places, to the end of the last segment."""
    lose_writes(60, seed=5)


def test_a_shortened_file_is_never_clean_and_never_opens() -> None:
    """A crash cannot shrink a file: every cut at a border, and at 60 other places, is refused."""
    log = acknowledged()
    for offset in [*log.places(60, seed=6), log.size - 1]:
        disk = log.disk.kill()
        with disk.open(log.path, write=True) as file:
            file.truncate(offset)
        assert check(disk).verdict == "damaged", offset
        with pytest.raises(Damaged):
            resume(disk, "interval")


@pytest.mark.deep
def test_lost_writes_at_two_thousand_places() -> None:
    """The same from 2,000 other places."""
    lose_writes(2000, seed=7)


def test_a_torn_tail_is_a_finding_and_not_clean() -> None:
    """``verify`` on it exits 1 with this code (storage rule 27)."""
    disk = sample().kill()
    end = len(disk.content(LAST).rstrip(b"\0"))
    disk.poke(LAST, -(-end // 512) * 512, b"\xa1\x5e")
    report = check(disk)
    assert (report.verdict, codes(report)) == ("damaged", {"torn-tail"})


def test_a_missing_segment_is_found_in_the_middle_and_at_the_end() -> None:
    """In the middle the numbers tell; at the end only a witness can."""
    for name, code in (("00000002", "segment-missing"), ("00000004", "events-lost")):
        disk = sample().kill()
        disk.unlink(f"{ROOT}/segments/{name}.seg")
        report = check(disk)
        assert report.verdict == "damaged" and code in codes(report)
        with pytest.raises(Damaged):
            resume(disk, "always")


def test_swapped_segments_are_found() -> None:
    """Two files under each other's names."""
    disk = sample().kill()
    one, two, other = (f"{ROOT}/segments/{n}" for n in ("00000001.seg", "00000002.seg", "x"))
    for source, target in ((one, other), (two, one), (other, two)):
        disk.rename(source, target)
    assert "segment-foreign" in codes(check(disk))


def test_an_unreadable_place_is_no_verdict_unless_a_witness_knows_better() -> None:
    """The disk refuses a block: what was durable there is lost, the free end cannot be told."""
    disk = sample().kill()
    disk.break_range(LAST, 9000, 9001)
    assert check(disk).verdict == "damaged"
    disk = sample().kill()
    size = len(disk.content(LAST))
    disk.break_range(LAST, size - 100, size)
    report = check(disk)
    assert report.verdict == "cannot-tell" and "end-unknown" in codes(report)


def test_a_reused_number_is_found() -> None:
    """Two original frames with one MsgSeqNum in an epoch; copies may repeat it."""
    disk = new_disk()
    machine = Machine(disk)
    for flags in (Flag.NONE, Flag.COPY, Flag.NONE):
        machine.writer.append([Draft(Kind.OUT, 2, flags, 1, 7, b"frame")], 1)
    machine.writer.commit()
    found = [f for f in check(disk.kill()).findings if f.code == "number-reused"]
    assert [(f.seq, f.direction, f.session_name) for f in found] == [(7, Direction.OUT, SESSION)]


def test_an_inbound_jump_needs_an_event_that_says_why() -> None:
    """Numbers may skip behind a STATE event of the session, and not without one."""
    disk = new_disk()
    machine = Machine(disk)

    def took(seq: int) -> Draft:
        return Draft(Kind.IN, 1, Flag.CONSUMED, 1, seq, b"frame")

    moved = Draft(Kind.STATE, 0, 0, 1, 0, b'{"type":"inbound-moved"}')
    for drafts in ([took(1)], [took(2), moved], [took(9)], [took(10)], [took(12)]):
        machine.writer.append(drafts, 1)
    machine.writer.commit()
    found = [f for f in check(disk.kill()).findings if f.severity != "note"]
    assert [(f.code, f.seq) for f in found] == [("number-jumped", 12)]


@pytest.mark.parametrize("tail", ["gone", "zeros"])
def test_without_any_witness_the_end_is_never_called_fine(tail: str) -> None:
    """P6: a last segment that was taken away whole shows nowhere else (storage rule 22)."""
    disk = new_disk()
    for _ in range(2):
        machine = Machine(disk)
        machine.feed("t0")
        machine.writer.close()
    assert check(disk).verdict == "clean"
    disk.unlink(max(path for path in disk.paths() if path.endswith(".seg")))
    assert check(disk).verdict == "damaged", "the tail file knows better"
    if tail == "gone":
        disk.unlink(f"{ROOT}/TAIL")
    else:
        disk.poke(f"{ROOT}/TAIL", 0, bytes(1024))
    report = check(disk)
    assert report.verdict == "cannot-tell" and "end-unknown" in codes(report)


def test_a_writer_at_work_is_no_damage() -> None:
    """Half a batch is visible when verify comes by; it is there when it looks again."""
    disk = new_disk()
    machine = Machine(disk)
    machine.feed("t0")
    lagging = disk.content(f"{ROOT}/TAIL")
    for i in range(1, 20):
        machine.feed(f"t{i % 3}")
    live = disk.kill()
    path = max(path for path in live.paths() if path.endswith(".seg"))
    whole = disk.content(path)
    end = len(whole.rstrip(b"\0"))
    torn = bytearray(whole)
    torn[end - 2500 : end - 700] = bytes(1800)
    live.poke(path, 0, bytes(torn))
    live.poke(f"{ROOT}/TAIL", 0, lagging)

    def write_goes_on(seconds: float) -> None:
        live.poke(path, 0, whole)

    report = verify(live, ROOT, pause=write_goes_on)
    assert (report.verdict, report.grew) == ("clean", True)
    assert ToyFold().digest(machine.state)


def test_a_file_of_nothing_but_damage_is_given_up_in_bounded_time() -> None:
    """Every payload damaged: the report says that it stopped."""
    disk = sample().kill()
    path = f"{ROOT}/segments/00000001.seg"
    for record in Reader(sample(), ROOT).records():
        if record.position.segment == 1 and record.payload:
            disk.flip(path, record.position.offset + 64)
    report = verify(disk, ROOT, findings_max=10, pause=lambda seconds: None)
    assert report.verdict == "damaged" and len(report.findings) == 10
    assert report.counts.findings > 10
