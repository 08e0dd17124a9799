"""Reads a journal back with nothing but the record scan: what is there, up to the first bad place.

It knows no witnesses and gives no verdict; a test compares what it found with the log of
acknowledgements.
"""

import itertools
from typing import NamedTuple

from durafix.journal import chain, tail
from durafix.journal._core import MerkleTree, scan
from durafix.journal.disk import Disk, read_whole
from durafix.journal.manifest import Layout, segment_numbers
from durafix.journal.record import Flag, Kind, Row, Stop, takes_number
from durafix.journal.segment import (
    FIRST_RECORD,
    SegmentHeader,
    read_header_pages,
    seal_digest,
    unpack_seal,
)


class Event(NamedTuple):
    """One event as found; ``term`` and ``segment`` say where."""

    number: int
    kind: int
    payload: bytes
    last: bool
    term: int
    segment: int


class Found(NamedTuple):
    """All records of one segment up to the first bad place."""

    header: SegmentHeader
    rows: list[Row]
    stop: Stop
    sealed: bool
    data: bytes
    end: int


def read_segment(disk: Disk, root: str, number: int) -> Found | None:
    """One segment; None if no header page is valid."""
    data = read_whole(disk, Layout(root).segment(number))
    pages = read_header_pages(data)
    if pages.header is None:
        return None
    header = pages.header
    assert header.segment == number
    rows, end, stop = scan(
        data, FIRST_RECORD, 0, header.salt, pages.crc, header.base_event - 1, 1 << 30
    )
    sealed = bool(rows) and rows[-1][5] == Kind.SEAL
    if sealed:
        _check_seal(header, pages.page, data, rows)
    return Found(header, rows, Stop(stop), sealed, data, end)


def _check_seal(header: SegmentHeader, page: bytes, data: bytes, rows: list[Row]) -> None:
    seal = unpack_seal(rows[-1][10])
    tree = MerkleTree()
    tree.add(page)
    for row, after in itertools.pairwise(rows):
        tree.add(data[row[0] : after[0]])
    events = [row for row in rows if takes_number(row[5], row[7])]
    assert seal.root == tree.root()
    assert seal.chain == chain.extend(header.chain, tree.root(), tree.count)
    assert (seal.events, seal.records) == (len(events), len(rows) - 1)
    assert seal.size_bytes == rows[-1][0]
    if events:
        assert (seal.first_event, seal.last_event) == (events[0][1], events[-1][1])
        assert (seal.first_utc_ns, seal.last_utc_ns) == (events[0][2], events[-1][2])


def read_events(disk: Disk, root: str) -> list[Event]:
    """All events of whole steps, segment after segment, until something does not continue."""
    events: list[Event] = []
    before: Found | None = None
    for number in segment_numbers(disk, root):
        found = read_segment(disk, root, number)
        if found is None or not _continues(before, found, len(events)):
            break
        if any(row[4] for row in found.rows):  # an event of a session
            assert (found.rows[0][5], found.rows[0][7]) == (Kind.ROSTER, Flag.COPY)
        for row in found.rows:
            if takes_number(row[5], row[7]):
                last = bool(row[7] & Flag.LAST)
                events.append(Event(row[1], row[5], row[10], last, found.header.term, number))
        before = found
        if not found.sealed:
            break
    while events and not events[-1].last:
        events.pop()
    return events


def _continues(before: Found | None, found: Found, events: int) -> bool:
    if before is None:
        return found.header.segment == 1 and found.header.previous_seal == bytes(32)
    seal = unpack_seal(before.rows[-1][10])
    return (
        before.sealed
        and found.header.segment == before.header.segment + 1
        and found.header.previous_seal == seal_digest(before.data[before.rows[-1][0] : before.end])
        and found.header.chain == seal.chain
        and found.header.base_event == events + 1
    )


def highest_witness(disk: Disk, root: str) -> int:
    """The highest event that the tail file or the depth of any readable record proves durable."""
    at = Layout(root)
    witness = 0
    if disk.exists(at.tail):
        slot = tail.newest(read_whole(disk, at.tail))
        witness = slot.event if slot is not None else 0
    for number in segment_numbers(disk, root):
        found = read_segment(disk, root, number)
        for row in found.rows if found is not None else ():
            witness = max(witness, row[1] - row[8])
    return witness
