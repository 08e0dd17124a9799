"""A follower serves whole steps of a live journal, and never mistakes the unfinished for damage."""

import itertools
import random
import threading
import time
from pathlib import Path

import pytest

from durafix.journal.errors import Corrupt
from durafix.journal.follower import Bookmark, Follower, Rewound
from durafix.journal.policy import Mode, Policy, WriterStart
from durafix.journal.reader import NoSuchRecord
from durafix.journal.realdisk import RealDisk
from durafix.journal.record import Flag, Kind, Record
from durafix.journal.segment import Policy as PolicyCode
from durafix.journal.writer import Writer

from .journals import UUID, Made, flip, in_, made, zero


def drain(follower: Follower) -> list[Record]:
    """Everything there is now."""
    return list(itertools.chain.from_iterable(iter(follower.poll, [])))


def numbered(journal: Made) -> list[Record]:
    return [record for record in journal.records if record.numbered]


def follow(journal: Made, *, durable_only: bool | None = None) -> Follower:
    return Follower(journal.disk, journal.root, durable_only=durable_only)


@pytest.fixture
def lazy(tmp_path: Path) -> Made:
    """A journal under ``interval``: what is written is served."""
    return made(tmp_path, policy=PolicyCode.INTERVAL)


def test_steps_come_as_they_are_written(lazy: Made) -> None:
    with follow(lazy) as follower:
        assert follower.poll() == []
        for i in range(1, 40):
            wanted = lazy.step(*(in_(3 * i + k) for k in range(1 + i % 3)))
            if i % 5 == 0:
                lazy.sync()
            if i % 13 == 0:
                lazy.mark()
                lazy.rotate()
            assert drain(follower) == wanted
            assert follower.poll() == []


def test_a_journal_without_segments_has_nothing_yet(tmp_path: Path) -> None:
    with Follower(RealDisk(), str(tmp_path / "journal")) as follower:
        assert follower.poll() == []
        journal = made(tmp_path, policy=PolicyCode.NEVER)
        wanted = journal.step(in_(1))
        assert follower.poll() == wanted


@pytest.mark.parametrize("allocated", [True, False], ids=["preallocated", "growing"])
def test_a_file_that_grows_byte_by_byte_is_never_damaged(tmp_path: Path, allocated: bool) -> None:
    journal = made(tmp_path, policy=PolicyCode.INTERVAL, allocated=64 << 10)
    journal.sync()
    if not allocated:
        with journal.disk.open(journal.path, write=True) as file:
            file.truncate(journal.end)
    first, pieces = journal.end, b""
    for i in range(1, 5):
        pieces += journal.pack(in_(i, b"x" * (3 * i)), in_(i + 10))[1]
    steps = [numbered(journal)[i : i + 2] for i in range(0, 8, 2)]
    with follow(journal) as follower:
        for size in range(1, len(pieces) + 1):
            journal.write(first + size - 1, pieces[size - 1 : size])
            got = follower.poll()
            if got:
                assert got == steps.pop(0)
        assert not steps


def test_pages_that_arrive_in_any_order_are_never_damaged(tmp_path: Path) -> None:
    """A batch that is being written may be seen with holes; nothing in it was durable before."""
    rng = random.Random(5)
    journal = made(tmp_path, policy=PolicyCode.INTERVAL)
    with follow(journal) as follower:
        for i in range(1, 30):
            at, data = journal.pack(*(in_(9 * i + k, bytes([i]) * 200) for k in range(9)))
            wanted = numbered(journal)[-9:]
            pieces = [(at + k, data[k : k + 256]) for k in range(0, len(data), 256)]
            rng.shuffle(pieces)
            for piece in pieces:
                assert drain(follower) == []
                journal.write(*piece)
            assert drain(follower) == wanted
            journal.sync()


def test_under_always_only_what_is_durable_is_served(tmp_path: Path) -> None:
    journal = made(tmp_path, policy=PolicyCode.ALWAYS)
    with follow(journal) as follower:
        first = journal.step(in_(1), in_(2))
        assert drain(follower) == []
        second = journal.step(in_(3))
        journal.tail(2)
        assert drain(follower) == first
        assert drain(follower) == []
        journal.tail(3)
        assert drain(follower) == second
        third = journal.step(in_(4), in_(5))
        journal.tail(4)
        assert drain(follower) == [], "half of a step is durable"
        journal.tail(5)
        assert drain(follower) == third


def test_without_a_tail_file_later_records_say_what_is_durable(tmp_path: Path) -> None:
    journal = made(tmp_path, policy=PolicyCode.ALWAYS)
    with follow(journal) as follower:
        first = journal.step(in_(1))
        assert drain(follower) == []
        journal.sync()
        second = journal.step(in_(2))
        assert drain(follower) == first
        journal.mark()
        assert drain(follower) == second
        third = journal.step(in_(3))
        journal.rotate()
        assert drain(follower) == third
        assert follower.proven == 3


def test_durable_only_may_be_asked_for_or_waived(tmp_path: Path) -> None:
    always = made(tmp_path / "a", policy=PolicyCode.ALWAYS)
    interval = made(tmp_path / "b", policy=PolicyCode.INTERVAL)
    for journal in (always, interval):
        wanted = journal.step(in_(1))
        with (
            follow(journal, durable_only=False) as eager,
            follow(journal, durable_only=True) as strict,
        ):
            assert drain(eager) == wanted
            assert drain(strict) == []


def test_a_step_larger_than_a_window_is_served_whole(lazy: Made) -> None:
    with lazy.disk.open(lazy.path, write=True) as file:
        file.allocate(16 << 20)
    with follow(lazy) as follower:
        at, data = lazy.pack(*(in_(i, b"y" * (1 << 20)) for i in range(1, 6)))
        lazy.write(at, data[: 4 << 20])
        for _ in range(3):
            assert drain(follower) == []
        lazy.write(at + (4 << 20), data[4 << 20 :])
        assert drain(follower) == numbered(lazy)


def test_a_follower_that_starts_again_goes_on_behind_its_bookmark(lazy: Made) -> None:
    for i in range(1, 30):
        lazy.step(in_(i), in_(i + 100))
        if i % 10 == 0:
            lazy.rotate()
    events = numbered(lazy)
    for event in range(2, 59, 2):
        record = events[event - 1]
        mark = Bookmark(record.position, record.event, record.header_crc)
        with Follower(lazy.disk, lazy.root, mark) as follower:
            assert drain(follower) == events[event:]
    with follow(lazy) as follower:
        drain(follower)
        mark = Bookmark(events[-1].position, events[-1].event, events[-1].header_crc)
        assert follower.bookmark == mark


def test_a_follower_may_begin_at_a_position(lazy: Made) -> None:
    for i in range(1, 6):
        lazy.step(in_(i))
    events = numbered(lazy)
    with Follower(lazy.disk, lazy.root, events[2].position) as follower:
        assert drain(follower) == events[2:]


def test_a_bookmark_whose_record_is_gone_is_rewound(lazy: Made) -> None:
    lazy.step(in_(1))
    (record,) = lazy.step(in_(2))
    mark = Bookmark(record.position, record.event, record.header_crc)
    zero(lazy.path, record.position.offset, 72)
    with Follower(lazy.disk, lazy.root, mark) as follower, pytest.raises(Rewound, match="gone"):
        follower.poll()


def test_a_bookmark_whose_record_is_another_is_rewound(tmp_path: Path) -> None:
    one = made(tmp_path / "one", policy=PolicyCode.INTERVAL)
    two = made(tmp_path / "two", policy=PolicyCode.INTERVAL)
    (record,) = one.step(in_(1, b"aa"))
    two.step(in_(1, b"bb"))
    mark = Bookmark(record.position, record.event, record.header_crc)
    with Follower(one.disk, one.root, mark) as follower:
        assert follower.poll() == []
    with Follower(two.disk, two.root, mark) as follower, pytest.raises(Rewound, match="another"):
        follower.poll()


def test_a_bookmark_in_a_pruned_segment_is_no_rewind(lazy: Made) -> None:
    (record,) = lazy.step(in_(1))
    lazy.rotate()
    lazy.disk.unlink(f"{lazy.root}/segments/00000001.seg")
    mark = Bookmark(record.position, record.event, record.header_crc)
    with Follower(lazy.disk, lazy.root, mark) as follower, pytest.raises(NoSuchRecord):
        follower.poll()


def polls_until_corrupt(follower: Follower) -> Corrupt:
    """A proof in the tail file is seen at once, one behind the place after some polls."""
    for _ in range(3):
        try:
            assert follower.poll() == []
        except Corrupt as error:
            return error
    pytest.fail("the damage was not reported")


def test_damage_is_reported_when_the_tail_file_proves_the_place(lazy: Made) -> None:
    (record,) = lazy.step(in_(1))
    lazy.tail()
    zero(lazy.path, record.position.offset, 72)
    with follow(lazy) as follower:
        assert polls_until_corrupt(follower).where == str(record.position)


def test_damage_is_reported_when_a_later_record_proves_the_place(lazy: Made) -> None:
    (record,) = lazy.step(in_(1))
    lazy.sync()
    lazy.step(in_(2))
    flip(lazy.path, record.position.offset + 20)
    with follow(lazy) as follower:
        assert follower.poll() == []
        assert polls_until_corrupt(follower).where == str(record.position)


def test_damage_is_reported_when_a_segment_follows(lazy: Made) -> None:
    (record,) = lazy.step(in_(1))
    lazy.rotate()
    flip(f"{lazy.root}/segments/00000001.seg", record.position.offset + 66)
    with follow(lazy) as follower:
        assert polls_until_corrupt(follower).where == str(record.position)


def test_after_an_error_the_same_poll_may_be_tried_again(lazy: Made) -> None:
    wanted = lazy.step(in_(1), in_(2))
    lazy.tail()
    flip(lazy.path, wanted[1].position.offset + 64)
    with follow(lazy) as follower:
        for _ in range(3):
            with pytest.raises(Corrupt):
                follower.poll()
        flip(lazy.path, wanted[1].position.offset + 64)
        assert follower.poll() == wanted


@pytest.mark.parametrize("mode", ["always", "interval", "never"])
def test_beside_a_live_writer_each_step_comes_once_whole_and_in_order(
    tmp_path: Path, mode: Mode
) -> None:
    """A real writer thread, small segments, three followers polling as fast as they can."""
    root = str(tmp_path / "journal")
    for folder in (root, f"{root}/segments"):
        RealDisk().mkdir(folder)
    start = WriterStart(root=root, uuid=UUID, segment_bytes=256 << 10)
    writer = Writer(RealDisk(), start, Policy(mode, interval_ms=2))
    done = threading.Event()
    last: list[int] = []

    def write() -> None:
        rng = random.Random(3)
        for i in range(1, 1500):
            drafts = [in_(i, bytes(rng.randrange(600))) for _ in range(rng.randrange(1, 5))]
            last[:] = [writer.append(drafts, i) + len(drafts) - 1]
            if i % 3 == 0:
                writer.commit()
            if i % 99 == 0:
                assert writer.wait(last[0], timeout=10)
                time.sleep(0.002)
        writer.commit()

    seen: list[list[Record]] = [[], [], []]
    errors: list[BaseException] = []

    def poll(records: list[Record]) -> None:
        try:
            with Follower(RealDisk(), root) as follower:
                while True:
                    ended = done.is_set()
                    got = follower.poll()
                    if got and mode == "always":
                        assert got[-1].event <= follower.proven
                    records += got
                    if ended and not got:
                        return
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=poll, args=(records,)) for records in seen]
    for thread in threads:
        thread.start()
    try:
        write()
        writer.close()
    finally:
        done.set()
    for thread in threads:
        thread.join(60)
    assert not errors
    for records in seen:
        assert [record.event for record in records] == list(range(1, last[0] + 1))
        assert records[-1].flags & Flag.LAST
        assert {record.kind for record in records} == {Kind.IN}
    assert len({record.position.segment for record in seen[0]}) > 2
