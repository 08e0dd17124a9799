"""Carries out a repair plan, as the one writer of the journal.

Owns the order and the writes of each remedy. It takes the lock, verifies again, and does nothing if
that gives another plan than the one that a person has seen. Each remedy is safe to be killed in and
to run again; what is replaced or cut is in quarantine first. It must not repair anything that the
plan does not name.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..journal import manifest
from ..journal.disk import Disk, read_whole, write_whole
from ..journal.errors import JournalError, Missing
from ..journal.index import Index
from ..journal.manifest import Layout
from ..journal.segment import FIRST_RECORD, PAGE_BYTES, read_header_pages
from ..journal.tail import FILE_BYTES, newest, pack_slot, slot_offset
from .errors import Damaged, Undecided
from .judge import follow, judge
from .plan import Outcome, Remedy, RepairPlan, plan
from .quarantine import COPY_BYTES, set_aside
from .scan import Walk
from .settle import Settled, settle
from .verify import verify
from .witness import read_witnesses


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was done."""

    outcome: Outcome
    done: tuple[str, ...]
    """One line for each remedy."""
    quarantine: tuple[str, ...]
    """Names of the copies that were made."""


def apply(
    disk: Disk,
    root: str,
    planned: RepairPlan,
    *,
    who: str,
    why: str,
    clock: Callable[[], int] = time.time_ns,
) -> Repaired:
    """Do what ``planned`` says. ``who`` and ``why`` go into the journal with a cut.

    Raises ``Locked`` beside a live writer, ``Damaged`` for a plan that refuses, ``Undecided`` for
    one that cannot tell and for a journal that has changed since, and what the disk raises.
    """
    root = root.rstrip("/")
    _refuse(root, planned)
    lock = manifest.lock_writer(disk, root)
    try:
        if plan(verify(disk, root, pause=lambda seconds: None)) != planned:
            raise Undecided(
                "the journal is not as the plan found it",
                (),
                where=root,
                hint=f"run: durafix repair {root}",
            )
        return _Work(disk, root, who, why, clock).run(planned)
    finally:
        lock.release()


def _refuse(root: str, planned: RepairPlan) -> None:
    hint = f"run: durafix verify {root}"
    if planned.refused:
        found = tuple(refusal.finding for refusal in planned.refused)
        raise Damaged(found[0].message, found, where=found[0].where or root, hint=hint)
    if planned.undecided:
        found = planned.undecided
        raise Undecided(found[0].message, found, where=found[0].where or root, hint=hint)


class _Work:
    def __init__(self, disk: Disk, root: str, who: str, why: str, clock: Callable[[], int]) -> None:
        self._disk = disk
        self._root = root
        self._at = Layout(root)
        self._uuid = manifest.load(disk, root).uuid
        self._who = who
        self._why = why
        self._clock = clock
        self._kept: list[str] = []
        self._done: list[str] = []

    def run(self, planned: RepairPlan) -> Repaired:
        """All actions, in the plan's order."""
        for action in planned.actions:
            if action.remedy is Remedy.RESTORE_HEADER:
                assert action.position is not None
                self._restore_header(action.position.segment, action.position.offset)
            elif action.remedy is Remedy.CUT_TAIL:
                assert action.position is not None
                self._cut_tail(action.position.segment)
            elif action.remedy is Remedy.REWRITE_TAIL_FILE:
                self._rewrite_tail_file()
            else:
                self._rebuild_index()
        outcome = Outcome.REPAIRED if planned.actions else Outcome.NOTHING
        return Repaired(outcome, tuple(self._done), tuple(self._kept))

    def _restore_header(self, segment: int, offset: int) -> None:
        """Into a copy of the file that then takes its name: a sealed file may not be written to."""
        path = self._at.segment(segment)
        temporary = f"{path}.repair"
        with contextlib.suppress(Missing):
            self._disk.unlink(temporary)
        with self._disk.open(path) as old:
            pages = read_header_pages(old.pread(0, FIRST_RECORD), where=path)
            assert pages.header is not None
            self._kept.append(
                set_aside(self._disk, self._root, old, segment, offset, offset + PAGE_BYTES)
            )
            size = old.size()
            with self._disk.open(temporary, write=True, exclusive=True) as new:
                new.allocate(size)
                new.pwrite(pages.page + pages.page, 0)
                for at in range(FIRST_RECORD, size, COPY_BYTES):
                    new.pwrite(old.pread(at, min(COPY_BYTES, size - at)), at)
                new.fsync()
        self._disk.rename(temporary, path)
        self._disk.fsync_dir(self._at.segments)
        if self._is_sealed(segment):
            with contextlib.suppress(JournalError):  # a file system without modes
                self._disk.protect(path)
        self._done.append(f"header page {segment}:{offset} written again from its other copy")

    def _is_sealed(self, segment: int) -> bool:
        return segment < manifest.segment_numbers(self._disk, self._root)[-1]

    def _cut_tail(self, segment: int) -> None:
        settled = self._settle(segment)
        self._kept += settled.quarantine
        self._done.append(
            f"{settled.cut_bytes} bytes at {segment}:{settled.cut_offset} cut and kept aside; "
            "the segment is sealed there"
        )

    def _settle(self, segment: int) -> Settled:
        witnesses = read_witnesses(self._disk, self._root, self._uuid)
        with self._disk.open(self._at.segment(segment)) as file:
            pages = read_header_pages(file.pread(0, FIRST_RECORD), where=file.path)
            walk = Walk(file, segment, pages, size=file.size(), direct=True)
            for _ in follow(walk):
                pass
            judgement = judge(walk, witness=witnesses.durable, blind=witnesses.blind, last=True)
        return settle(
            self._disk,
            self._root,
            walk,
            judgement,
            repaired=False,
            utc_ns=self._clock(),
            who=self._who,
            why=self._why,
        )

    def _rewrite_tail_file(self) -> None:
        """Both slots from the newest good one, or a file that was never written: it may lag."""
        data = read_whole(self._disk, self._at.tail) if self._disk.exists(self._at.tail) else b""
        slot, fresh = newest(data), bytearray(FILE_BYTES)
        if slot is not None:
            for _ in range(2):
                slot = type(slot)(
                    journal_uuid=slot.journal_uuid,
                    term=slot.term,
                    segment=slot.segment,
                    offset=slot.offset,
                    event=slot.event,
                    header_crc=slot.header_crc,
                    generation=slot.generation + 1,
                )
                raw = pack_slot(slot)
                at = slot_offset(slot.generation)
                fresh[at : at + len(raw)] = raw
        write_whole(self._disk, self._at.tail, bytes(fresh))
        self._done.append("tail file written again")

    def _rebuild_index(self) -> None:
        for name in self._disk.listdir(self._at.index):
            self._disk.unlink(f"{self._at.index}/{name}")
        last = verify(self._disk, self._root, pause=lambda seconds: None).counts.last_event
        with Index.open(self._disk, self._root, self._uuid) as index:
            index.catch_up(last)
        self._done.append(f"index built again up to event {last}")
