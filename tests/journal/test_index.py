"""The index answers what a full scan answers, and can be thrown away at any time."""

import itertools
import random
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durafix.journal.errors import Corrupt, DiskFull
from durafix.journal.index import Index, Status, read_witness
from durafix.journal.indexformat import NO_MARK, Meta
from durafix.journal.indexlayers import Layers
from durafix.journal.indexopen import Opened, Report
from durafix.journal.indexstore import Item, MemoryStore
from durafix.journal.reader import NoSuchRecord
from durafix.journal.realdisk import RealDisk
from durafix.journal.record import Direction, Draft, Flag, Kind
from durafix.journal.simdisk import SimDisk

from .journals import UUID, Made, epoch, in_, made, out
from .scans import Scan, assert_places, assert_same


class BareDisk(RealDisk):
    """A disk that LMDB cannot see, so that the index stays in memory."""

    def local_path(self, path: str) -> str | None:
        return None


def open_index(journal: Made, *, commit_events: int = 64, map_bytes: int = 1 << 24) -> Index:
    return Index.open(
        journal.disk,
        journal.root,
        journal.uuid,
        clock=lambda: 0,
        commit_events=commit_events,
        map_bytes=map_bytes,
    )


def filled(journal: Made, steps: int = 300) -> Made:
    """Two sessions, epochs, copies, duplicates and numbers out of order, over some segments."""
    for i in range(1, steps + 1):
        session = 1 + i % 2
        drafts = [in_(i, b"x" * (i % 90), session=session), out(2 * i, session=session)]
        if i % 5 == 0:
            drafts.append(in_(i - 3, b"again", session=session, flags=Flag.COPY))
            drafts.append(out(2 * i - 9, b"late", session=session))
        if i % 7 == 0:
            drafts.append(in_(i, b"duplicate", session=session))
        if i % 60 == 0:
            drafts.append(epoch(i // 60, session=session))
        time = None if i % 11 else journal.utc_ns - 5_000_000
        journal.step(*drafts, utc_ns=time)
        if i % 8 == 0:
            journal.sync()
        if i % 120 == 0:
            journal.rotate()
    return journal


def test_the_index_answers_as_a_full_scan_does(tmp_path: Path) -> None:
    journal = filled(made(tmp_path, allocated=1 << 20))
    scan = Scan(journal.records)
    with open_index(journal) as index:
        index.catch_up(journal.event)
        assert_same(index, scan)
        assert_places(index, scan, step=17)
        index.commit()
        assert_same(index, scan)
        assert_places(index, scan, step=17)
    with open_index(journal) as index:
        assert index.report.status is Status.TRUSTED
        assert_same(index, scan)
        assert_places(index, scan, step=17)


_DRAFTS = st.one_of(
    st.builds(
        Draft,
        st.sampled_from([Kind.IN, Kind.OUT]),
        st.sampled_from([Direction.IN, Direction.OUT]),
        st.sampled_from([0, 0, 0, Flag.COPY, Flag.CONSUMED]),
        st.integers(1, 2),
        st.integers(0, 6),
        st.binary(max_size=40),
    ),
    st.builds(lambda n, s: epoch(n, session=s), st.integers(0, 3), st.integers(1, 2)),
    st.just(Draft(Kind.STATE, 0, 0, 1, 0, b"{}")),
)
_ACTIONS = st.lists(
    st.one_of(
        st.lists(_DRAFTS, min_size=1, max_size=4),
        st.sampled_from(["sync", "mark", "rotate", "catch up", "commit", "reopen"]),
    ),
    max_size=40,
)


@given(_ACTIONS, st.data())
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("disk", [BareDisk(), RealDisk()], ids=["memory", "lmdb"])
def test_any_journal_read_in_any_pieces_gives_the_answers_of_a_scan(
    tmp_path_factory: pytest.TempPathFactory,
    disk: RealDisk,
    actions: list[list[Draft] | str],
    data: st.DataObject,
) -> None:
    journal = Made(disk, str(tmp_path_factory.mktemp("j") / "journal"), allocated=64 << 10)
    index = open_index(journal, commit_events=4)
    for action in actions:
        if isinstance(action, list):
            journal.step(*action)
            continue
        match action:
            case "catch up":
                index.catch_up(data.draw(st.integers(0, journal.event)))
            case "commit":
                index.commit()
            case "reopen":
                index.close()
                index = open_index(journal, commit_events=4)
                assert index.report.status is not Status.CHECKED
            case _:
                getattr(journal, action)()
    index.catch_up(journal.event)
    scan = Scan(journal.records)
    assert index.watermark.indexed == scan.last
    assert_same(index, scan)
    assert_places(index, scan)
    index.close()


def test_on_a_simulated_disk_the_index_lives_in_memory() -> None:
    """It answers the same, and is built again at each open."""
    journal = filled(Made(SimDisk(), "/journal", allocated=1 << 20), 60)
    scan = Scan(journal.records)
    for _ in range(2):
        with open_index(journal) as index:
            assert index.report.status is Status.REBUILT
            index.catch_up(journal.event)
            assert_same(index, scan)
            assert_places(index, scan, step=17)
    assert read_witness(journal.disk, journal.root) is None


def test_catch_up_goes_exactly_as_far_as_it_is_told(tmp_path: Path) -> None:
    journal = made(tmp_path)
    for i in range(1, 11):
        journal.step(in_(i))
    with open_index(journal) as index:
        for upto in (3, 3, 1, 7):
            index.catch_up(upto)
            known = max(upto, index.watermark.indexed)
            assert index.watermark.indexed == known
            assert index.find(1, 1, 0, known) is not None
            assert index.find(1, 1, 0, known + 1) is None


def test_catch_up_beyond_the_journal_is_corrupt(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal.step(in_(1))
    with open_index(journal) as index:
        with pytest.raises(Corrupt, match="event 2 is damaged"):
            index.catch_up(2)
        assert index.find(1, 1, 0, 1) is not None


@pytest.mark.parametrize(
    "payload", [b'{"epoch":-1}', b'{"epoch":4294967296}', b"", b"[]", b'{"x":' + b"[" * 10_000]
)
def test_an_epoch_record_that_cannot_be_read_is_corrupt_and_stays_so(
    tmp_path: Path, payload: bytes
) -> None:
    journal = made(tmp_path)
    journal.step(in_(1), Draft(Kind.EPOCH, 0, 0, 1, 0, payload), in_(2))
    with open_index(journal) as index:
        for _ in range(2):
            with pytest.raises(Corrupt, match="epoch of event 2"):
                index.catch_up(3)
    with open_index(journal) as again:
        assert again.report.status is Status.CHECKED
        assert again.watermark.indexed == 0, "nothing of it was vouched for"


def test_a_new_index_never_looks_damaged(tmp_path: Path) -> None:
    """Before its first entry it has a watermark already: a reader beside a quiet engine sees it."""
    journal = made(tmp_path)
    journal.step(Draft(Kind.STATE, 0, 0, 1, 0, b"{}"))
    with open_index(journal):
        assert read_witness(journal.disk, journal.root, UUID) is not None


def test_entries_wait_in_memory_until_a_commit_is_due(tmp_path: Path) -> None:
    now = [0]
    journal = made(tmp_path)
    index = Index.open(
        journal.disk, journal.root, UUID, clock=lambda: now[0], commit_events=5, commit_seconds=2
    )
    journal.step(in_(1))
    index.catch_up(1)
    assert index._layers.meta.indexed.event == 0
    now[0] = 2_000_000_000
    journal.step(in_(2))
    index.catch_up(2)
    index._layers._worker.submit(lambda: None).result()
    assert index._layers.meta.indexed.event == 2
    for i in range(3, 9):
        journal.step(in_(i))
    index.catch_up(8)
    index._layers._worker.submit(lambda: None).result()
    assert index._layers.meta.indexed.event == 8
    index.close()


def test_the_map_grows_when_it_is_full(tmp_path: Path) -> None:
    journal = made(tmp_path, allocated=4 << 20)
    for i in range(1, 3001):
        journal.step(in_(i))
    with open_index(journal, map_bytes=1 << 16) as index:
        stop = threading.Event()
        found: list[bool] = []

        def ask() -> None:
            while not stop.is_set():
                found.append(index.find(1, 1, 0, 1) is not None)

        index.catch_up(1)
        thread = threading.Thread(target=ask)
        thread.start()
        index.catch_up(journal.event)
        index.commit()
        stop.set()
        thread.join()
        assert all(found)
        assert_same(index, Scan(journal.records))


def test_the_durable_mark_lags_and_never_leads(tmp_path: Path) -> None:
    journal = made(tmp_path)
    events = [journal.step(in_(i))[0] for i in range(1, 11)]
    with open_index(journal) as index:
        for upto in (3, 6, 10):
            index.catch_up(upto)
        for durable, marked in ((2, 0), (5, 3), (6, 6), (9, 6), (4, 6), (99, 10)):
            index.set_durable(durable)
            mark = index.watermark
            assert (mark.indexed, mark.durable) == (10, marked)
            if marked:
                record = events[marked - 1]
                assert (mark.segment, mark.offset) == record.position
                assert mark.header_crc == record.header_crc


def test_marks_stay_few_when_nobody_says_durable(tmp_path: Path) -> None:
    journal = made(tmp_path, allocated=1 << 20)
    for i in range(1, 3001):
        journal.step(in_(i))
    with open_index(journal) as index:
        for upto in range(1, 3001):
            index.catch_up(upto)
        assert len(index._marks) <= 1025
        index.set_durable(3000)
        assert index.watermark.durable == 3000


def test_the_watermark_survives_a_restart(tmp_path: Path) -> None:
    journal = filled(made(tmp_path, allocated=1 << 20), 50)
    with open_index(journal) as index:
        index.catch_up(journal.event)
        index.set_durable(journal.event)
        before = index.watermark
    assert before.durable == journal.event
    with open_index(journal) as index:
        assert index.watermark == before


def test_unknown_events_and_times_are_errors_of_their_own(tmp_path: Path) -> None:
    journal = filled(made(tmp_path, allocated=1 << 20), 20)
    with open_index(journal) as index:
        index.catch_up(journal.event)
        for event in (0, -1, journal.event + 1, 1 << 70):
            with pytest.raises(NoSuchRecord):
                index.event_position(event)
        latest = max(record.utc_ns for record in journal.records)
        for utc_ns in (latest + 1, 1 << 70):
            with pytest.raises(NoSuchRecord):
                index.time_position(utc_ns)
        assert index.time_position(-1) == index.event_position(1)


class FullStore(MemoryStore):
    """Refuses to commit while ``full``."""

    full = True

    def commit(self, items: Sequence[Item], meta: bytes) -> None:
        if self.full:
            raise DiskFull("no space")
        super().commit(items, meta)


def test_a_store_that_refuses_is_tried_again_and_nothing_is_lost(tmp_path: Path) -> None:
    journal = filled(made(tmp_path, allocated=1 << 20), 100)
    store = FullStore()
    opened = Opened(store, None, Report(Status.FRESH, ""))
    seconds = itertools.count()

    def clock() -> int:
        return 1_000_000_000 * next(seconds)

    index = Index(journal.disk, journal.root, UUID, opened, clock, 16, 1.0)
    for upto in range(0, journal.event, 20):
        index.catch_up(upto)
        index._layers.settle()
        assert len(index._layers._frozen) <= 1, "one batch is tried again, not one more each time"
    known = index.watermark.indexed
    assert_same(index, Scan(r for r in journal.records if r.event <= known))
    with pytest.raises(DiskFull):
        index.commit()
    store.full = False
    index.catch_up(journal.event)
    index.commit()
    assert index._layers.backlog == 0
    assert_same(index, Scan(journal.records))
    index.close()


def test_a_commit_in_the_background_hides_no_entry(tmp_path: Path) -> None:
    """Between memory and store an entry is in both, never in neither."""

    class SlowStore(MemoryStore):
        def commit(self, items: Sequence[Item], meta: bytes) -> None:
            entered.set()
            assert go_on.wait(10)
            super().commit(items, meta)

    entered, go_on = threading.Event(), threading.Event()
    layers = Layers(SlowStore(), Meta(UUID, NO_MARK, NO_MARK, 0, 0, 0))
    layers.fresh.frames[1, 1, 0] = {7: (1, 8192, 3, 1, 99)}
    layers.flush(layers.meta)
    assert entered.wait(10)
    assert layers.find((1, 1, 0), 7) == (1, 8192, 3, 1, 99)
    assert layers.highest((1, 1, 0)) == 7
    go_on.set()
    layers.commit(layers.meta)
    assert layers.find((1, 1, 0), 7) == (1, 8192, 3, 1, 99)
    assert list(layers.range((1, 1, 0), 1, 9)) == [(1, 8192, 3, 1, 99)]
    layers.close()


def test_a_commit_during_a_range_gives_no_frame_twice() -> None:
    class Committing(MemoryStore):
        def slice(self, first: bytes, last: bytes, limit: int) -> list[Item]:
            layers.commit(layers.meta)
            return super().slice(first, last, limit)

    layers = Layers(Committing(), Meta(UUID, NO_MARK, NO_MARK, 0, 0, 0))
    frames = {seq: (1, 8192 + seq, 3, seq, 99) for seq in (3, 5, 9)}
    layers.fresh.frames[1, 1, 0] = dict(frames)
    assert list(layers.range((1, 1, 0), 1, 10)) == list(frames.values())
    layers.close()


def test_a_long_range_is_read_in_slices(tmp_path: Path) -> None:
    journal = made(tmp_path, allocated=4 << 20)
    for i in range(1, 5001):
        journal.step(in_(i))
    with open_index(journal, commit_events=700) as index:
        index.catch_up(journal.event)
        events = [entry.event for entry in index.range(1, 1, 0, 1000, 4500)]
        assert events == list(range(1000, 4501))


def test_every_time_is_found_though_time_goes_back_and_forth(tmp_path: Path) -> None:
    """Each record is large enough to be a noted place of its own."""
    rng = random.Random(4)
    journal = made(tmp_path, allocated=8 << 20)
    times = [rng.randrange(1000) for _ in range(40)]
    for i, utc_ns in enumerate(times, 1):
        journal.step(in_(i, bytes(66_000)), utc_ns=utc_ns)
    for commit_events in (7, 1000):
        with open_index(journal, commit_events=commit_events) as index:
            index.catch_up(20)
            index.commit()
            index.catch_up(40)
            for wanted in sorted({*times[::4], *range(0, max(times) + 1, 97)}):
                first = next(i for i, utc_ns in enumerate(times, 1) if utc_ns >= wanted)
                assert index.time_position(wanted) == index.event_position(first)


def test_memory_does_not_grow_with_the_number_of_epochs(tmp_path: Path) -> None:
    journal = made(tmp_path, allocated=1 << 20)
    for i in range(1, 200):
        journal.step(epoch(i), in_(1), out(1))
    with open_index(journal) as index:
        index.catch_up(journal.event)
        assert len(index._highest) == 2
        assert_same(index, Scan(journal.records))


def test_a_damaged_entry_is_refused(tmp_path: Path) -> None:
    """LMDB has no checksums; each entry has its own."""
    journal = filled(made(tmp_path, allocated=1 << 20), 10)
    store = MemoryStore()
    opened = Opened(store, None, Report(Status.FRESH, ""))
    with Index(journal.disk, journal.root, UUID, opened, lambda: 0, 16, 1.0) as index:
        index.catch_up(journal.event)
        index.commit()
        for key, value in list(store._values.items()):
            store._values[key] = value[:3] + bytes([value[3] ^ 1]) + value[4:]
        with pytest.raises(Corrupt, match="fails its checksum"):
            index.find(1, 2, 0, 4)
