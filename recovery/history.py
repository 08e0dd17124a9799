"""Reads what happened into a state: every event of every segment, and the end of the last one.

Owns the accepting pass of an opening: the walk over the segments with all checks that a start makes
(storage rule 22: headers, seals, the last segment, and what is folded), the fold, and the few facts
about sessions and repairs that decide how numbers go on. It refuses by raising; nothing is written
but by ``settle``, and that only when every segment before has been accepted.
"""

from __future__ import annotations

from typing import Generic

from ..journal import chain
from ..journal.disk import Disk, File
from ..journal.errors import Corrupt, FormatUnknown
from ..journal.manifest import Layout
from ..journal.position import Position
from ..journal.reader import decode_roster
from ..journal.record import UNNUMBERED, Kind, Record, Stop
from ..journal.segment import FIRST_RECORD, Policy, read_header_pages
from .describe import place, verdict_on
from .errors import refuse
from .findings import Finding, Severity, finding
from .fold import Fold, S
from .judge import Judgement, judge
from .links import Links
from .repair_record import asks_for_bound
from .scan import Batch, Walk
from .settle import Settled, medium_differs, settle
from .table import TABLE, Decision
from .table import Row as TableRow
from .witness import Witnesses

_FINE_TO_START = frozenset({"header-copy-damaged", "unnumbered-damage"})
"""Damage in which no event is lost: a start goes on and reports it."""
_CLEAN_END = next(row for row in TABLE if row.decision is Decision.CLEAN_END)


class History(Generic[S]):
    """The journal up to where it was read. ``state`` is the fold of it."""

    def __init__(
        self, disk: Disk, root: str, uuid: bytes, fold: Fold[S], witnesses: Witnesses
    ) -> None:
        self._disk = disk
        self._root = root
        self._at = Layout(root)
        self._fold = fold
        self._witnesses = witnesses
        self.links = Links(uuid)
        self.state = fold.initial()
        self.findings: list[Finding] = list(witnesses.findings)
        self.roster: dict[int, str] = {}
        self.decision: TableRow = _CLEAN_END
        """About the end; of a journal without segments it is clean."""
        self.clean = True
        self._seen: dict[int, int] = {}
        """Session to its last event."""
        self._bound_event = 0
        """The last REPAIR that says that events may be missing."""
        self._repair_event = 0
        """The last REPAIR, and its payload."""
        self._repair_payload = b""

    @property
    def events(self) -> int:
        """Events folded: their numbers begin at 1 and have no gaps."""
        return self.links.base_event - 1

    @property
    def digest(self) -> bytes:
        """SHA-256 of the last seal."""
        return self.links.digest or chain.GENESIS

    @property
    def chain(self) -> bytes:
        """The chain hash up to the last seal."""
        return self.links.chain or chain.GENESIS

    @property
    def bound_sessions(self) -> frozenset[int]:
        """Sessions whose last event is older than a stop at which events may have been lost."""
        bound = self._bound_event
        return frozenset(session for session in self.roster if self._seen.get(session, 0) < bound)

    def read_sealed(self, segment: int) -> None:
        """Check and fold a segment that has a successor, so it must have a valid seal."""
        with self._disk.open(self._at.segment(segment)) as file:
            walk = self._enter(segment, file)
            judgement = self._read(walk, last=False, fold=True)
            if walk.seal is None or judgement.row.decision is not Decision.CLEAN_END:
                self._refuse(walk, judgement)
            self._take(self.links.leave(walk))

    def read_last(self, segment: int, *, utc_ns: int) -> Settled:
        """Judge the end of the last segment, settle it, then fold it."""
        with self._disk.open(self._at.segment(segment)) as file:
            walk = self._enter(segment, file)
            judgement = self._read(walk, last=True, fold=False)
            if self._fine(judgement) and medium_differs(file, walk, judgement.durable):
                walk = Walk(file, segment, walk.pages, size=file.size(), direct=True)
                judgement = self._read(walk, last=True, fold=False)
        self.decision = judgement.row
        if not self._fine(judgement):
            self._refuse(walk, judgement)
        if judgement.row.decision is Decision.TORN_TAIL:
            self.findings.append(verdict_on(walk, judgement, self._witnesses))
        repaired = self._repaired(walk, judgement)
        settled = settle(self._disk, self._root, walk, judgement, repaired=repaired, utc_ns=utc_ns)
        with self._disk.open(self._at.segment(segment)) as file:
            walk = Walk(file, segment, walk.pages, size=file.size())
            self._read(walk, last=True, fold=True)
            self._take(self.links.leave(walk))
        assert walk.seal is not None
        self.clean = not settled.sealed_now and walk.last_kind != Kind.REPAIR
        return settled

    def _enter(self, segment: int, file: File) -> Walk:
        pages = read_header_pages(file.pread(0, FIRST_RECORD), where=file.path)
        self._take(self.links.enter(segment, pages))
        return Walk(file, segment, pages, size=file.size())

    def _read(self, walk: Walk, *, last: bool, fold: bool) -> Judgement:
        """Walk on to the end that is no row 1; fold what verifies, if asked to."""
        witness = self._witnesses.durable if last else 0
        while True:
            for batch in walk:
                who = self._witnesses.contradicts(batch, walk.segment)
                if who:
                    here = Position(walk.segment, batch.base)
                    self._take(
                        [
                            finding(
                                "witness-differs", f"the {who} names another record", position=here
                            )
                        ]
                    )
                if fold:
                    self._apply(walk.segment, batch)
            if walk.seal is None and walk.stop == Stop.KIND:
                raise FormatUnknown(
                    f"event {walk.event + 1} has a kind that this version does not know",
                    where=str(Position(walk.segment, walk.offset)),
                    hint="open it with the durafix version that wrote it",
                )
            judgement = judge(walk, witness=witness, blind=self._witnesses.blind, last=last)
            if judgement.row.decision is not Decision.UNNUMBERED_DAMAGE:
                break
            if fold:
                self.findings.append(verdict_on(walk, judgement, self._witnesses))
            assert judgement.behind.following is not None
            walk.skip(*judgement.behind.following)
        if fold:
            for offset in walk.alignment:
                here = Position(walk.segment, offset)
                self.findings.append(finding("alignment-damaged", position=here))
        return judgement

    def _apply(self, segment: int, batch: Batch) -> None:
        """Fold the events of a batch, and note what matters about sessions and repairs."""
        apply, state = self._fold.apply, self.state
        record: Record | None = None
        try:
            for record in batch.events(segment):
                apply(state, record)
        except Exception as error:
            assert record is not None
            text = f"the fold refused this event: {type(error).__name__}: {error}"
            self.findings.append(
                finding("fold-failed", text, position=record.position, event=record.event)
            )
            raise refuse(self._root, self.findings) from error
        self._seen.update({row[4]: row[1] for row in batch.rows if row[5] not in UNNUMBERED})
        for row in batch.rows:
            if row[5] == Kind.ROSTER:
                self.roster = self._roster(Record(Position(segment, batch.base + row[0]), *row[1:]))
            elif row[5] == Kind.REPAIR:
                self._repair_event, self._repair_payload = row[1], row[10]
                if asks_for_bound(row[10]):
                    self._bound_event = row[1]

    def _roster(self, record: Record) -> dict[int, str]:
        try:
            return decode_roster(record)
        except Corrupt as error:
            self._take([finding("record-form", error.message, position=record.position)])
            return {}

    def _repaired(self, walk: Walk, judgement: Judgement) -> bool:
        """Whether the journal says enough about this stop already, so that no REPAIR is needed."""
        if walk.last_kind == Kind.REPAIR:
            return True  # only its seal was missing
        if walk.first_event or judgement.row.decision is Decision.TORN_TAIL:
            return False
        # A reign without any event on disk: under ``always`` none was acknowledged.
        repair_is_last = self._repair_event and self._repair_event == walk.cut_event
        said = repair_is_last and asks_for_bound(self._repair_payload)
        return bool(said) or walk.header.policy == Policy.ALWAYS

    @staticmethod
    def _fine(judgement: Judgement) -> bool:
        return judgement.row.decision in (Decision.CLEAN_END, Decision.TORN_TAIL)

    def _refuse(self, walk: Walk, judgement: Judgement) -> None:
        """Raise what the table decided."""
        self.findings += place(walk, judgement, self.roster, self._witnesses)
        raise refuse(self._root, self.findings)

    def _take(self, findings: list[Finding]) -> None:
        """Keep findings; refuse the journal if one of them is more than a start may pass over."""
        self.findings += findings
        for one in findings:
            if one.severity is not Severity.NOTE and one.code not in _FINE_TO_START:
                self.findings.remove(one)
                self.findings.append(one)
                raise refuse(self._root, self.findings)
