"""Compares the index with the journal, without trusting it, locking it or changing it.

Owns the comparison: while the segments are read, every frame that the index should hold goes into
a count and a sum for its session, direction and epoch; a child process (``indexdump.py``) makes the
same of the index. Where the journal has a hole, the index is asked what was there, so that lost
messages get their names back. It must not decide whether the index may be used.

The index is a projection of the journal, so damage in it loses nothing (P6). But its file has no
checksums of its own and may be in use: what the child says counts only if the file did not change
while it read.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import msgspec

from ..journal._core import crc32c
from ..journal.disk import Disk
from ..journal.errors import JournalError
from ..journal.index import Watermark, read_witness
from ..journal.indexformat import (
    SUM_MASK,
    Group,
    frame_key,
    frame_value,
    seal_value,
    unpack_meta,
)
from ..journal.indexopen import stamp_holds
from ..journal.manifest import Layout
from ..journal.position import Position
from ..journal.record import Flag, Kind
from .findings import Finding, finding
from .indexdump import Dump
from .scan import Batch

CHILD_SECONDS = 600.0
HOLES_MAX = 100
GAPS_MAX = 4096
TRIES = 3
_FRAMES: Final = (int(Kind.IN), int(Kind.OUT))
_EPOCH: Final = int(Kind.EPOCH)
_COPY: Final = int(Flag.COPY)
_COPY_BYTES = 1 << 20


class _Epoch(msgspec.Struct):
    epoch: int


class _Frames:
    """Count and sum over one group, and which numbers were there: an index keeps the first only."""

    __slots__ = ("count", "gaps", "highest", "sum")

    def __init__(self) -> None:
        self.count = self.sum = self.highest = 0
        self.gaps: list[tuple[int, int]] = []

    def is_new(self, seq: int) -> bool:
        """Whether this number was not there before; it is now."""
        if seq > self.highest:
            if seq > self.highest + 1:
                self.gaps.append((self.highest + 1, seq - 1))
            self.highest = seq
            return True
        for index, (first, last) in enumerate(self.gaps):
            if first <= seq <= last:
                rest = [(first, seq - 1), (seq + 1, last)]
                self.gaps[index : index + 1] = [gap for gap in rest if gap[0] <= gap[1]]
                return True
        return False


class IndexView:
    """The index of one journal, seen from outside. Feed it all batches, then ask ``compare``."""

    def __init__(self, disk: Disk, root: str, uuid: bytes) -> None:
        self._disk = disk
        self._root = root
        self._folder = Layout(root).index
        self._data = f"{self._folder}/data.mdb"
        self._local = disk.local_path(self._folder)
        self._there = self._local is not None and disk.exists(self._data)
        self._mark: Watermark | None = read_witness(disk, root, uuid) if self._there else None
        self._groups: dict[Group, _Frames] = {}
        self._epochs: dict[int, int] = {}
        self._holes: list[tuple[int, int, int]] = []
        self._whole = True
        """No hole and no overflow, so that counts and sums can be compared."""

    def feed(self, segment: int, batch: Batch) -> None:
        """Count the frames that the index should hold."""
        mark = self._mark
        if mark is None or not self._whole:
            return
        base, upto, epochs, groups = batch.base, mark.indexed, self._epochs, self._groups
        for at, event, _, seq, session, kind, direction, flags, _, crc, payload in batch.rows:
            if kind in _FRAMES:
                if flags & _COPY or not seq or event > upto:
                    continue
                group = (session, direction, epochs.get(session, 0))
                frames = groups.get(group)
                if frames is None:
                    frames = groups[group] = _Frames()
                if not frames.is_new(seq):
                    continue
                frame = (segment, base + at, len(payload), event, crc)
                frames.count += 1
                frames.sum += seal_value(frame_key(group, seq), frame_value(frame))[1]
                if len(frames.gaps) > GAPS_MAX:
                    self._whole = False
                    return
            elif kind == _EPOCH:
                try:
                    epochs[session] = msgspec.json.decode(payload, type=_Epoch).epoch
                except msgspec.MsgspecError:
                    self._whole = False
                    return

    def hole(self, segment: int, start: int, end: int) -> None:
        """Bytes ``start`` to ``end`` of a segment could not be read as records."""
        self._whole = False
        if len(self._holes) < HOLES_MAX:
            self._holes.append((segment, start, end))

    def compare(self, last_event: int, roster: dict[int, str]) -> list[Finding]:
        """What is wrong with the index, and what it knows about the holes of the journal."""
        if not self._there:
            return [finding("index-missing")]
        if stamp_holds(self._disk, self._root) is False:
            return [finding("index-damaged", "the index was changed after it was closed")]
        if self._mark is None:
            return [finding("index-damaged", "the index has no valid watermark")]
        found: list[Finding] = []
        if self._mark.indexed > last_event:
            found.append(finding("index-ahead", event=self._mark.indexed))
        elif self._mark.indexed < last_event:
            found.append(finding("index-behind", event=self._mark.indexed))
        dump, why = self._dump()
        if dump is None:
            return [*found, finding("index-damaged", why) if why else finding("index-busy")]
        found += [
            finding(
                "number-lost",
                "the index has this message in the damaged place",
                position=Position(place.segment, place.offset),
                event=place.event,
                session=place.session,
                session_name=roster.get(place.session, ""),
                direction=place.direction if place.direction in (1, 2) else 0,
                seq=place.seq,
                epoch=place.epoch,
            )
            for place in dump.places
        ]
        if self._whole and self._mark.indexed <= last_event:
            found += self._differences(dump, roster)
        return found

    def _differences(self, dump: Dump, roster: dict[int, str]) -> list[Finding]:
        theirs = {(s, d, e): (count, total) for s, d, e, count, total in dump.groups}
        ours = {group: (f.count, f.sum & SUM_MASK) for group, f in self._groups.items() if f.count}
        return [
            finding(
                "index-differs",
                f"the index has {theirs.get(group, (0, 0))[0]} frames, "
                f"the journal {ours.get(group, (0, 0))[0]}, or others",
                session=group[0],
                session_name=roster.get(group[0], ""),
                direction=group[1] if group[1] in (1, 2) else 0,
                epoch=group[2],
            )
            for group in sorted(theirs.keys() | ours.keys())
            if theirs.get(group) != ours.get(group)
        ]

    def _dump(self) -> tuple[Dump | None, str]:
        """What the child says; (None, "") if the file is in use, (None, why) if it is damaged."""
        for _ in range(TRIES):
            before = self._fingerprint()
            dump, why = self._ask()
            if before and self._fingerprint() == before:
                if dump is not None:
                    meta = unpack_meta(bytes.fromhex(dump.meta))
                    if meta is None or meta.watermark != self._mark:
                        return None, ""
                return dump, why
        return None, ""

    def _ask(self) -> tuple[Dump | None, str]:
        assert self._local is not None
        ranges = [f"{segment}:{start}:{end}" for segment, start, end in self._holes]
        command = [sys.executable, "-P", "-m", f"{__package__}.indexdump", self._local, *ranges]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=CHILD_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return None, f"the index could not be read: {type(error).__name__}"
        if done.returncode < 0:
            return None, f"reading the index ended by signal {-done.returncode}"
        if done.returncode:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            return None, lines[-1] if lines else "the index cannot be read"
        try:
            return msgspec.json.decode(done.stdout, type=Dump), ""
        except msgspec.MsgspecError as error:
            return None, f"the index gave no answer: {error}"

    def _fingerprint(self) -> tuple[int, int] | None:
        crc = at = 0
        try:
            with self._disk.open(self._data) as file:
                while data := file.pread(at, _COPY_BYTES):
                    crc = crc32c(data, crc)
                    at += len(data)
        except JournalError:
            return None
        return at, crc
