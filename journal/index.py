"""The index: where a frame is, by session, direction, epoch and number; and places by event or
time.

Owns the projection of the journal into entries, and the answers. It reads the journal like any
other reader and is no part of the append path; ``catch_up`` is called with what the writer has
covered. It must not know FIX, nor be needed: throw it away, and the same code reads the journal
from the start and gives the same answers (P6). What may be believed of a file that lies there is
decided in ``indexopen.py``; how entries reach the store, in ``indexlayers.py``.

Invariant: what it answers is what a scan of the whole journal up to ``watermark.indexed`` would
answer. It holds no frame, only places and what their records must look like.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from .disk import Disk
from .errors import Corrupt, JournalError
from .indexbatch import SPARSE_BYTES
from .indexformat import (
    EPOCH_MAX,
    NO_MARK,
    Entry,
    Frame,
    Group,
    Mark,
    Meta,
    Watermark,
    event_key,
    time_key,
)
from .indexlayers import Layers
from .indexopen import Opened, Report, Status, open_store, read_witness, stamp
from .indexstore import MAP_BYTES
from .position import Position
from .reader import NoSuchRecord, Reader
from .record import NUMBER_MAX, UNNUMBERED, Direction, Flag, Kind, Row
from .scanner import Chunk
from .walker import Walker

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["Entry", "Index", "Report", "Status", "Watermark", "read_witness"]

_MARKS_MAX = 1024
# Plain ints: an IntFlag's "&" makes a new object each time, and the loop below sees every record.
_FRAMES, _EPOCH, _ROSTER = frozenset({Kind.IN, Kind.OUT}), int(Kind.EPOCH), int(Kind.ROSTER)
_COPY = int(Flag.COPY)
_VERIFY = "stop, then run: durafix verify"


class _Epoch(msgspec.Struct):
    epoch: int


class Index:
    """Open it with ``Index.open``. Any thread may ask; one at a time catches up."""

    def __init__(
        self,
        disk: Disk,
        root: str,
        uuid: bytes,
        opened: Opened,
        clock: Callable[[], int],
        commit_events: int,
        commit_seconds: float,
    ) -> None:
        store, meta, self.report = opened
        self._disk, self._root, self._uuid = disk, root, uuid
        self._clock, self._commit_events = clock, commit_events
        self._commit_ns = round(commit_seconds * 1e9)
        self._flushed_at = clock()
        meta = meta or Meta(uuid, NO_MARK, NO_MARK, 0, 0, 0)
        self._layers = Layers(store, meta)
        self._indexed, self._durable, self._utc_max = meta.indexed, meta.durable, meta.utc_max
        self._skip = meta.indexed.event  # its record is read again, to go on behind it
        start = Position(meta.indexed.segment, meta.indexed.offset) if self._skip else None
        self._walker = Walker(disk, root, start)
        self._walking = threading.Lock()
        self._marks: list[Mark] = []  # where catch_up ended, not yet known durable
        self._epochs: dict[int, int] = {}
        self._highest: dict[Group, int] = {}  # in each session's current epoch
        self._next_place = (0, 0)
        self._failed: JournalError | None = None
        self._closed = False

    @classmethod
    def open(
        cls,
        disk: Disk,
        root: str,
        uuid: bytes,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        commit_events: int = 16384,
        commit_seconds: float = 1.0,
        map_bytes: int = MAP_BYTES,
    ) -> Index:
        """The index of the journal at ``root``, whose lock this process holds. ``report`` says
        whether what lay there was of use; only a folder that cannot be used at all is an error
        (``NoPermission``, ``DiskFull``, ``IoFailed``).

        ``clock`` gives monotonic nanoseconds. A commit is due after ``commit_events`` events or
        ``commit_seconds``. Nothing is read yet: call ``catch_up``.
        """
        opened = open_store(disk, root, uuid, map_bytes=map_bytes)
        index = cls(disk, root, uuid, opened, clock, commit_events, commit_seconds)
        if opened[1] is None:  # a new store without a watermark would look damaged to a reader
            index.commit()
        return index

    @property
    def watermark(self) -> Watermark:
        """How far it goes now; what is in the store may lag behind this."""
        with self._layers.lock:
            return Watermark(self._indexed.event, *self._durable)

    def catch_up(self, upto: int) -> None:
        """Read the journal up to event ``upto``, which the writer has covered.

        Raises ``Corrupt`` if the journal does not hold it whole, and what the store raises if it
        refuses for too long (``DiskFull``, ``IoFailed``); what was read stays and answers.
        """
        with self._walking:
            while self._indexed.event < upto:
                if self._failed is not None:
                    raise self._failed
                chunk = self._walker.read(upto)
                if chunk is None or chunk.rows[0][1] > upto:
                    what = f"the journal does not hold event {self._indexed.event + 1}"
                    raise Corrupt(what, where=self._root, hint=_VERIFY)
                self._take(chunk, upto)
                if self._layers.backlog >= 2 * self._commit_events:
                    self._layers.settle()  # a rebuild goes no faster than the store
                self._flush_if_due()
            self._set_mark()
            self._flush_if_due()

    def set_durable(self, event: int) -> None:
        """Everything up to ``event`` is on disk. The watermark then names the last event at or
        before it that a ``catch_up`` ended at: it may lag, it never leads."""
        with self._layers.lock:
            done = [mark for mark in self._marks if mark.event <= event]
            if done and done[-1].event > self._durable.event:
                self._durable = done[-1]
            del self._marks[: len(done)]

    def find(self, session: int, direction: int, epoch: int, seq: int) -> Entry | None:
        """The frame of that number: the first accepted inbound, or the original outbound one. None
        if there is none up to the watermark. Compare the record at its position with
        ``header_crc`` before it is used."""
        frame = self._layers.find((session, direction, epoch), seq)
        return Entry.of(frame) if frame else None

    def range(
        self, session: int, direction: int, epoch: int, first: int, last: int
    ) -> Iterator[Entry]:
        """The frames from ``first`` to ``last``, both included, in the order of their numbers;
        numbers without a frame are left out."""
        for frame in self._layers.range((session, direction, epoch), first, last):
            yield Entry.of(frame)

    def epoch(self, session: int) -> int:
        """The session's current epoch; 0 before its first EPOCH record."""
        with self._layers.lock:
            now = self._epochs.get(session)
            if now is None:
                now = self._epochs[session] = self._layers.epoch(session)
            return now

    def event_position(self, event: int) -> Position:
        """Where event ``event`` is: a near place from the index, then at most some 64 KiB of
        reading. ``NoSuchRecord`` if the journal does not hold it."""
        start = None
        if 0 < event <= NUMBER_MAX:
            start = self._layers.place_of_event(event_key(event), event)
        return Reader(self._disk, self._root).seek_event(event, start)

    def time_position(self, utc_ns: int) -> Position:
        """Where the first event at or after ``utc_ns`` is, in event order. ``NoSuchRecord`` if all
        are older."""
        start = None
        if utc_ns > NUMBER_MAX:
            raise NoSuchRecord(f"there is no event at or after {utc_ns} ns", where=self._root)
        if utc_ns > 0:
            start = self._layers.place_of_time(time_key(utc_ns - 1, NUMBER_MAX), utc_ns)
        return Reader(self._disk, self._root).seek_time(utc_ns, start)

    def commit(self) -> None:
        """Bring everything to the store now; returns when it is durable there. Raises what the
        store raises."""
        with self._walking:
            if self._failed is not None:
                raise self._failed
            self._layers.commit(self._meta())

    def close(self) -> None:
        """Commit, close the store, and vouch for it so that the next open need not check it. A
        store that failed is left without; it will be checked. Closing twice is allowed."""
        with self._walking:
            if self._closed:
                return
            self._closed = True
            self._walker.close()
            clean = self._failed is None
            try:
                if clean:
                    self._layers.commit(self._meta())
            except JournalError:
                clean = False  # nothing is lost: the journal has it
            finally:
                self._layers.close()
            if clean and self._disk.local_path(self._root) is not None:
                with contextlib.suppress(JournalError):  # then the next open checks
                    stamp(self._disk, self._root, self._layers.meta)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _meta(self) -> Meta:
        return Meta(self._uuid, self._indexed, self._durable, self._utc_max, 0, 0)

    def _flush_if_due(self) -> None:
        count, now = self._layers.fresh.count, self._clock()
        late = now - self._flushed_at >= self._commit_ns
        if (late and count) or (count >= self._commit_events and not self._layers.refused):
            self._flushed_at = now
            self._layers.flush(self._meta())

    def _set_mark(self) -> None:
        with self._layers.lock:
            if not self._marks or self._marks[-1].event < self._indexed.event:
                self._marks.append(self._indexed)
            if len(self._marks) > _MARKS_MAX:  # a coarser choice of marks is still true
                self._marks = [*self._marks[:-1:2], self._marks[-1]]

    def _take(self, chunk: Chunk, upto: int) -> None:
        """Index the rows up to event ``upto``, and give the others back to the walker."""
        segment, base = chunk.segment, chunk.base
        skip = self._skip
        next_place = self._next_place[1] if self._next_place[0] == segment else 0
        last: Row | None = None
        events = 0
        with self._layers.lock:
            for number, row in enumerate(chunk.rows):
                at, event, utc_ns, seq, session, kind, direction, flags, _, crc, payload = row
                if event > upto:
                    self._walker.unread(chunk, number)
                    break
                if kind in UNNUMBERED or (kind == _ROSTER and flags & _COPY):
                    continue
                if event <= skip:
                    continue
                at += base
                if at >= next_place:
                    self._note(event, Position(segment, at))
                    next_place = at + SPARSE_BYTES
                if utc_ns > self._utc_max:
                    self._utc_max = utc_ns
                if kind in _FRAMES:
                    if seq and not flags & _COPY:
                        frame = (segment, at, len(payload), event, crc)
                        self._add(session, direction, seq, frame)
                elif kind == _EPOCH:
                    self._enter_epoch(session, event, payload, Position(segment, at))
                last = row
                events += 1
            self._next_place = (segment, next_place)
            if last is not None:
                self._indexed = Mark(last[1], segment, base + last[0], last[9])
                self._layers.fresh.count += events

    def _note(self, event: int, position: Position) -> None:
        """Note a place, with the largest time of all events before it."""
        self._layers.fresh.places.append((event, position))
        self._layers.fresh.times.append(self._utc_max)

    def _add(self, session: int, direction: int, seq: int, frame: Frame) -> None:
        """Remember a frame if its number is new in its epoch."""
        epoch = self._epochs.get(session)
        if epoch is None:
            epoch = self.epoch(session)
        group = (session, direction, epoch)
        highest = self._highest.get(group)
        if highest is None:
            highest = self._layers.highest(group)
        if seq > highest:
            self._highest[group] = seq
        elif self._layers.find(group, seq) is not None:
            return
        frames = self._layers.fresh.frames.get(group)
        if frames is None:
            frames = self._layers.fresh.frames[group] = {}
        frames[seq] = frame

    def _enter_epoch(self, session: int, event: int, payload: bytes, position: Position) -> None:
        try:
            epoch, why = msgspec.json.decode(payload, type=_Epoch).epoch, "out of range"
        except (ValueError, RecursionError) as error:  # bad JSON, bad UTF-8, or nested too deep
            epoch, why = -1, str(error)
        if not 0 <= epoch <= EPOCH_MAX:
            what = f"the epoch of event {event} cannot be read: {why}"
            self._failed = Corrupt(what, where=str(position), hint="run: durafix verify")
            raise self._failed
        for direction in Direction:
            self._highest.pop((session, direction, self.epoch(session)), None)
        self._epochs[session] = epoch
        self._layers.fresh.epochs.append((session, event, epoch))
