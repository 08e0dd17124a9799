"""What the index must answer, computed from all records by the simplest code there is."""

import json
from collections.abc import Iterable

from durafix.journal.index import Index
from durafix.journal.indexformat import Entry
from durafix.journal.record import Flag, Kind, Record

Number = tuple[int, int, int, int]


class Scan:
    """A full scan: frames by number, epochs by session, events in order."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.frames: dict[Number, Entry] = {}
        self.epochs: dict[int, int] = {}
        self.events: list[Record] = []
        for record in records:
            if record.numbered:
                self.events.append(record)
            if record.kind == Kind.EPOCH:
                self.epochs[record.session] = json.loads(record.payload)["epoch"]
            elif record.kind in (Kind.IN, Kind.OUT) and record.seq and not record.flags & Flag.COPY:
                epoch = self.epochs.get(record.session, 0)
                number = (record.session, record.direction, epoch, record.seq)
                entry = Entry(record.position, record.event, record.header_crc, len(record.payload))
                self.frames.setdefault(number, entry)

    @property
    def last(self) -> int:
        """Number of the last event."""
        return self.events[-1].event if self.events else 0


def assert_same(index: Index, scan: Scan) -> None:
    """Every answer of the index about frames and epochs is the scan's, and nothing is invented."""
    for number, entry in scan.frames.items():
        assert index.find(*number) == entry
    for session in (1, 2, 3):
        assert index.epoch(session) == scan.epochs.get(session, 0)
    groups = {number[:3] for number in scan.frames} | {(1, 1, 0), (1, 2, 7), (3, 1, 1)}
    for session, direction, epoch in groups:
        mine = {
            seq: entry
            for (*group, seq), entry in scan.frames.items()
            if group == [session, direction, epoch]
        }
        for first, last in ((0, 1 << 62), (3, 5), (2, 2), (9, 4)):
            wanted = [mine[seq] for seq in sorted(mine) if first <= seq <= last]
            assert list(index.range(session, direction, epoch, first, last)) == wanted
        assert index.find(session, direction, epoch, max(mine, default=0) + 1) is None


def assert_places(index: Index, scan: Scan, *, step: int = 1) -> None:
    """Every event and time is found where the scan has it."""
    for record in scan.events[::step]:
        assert index.event_position(record.event) == record.position
        first = next(r for r in scan.events if r.utc_ns >= record.utc_ns)
        assert index.time_position(record.utc_ns) == first.position
