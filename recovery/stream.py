"""All verified records of a journal in order, until its end or the first damage.

Owns the walk over all segments for readers that want every event once and stop at damage: replay,
and whoever folds a journal without opening it. Places without an event (row 1 of the opening table)
are passed over. It takes no lock, writes nothing and raises nothing for damage: what ended the
stream early is in ``findings``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..journal import manifest
from ..journal.disk import Disk
from ..journal.errors import Corrupt, FormatUnknown, IoFailed, Missing
from ..journal.manifest import Layout
from ..journal.position import Position
from ..journal.reader import decode_roster
from ..journal.record import Kind, Record
from ..journal.segment import FIRST_RECORD, read_header_pages
from .describe import place
from .findings import Finding, Severity, finding
from .judge import follow, judge
from .links import Links
from .scan import Batch, Walk
from .table import Decision
from .witness import Witnesses


class Stream:
    """Iterate ``batches`` once; then ``findings`` say whether that was everything."""

    def __init__(self, disk: Disk, root: str, uuid: bytes, witnesses: Witnesses) -> None:
        self._disk = disk
        self._at = Layout(root)
        self._witnesses = witnesses
        self._links = Links(uuid)
        self._more = True
        self.findings: list[Finding] = []
        """Why it ended early; notes about an end that is not sealed among them."""
        self.roster: dict[int, str] = {}

    def batches(self) -> Iterator[tuple[int, Batch]]:
        """(segment, batch) in order."""
        done = 0
        while self._more:
            numbers = manifest.segment_numbers(self._disk, self._at.root)
            todo = [number for number in numbers if number > done]
            if not todo:
                if not done:
                    self._stop_for(self._witnesses.without_segments())
                return
            for number in todo:
                if self._more:
                    yield from self._segment(number, last=number == numbers[-1])
            done = numbers[-1]

    def _segment(self, number: int, *, last: bool) -> Iterator[tuple[int, Batch]]:
        path = self._at.segment(number)
        try:
            with self._disk.open(path) as file:
                pages = read_header_pages(file.pread(0, FIRST_RECORD), where=path)
                if self._stop_for(self._links.enter(number, pages)):
                    return
                walk = Walk(file, number, pages, size=file.size())
                for batch in follow(walk):
                    self._read_rosters(number, batch)
                    yield number, batch
                self._end(walk, last=last)
        except (FormatUnknown, IoFailed, Missing) as error:
            code = "format-unknown" if isinstance(error, FormatUnknown) else "unreadable"
            self._stop_for([finding(code, error.message, position=Position(number, 0))])

    def _end(self, walk: Walk, *, last: bool) -> None:
        """What the end of a segment means; only a seal leads on."""
        witness = self._witnesses.durable if last else 0
        judgement = judge(walk, witness=witness, blind=self._witnesses.blind, last=last)
        if walk.seal is not None and judgement.row.decision is Decision.CLEAN_END:
            self._stop_for(self._links.leave(walk))
            return
        self._more = False
        if judgement.row.decision is not Decision.CLEAN_END:
            found = place(walk, judgement, self.roster, self._witnesses)
            if judgement.row.decision is Decision.TORN_TAIL:  # or a writer in the middle of a write
                found = [replace(one, severity=Severity.NOTE) for one in found]
            self.findings += found

    def _stop_for(self, findings: list[Finding]) -> bool:
        """Whether these findings end the stream. A damaged copy of a header page does not."""
        grave = [one for one in findings if one.code != "header-copy-damaged"]
        self.findings += findings
        self._more = self._more and not grave
        return bool(grave)

    def _read_rosters(self, number: int, batch: Batch) -> None:
        for row in batch.rows:
            if row[5] == Kind.ROSTER:
                here = Position(number, batch.base + row[0])
                try:
                    self.roster = decode_roster(Record(here, *row[1:]))
                except Corrupt as error:
                    self.findings.append(finding("record-form", error.message, position=here))
