"""The reader yields every verified record in order, and only the live end ends it quietly."""

import shutil
from pathlib import Path

import pytest
from msgspec import structs

from durafix.journal._core import Packer
from durafix.journal.errors import Corrupt, FormatUnknown
from durafix.journal.position import Position
from durafix.journal.reader import NoSuchRecord, Reader
from durafix.journal.realdisk import RealDisk
from durafix.journal.record import PAYLOAD_BYTES_MAX, Draft, Flag, Kind, Record, Stop
from durafix.journal.segment import FIRST_RECORD, pack_header_page

from .journals import ROSTER, Made, epoch, flip, in_, made, out, zero


@pytest.fixture
def three(tmp_path: Path) -> Made:
    """Three segments: sealed, sealed, live; steps of one to three events, pads and marks."""
    journal = made(tmp_path)
    for segment in range(3):
        for i in range(1, 21):
            journal.step(*(in_(3 * i + k, b"x" * (i * k)) for k in range(1 + i % 3)))
            if i % 4 == 0:
                journal.sync()
            if i % 7 == 0:
                journal.mark()
        if segment < 2:
            journal.rotate()
    return journal


def reader(journal: Made) -> Reader:
    return Reader(journal.disk, journal.root)


def numbered(journal: Made) -> list[Record]:
    return [record for record in journal.records if record.numbered]


def test_records_are_what_was_written(three: Made) -> None:
    assert list(reader(three).records()) == three.records


def test_records_from_any_record_on(three: Made) -> None:
    for index in range(0, len(three.records), 5):
        start = three.records[index].position
        assert list(reader(three).records(start)) == three.records[index:]


def test_records_up_to_an_event(three: Made) -> None:
    got = list(reader(three).records(stop_event=30))
    assert got == [record for record in three.records if record.event <= 30]


def test_a_folder_without_segments_is_empty(tmp_path: Path) -> None:
    assert list(Reader(RealDisk(), str(tmp_path)).records()) == []
    assert Reader(RealDisk(), str(tmp_path)).segments() == []
    assert Reader(RealDisk(), str(tmp_path)).roster() == {}


def test_steps_are_whole_and_hold_events_only(three: Made) -> None:
    steps = list(reader(three).steps())
    assert [record for step in steps for record in step] == numbered(three)
    for step in steps:
        assert step[-1].flags & Flag.LAST
        assert not any(record.flags & Flag.LAST for record in step[:-1])


def test_a_step_without_its_end_at_the_live_end_is_left_out(three: Made) -> None:
    whole = list(reader(three).steps())
    at, data = three.pack(in_(1), in_(2))
    three.write(at, data[: len(data) // 2])  # one whole record, and no LAST
    assert list(reader(three).steps()) == whole


def test_a_step_that_a_seal_cuts_is_damage(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal.step(in_(1))
    at, data = journal.pack(in_(2), in_(3))
    first = journal.records[-2]
    packer = Packer(journal.salt, first.header_crc, at + len(data) // 2)
    packer.single(first.event, 1, 0, Kind.SEAL, 0, 0, 0, 0, bytes(120))
    journal.write(at, data[: len(data) // 2] + packer.take())
    with pytest.raises(Corrupt, match="has no end") as caught:
        list(reader(journal).steps())
    assert caught.value.where == str(first.position)


def test_steps_up_to_an_event_stop_at_the_last_step_that_ends_there(three: Made) -> None:
    for event in (1, 2, 3, 40):
        got = [record for step in reader(three).steps(stop_event=event) for record in step]
        ends = [r.event for r in numbered(three) if r.flags & Flag.LAST and r.event <= event]
        assert (got[-1].event if got else 0) == max(ends, default=0)


def test_at_reads_each_record_alone(three: Made) -> None:
    for record in three.records:
        assert reader(three).at(record.position) == record


def test_at_a_place_without_a_record(three: Made) -> None:
    record = three.records[3]
    between = Position(record.position.segment, record.position.offset + 8)
    for position in (between, Position(1, 8192 + 3), Position(1, 0), Position(9, 8192)):
        with pytest.raises(NoSuchRecord):
            reader(three).at(position)


def test_at_a_damaged_record(three: Made) -> None:
    record = three.records[5]
    flip(f"{three.root}/segments/00000001.seg", record.position.offset + 30)
    with pytest.raises(Corrupt) as caught:
        reader(three).at(record.position)
    assert caught.value.where == str(record.position)


def test_seek_event_finds_each_event(three: Made) -> None:
    for record in numbered(three):
        assert reader(three).seek_event(record.event) == record.position
    for event in (0, numbered(three)[-1].event + 1):
        with pytest.raises(NoSuchRecord):
            reader(three).seek_event(event)


def test_seek_event_opens_one_segment_for_reading(three: Made) -> None:
    """Damage in the other segments is not even seen."""
    flip(f"{three.root}/segments/00000001.seg", FIRST_RECORD + 10)
    last = numbered(three)[-1]
    assert reader(three).seek_event(last.event) == last.position


def test_seek_time_is_the_first_event_in_order_though_time_goes_back(tmp_path: Path) -> None:
    journal = made(tmp_path)
    times = [100, 300, 200, 250, 400, 50, 500]
    for time in times:
        journal.step(in_(1), utc_ns=time)
    events = numbered(journal)
    for wanted in range(0, 501, 25):
        first = next(i for i, time in enumerate(times) if time >= wanted)
        assert reader(journal).seek_time(wanted) == events[first].position
    with pytest.raises(NoSuchRecord):
        reader(journal).seek_time(501)


def test_segments_say_what_they_hold(three: Made) -> None:
    infos = reader(three).segments()
    assert [info.id for info in infos] == [1, 2, 3]
    assert [info.sealed for info in infos] == [True, True, False]
    for info in infos:
        events = [r.event for r in numbered(three) if r.position.segment == info.id]
        assert info.first_event == events[0]
        assert info.last_event == (events[-1] if info.sealed else None)
        assert info.pages.header is not None


def test_a_segment_without_a_header_is_listed_and_not_read(three: Made) -> None:
    zero(f"{three.root}/segments/00000002.seg", 0, 8192)
    assert reader(three).segments()[1].pages.header is None
    with pytest.raises(Corrupt) as caught:
        list(reader(three).records())
    assert caught.value.where == "2:0"


def test_a_roster_is_read_from_the_last_segment(three: Made) -> None:
    assert reader(three).roster() == ROSTER


def test_the_latest_roster_event_wins(three: Made) -> None:
    three.step(Draft(Kind.ROSTER, 0, 0, 0, 0, b'{"sessions":{"7":"later"}}'))
    assert reader(three).roster() == {7: "later"}


@pytest.mark.parametrize(
    "payload", [b"\xff", b'{"sessions":{"1":"\xff"}}', b'{"x":' + b"[" * 10_000, b"{}", b""]
)
def test_a_roster_that_cannot_be_read_is_an_error_with_a_place(three: Made, payload: bytes) -> None:
    three.step(Draft(Kind.ROSTER, 0, 0, 0, 0, payload))
    with pytest.raises(Corrupt, match="roster"):
        reader(three).roster()


def test_a_record_larger_than_any_window_is_read(tmp_path: Path) -> None:
    journal = made(tmp_path, allocated=64 << 20)
    journal.step(in_(1))
    journal.step(in_(2, b"z" * PAYLOAD_BYTES_MAX), out(1))
    journal.step(in_(3))
    assert list(reader(journal).records()) == journal.records
    assert reader(journal).at(journal.records[2].position) == journal.records[2]


def test_scan_segment_ends_with_the_stop_and_its_place(three: Made) -> None:
    flip(f"{three.root}/segments/00000002.seg", 0)  # one header page is enough
    for segment, stop in ((1, Stop.END), (2, Stop.END), (3, Stop.ZERO)):
        chunks = list(reader(three).scan_segment(segment))
        rows = [chunk.record(row) for chunk in chunks for row in chunk.rows]
        assert rows == [r for r in three.records if r.position.segment == segment]
        assert [chunk.stop for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert chunks[-1].stop is stop


def test_scan_segment_goes_on_over_many_windows(tmp_path: Path) -> None:
    journal = made(tmp_path, allocated=1 << 20)
    for i in range(1, 1500):
        journal.step(in_(i, bytes(i % 700)))
    chunks = list(reader(journal).scan_segment(1))
    assert len(chunks) > 2
    assert [chunk.record(row) for chunk in chunks for row in chunk.rows] == journal.records
    assert chunks[-1].next == journal.end


def test_scan_segment_stops_at_damage_and_does_not_judge(three: Made) -> None:
    bad = three.records[4]
    flip(f"{three.root}/segments/00000001.seg", bad.position.offset + 64)
    chunks = list(reader(three).scan_segment(1))
    assert chunks[-1].next == bad.position.offset
    assert chunks[-1].stop is Stop.PAYLOAD_CRC


def test_every_flip_in_a_sealed_segment_is_refused_or_changes_nothing(three: Made) -> None:
    """Header page copies and bytes without a number may be lost; an event never is."""
    path, events = f"{three.root}/segments/00000001.seg", numbered(three)
    with RealDisk().open(path) as file:
        size = file.size()
    refused: list[str] = []
    for offset in range(0, size, 41):
        flip(path, offset)
        try:
            got = [record for record in reader(three).records() if record.numbered]
        except Corrupt as error:
            refused.append(error.where)
        else:
            assert got == events
        flip(path, offset)
    assert len(refused) > 50
    assert {where[:2] for where in refused} <= {"1:", "2:"}


def test_a_damaged_pad_is_stepped_over(three: Made) -> None:
    """Only bytes without a number are bad: nothing is lost, reading goes on."""
    pads = [r for r in three.records if r.kind == Kind.PAD and r.position.segment == 3]
    flip(f"{three.root}/segments/00000003.seg", pads[0].position.offset + 20)
    got = [record for record in reader(three).records() if record.numbered]
    assert got == numbered(three)


def test_damage_at_the_live_end_without_a_proof_is_the_end(three: Made) -> None:
    three.sync()
    (last,) = three.step(in_(99))
    flip(three.path, last.position.offset + 64)
    assert list(reader(three).records()) == three.records[:-1]


def test_damage_at_the_live_end_with_a_tail_file_behind_is_refused(three: Made) -> None:
    (last,) = three.step(in_(99))
    three.tail()
    zero(three.path, last.position.offset, 72)
    with pytest.raises(Corrupt, match="tail file") as caught:
        list(reader(three).records())
    assert caught.value.where == str(last.position)


def test_damage_with_a_later_record_that_proves_it_durable_is_refused(three: Made) -> None:
    (bad,) = three.step(in_(99))
    three.sync()
    three.step(in_(100))
    flip(three.path, bad.position.offset + 9)
    with pytest.raises(Corrupt, match="later record") as caught:
        list(reader(three).records())
    assert caught.value.where == str(bad.position)


def test_a_bad_record_before_others_of_its_unsynced_batch_is_the_end(three: Made) -> None:
    """Pages of one unsynced batch may reach the disk in any order."""
    three.sync()
    (bad,) = three.step(in_(99))
    three.step(in_(100))
    flip(three.path, bad.position.offset + 9)
    assert list(reader(three).records()) == three.records[:-2]


def test_a_tail_file_of_another_journal_proves_nothing(three: Made) -> None:
    (last,) = three.step(in_(99))
    three.uuid = bytes(16)
    three.tail()
    zero(three.path, last.position.offset, 72)
    assert list(reader(three).records()) == three.records[:-1]


def test_a_missing_segment_is_refused(three: Made) -> None:
    three.disk.unlink(f"{three.root}/segments/00000002.seg")
    with pytest.raises(Corrupt, match="segment 2 is gone"):
        list(reader(three).records())


def test_a_segment_that_does_not_continue_is_refused(three: Made) -> None:
    """A whole segment in another one's place names itself."""
    folder = f"{three.root}/segments"
    three.disk.rename(f"{folder}/00000001.seg", f"{folder}/00000003.seg")
    with pytest.raises(Corrupt, match="holds segment 1"):
        list(reader(three).records(Position(2, FIRST_RECORD)))


def test_a_segment_of_another_history_is_refused(tmp_path: Path) -> None:
    """The right number, but not the right first event, or another journal's."""
    one, other = made(tmp_path / "one"), made(tmp_path / "two")
    foreign = Made(one.disk, str(tmp_path / "three"), uuid=bytes(16))
    for journal in (one, other, foreign):
        journal.step(in_(1))
    other.step(in_(2))
    for journal in (one, other, foreign):
        journal.rotate()
    for source, what in ((other, "starts at event 3 instead of 2"), (foreign, "another journal")):
        shutil.copy(source.path, one.path)
        with pytest.raises(Corrupt, match=what) as caught:
            list(reader(one).records())
        assert caught.value.where == "2:0"


def test_a_header_page_with_an_impossible_first_event_is_refused(tmp_path: Path) -> None:
    journal = made(tmp_path)
    header = reader(journal).segments()[0].pages.header
    assert header is not None
    for event in (0, 1 << 63):
        journal.write(0, 2 * pack_header_page(structs.replace(header, base_event=event)))
        with pytest.raises(Corrupt, match=f"names event {event}"):
            list(reader(journal).records())


def test_a_sealed_last_segment_with_zeros_behind_is_a_clean_end(tmp_path: Path) -> None:
    """Killed between the SEAL and the truncate."""
    journal = made(tmp_path)
    journal.step(in_(1), epoch(2))
    journal.seal(truncate=False)
    assert list(reader(journal).records()) == journal.records
    assert not reader(journal).segments()[0].sealed


def test_an_unknown_kind_below_128_is_refused_and_one_above_is_read(three: Made) -> None:
    three.step(Draft(200, 0, 0, 0, 0, b"skip"))
    assert list(reader(three).records()) == three.records
    packer = Packer(three.salt, three.records[-1].header_crc, three.end)
    packer.single(three.event + 1, 5, 1, 99, 0, 0, 0, 0, b"?")
    three.write(three.end, packer.take())
    with pytest.raises(FormatUnknown, match="does not know"):
        list(reader(three).records())
