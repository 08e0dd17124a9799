"""The vocabulary of records: codes that never change, and small rules about them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durafix.journal.position import Position
from durafix.journal.record import (
    ALIGN_BYTES,
    HEADER_BYTES,
    MAGIC,
    SYNCED,
    UNNUMBERED,
    Direction,
    Draft,
    Flag,
    Kind,
    Record,
    Row,
    Stop,
    padded,
    takes_number,
)

CODES = {
    "IN": 1, "OUT": 2, "STATE": 3, "ACCEPTED": 4, "CURSOR": 5, "RESERVATION": 6, "ROSTER": 7,
    "BASE": 8, "SNAPSHOT_REF": 9, "OPERATOR": 10, "CLOCK": 11, "REPAIR": 12, "MARK": 13, "PAD": 14,
    "SEAL": 15, "INPUT": 16, "EPOCH": 17, "HASH": 18,
}  # fmt: skip


def test_codes_of_kinds_are_those_of_the_format() -> None:
    """A code that changed would give old journals another meaning."""
    assert {kind.name: int(kind) for kind in Kind} == CODES
    assert [int(direction) for direction in Direction] == [0, 1, 2]
    assert [int(flag) for flag in Flag] == [1 << bit for bit in range(8)]
    assert MAGIC == 0xF1D05EA1


def test_only_mark_pad_seal_and_roster_copies_take_no_number() -> None:
    """Every other kind is an event, with any other flags, skippable kinds included."""
    for kind, copy in itertools.product(range(1, 256), (0, Flag.COPY)):
        repeats = kind in {13, 14, 15} or (kind == 7 and copy)
        assert takes_number(kind, copy) == (not repeats)


def test_unnumbered_kinds_need_no_sync_of_their_own() -> None:
    """What must be synced before an effect is always an event."""
    assert not SYNCED & UNNUMBERED


@given(st.integers(0, 1 << 24))
def test_padded_is_the_next_multiple_of_eight_behind_header_and_payload(size: int) -> None:
    """The smallest multiple of the alignment that holds both."""
    whole = padded(size)
    assert whole % ALIGN_BYTES == 0
    assert 0 <= whole - HEADER_BYTES - size < ALIGN_BYTES


@pytest.mark.parametrize("flags", [Flag.LAST, Flag.LAST | Flag.COMMAND, Flag.NONE])
def test_a_row_completes_a_record_whose_draft_forgets_last(flags: Flag) -> None:
    """A re-run of a step yields drafts, which know nothing of their place in it."""
    row: Row = (64, 5, 1, 9, 2, Kind.OUT, Direction.OUT, int(flags), 1, 0xAB, b"p")
    record = Record(Position(3, 8192 + row[0]), *row[1:])
    assert record.position == (3, 8256)
    assert record.draft == Draft(Kind.OUT, 2, flags & ~Flag.LAST, 2, 9, b"p")
    assert record.numbered


def test_stop_codes_start_with_the_harmless_one() -> None:
    """``END`` is 0 and the codes are dense: the native module counts on both."""
    assert [int(stop) for stop in Stop] == list(range(13))
    assert int(Stop.END) == 0
