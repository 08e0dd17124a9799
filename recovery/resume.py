"""Opens a journal for writing: decides what its end means, settles it, folds it, starts a writer.

Owns the order of a start. Nothing is written before everything has been judged, and nothing is
folded as fact before it is on disk:

    lock - witnesses - fold the sealed segments - judge the last one by the opening table
         - settle its end (settle.py) - fold it - index - writer with the next term, new segment

A damaged journal is refused with ``Damaged`` and its findings, an undecidable one with
``Undecided``; neither is touched. It must not know what events mean: the caller's ``Fold`` does.

Invariant: opening is idempotent. It may be killed at any point and run again, and the second run
ends in the same events and the same state (storage rule 28). Whatever the first run decided and the
second one could not see any more is in the journal, as a REPAIR event.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic

from ..journal import manifest
from ..journal.disk import Disk, Lock
from ..journal.index import Index
from ..journal.index import Report as IndexReport
from ..journal.manifest import Layout, Manifest
from ..journal.policy import Limits, Policy, WriterStart
from ..journal.probe import Probe
from ..journal.reader import Reader
from ..journal.record import SECTOR_BYTES
from ..journal.writer import Writer, random_salt
from .errors import refuse
from .findings import Finding
from .fold import Fold, S
from .history import History
from .settle import Settled
from .table import Decision
from .witness import read_witnesses


@dataclass(frozen=True, slots=True)
class Options:
    """What a journal is opened with; the defaults are those of a real one.

    ``clock`` gives UTC ns, ``monotonic`` ns; ``uuids`` 16 random bytes for a new journal; ``salts``
    64 random bits, never 0, for each segment. ``threaded=False`` is for simulations (see Writer).
    """

    policy: Policy = field(default_factory=Policy)
    segment_bytes: int = 64 << 20
    pad_bytes: int = SECTOR_BYTES
    limits: Limits | None = None
    probe: Probe | None = None
    threaded: bool = True
    clock: Callable[[], int] = time.time_ns
    monotonic: Callable[[], int] = time.monotonic_ns
    uuids: Callable[[], bytes] = lambda: os.urandom(manifest.UUID_BYTES)
    salts: Callable[[], int] = random_salt


@dataclass(frozen=True, slots=True)
class OpenReport:
    """What an opening found and did."""

    created: bool
    """The journal is new."""
    decision: Decision
    """Of the opening table about the end of the journal."""
    row: int
    because: str
    clean: bool
    """The last writer closed the journal."""
    from_bound: bool
    """Events may be missing at the end: some session goes on from its reservation."""
    settled: Settled | None
    findings: tuple[Finding, ...]
    """Damage that did not stop the start, and notes."""
    events: int
    """Events folded."""
    segments: int
    """Segments read."""
    term: int
    """Of the writer that was started."""
    index: IndexReport
    """How the index was, and why it was rebuilt if it was."""
    phases_ns: dict[str, int]
    """Time of each phase, in order."""

    @property
    def cut(self) -> bool:
        """Whether bytes were cut."""
        return self.settled is not None and self.settled.cut_bytes > 0


@dataclass(frozen=True, slots=True)
class Resumed(Generic[S]):
    """A journal that is open for writing."""

    writer: Writer
    reader: Reader
    index: Index
    """Caught up with the last event; the caller goes on with ``catch_up`` and closes it."""
    state: S
    report: OpenReport
    bound_sessions: frozenset[int]
    """Sessions without an event since a stop that may have lost some: their outbound numbers go on
    behind the reservation. Stays so at each start until they have one."""

    @property
    def clean(self) -> bool:
        """Whether the last writer closed the journal."""
        return self.report.clean

    @property
    def from_bound(self) -> bool:
        """Whether any session must go on from its reservation."""
        return self.report.from_bound


def open_journal(
    disk: Disk,
    root: str,
    fold: Fold[S],
    *,
    create: bool = False,
    options: Options | None = None,
) -> Resumed[S]:
    """Open the journal at ``root`` for writing, as its one writer; close it with ``writer.close``.

    ``create`` makes a new journal where there is none. Raises ``Locked``, ``Missing``,
    ``FormatUnknown``, ``Damaged`` or ``Undecided`` (with findings), and what the disk raises.
    """
    options = options or Options()
    root = root.rstrip("/")
    identity, created = _identify(disk, root, create, options)
    lock = manifest.lock_writer(disk, root)
    try:
        return _open_locked(disk, root, fold, options, identity, created, lock)
    except BaseException:
        lock.release()
        raise


def _identify(disk: Disk, root: str, create: bool, options: Options) -> tuple[Manifest, bool]:
    made = disk.exists(Layout(root).manifest)
    if made or not create:
        return manifest.load(disk, root), False
    new = manifest.create(disk, root, uuid=options.uuids(), created_ns=options.clock())
    return new, True


def _open_locked(
    disk: Disk,
    root: str,
    fold: Fold[S],
    options: Options,
    identity: Manifest,
    created: bool,
    lock: Lock,
) -> Resumed[S]:
    now = options.monotonic
    began = now()
    witnesses = read_witnesses(disk, root, identity.uuid)
    history = History(disk, root, identity.uuid, fold, witnesses)
    numbers = manifest.segment_numbers(disk, root)
    if not numbers and (lost := witnesses.without_segments()):
        raise refuse(root, [*witnesses.findings, *lost])
    for segment in numbers[:-1]:
        history.read_sealed(segment)
    folded = now()
    settled = history.read_last(numbers[-1], utc_ns=options.clock()) if numbers else None
    settled_at = now()
    start = WriterStart(
        root=root,
        uuid=identity.uuid,
        term=history.links.term + 1,
        last_event=history.links.base_event - 1,
        segment=history.links.segment + 1,
        previous_seal=history.digest,
        chain=history.chain,
        roster=history.roster,
        segment_bytes=options.segment_bytes,
        pad_bytes=options.pad_bytes,
        lock=lock,
    )
    index = Index.open(disk, root, identity.uuid)
    try:
        index.catch_up(start.last_event)
        index.set_durable(start.last_event)
        indexed_at = now()
        writer = _start_writer(disk, start, options)
    except BaseException:
        index.close()
        raise
    bound = history.bound_sessions
    report = OpenReport(
        created=created,
        decision=history.decision.decision,
        row=history.decision.number,
        because=history.decision.because,
        clean=history.clean,
        from_bound=bool(bound),
        settled=settled,
        findings=tuple(history.findings),
        events=history.events,
        segments=len(numbers),
        term=start.term,
        index=index.report,
        phases_ns={
            "fold": folded - began,
            "settle": settled_at - folded,
            "index": indexed_at - settled_at,
            "writer": now() - indexed_at,
        },
    )
    return Resumed(writer, Reader(disk, root), index, history.state, report, bound)


def _start_writer(disk: Disk, start: WriterStart, options: Options) -> Writer:
    return Writer(
        disk,
        start,
        options.policy,
        clock=options.clock,
        monotonic=options.monotonic,
        salts=options.salts,
        probe=options.probe,
        limits=options.limits,
        threaded=options.threaded,
    )
