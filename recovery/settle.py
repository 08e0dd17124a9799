"""Settles the end of the last segment: makes durable what was accepted, and closes it with a seal.

Owns the writes of storage rules 18 and 19 and their order, each step durable before the next:

    copy aside what lies above W, write the same bytes in place      the accepted bytes are on disk
    copy aside what is cut                                           nothing is lost by the cut
    REPAIR                                                           the journal says what was done
    SEAL at the cut                                                  nothing behind it counts
    truncate, take the right to write away

It is told where to cut and never decides. It can be killed between any two operations and run
again: a copy has the name of its content, a REPAIR that is already the last event is not written
twice, a SEAL that is already there only lacks the truncation.

Why accepted bytes are written again: after ``kill -9`` they may be in the page cache only, or,
after a failed fsync, in clean pages that nobody will write. They would be sent to the peer, and
then power fails.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import msgspec

from ..journal import chain
from ..journal._core import MerkleTree, Packer
from ..journal.disk import Disk, File
from ..journal.errors import JournalError
from ..journal.manifest import Layout
from ..journal.record import SECTOR_BYTES, Kind
from ..journal.segment import Policy, Seal, pack_seal
from .judge import Judgement, follow
from .quarantine import COPY_BYTES, set_aside
from .repair_record import Repair, draft
from .scan import Walk
from .table import Decision

_PAD_BYTES = frozenset({SECTOR_BYTES, 4096})


@dataclass(frozen=True, slots=True)
class Settled:
    """What was done to the last segment."""

    sealed_now: bool
    """It had no seal before."""
    cut_offset: int = 0
    cut_bytes: int = 0
    """Bytes behind ``cut_offset`` that went to quarantine, up to the last that was not zero."""
    cut_headers: int = 0
    rewritten_bytes: int = 0
    """Accepted bytes above W that were written again in place."""
    quarantine: tuple[str, ...] = ()
    repair_written: bool = False


@dataclass(frozen=True, slots=True)
class _Measure:
    """The accepted part of a segment, read once more."""

    tree: MerkleTree
    walk: Walk
    above_offset: int
    """Where the first event above W starts; the end of the accepted part if there is none."""


def medium_differs(file: File, walk: Walk, durable: int) -> bool:
    """Whether the medium holds other bytes than the page cache, above event ``durable``.

    Then a sync failed in the process before this one, and the cache must not be believed: walk the
    segment again with ``direct``.
    """
    end = walk.offset if walk.seal is not None else walk.cut_offset
    start = _first_above(file, walk, durable, end)
    if walk.seal is not None:
        start = min(start, walk.seal_offset)
    for at in range(start, end, COPY_BYTES):
        length = min(COPY_BYTES, end - at)
        if file.pread(at, length) != file.pread_direct(at, length):
            return True
    return False


def settle(
    disk: Disk,
    root: str,
    walk: Walk,
    judgement: Judgement,
    *,
    repaired: bool,
    utc_ns: int,
    who: str = "recovery",
    why: str = "",
) -> Settled:
    """Close the segment at whose end ``walk`` stopped, as ``judgement`` decided.

    ``repaired`` says that the last event of the journal is a REPAIR that covers this stop already;
    ``who`` and ``why`` go into the one that is written else.
    Durable on return. Raises what the disk raises; then run it again.
    """
    assert judgement.row.decision in (Decision.CLEAN_END, Decision.TORN_TAIL)
    at, segment = Layout(root), walk.segment
    if walk.seal is not None:
        return _finish_sealed(disk, at, walk, judgement)
    with disk.open(at.segment(segment), write=True) as file:
        measure = _measure(file, walk, judgement.durable)
        kept: list[str] = []
        rewritten = walk.cut_offset - measure.above_offset
        if rewritten:
            kept.append(_rewrite(disk, root, file, measure.above_offset, walk))
        cut_name = ""
        cut_end = judgement.behind.nonzero_end
        if cut_end > walk.cut_offset:
            cut_name = set_aside(disk, root, file, segment, walk.cut_offset, cut_end)
            kept.append(cut_name)
        file.fdatasync()
        disk.fsync_dir(at.segments)  # a new segment's name may be in the cache only
        cut_bytes = max(0, cut_end - walk.cut_offset)
        done = Settled(
            sealed_now=True,
            cut_offset=walk.cut_offset,
            cut_bytes=cut_bytes,
            cut_headers=judgement.behind.headers if cut_bytes else 0,
            rewritten_bytes=rewritten,
            quarantine=tuple(kept),
            repair_written=not repaired,
        )
        repair = (
            None
            if repaired
            else msgspec.structs.replace(_repair(walk, judgement, done, cut_name), who=who, why=why)
        )
        size = _seal(file, walk, measure, repair, utc_ns)
        file.truncate(size)
        file.fsync()
    _protect(disk, at.segment(segment))
    return done


def _finish_sealed(disk: Disk, at: Layout, walk: Walk, judgement: Judgement) -> Settled:
    """The seal is there; make sure that it stays, and cut off what lies behind it."""
    path = at.segment(walk.segment)
    kept: tuple[str, ...] = ()
    end = judgement.behind.nonzero_end
    if walk.size > walk.offset:
        with disk.open(path, write=True) as file:
            if end > walk.offset:
                kept = (set_aside(disk, at.root, file, walk.segment, walk.offset, end),)
            file.fdatasync()
            file.truncate(walk.offset)
            file.fsync()
    else:
        with disk.open(path) as file:
            file.fsync()  # not only data: whoever cut the file may have been killed right after
    disk.fsync_dir(at.segments)
    _protect(disk, path)
    return Settled(sealed_now=False, cut_offset=walk.offset, quarantine=kept)


def _first_above(file: File, walk: Walk, durable: int, end: int) -> int:
    """Where the first record with an event above ``durable`` starts, or ``end``."""
    if walk.cut_event <= durable:
        return end
    again = walk.again(file, size=end)
    for batch in follow(again):
        for row in batch.rows:
            if row[1] > durable:
                return min(batch.base + row[0], end)
    return end


def _measure(file: File, walk: Walk, durable: int) -> _Measure:
    again = walk.again(file, size=walk.cut_offset, merkle=True)
    above = walk.cut_offset
    for batch in follow(again):
        if batch.rows[-1][1] > durable and above == walk.cut_offset:
            above = next(batch.base + row[0] for row in batch.rows if row[1] > durable)
    assert again.cut_offset == walk.cut_offset and again.tree is not None
    return _Measure(again.tree, again, above)


def _rewrite(disk: Disk, root: str, file: File, start: int, walk: Walk) -> str:
    """Copy the accepted bytes above W aside, then write the very same bytes in their place."""
    name = set_aside(disk, root, file, walk.segment, start, walk.cut_offset)
    for at in range(start, walk.cut_offset, COPY_BYTES):
        length = min(COPY_BYTES, walk.cut_offset - at)
        data = file.pread_direct(at, length) if walk.direct else file.pread(at, length)
        file.pwrite(data, at)
    return name


def _repair(walk: Walk, judgement: Judgement, done: Settled, cut_name: str) -> Repair:
    lazy = walk.header.policy != Policy.ALWAYS
    return Repair(
        type="cut" if done.cut_bytes else "unclean-stop",
        row=judgement.row.number,
        term=walk.header.term,
        segment=walk.segment,
        offset=walk.cut_offset,
        durable=judgement.durable,
        from_bound=bool(done.cut_bytes) or lazy,
        cut_bytes=done.cut_bytes,
        cut_headers=done.cut_headers,
        quarantine=cut_name,
    )


def _seal(file: File, walk: Walk, measure: _Measure, repair: Repair | None, utc_ns: int) -> int:
    """Write the REPAIR, make it durable, write the SEAL; returns the size of the segment."""
    header, tree, again = walk.header, measure.tree, measure.walk
    packer = Packer(header.salt, walk.cut_prev_crc, walk.cut_offset)
    event, first_event = walk.cut_event, again.first_event
    first_utc_ns, last_utc_ns = again.first_utc_ns, again.cut_utc_ns
    records = again.cut_records
    if repair is not None:
        event += 1
        packer.step(event, utc_ns, event - 1, [draft(repair)])
        data = packer.take()
        tree.add(data)
        packer.pad(event, utc_ns, event - 1, _boundary(header.pad_bytes))
        if packer.pending:  # the seal must not share a sector with the event
            pad = packer.take()
            tree.add(pad)
            data += pad
        file.pwrite(data, walk.cut_offset)
        file.fdatasync()
        first_event, first_utc_ns = first_event or event, first_utc_ns or utc_ns
        last_utc_ns = utc_ns
        records += packer.records
    root = tree.root()
    seal = Seal(
        events=event - first_event + 1 if first_event else 0,
        records=records,
        first_event=first_event,
        last_event=event if first_event else 0,
        first_utc_ns=first_utc_ns,
        last_utc_ns=last_utc_ns,
        size_bytes=packer.offset,
        root=root,
        chain=chain.extend(header.chain, root, tree.count),
    )
    at = packer.offset
    packer.single(event, utc_ns, 0, Kind.SEAL, 0, 0, 0, 0, pack_seal(seal))
    file.pwrite(packer.take(), at)
    file.fdatasync()
    return packer.offset


def _boundary(pad_bytes: int) -> int:
    return pad_bytes if pad_bytes in _PAD_BYTES else SECTOR_BYTES


def _protect(disk: Disk, path: str) -> None:
    with contextlib.suppress(JournalError):  # a file system without modes keeps only the seal
        disk.protect(path)
