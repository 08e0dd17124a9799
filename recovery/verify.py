"""Verifies a journal in one streaming pass: what it holds, what is damaged, what cannot be told.

Owns the order of the checks and the report. It takes no lock and writes nothing, so it may run
beside a live writer; it raises only for a folder that cannot be looked at, and everything that is
wrong in it becomes a finding. It must not know FIX: numbers come from record headers.

Witnesses are read first and the segments after them, so on a live journal nothing can be missing
that a witness knew. A bad place at the live end is read again before it counts: a writer may be in
the middle of a write.

Memory is bounded by one chunk, one record, the sessions and ``findings_max``, whatever the bytes
say; a segment with more damage than that is given up with the finding ``limit-reached``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ..journal import manifest
from ..journal.disk import Disk, File
from ..journal.errors import FormatUnknown, IoFailed, Missing
from ..journal.manifest import Layout
from ..journal.position import Position
from ..journal.segment import (
    FIRST_RECORD,
    HeaderPages,
    parse_segment_name,
    read_header_pages,
)
from .checks import Counts, RecordChecks
from .describe import place, torn_records, verdict_on
from .findings import Finding, Verdict, finding, verdict
from .identity import Identity, identify
from .indexview import IndexView
from .judge import Behind, Judgement, judge
from .links import Links
from .scan import Walk
from .table import Decision
from .witness import read_witnesses

FINDINGS_MAX = 1000
STRAYS_MAX = 20
PLACES_MAX = 1000
"""Bad places of one segment after which it is given up."""
LIVE_TRIES = 4
LIVE_PAUSE_S = 0.05
"""How often, and after what pause, a bad place at the end is read again before it counts."""
PAUSES_MAX = 20
ROUNDS_MAX = 10_000
"""Bounds for a journal with many bad places, or with a writer faster than we are."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a verification."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    counts: Counts
    roster: dict[int, str]
    sealed: bool
    """The last segment has its seal."""
    grew: bool
    """A writer was at work meanwhile."""
    durations_ns: dict[str, int]


def verify(
    disk: Disk,
    root: str,
    *,
    findings_max: int = FINDINGS_MAX,
    progress: Callable[[int], None] | None = None,
    monotonic: Callable[[], int] = time.monotonic_ns,
    pause: Callable[[float], None] = time.sleep,
) -> Report:
    """Verify the journal at ``root``; ``progress`` is told the bytes of segments read so far.

    Raises ``Missing`` and ``NoPermission`` for a folder that is not there or not ours.
    """
    began = monotonic()
    root = root.rstrip("/")
    if not disk.exists(root):
        raise Missing("there is no such journal", where=root, hint="check the path")
    identity = identify(disk, root)
    work = _Verifier(disk, root, identity, findings_max, progress, pause)
    if identity.uuid:
        work.segments()
    scanned = monotonic()
    if identity.uuid:
        work.index()
    durations = {"segments": scanned - began, "index": monotonic() - scanned}
    found = tuple(work.findings)
    return Report(work.verdict, found, work.counts, work.roster, work.sealed, work.grew, durations)


class _Verifier:
    def __init__(
        self,
        disk: Disk,
        root: str,
        identity: Identity,
        findings_max: int,
        progress: Callable[[int], None] | None,
        pause: Callable[[float], None],
    ) -> None:
        self._disk = disk
        self._root = root
        self._at = Layout(root)
        self._findings_max = findings_max
        self._progress = progress
        self._pause = pause
        self.findings: list[Finding] = []
        self.verdict: Verdict = "clean"
        self.counts = Counts()
        self.sealed = False
        self.grew = False
        self._stuck_at = self._tries = self._pauses = self._rounds = 0
        self._links = Links(identity.uuid)
        self._view = IndexView(disk, root, identity.uuid)
        self._witnesses = read_witnesses(disk, root, identity.uuid)
        self._checks = RecordChecks(self._witnesses, self._view, self.counts)
        self._add(*identity.findings, *self._witnesses.findings)
        self._add(*_strays(disk, self._at))

    @property
    def roster(self) -> dict[int, str]:
        """Session number to name, as the last roster says."""
        return self._checks.roster

    def index(self) -> None:
        """Compare the index with what was read."""
        self._add(*self._view.compare(self.counts.last_event, self.roster))

    def _add(self, *findings: Finding) -> None:
        for one in findings:
            self.counts.findings += 1
            if self.verdict != "damaged" and one.severity != "note":
                self.verdict = verdict([one])
            if len(self.findings) < self._findings_max:
                self.findings.append(one)

    # Segments

    def segments(self) -> None:
        """All segments in order, and those that a live writer adds meanwhile."""
        done = 0
        while True:
            try:
                numbers = manifest.segment_numbers(self._disk, self._root)
            except Missing:
                numbers = []
            todo = [number for number in numbers if number > done]
            if not todo:
                break
            self.grew = self.grew or done > 0
            for number in todo:
                self._segment(number, last=number == numbers[-1])
            done = numbers[-1]
            if not self.sealed:
                break
        if not done:
            self._add(*self._witnesses.without_segments())
        self.counts.last_event = max(0, self._links.base_event - 1)
        if self._witnesses.silent and (not done or self.counts.last_event):
            # Whole segments may be missing at the end, and nothing is left that would know.
            text = "neither the tail file nor the index knows how far the journal went"
            self._add(finding("end-unknown", text, event=self.counts.last_event))
        if self._checks.overflowed:
            self._add(finding("limit-reached", "more sessions than the verifier keeps"))

    def _segment(self, number: int, *, last: bool) -> None:
        path = self._at.segment(number)
        try:
            with self._disk.open(path) as file:
                try:
                    pages = read_header_pages(file.pread(0, FIRST_RECORD), where=path)
                except FormatUnknown as error:
                    here = Position(number, 0)
                    self._add(finding("format-unknown", error.message, position=here))
                    pages = HeaderPages(None, (False, False), False, 0, b"")
                    self._links.segment = number
                else:
                    self._add(*self._links.enter(number, pages))
                self.sealed = False
                if pages.header is not None:
                    self._records(file, number, pages, last=last)
                self.counts.segments += 1
                self.counts.size_bytes += file.size()
        except Missing:
            self._add(finding("segment-missing", position=Position(number, 0)))
        except IoFailed as error:
            text = f"the disk refuses to read {path}: {error.message}"
            self._add(finding("unreadable", text, position=Position(number, 0)))

    def _records(self, file: File, number: int, pages: HeaderPages, *, last: bool) -> None:
        walk = Walk(file, number, pages, size=file.size(), merkle=True)
        known: Behind | None = None
        places, waiting = 0, False
        while True:
            for batch in walk:
                self.grew = self.grew or waiting
                self._add(*self._checks.feed(number, batch))
                if self._progress is not None:
                    self._progress(self.counts.size_bytes + walk.offset)
            judgement = self._judge(walk, last, known)
            if last and self._may_be_live(walk, judgement):
                known, waiting = None, True
                last = not self._disk.exists(self._at.segment(number + 1))
                continue
            known, waiting = judgement.behind, False
            places += 1
            if places > PLACES_MAX:
                here = Position(number, walk.offset)
                self._add(finding("limit-reached", "the rest of this segment", position=here))
                break
            if not self._place(walk, judgement):
                break
        self._finish(walk, number)

    def _may_be_live(self, walk: Walk, judgement: Judgement) -> bool:
        """Whether to read on at the end of the last segment before its state counts.

        The search behind the place runs after the scan, so beside a writer it may see what the scan
        did not. Only a place that stays as it is, some pauses long, is what it looks like.
        """
        followed = self._disk.exists(self._at.segment(walk.segment + 1))
        calm = judgement.row.decision is Decision.CLEAN_END
        if walk.seal is not None or (calm and not followed) or self._rounds > ROUNDS_MAX:
            return False
        if self._stuck_at != walk.offset:
            self._stuck_at, self._tries = walk.offset, 0
        self._tries += 1
        self._rounds += 1
        if self._tries > LIVE_TRIES or self._pauses >= PAUSES_MAX:
            return False
        if self._tries > 1:
            self._pauses += 1
            self._pause(LIVE_PAUSE_S)
        walk.size = walk.file.size()
        return True

    def _judge(self, walk: Walk, last: bool, known: Behind | None) -> Judgement:
        witness = self._witnesses.durable if last else 0
        blind = self._witnesses.blind
        return judge(walk, witness=witness, blind=blind, last=last, known=known)

    def _place(self, walk: Walk, judgement: Judgement) -> bool:
        """Say what is wrong where ``walk`` stopped; whether it can go on behind."""
        decision, behind = judgement.row.decision, judgement.behind
        if walk.seal is not None:
            return self._behind_seal(walk, judgement)
        if decision is Decision.CLEAN_END:
            self._add(finding("unsealed", position=Position(walk.segment, walk.offset)))
            return False
        self._add(*place(walk, judgement, self.roster, self._witnesses))
        if decision is Decision.TORN_TAIL:
            self._add(*torn_records(walk, judgement, self.roster))
            return False
        if decision is Decision.UNNUMBERED_DAMAGE:
            assert behind.following is not None
            walk.skip(*behind.following)
            return True
        start, header = walk.offset, walk.header_here()
        goes_on = walk.resume_behind(header, behind.following)
        end = walk.offset if goes_on else walk.size
        self._checks.hole(walk.segment, start, end, named=header is not None)
        return goes_on

    def _behind_seal(self, walk: Walk, judgement: Judgement) -> bool:
        here = Position(walk.segment, walk.offset)
        if judgement.behind.nonzero_end > walk.offset:
            self._add(finding("after-seal", position=here, headers=judgement.behind.headers))
        if walk.cut_event != walk.event:
            text = "the segment ends inside a step"
            self._add(finding("step-split", text, position=here, event=walk.cut_event + 1))
        elif judgement.row.decision is Decision.CORRUPTION:
            self._add(verdict_on(walk, judgement, self._witnesses))
        return False

    def _finish(self, walk: Walk, number: int) -> None:
        """What can be said of a segment once it was read to its end."""
        for offset in walk.alignment[:PLACES_MAX]:
            self._add(finding("alignment-damaged", position=Position(number, offset)))
        if walk.step_split:
            self._add(finding("step-split", position=Position(number, walk.step_split)))
        found = self._links.leave(walk)
        self.sealed = walk.seal is not None
        if walk.damaged:
            return  # counts and root cannot agree, and the damage was told
        self._add(*found)
        seal = self._links.seal
        if walk.alignment:
            return  # the bytes that the root covers, and the damage was told
        if seal is not None and walk.tree is not None and walk.tree.root() != seal.root:
            here = Position(number, walk.seal_offset)
            self._add(finding("seal-root", position=here, event=walk.event))


def _strays(disk: Disk, at: Layout) -> list[Finding]:
    """Files that no part of a journal has the name of."""
    known = {"journal.json", "LOCK", "TAIL", "segments", "index", "index.new", "quarantine"}
    names = [f"{at.root}/{name}" for name in disk.listdir(at.root) if name not in known]
    if disk.exists(at.segments):
        inside = disk.listdir(at.segments)
        some = [n for n in inside if parse_segment_name(n) is None and n != "next.tmp"]
        names += [f"{at.segments}/{name}" for name in some]
    shown = (name if name.isprintable() else ascii(name) for name in names[:STRAYS_MAX])
    return [finding("stray-file", f"{name} is no part of a journal") for name in shown]
