"""The writer: what it promises, in which order it reaches the disk, and what it does when the disk
says no.
"""

import errno
import os
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from durafix.journal.errors import Closed, DiskFull, IoFailed, TooLarge
from durafix.journal.manifest import create, lock_writer, segment_numbers
from durafix.journal.policy import Limits, Mode, Policy, WriterStart
from durafix.journal.realdisk import RealDisk
from durafix.journal.record import Draft, Flag, Kind
from durafix.journal.simdisk import SimDisk
from durafix.journal.simfile import Fault, SimCrash
from durafix.journal.siminode import Loss
from durafix.journal.writer import Writer

from ..kit.fakes import SlowDisk
from ..kit.readback import read_events, read_segment
from ..kit.writing import ROOT, UUID, Desk, RecordingDisk, draft, texts

MODES: tuple[Mode, ...] = ("always", "interval", "never")


def real(disk: RealDisk, root: Path, mode: Mode, segment_bytes: int = 1 << 20) -> Writer:
    """A writer with its thread, on the real disk."""
    create(disk, str(root), uuid=UUID, created_ns=1)
    start = WriterStart(root=str(root), uuid=UUID, segment_bytes=segment_bytes)
    return Writer(disk, start, Policy(mode))


# Numbers and promises


def test_append_numbers_events_at_once() -> None:
    desk = Desk()
    assert desk.append(draft("a"), draft("b")) == 1
    assert desk.append(draft("c")) == 3
    assert desk.writer.next_event == 4
    assert desk.writer.covered == 0
    assert desk.events() == []


@pytest.mark.parametrize("mode", MODES)
def test_commit_covers_what_was_appended(mode: Mode) -> None:
    desk = Desk(mode)
    desk.put(draft("a"), draft("b"))
    assert desk.writer.covered == 2
    assert desk.writer.durable == (2 if mode == "always" else 0)
    assert texts(desk.events()) == ["a", "b"]


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_announced_before_the_disk_has_it(mode: Mode) -> None:
    """At each call of a listener: durable events survive a power cut, covered ones a kill."""
    desk = Desk(mode, segment_bytes=32 << 10, interval_ms=10)
    calls: list[int] = []

    def look() -> None:
        calls.append(desk.writer.covered)
        assert len(read_events(desk.disk.crash(Loss.DROP), ROOT)) >= desk.writer.durable
        assert len(read_events(desk.disk.kill(), ROOT)) >= desk.writer.covered

    desk.writer.listen(look)
    for i in range(60):
        desk.put(draft(str(i), 900), sync=i % 17 == 0)
        desk.wait_ms(3)
    desk.writer.close()
    assert desk.writer.durable == 60
    assert calls == sorted(calls)


@pytest.mark.parametrize("mode", ["interval", "never"])
def test_a_step_that_asks_for_sync_is_covered_only_when_durable(mode: Mode) -> None:
    desk = Desk(mode)
    desk.put(draft("a"))
    seen: list[tuple[int, int]] = []
    desk.writer.listen(lambda: seen.append((desk.writer.covered, desk.writer.durable)))
    desk.put(draft("b"), sync=True)
    desk.put(draft("c"))
    assert seen == [(3 - 1, 2), (3, 2)]
    assert len(read_events(desk.disk.crash(Loss.DROP), ROOT)) == 2


def test_later_events_wait_for_the_sync_of_an_earlier_one() -> None:
    desk = Desk("never")
    desk.append(draft("a"))
    desk.append(draft("b"), sync=True)
    desk.append(draft("c"))
    desk.disk.faults.append(Fault("fdatasync"))
    desk.writer.commit()
    assert desk.writer.covered == 1
    assert desk.writer.state == "failed"


def test_interval_syncs_after_its_time() -> None:
    desk = Desk("interval", interval_ms=50)
    desk.put(draft("a"))
    desk.wait_ms(49)
    assert desk.writer.durable == 0
    desk.wait_ms(1)
    assert desk.writer.durable == 1


def test_interval_syncs_after_its_bytes() -> None:
    desk = Desk("interval", segment_bytes=4 << 20)
    desk.fill(1 << 20)
    assert desk.writer.durable > 0


def test_never_leaves_the_sync_to_the_system_until_the_end() -> None:
    desk = Desk("never")
    before = desk.log.count(("fdatasync", "00000001.seg"))
    desk.put(draft("a"))
    desk.wait_ms(60_000)
    assert desk.log.count(("fdatasync", "00000001.seg")) == before
    desk.writer.close()
    assert desk.writer.durable == 1


def test_never_syncs_what_gathers_so_that_a_rotation_is_short() -> None:
    desk = Desk("never", segment_bytes=1 << 20, limits=Limits(unsynced_bytes=64 << 10))
    desk.fill(200 << 10)
    assert desk.writer.durable > 120
    assert desk.writer.covered == 200


# Order of operations


def test_a_batch_is_one_write_one_sync_and_one_tail_slot() -> None:
    desk = Desk()
    for i in range(10):
        desk.append(draft(str(i)))
    del desk.log[:]
    calls: list[int] = []
    desk.writer.listen(lambda: calls.append(desk.writer.covered))
    desk.writer.commit()
    assert [entry for entry in desk.log if entry[1] != "next.tmp"] == [
        ("pwrite", "00000001.seg"),
        ("fdatasync", "00000001.seg"),
        ("pwrite", "TAIL"),
    ]
    assert calls == [10]


@pytest.mark.parametrize("pad_bytes", [512, 4096])
@pytest.mark.parametrize("mode", MODES)
def test_no_write_touches_a_sector_with_acknowledged_bytes(mode: Mode, pad_bytes: int) -> None:
    disk = RecordingDisk()
    desk = Desk(mode, disk=disk, pad_bytes=pad_bytes, interval_ms=5)
    for i in range(40):
        desk.put(draft(str(i), 13 * i), sync=i % 7 == 0)
        desk.wait_ms(2 if i % 9 else 60)
    end = synced = 0
    for path, offset, length in disk.writes:
        if path.endswith("00000001.seg"):
            if offset < 0:
                synced = end
            else:
                assert offset // pad_bytes >= -(-synced // pad_bytes)
                end = offset + length


def test_rotation_runs_in_the_order_of_the_rule() -> None:
    """Batch durable, seal durable, cut, the successor under its name, its first record."""
    desk = Desk(segment_bytes=32 << 10)
    while desk.writer.segment == 1:
        del desk.log[:]
        desk.put(draft("x", 2000))
    assert desk.log == [
        ("fdatasync", "00000001.seg"),
        ("pwrite", "TAIL"),
        ("pwrite", "00000001.seg"),
        ("fdatasync", "00000001.seg"),
        ("pwrite", "TAIL"),
        ("truncate", "00000001.seg"),
        ("fsync", "00000001.seg"),
        ("protect", "00000001.seg"),
        ("pwrite", "next.tmp"),
        ("fdatasync", "next.tmp"),
        ("rename", "00000002.seg"),
        ("fsync_dir", "segments"),
        ("pwrite", "00000002.seg"),
        ("fdatasync", "00000002.seg"),
        ("pwrite", "TAIL"),
    ]


@pytest.mark.parametrize("mode", MODES)
def test_segments_are_sealed_chained_and_full_of_whole_steps(mode: Mode) -> None:
    desk = Desk(mode, segment_bytes=32 << 10)
    for i in range(90):
        desk.put(*(draft(f"{i}.{k}", 300 * k) for k in range(1 + i % 4)))
    desk.writer.close()
    events = desk.events()
    assert len(events) == desk.writer.next_event - 1
    assert max(event.segment for event in events) > 3
    steps = [range(1 + i % 4) for i in range(90)]
    assert texts(events) == [f"{i}.{k}" for i, step in enumerate(steps) for k in step]
    for before, after in pairwise(events):
        assert before.last or before.segment == after.segment


def test_the_next_segment_is_reserved_when_half_of_this_one_is_used() -> None:
    desk = Desk(segment_bytes=64 << 10)
    desk.fill(20 << 10)
    assert not desk.disk.exists(f"{ROOT}/segments/next.tmp")
    desk.fill(10 << 10)
    assert desk.disk.exists(f"{ROOT}/segments/next.tmp")


def test_a_step_as_large_as_a_segment_allows_is_taken_whole() -> None:
    desk = Desk(segment_bytes=64 << 10)
    desk.put(draft("small"))
    step = [draft(str(i), 15 << 10) for i in range(3)]
    desk.put(*step)
    assert desk.writer.covered == 4
    assert {event.segment for event in desk.events()} == {1}
    desk.put(*step)
    assert {event.segment for event in desk.events()[4:]} == {2}


# Marks


def test_a_mark_proves_the_last_batch_when_nothing_follows() -> None:
    desk = Desk()
    desk.put(draft("a"))
    desk.wait_ms(49)
    found = read_segment(desk.disk, ROOT, 1)
    assert found is not None
    assert all(row[5] != Kind.MARK for row in found.rows)
    desk.wait_ms(1)
    desk.wait_ms(1000)
    found = read_segment(desk.disk.crash(Loss.DROP), ROOT, 1)
    assert found is not None
    marks = [row for row in found.rows if row[5] == Kind.MARK]
    assert [(row[1], row[8]) for row in marks] == [(1, 0)]


def test_no_mark_while_batches_prove_each_other() -> None:
    desk = Desk()
    for i in range(20):
        desk.put(draft(str(i)))
        desk.wait_ms(10)
    found = read_segment(desk.disk, ROOT, 1)
    assert found is not None
    assert all(row[5] != Kind.MARK for row in found.rows)


def test_depth_is_what_was_durable_when_the_event_was_framed() -> None:
    desk = Desk()
    desk.put(draft("a"), draft("b"))
    desk.append(draft("c"))
    desk.put(draft("d"))
    found = read_segment(desk.disk, ROOT, 1)
    assert found is not None
    assert [(r[1], r[8]) for r in found.rows if r[5] == Kind.IN] == [(1, 1), (2, 2), (3, 1), (4, 2)]


# Sessions


def test_register_numbers_sessions_and_syncs_the_roster() -> None:
    desk = Desk("never")
    assert [desk.writer.register(name) for name in ("A->B", "C->D", "A->B")] == [1, 2, 1]
    desk.writer.commit()
    assert desk.writer.durable == desk.writer.covered == 2
    assert desk.writer.roster == {1: "A->B", 2: "C->D"}


def test_each_segment_opens_with_the_roster_of_its_time() -> None:
    """A session that is registered behind the rotation is not in the copy before it."""
    desk = Desk(segment_bytes=32 << 10)
    desk.writer.register("A->B")
    for i in range(3):
        desk.append(draft(str(i), 7000))
    desk.append(draft("x", 7000))
    desk.writer.register("C->D")
    desk.writer.commit()
    desk.fill(30 << 10)
    rosters = []
    for number in range(1, desk.writer.segment + 1):
        found = read_segment(desk.disk, ROOT, number)
        assert found is not None
        row = found.rows[0]
        assert (row[5], row[7]) == (Kind.ROSTER, Flag.COPY)
        rosters.append(row[10])
    assert rosters[:2] == [b'{"sessions":{}}', b'{"sessions":{"1":"A->B"}}']
    assert rosters[-1] == b'{"sessions":{"1":"A->B","2":"C->D"}}'


def test_a_roster_that_would_fill_a_segment_is_refused() -> None:
    desk = Desk(segment_bytes=32 << 10)
    with pytest.raises(TooLarge):
        desk.writer.register("x" * 5000)
    assert desk.writer.next_event == 1


# Limits


def test_too_large_payloads_and_steps_are_refused_and_take_no_number() -> None:
    desk = Desk(segment_bytes=64 << 10)
    with pytest.raises(TooLarge, match="payload"):
        desk.append(draft("x", (16 << 10) + 1))
    with pytest.raises(TooLarge, match="step"):
        desk.append(*(draft("x", 15 << 10) for _ in range(4)))
    assert desk.append(draft("x", 16 << 10)) == 1


def test_room_ends_at_the_limit_and_comes_back() -> None:
    desk = Desk(limits=Limits(queue_bytes=1000))
    assert desk.writer.has_room
    desk.append(draft("x", 2000))
    assert not desk.writer.has_room
    assert desk.writer.queued_bytes == 2064
    desk.writer.commit()
    assert desk.writer.has_room
    assert desk.writer.queued_bytes == 0


# The start


@pytest.mark.parametrize("killed_before", range(1, 9))
def test_names_that_a_killed_process_left_unsynced_are_durable_after_the_next_start(
    killed_before: int,
) -> None:
    """A kill inside the first start, a second start, a power cut: the tail file is still there."""
    disk = SimDisk()
    create(disk, ROOT, uuid=UUID, created_ns=1)
    left = killed_before

    def stop(verb: str, path: str) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise SimCrash

    disk.on_operation = stop
    with pytest.raises(SimCrash):
        Writer(disk, WriterStart(root=ROOT, uuid=UUID, segment_bytes=32 << 10), threaded=False)
    disk = disk.kill()
    numbers = segment_numbers(disk, ROOT)
    start = WriterStart(root=ROOT, uuid=UUID, segment=len(numbers) + 1, segment_bytes=32 << 10)
    writer = Writer(disk, start, threaded=False)
    writer.append([draft()], 1)
    writer.commit()
    after = disk.crash(Loss.DROP)
    assert after.exists(f"{ROOT}/TAIL")
    assert after.exists(f"{ROOT}/journal.json")


# A full disk


def test_a_full_disk_shows_while_half_a_segment_is_free_and_passes_by_itself() -> None:
    disk = RecordingDisk()
    desk = Desk(disk=disk, segment_bytes=64 << 10)
    disk.capacity_bytes = sum(len(disk.content(path)) for path in disk.paths())
    desk.fill(30 << 10)
    states = [desk.writer.state]
    desk.put(draft("logout"))
    assert desk.writer.durable == desk.writer.next_event - 1
    disk.capacity_bytes = None
    desk.wait_ms(200)
    states.append(desk.writer.state)
    assert states == ["disk-full", "running"]


def test_what_was_accepted_waits_for_space_and_is_written_then() -> None:
    disk = RecordingDisk()
    desk = Desk(disk=disk, segment_bytes=64 << 10)
    disk.capacity_bytes = sum(len(disk.content(path)) for path in disk.paths())
    desk.fill(80 << 10)
    assert desk.writer.state == "disk-full"
    assert 0 < desk.writer.durable < 80
    assert desk.writer.queued_bytes > 0
    desk.wait_ms(1000)
    assert desk.writer.durable < 80
    disk.capacity_bytes = None
    desk.wait_ms(200)
    assert (desk.writer.state, desk.writer.durable) == ("running", 80)
    assert len(desk.events()) == 80


@pytest.mark.parametrize("mode", MODES)
def test_a_write_cut_short_is_written_again_at_the_same_place(mode: Mode) -> None:
    disk = RecordingDisk()
    desk = Desk(mode, disk=disk)
    desk.put(draft("a"))
    disk.faults.append(Fault("pwrite", code=errno.ENOSPC, path=".seg", kept=100))
    desk.put(draft("b", 400))
    desk.append(draft("c"))
    desk.wait_ms(200)
    desk.writer.commit()
    writes = [(offset, length) for path, offset, length in disk.writes if ".seg" in path]
    assert writes.count(next(w for w in writes if writes.count(w) > 1 and w[0] > 0)) == 2
    assert desk.writer.state == "running"
    assert texts(desk.events()) == ["a", "b", "c"]


@pytest.mark.parametrize("at", range(1, 12))
def test_rotation_goes_on_where_a_full_disk_stopped_it(at: int) -> None:
    """ENOSPC at any operation of a rotation costs time and nothing else."""
    desk = Desk(segment_bytes=32 << 10)
    while desk.writer.durable < 9:
        desk.put(draft("x", 2000))
    counted = 0

    def fail(verb: str, path: str) -> None:
        nonlocal counted
        if verb in ("pwrite", "allocate", "create", "truncate", "rename"):
            counted += 1
            if counted == at:
                desk.disk.faults.append(Fault(verb, code=errno.ENOSPC))

    desk.disk.on_operation = fail
    for _ in range(6):
        desk.put(draft("x", 2000))
        desk.wait_ms(200)
    desk.writer.close()
    assert desk.writer.durable == len(desk.events()) == 15


# A disk that fails


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("revert", [False, True])
def test_a_sync_error_latches(code: int, revert: bool) -> None:
    """Waiters learn that the outcome is unknown; nothing is accepted, written or synced again."""
    desk = Desk()
    desk.put(draft("a"))
    told: list[str] = []
    desk.writer.listen(lambda: told.append(desk.writer.state))
    desk.disk.faults.append(Fault("fdatasync", code=code, revert=revert))
    desk.put(draft("b"))
    assert told == ["failed"]
    assert (desk.writer.covered, desk.writer.durable) == (1, 1)
    assert desk.writer.error is not None
    with pytest.raises(IoFailed, match="unknown outcome"):
        desk.append(draft("c"))
    with pytest.raises(IoFailed, match="unknown outcome"):
        desk.writer.wait(2)
    assert desk.writer.wait(1, durable=True)
    before = desk.disk.operations
    desk.wait_ms(10_000)
    desk.writer.commit()
    assert desk.disk.operations == before
    desk.writer.close()
    assert desk.writer.state == "failed"


@pytest.mark.parametrize("mode", MODES)
def test_a_write_error_latches(mode: Mode) -> None:
    desk = Desk(mode)
    desk.disk.faults.append(Fault("pwrite", path=".seg"))
    desk.put(draft("a"))
    assert desk.writer.state == "failed"
    assert desk.writer.covered == 0


@pytest.mark.parametrize("mode", ["interval", "never"])
def test_what_is_queued_when_it_fails_is_not_written_behind_it(mode: Mode) -> None:
    desk = Desk(mode)
    desk.disk.faults.append(Fault("fdatasync"))
    desk.put(draft("a"), sync=True)
    desk.writer._queue.append((2, 1, [draft("b")], 72))
    before = desk.disk.operations
    assert not desk.writer._committer.write_inline()
    assert desk.disk.operations == before
    assert desk.writer.covered == 0


def test_too_many_open_files_at_a_rotation_fail_no_append() -> None:
    desk = Desk(segment_bytes=32 << 10)
    desk.disk.faults.append(Fault("create", count=3, code=errno.EMFILE, path="next.tmp"))
    for _ in range(15):
        desk.put(draft("x", 2000))
        desk.wait_ms(200)
    assert desk.writer.durable == 15
    assert desk.writer.state == "running"


def test_a_bad_draft_stops_the_journal_and_is_packed_once() -> None:
    """A bug of the caller: it must not go on with numbers that are on disk twice."""
    desk = Desk("never")
    desk.append(Draft(Kind.PAD, 0, 0, 0, 0, b""))
    desk.writer._thread = threading.current_thread()  # the owner's own path
    with pytest.raises(AssertionError):
        desk.writer.commit()
    assert desk.writer.state == "failed"


# The end


@pytest.mark.parametrize("mode", MODES)
def test_close_drains_seals_cuts_and_gives_the_lock_back(mode: Mode) -> None:
    desk = Desk(mode)
    desk.append(draft("a"))
    desk.writer.close()
    desk.writer.close()
    assert desk.writer.state == "closed"
    after = desk.disk.crash(Loss.DROP)
    found = read_segment(after, ROOT, 1)
    assert found is not None
    assert found.sealed
    assert found.end == len(found.data)
    assert texts(read_events(after, ROOT)) == ["a"]
    assert desk.disk.listdir(f"{ROOT}/segments") == ["00000001.seg"]
    desk.disk.lock(f"{ROOT}/LOCK").release()
    with pytest.raises(Closed):
        desk.append(draft("b"))
    with pytest.raises(Closed):
        desk.writer.wait(2)


def test_an_unclean_close_leaves_the_segment_open() -> None:
    desk = Desk()
    desk.put(draft("a"))
    desk.append(draft("b"))
    desk.writer.close(clean=False)
    found = read_segment(desk.disk, ROOT, 1)
    assert found is not None
    assert not found.sealed
    assert texts(desk.events()) == ["a"]


def test_close_on_a_full_disk_says_what_is_lost() -> None:
    disk = RecordingDisk()
    desk = Desk(disk=disk, segment_bytes=32 << 10)
    disk.capacity_bytes = sum(len(disk.content(path)) for path in disk.paths())
    desk.fill(60 << 10)
    with pytest.raises(DiskFull):
        desk.writer.close()
    assert desk.writer.state == "closed"


def test_close_raises_the_failure_that_it_met() -> None:
    desk = Desk("never")
    desk.put(draft("a"))
    desk.disk.faults.append(Fault("fdatasync"))
    with pytest.raises(IoFailed):
        desk.writer.close()


# With its thread, on the real disk


def test_events_gather_while_a_sync_runs(tmp_path: Path) -> None:
    """One sync holds the disk; a thousand appends behind it share the next few."""
    disk = SlowDisk()
    writer = real(disk, tmp_path / "j", "always")
    writer.append([draft("first")], 1)
    writer.commit()
    assert writer.wait(1, timeout=10)
    disk.gate = threading.Event()
    before = disk.syncs
    for i in range(1000):
        writer.append([draft(str(i), 200)], 1)
        writer.commit()
    assert not writer.wait(2, timeout=0.05)
    disk.gate.set()
    assert writer.wait(1001, durable=True, timeout=10)
    assert disk.syncs - before <= 3
    writer.close()


@pytest.mark.parametrize("mode", MODES)
def test_waiters_in_other_threads_are_woken(tmp_path: Path, mode: Mode) -> None:
    disk = RealDisk()
    writer = real(disk, tmp_path / "j", mode, segment_bytes=64 << 10)
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(writer.wait(n, timeout=20)))
        for n in range(1, 400, 40)
    ]
    for thread in threads:
        thread.start()
    for i in range(400):
        writer.append([draft(str(i), 500)], 1)
        writer.commit()
    for thread in threads:
        thread.join(20)
    assert results == [True] * len(threads)
    assert writer.wait_room(1)
    writer.close()
    assert texts(read_events(disk, str(tmp_path / "j"))) == [str(i) for i in range(400)]


@pytest.mark.parametrize("mode", MODES)
def test_the_thread_syncs_marks_and_rotates_by_itself(tmp_path: Path, mode: Mode) -> None:
    disk = SlowDisk()
    writer = real(disk, tmp_path / "j", mode, segment_bytes=32 << 10)
    for i in range(200):
        writer.append([draft(str(i), 400)], 1, sync=i % 50 == 0)
        writer.commit()
        assert writer.wait(i + 1, timeout=10)
    if mode == "interval":
        assert writer.wait(200, durable=True, timeout=10)
    assert writer.segment > 3
    writer.close()
    assert texts(read_events(disk, str(tmp_path / "j"))) == [str(i) for i in range(200)]


def put_one_by_one(writer: Writer, count: int) -> None:
    """Append and wait, again and again."""
    for i in range(1, count):
        writer.append([draft()], 1)
        writer.commit()
        writer.wait(i, timeout=10)


def test_a_waiter_learns_of_a_failed_sync(tmp_path: Path) -> None:
    disk = SimDisk()
    create(disk, "/j", uuid=UUID, created_ns=1)
    writer = Writer(disk, WriterStart(root="/j", uuid=UUID), Policy("always"))
    disk.faults.append(Fault("fdatasync", nth=2))
    with pytest.raises(IoFailed):
        put_one_by_one(writer, 9)
    writer.close()


def test_the_writer_holds_the_lock_until_it_is_closed(tmp_path: Path) -> None:
    disk, root = RealDisk(), str(tmp_path / "j")
    create(disk, root, uuid=UUID, created_ns=1)
    writer = Writer(disk, WriterStart(root=root, uuid=UUID, lock=lock_writer(disk, root)))
    with pytest.raises(Exception, match=f"process {os.getpid()} writes"):
        lock_writer(disk, root)
    writer.close()
    lock_writer(disk, root).release()


def test_close_does_not_wait_for_ever(tmp_path: Path) -> None:
    disk = SlowDisk()
    root = str(tmp_path / "j")
    create(disk, root, uuid=UUID, created_ns=1)
    start = WriterStart(root=root, uuid=UUID, segment_bytes=32 << 10)
    writer = Writer(disk, start, limits=Limits(close_ms=50))
    disk.gate = threading.Event()
    writer.append([draft()], 1)
    writer.commit()
    with pytest.raises(IoFailed, match="did not answer"):
        writer.close()
    disk.gate.set()
