"""The walk keeps its places over any mix of records, in any cut into chunks."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from durafix.journal._core import MerkleTree, Packer
from durafix.journal.record import Draft, Kind, Record, Stop
from durafix.journal.segment import (
    FIRST_RECORD,
    SegmentHeader,
    pack_header_page,
    page_crc,
    read_header_pages,
)
from durafix.journal.simdisk import SimDisk
from durafix.recovery.scan import Batch, Walk

SALT = 0x1234_5678_9ABC_DEF1


@dataclass
class Expected:
    """What the walk must say, kept while the segment is packed."""

    cut_offset: int = FIRST_RECORD
    cut_event: int = 9
    cut_records: int = 0
    cut_utc_ns: int = 0
    first_event: int = 0
    first_utc_ns: int = 0
    event: int = 9
    records: int = 0
    last_kind: int = 0


def packed(dice: random.Random, *, half: bool) -> tuple[bytes, Expected, MerkleTree]:
    """A segment of steps, PADs, MARKs and roster copies; ``half`` cuts the last step short."""
    header = SegmentHeader(
        journal_uuid=bytes(16),
        segment=1,
        salt=SALT,
        base_event=10,
        term=1,
        created_ns=1,
        policy=1,
        pad_bytes=512,
        allocated_bytes=1 << 20,
        previous_seal=bytes(32),
        chain=bytes(32),
    )
    page = pack_header_page(header)
    packer = Packer(SALT, page_crc(page), FIRST_RECORD)
    packer.tree.add(page)
    expected = Expected()
    for number in range(dice.randrange(1, 30)):
        utc_ns = 1000 + number
        what = dice.choice(["step", "step", "pad", "mark", "roster"])
        if what == "step":
            sizes = [dice.randrange(0, 300) for _ in range(dice.randrange(1, 5))]
            drafts = [Draft(Kind.STATE, 0, 0, 0, 0, bytes(size)) for size in sizes]
            packer.step(expected.event + 1, utc_ns, expected.event, drafts)
            expected.first_event = expected.first_event or expected.event + 1
            expected.first_utc_ns = expected.first_utc_ns or utc_ns
            expected.event += len(drafts)
            expected.last_kind, expected.cut_utc_ns = Kind.STATE, utc_ns
        elif what == "pad":
            packer.pad(expected.event, utc_ns, 0, 512)
        elif what == "mark":
            packer.single(expected.event, utc_ns, 0, Kind.MARK, 0, 0, 0, 0, b"")
        else:
            packer.single(expected.event, utc_ns, 0, Kind.ROSTER, 0, 2, 0, 0, b"{}")
        expected.cut_offset, expected.cut_event = packer.offset, expected.event
        expected.cut_records = expected.records = packer.records
    data = page + page + packer.take()
    if half:
        packer.step(
            expected.event + 1, 5000, expected.event, [Draft(Kind.IN, 1, 0, 1, 1, b"x" * 40)] * 2
        )
        data += packer.take()[:104]
        expected.event, expected.records = expected.event + 1, expected.records + 1
        expected.last_kind = Kind.IN
        if not expected.first_event:
            expected.first_event, expected.first_utc_ns = expected.event, 5000
    return data, expected, packer.tree


def walked(data: bytes, *, merkle: bool = False) -> tuple[Walk, list[Batch]]:
    disk = SimDisk()
    with disk.open("/segment", write=True, exclusive=True) as file:
        file.pwrite(data, 0)
    file = disk.open("/segment")
    pages = read_header_pages(data[:FIRST_RECORD])
    walk = Walk(file, 1, pages, size=len(data), merkle=merkle)
    return walk, list(walk)


@pytest.mark.parametrize("half", [False, True])
def test_the_places_of_a_walk_are_those_that_were_packed(half: bool) -> None:
    """Behind the last record, and behind the last whole step, for 150 random segments."""
    for seed in range(150):
        data, expected, _ = packed(random.Random(seed), half=half)
        walk, _ = walked(data)
        found = {name: getattr(walk, name) for name in vars(expected)}
        assert found == vars(expected), seed
        assert walk.stop == Stop.END and walk.step_split == 0


def test_the_root_of_a_walk_is_that_of_the_packer() -> None:
    """Over the header page and every record."""
    for seed in range(20):
        data, _, tree = packed(random.Random(seed), half=False)
        walk, _ = walked(data, merkle=True)
        assert walk.tree is not None and walk.tree.root() == tree.root()


def test_events_are_the_numbered_rows_as_records() -> None:
    """Built the short way, equal to those built the long way."""
    for seed in range(20):
        data, _, _ = packed(random.Random(seed), half=False)
        for batch in walked(data)[1]:
            events = batch.events(1)
            assert all(type(event) is Record and event.numbered for event in events)
            assert [(e.event, e.payload) for e in events] == [
                (row[1], row[10]) for row in batch.rows if row[5] == Kind.STATE
            ]
            assert all(e.position.segment == 1 and e.position.offset % 8 == 0 for e in events)


def test_a_walk_stops_at_a_short_file_although_it_was_told_another_size() -> None:
    """A live file may be truncated at its seal between two reads."""
    data, expected, _ = packed(random.Random(5), half=False)
    walk, _ = walked(data)
    again = Walk(walk.file, 1, walk.pages, size=len(data) + 100_000)
    for _ in again:
        pass
    assert (again.offset, again.event) == (expected.cut_offset, expected.event)
