"""The golden journal: its bytes are made again today, and read back as they were meant."""

import base64
import itertools
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from durafix.journal import chain
from durafix.journal.record import Draft, Kind, Stop
from durafix.journal.segment import (
    FIRST_RECORD,
    read_header_pages,
    seal_digest,
    unpack_seal,
)
from durafix.journal.tail import newest

from .make import ALLOCATED_BYTES, FIRST, HERE, SECOND, THIRD, UUID, files, listing

ROOT = HERE / "v1"
SEGMENTS = sorted((ROOT / "segments").iterdir())


def scanned(core: ModuleType, path: Path) -> tuple[list[Any], int, Stop]:
    """All rows of a segment file from its first record, with file offsets."""
    data = path.read_bytes()
    pages = read_header_pages(data[:FIRST_RECORD])
    assert pages.header is not None
    rows, at, stop = core.scan(
        data, FIRST_RECORD, 0, pages.header.salt, pages.crc, pages.header.base_event - 1, 1 << 20
    )
    return rows, at, stop


def test_todays_code_makes_the_golden_bytes(journal_core: Any) -> None:
    """The format is what it was; on both twins."""
    made = files(journal_core)
    found = {
        str(path.relative_to(ROOT)): path.read_bytes() for path in ROOT.rglob("*") if path.is_file()
    }
    assert found.keys() == made.keys()
    for name, data in made.items():
        assert found[name] == data, name


def test_the_listing_says_what_is_in_the_segments(journal_core: ModuleType) -> None:
    """``v1.ndjson`` is for readers that are not ours."""
    lines = (HERE / "v1.ndjson").read_text()
    assert lines == listing(files())
    expected = [json.loads(line) for line in lines.splitlines()]
    rows = [
        (n, row) for n, path in enumerate(SEGMENTS, 1) for row in scanned(journal_core, path)[0]
    ]
    assert len(rows) == len(expected)
    for (number, row), line in zip(rows, expected, strict=True):
        assert (number, row[0]) == (line["segment"], line["offset"])
        names = ("event", "utc_ns", "seq", "session", "kind", "direction", "flags", "depth")
        assert list(row[1:9]) == [line[name] for name in names]
        assert row[9] == line["header_crc"]
        assert row[10] == base64.b64decode(line["payload_b64"])


def test_events_are_the_steps_that_were_packed(journal_core: ModuleType) -> None:
    """Numbers run from 1 without a gap through all segments, REPAIR included."""
    rows = [row for path in SEGMENTS for row in scanned(journal_core, path)[0]]
    events = [row for row in rows if row[5] not in (7, 13, 14, 15) or (row[5] == 7 and row[7] & 1)]
    assert [row[1] for row in events] == list(range(1, len(events) + 1))
    drafts = [draft for step in (*FIRST, *SECOND) for draft in step.drafts]
    repair = [Draft(row[5], 0, 0, 0, 0, row[10]) for row in events if row[5] == Kind.REPAIR]
    drafts += repair + [draft for step in THIRD for draft in step.drafts]
    assert [Draft(row[5], row[6], row[7] & ~1, row[4], row[3], row[10]) for row in events] == drafts


def test_every_kind_is_there(journal_core: ModuleType) -> None:
    """And one that a reader may skip."""
    kinds = {row[5] for path in SEGMENTS for row in scanned(journal_core, path)[0]}
    assert kinds == {*map(int, Kind), 200}


@pytest.mark.parametrize("path", SEGMENTS[:2], ids=lambda path: path.name)
def test_sealed_segments_verify_to_their_last_byte(journal_core: ModuleType, path: Path) -> None:
    """Counts, root, and the chain from the header page to the seal."""
    data = path.read_bytes()
    pages = read_header_pages(data[:FIRST_RECORD])
    assert pages.header is not None
    assert pages.valid == (True, True)
    rows, at, stop = scanned(journal_core, path)
    assert (at, stop) == (len(data), Stop.END)
    *others, last = rows
    seal = unpack_seal(last[10])
    tree = journal_core.MerkleTree()
    tree.add(pages.page)
    ends = [row[0] for row in rows[1:]]
    for row, end in zip(others, ends, strict=True):
        tree.add(data[row[0] : end])
    assert seal.root == tree.root()
    assert seal.chain == chain.extend(pages.header.chain, tree.root(), tree.count)
    assert seal.records == len(others)
    assert seal.size_bytes == last[0]
    assert (seal.first_event, seal.last_event) == (pages.header.base_event, last[1])
    assert seal.events == seal.last_event - seal.first_event + 1


def test_segments_are_linked(journal_core: ModuleType) -> None:
    """Each header page names the seal and the chain before it."""
    for before, after in itertools.pairwise(SEGMENTS):
        last = scanned(journal_core, before)[0][-1]
        header = read_header_pages(after.read_bytes()[:FIRST_RECORD]).header
        assert header is not None
        assert header.previous_seal == seal_digest(before.read_bytes()[last[0] :])
        assert header.chain == unpack_seal(last[10]).chain
        assert header.base_event == last[1] + 1


def test_the_open_segment_ends_in_zeros_behind_what_the_tail_file_proves(
    journal_core: ModuleType,
) -> None:
    """A clean end of a live journal."""
    rows, at, stop = scanned(journal_core, SEGMENTS[2])
    data = SEGMENTS[2].read_bytes()
    assert stop == Stop.ZERO
    assert len(data) == ALLOCATED_BYTES
    assert not any(data[at:])
    slot = newest((ROOT / "TAIL").read_bytes())
    assert slot is not None
    assert (slot.segment, slot.offset, slot.event) == (3, at, rows[-1][1])
    assert slot.header_crc == rows[-1][9]
    assert slot.journal_uuid == UUID
    assert slot.generation == 41


def test_every_pad_ends_on_a_sector(journal_core: ModuleType) -> None:
    """So no later batch shares one with bytes that were acknowledged."""
    for path in SEGMENTS:
        for row in scanned(journal_core, path)[0]:
            if row[5] == Kind.PAD:
                assert (row[0] + 64 + len(row[10])) % 512 == 0
