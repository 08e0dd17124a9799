"""The witnesses outside the segments: the tail file, and what the index remembers.

Owns reading them and saying how they are. Both may lag behind the journal and never lead it, so a
valid one proves that its event was on disk, and a missing one proves nothing. With both gone the
verdict on a torn tail is "cannot tell" (row 7). It must not judge; ``judge.py`` does.

A witness is read before the segments: on a live journal it would otherwise know of events that were
written after we had looked.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

from ..journal.disk import Disk
from ..journal.errors import IoFailed, Missing
from ..journal.index import Watermark, read_witness
from ..journal.manifest import Layout
from ..journal.tail import FILE_BYTES, SLOT_BYTES, SLOT_OFFSETS, TailSlot, newest, unpack_slot
from .findings import Finding, finding
from .scan import Batch


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What is known about durable events from outside the segments."""

    tail: TailSlot | None
    tail_present: bool
    """The file is there and belongs to this journal; it may lag, be torn or still be empty."""
    index: Watermark | None
    """None if it is gone, damaged, or of another journal."""
    findings: tuple[Finding, ...] = ()
    """How the tail file is."""

    @property
    def durable(self) -> int:
        """The highest event that one of them proves; 0 if none does."""
        return max(
            self.tail.event if self.tail else 0,
            self.index.durable if self.index else 0,
        )

    @property
    def blind(self) -> bool:
        """Both are gone."""
        return not self.tail_present and self.index is None

    @property
    def silent(self) -> bool:
        """Neither says anything: both are gone, or what is left of them names no event."""
        return self.tail is None and self.index is None

    def without_segments(self) -> list[Finding]:
        """What it means that there is no segment: nothing yet, or that all of it is gone."""
        if not self.durable:
            return []
        text = f"there is no segment, though event {self.durable} was on disk"
        return [finding("events-lost", text, event=1)]

    def contradicts(self, batch: Batch, segment: int) -> str:
        """Which witness names another record than the one that ``batch`` holds in its place.

        The place alone proves nothing: where only padding was lost, a REPAIR stands there now.
        """
        tail, mark, rows = self.tail, self.index, batch.rows
        if tail is not None and tail.segment == segment:
            index = bisect.bisect_left(rows, (tail.offset - batch.base,)) - 1
            if index >= 0 and batch.base + batch.behind(index) == tail.offset:
                if rows[index][1] == tail.event and rows[index][9] != tail.header_crc:
                    return "tail file"
        if mark is not None and mark.durable and mark.segment == segment:
            index = bisect.bisect_left(rows, (mark.offset - batch.base,))
            if index < len(rows) and batch.base + rows[index][0] == mark.offset:
                if rows[index][1] == mark.durable and rows[index][9] != mark.header_crc:
                    return "index"
        return ""


def read_witnesses(disk: Disk, root: str, uuid: bytes) -> Witnesses:
    """The tail file and the index's word.

    Every byte of the file counts: the two slots have their checksums, and the rest must be zero. A
    slot of zeros was never written; that is so for the first generation only. A file of zeros, or
    one whose slots a power cut tore, is there and merely lags: slots are not fsynced.
    """
    path, index = Layout(root).tail, read_witness(disk, root, uuid)
    try:
        with disk.open(path) as file:
            data = file.pread(0, FILE_BYTES + 1)
    except Missing:
        return Witnesses(None, False, index, (finding("tail-missing"),))
    except IoFailed as error:
        unread = finding("unreadable", f"the tail file cannot be read: {error}", file=path)
        return Witnesses(None, False, index, (unread,))
    slot, findings = newest(data), _judge_bytes(data, path)
    if slot is not None and slot.journal_uuid != uuid:
        findings.append(finding("tail-foreign", file=path, uuid=slot.journal_uuid.hex()))
        return Witnesses(None, False, index, tuple(findings))
    return Witnesses(slot, len(data) >= FILE_BYTES, index, tuple(findings))


def _judge_bytes(data: bytes, path: str) -> list[Finding]:
    slot = newest(data)
    findings: list[Finding] = []
    for parity, at in enumerate(SLOT_OFFSETS):
        raw = data[at : at + SLOT_BYTES]
        own = unpack_slot(raw)
        good = own is not None and own.generation % 2 == parity
        if not good and (any(raw) or (slot is not None and slot.generation > 1)):
            findings.append(finding("tail-damaged", file=path, offset=at))
    gaps = data[SLOT_BYTES : SLOT_OFFSETS[1]] + data[SLOT_OFFSETS[1] + SLOT_BYTES :]
    if any(gaps) or len(data) != FILE_BYTES:
        findings.append(
            finding("tail-damaged", "the tail file has bytes that nobody wrote", file=path)
        )
    return findings
