"""The open segment, and the bytes on their way into it.

Owns the order of bytes and syncs: what is packed, written, synced, sealed, and which event number
each of these has reached. It must not know threads, queues' owners or waiting: ``writer.py`` calls
one method at a time, under its own lock, and decides when.

Invariants.

- Bytes that were packed are written at the offset they were packed for, again and again until a
  write is whole. Only then does ``written`` move, so a full disk costs time and nothing else
  (storage rule 17).
- ``durable`` moves only behind an fdatasync that began after the write, and the tail file is
  written before anyone hears of it (storage rule 15): it can lag, never lead.
- ``fdatasync`` is the one method that may run while another thread packs and flushes behind the
  point it confirms.
- In front of each fdatasync a PAD fills the sector, so later bytes never share one with
  acknowledged bytes (10).
- The depth of a record is taken when it is packed: what was durable then is what it proves.
- Rotation runs in the order of storage rule 9. ``rotate`` may stop at a full disk between any two
  of its steps and goes on there when it is called again; an event never lands behind a SEAL.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from . import tail
from ._core import Packer
from .chain import extend
from .errors import DiskFull, TooLarge
from .manifest import Layout
from .record import HEADER_BYTES, Flag, Kind, padded
from .rotation import Segments
from .segment import (
    FIRST_RECORD,
    SEAL_BYTES,
    Seal,
    SegmentHeader,
    pack_seal,
    seal_digest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .disk import Disk, File
    from .policy import WriterStart
    from .record import Draft
    from .segment import Policy as PolicyCode

Step = tuple[int, int, "Sequence[Draft]", int]
"""A step in the queue: first event number, time (UTC ns), its drafts, its size in the segment in
bytes.
"""
SEAL_ROOM = padded(SEAL_BYTES)
ROSTER_SHARE = 8
"""A roster takes at most this part of a segment, so that each segment has room for events."""


class Point(NamedTuple):
    """A place that a sync is about to make durable: everything before it was written."""

    event: int
    offset: int
    header_crc: int


class _Stage(enum.Enum):
    OPEN = "records go into it"
    SEALING = "its SEAL is packed; not known to be durable"
    SEALED = "cut to size; no successor yet"


class Appender:
    """See the module. All event numbers are inclusive; 0 before the first event."""

    def __init__(
        self,
        disk: Disk,
        start: WriterStart,
        policy: PolicyCode,
        clock: Callable[[], int],
        salts: Callable[[], int],
    ) -> None:
        self._start = start
        self._policy = policy
        self._clock = clock
        self._salts = salts
        at = Layout(start.root.rstrip("/"))
        self._segments = Segments(disk, at, start.segment_bytes)
        self._end = start.segment_bytes - start.pad_bytes - HEADER_BYTES - SEAL_ROOM
        self._half = start.segment_bytes // 2
        self.rosters: deque[tuple[int, dict[int, str]]] = deque([(0, dict(start.roster))])
        """(event number, roster from there on): what the next segment may have to open with."""
        self.segment = start.segment - 1
        self.packed = self.written = self.durable = start.last_event
        self.witnessed = start.last_event
        """The highest durable number that a packed record proves."""
        self.unsynced_bytes = 0
        """Written since the last sync began."""
        self.drained_bytes = 0
        """Bytes of the steps that ``written`` covers, since the start."""
        self._packed_bytes = 0
        self.unwritten: tuple[bytes, int] | None = None
        """Packed bytes and their offset that still wait for a whole write."""
        self.wants_next = False
        """Whether half of the segment is used and no successor is prepared."""
        self._header: SegmentHeader | None = None  # of the segment that is being installed
        self._stage, self._open = _Stage.SEALED, False  # an enum is slow to look up
        self._digest, self._chain = start.previous_seal, start.chain
        self._generation = 0
        self._tail = self._open_tail(disk, at)
        try:
            self._file, self._packer = self._install()
        except BaseException:
            self._tail.close()
            self._segments.close()
            raise

    # Facts

    @property
    def free_bytes(self) -> int:
        """Room for events in the open segment; what the PAD and the SEAL need is set aside."""
        return self._end - self._packer.offset if self._open else 0

    @property
    def rotating(self) -> bool:
        """Whether a rotation stopped half-way; ``rotate`` goes on."""
        return not self._open

    @property
    def step_bytes_max(self) -> int:
        """Largest step that an empty segment is sure to hold."""
        return self._end - FIRST_RECORD - padded(self._start.segment_bytes // ROSTER_SHARE)

    # Writing

    def pack(self, queue: deque[Step], limit_bytes: int) -> int:
        """Take whole steps from the queue's front while they fit; returns their bytes.

        Stops before a step that wants the next segment. ``list(queue)`` and each ``popleft`` are
        one move for the interpreter, so the owner may append meanwhile.
        """
        assert self.unwritten is None
        if not queue or not self._open:
            return 0
        packer, first = self._packer, queue[0]
        room = self._end - packer.offset
        if first[3] > room:  # below 0 if a PAD reached beyond the end for events
            return 0
        if len(queue) == 1:  # the usual case when each input is committed by itself
            packer.step(first[0], first[1], self.durable, first[2])
            queue.popleft()
            self._took(first, first, first[3])
            return first[3]
        if room > limit_bytes:  # a step above the limit goes alone
            room = max(limit_bytes, first[3])
        batch = list(queue)
        count, taken = packer.steps(batch, self.durable, room)
        for _ in range(count):
            queue.popleft()
        self._took(first, batch[count - 1], taken)
        return taken

    def _took(self, first: Step, last: Step, taken_bytes: int) -> None:
        packed = last[0] + len(last[2]) - 1
        if not self._events:
            self._first = first[:2]
        self._last_utc = last[1]
        self._events += packed - self.packed
        self.packed = packed
        self.witnessed = self.durable
        self._packed_bytes += taken_bytes

    def flush(self) -> int:
        """Hand everything packed to the system; returns the bytes.

        ``DiskFull`` keeps them for the next call.
        """
        size = self._write_out() if self.unwritten is not None else 0
        packer = self._packer
        if packer.pending:
            packed = packer.take()
            self.unwritten = (packed, packer.offset - len(packed))
            size += self._write_out()
        self.written, self.drained_bytes = self.packed, self._packed_bytes
        return size

    def _write_out(self) -> int:
        assert self.unwritten is not None
        data, offset = self.unwritten
        self._file.pwrite(data, offset)
        self.unwritten = None
        size = len(data)
        self.unsynced_bytes += size
        if offset > self._half and not self._segments.prepared:
            self.wants_next = True
        return size

    def pad(self) -> None:
        """Fill the sector in front of an fdatasync."""
        self._packer.pad(self.packed, self._clock(), self.durable, self._start.pad_bytes)

    def mark(self) -> bool:
        """Pack a MARK that proves what is durable; False if the segment has no room for it."""
        if self.free_bytes < HEADER_BYTES:
            return False
        self._single(Kind.MARK, Flag.NONE, b"")
        self.witnessed = self.durable
        return True

    # Syncing

    def begin_sync(self) -> Point:
        """A sync begins now; this is what it makes durable."""
        assert self.unwritten is None and not self._packer.pending
        packer = self._packer
        self.unsynced_bytes = 0
        return Point(self.written, packer.offset, packer.prev_header_crc)

    def fdatasync(self) -> None:
        """Make what was written before the call durable. ``IoFailed``: outcome unknown."""
        self._file.fdatasync()

    def confirm(self, point: Point) -> None:
        """An fdatasync that began behind ``point`` returned: say so in the tail file, move on."""
        self._generation += 1
        slot = tail.TailSlot(
            journal_uuid=self._start.uuid,
            term=self._start.term,
            segment=self.segment,
            offset=point.offset,
            event=point.event,
            header_crc=point.header_crc,
            generation=self._generation,
        )
        try:
            self._tail.pwrite(tail.pack_slot(slot), tail.slot_offset(self._generation))
        except DiskFull:
            pass  # the file may lag
        self.durable = point.event

    # Segments

    def prepare(self) -> None:
        """Reserve the next segment ahead of time. ``DiskFull`` says that there will be none."""
        self._segments.prepare()
        self.wants_next = False

    def rotate(self) -> None:
        """Seal this segment and open the next.

        After ``DiskFull`` call it again; it goes on where it stopped.
        """
        if self._stage is _Stage.OPEN:
            self._segments.prepare()
        self.seal()
        self._file, self._packer = self._install()

    def seal(self) -> None:
        """End this segment. Everything packed is durable then."""
        if self._stage is _Stage.OPEN:
            self.pad()
            self.flush()
            point = self.begin_sync()
            self.fdatasync()
            self.confirm(point)
            self._pack_seal()
        if self._stage is _Stage.SEALING:
            self.flush()
            point = self.begin_sync()
            self.fdatasync()
            self.confirm(point)
            self._segments.finish(self._file, point.offset)
            self._file.close()
            self._stage = _Stage.SEALED

    def close(self) -> None:
        """Give descriptors back. Writes nothing."""
        self._segments.close()
        self._file.close()
        self._tail.close()

    def _pack_seal(self) -> None:
        packer = self._packer
        assert not packer.pending
        root, leaves = packer.tree.root(), packer.tree.count
        self._chain = extend(self._chain, root, leaves)
        first, first_ns = self._first
        seal = Seal(
            events=self._events,
            records=packer.records,
            first_event=first,
            last_event=self.packed if self._events else 0,
            first_utc_ns=first_ns,
            last_utc_ns=self._last_utc,
            size_bytes=packer.offset,
            root=root,
            chain=self._chain,
        )
        offset = packer.offset
        self._single(Kind.SEAL, Flag.NONE, pack_seal(seal))
        record = packer.take()
        self._digest = seal_digest(record)
        self.unwritten = (record, offset)
        self.witnessed = self.durable
        self._stage, self._open = _Stage.SEALING, False

    def _install(self) -> tuple[File, Packer]:
        assert self._stage is _Stage.SEALED
        header = self._header = self._header or SegmentHeader(
            journal_uuid=self._start.uuid,
            segment=self.segment + 1,
            salt=self._salts(),
            base_event=self.packed + 1,
            term=self._start.term,
            created_ns=self._clock(),
            policy=self._policy,
            pad_bytes=self._start.pad_bytes,
            allocated_bytes=self._start.segment_bytes,
            previous_seal=self._digest,
            chain=self._chain,
        )
        file, page, crc = self._segments.install(header)
        self.segment += 1
        self._stage, self._open, self._header = _Stage.OPEN, True, None
        self.wants_next = False
        self._events, self._first, self._last_utc = 0, (0, 0), 0
        self._packer = packer = Packer(header.salt, crc, FIRST_RECORD)
        packer.tree.add(page)
        while len(self.rosters) > 1 and self.rosters[1][0] <= self.packed:
            self.rosters.popleft()
        self._single(Kind.ROSTER, Flag.COPY, pack_roster(self.rosters[0][1]))
        return file, packer

    def _single(self, kind: Kind, flags: Flag, payload: bytes) -> None:
        depth = self.packed - self.durable
        self._packer.single(self.packed, self._clock(), depth, kind, 0, flags, 0, 0, payload)

    def _open_tail(self, disk: Disk, at: Layout) -> File:
        """The tail file, made if it is missing. Slots of earlier reigns stay until replaced.

        Its name is made durable each time, and with it that of ``journal.json``: a process that was
        killed may have left both in the page cache only.
        """
        file = disk.open(at.tail, write=True, create=True)
        if file.size() < tail.FILE_BYTES:
            file.pwrite(bytes(tail.FILE_BYTES), 0)
        file.fsync()
        disk.fsync_dir(at.root)
        newest = tail.newest(file.pread(0, tail.FILE_BYTES))
        self._generation = newest.generation if newest is not None else 0
        return file


def pack_roster(roster: dict[int, str]) -> bytes:
    """The payload of a ROSTER record: session number to name, always the whole roster."""
    return msgspec.json.encode({"sessions": {str(n): name for n, name in sorted(roster.items())}})


def check_roster(payload: bytes, segment_bytes: int) -> None:
    """``TooLarge`` if a roster would fill the segments that it opens."""
    limit = segment_bytes // ROSTER_SHARE
    if len(payload) > limit:
        raise TooLarge(
            f"a roster of {len(payload)} bytes; the limit is {limit}",
            hint="use shorter session names, or larger segments",
        )
