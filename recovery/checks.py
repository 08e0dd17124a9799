"""What is checked on every record that verifies: form, roster, witnesses, numbers, index.

Owns the per-record pass of a verification and its counts. It sees only records whose checksums,
links and numbers hold; ``verify.py`` deals with the places where they do not. Rows are tuples and
the loop is plain, because there are millions of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..journal.errors import Corrupt
from ..journal.position import Position
from ..journal.reader import decode_roster
from ..journal.record import DEPTH_UNKNOWN, UNNUMBERED, Flag, Kind, Record, Row
from .findings import Finding, finding
from .indexview import IndexView
from .numbers import Numbers
from .scan import Batch
from .witness import Witnesses


@dataclass(slots=True)
class Counts:
    """What was read."""

    segments: int = 0
    size_bytes: int = 0
    records: int = 0
    events: int = 0
    kinds: dict[int, int] = field(default_factory=dict[int, int])
    """Records by kind."""
    last_event: int = 0
    findings: int = 0
    """All that were made; a report may hold fewer."""


class RecordChecks:
    """Feed it all batches in order."""

    def __init__(self, witnesses: Witnesses, view: IndexView, counts: Counts) -> None:
        self._witnesses = witnesses
        self._view = view
        self._counts = counts
        self._numbers = Numbers()
        self._strangers: set[int] = set()
        self.roster: dict[int, str] = {}

    @property
    def overflowed(self) -> bool:
        """There are more sessions than are kept."""
        return self._numbers.overflowed

    def hole(self, segment: int, start: int, end: int, *, named: bool) -> None:
        """Events are missing here; ``named`` says that the damaged header told which."""
        self._numbers.hole()
        if not named:
            self._view.hole(segment, start, end)
        else:
            self._view.hole(segment, start, start)

    def feed(self, segment: int, batch: Batch) -> list[Finding]:
        """Check and count the rows of one batch."""
        found: list[Finding] = []
        counts, kinds, roster = self._counts, self._counts.kinds, self.roster
        counts.records += len(batch.rows)
        who = self._witnesses.contradicts(batch, segment)
        if who:
            here = Position(segment, batch.base)
            found.append(
                finding("witness-differs", f"the {who} names another record", position=here)
            )
        unnumbered = 0
        for row in batch.rows:
            kind = row[5]
            kinds[kind] = kinds.get(kind, 0) + 1
            if kind in UNNUMBERED:
                unnumbered += 1
                continue
            if kind == Kind.ROSTER:
                unnumbered += bool(row[7] & Flag.COPY)
                found += self._read_roster(segment, batch, row)
                roster = self.roster
            elif row[4] and row[4] not in roster:
                found += self._stranger(segment, batch, row)
            if not row[8] or row[8] > row[1] or row[6] > 2:
                found += _form(segment, batch, row)
        counts.events += len(batch.rows) - unnumbered
        found += self._numbers.feed(segment, batch, self.roster)
        self._view.feed(segment, batch)
        return found

    def _read_roster(self, segment: int, batch: Batch, row: Row) -> list[Finding]:
        here = Position(segment, batch.base + row[0])
        try:
            roster = decode_roster(Record(here, *row[1:]))
        except Corrupt as error:
            return [finding("record-form", error.message, position=here, event=row[1])]
        lost = [n for n, name in self.roster.items() if roster.get(n, name) != name]
        self.roster = roster
        return [
            finding("record-form", f"session {n} got another name", position=here, session=n)
            for n in lost
        ]

    def _stranger(self, segment: int, batch: Batch, row: Row) -> list[Finding]:
        if row[4] in self._strangers or len(self._strangers) > len(self.roster) + 1000:
            return []
        self._strangers.add(row[4])
        here = Position(segment, batch.base + row[0])
        return [finding("session-unknown", position=here, event=row[1], session=row[4])]


def _form(segment: int, batch: Batch, row: Row) -> list[Finding]:
    """Fields of a valid header that no writer writes."""
    here = Position(segment, batch.base + row[0])
    if row[6] > 2:
        text = f"direction {row[6]} does not exist"
        return [finding("record-form", text, position=here, event=row[1], session=row[4])]
    if row[5] == Kind.ROSTER and row[7] & Flag.COPY and not row[8]:
        return []
    if row[8] == DEPTH_UNKNOWN or (row[8] and row[8] <= row[1]):
        return []
    text = f"an event cannot have depth {row[8]}"
    return [finding("record-form", text, position=here, event=row[1], session=row[4])]
