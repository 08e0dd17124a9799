"""The tail file as a witness: there, lagging, torn, foreign, gone."""

from __future__ import annotations

import pytest

from durafix.journal.simdisk import SimDisk
from durafix.journal.tail import SLOT_OFFSETS, newest
from durafix.recovery.witness import Witnesses, read_witnesses

from .test_verify import sample
from .toys import ROOT, Ticker

UUID = Ticker().uuid()
TAIL = f"{ROOT}/TAIL"


def read(disk: SimDisk, uuid: bytes = UUID) -> Witnesses:
    return read_witnesses(disk, ROOT, uuid)


def codes(witnesses: Witnesses) -> list[str]:
    return [found.code for found in witnesses.findings]


def test_the_newer_of_two_slots_speaks() -> None:
    """Nothing is found, and it is not blind."""
    witnesses = read(sample())
    assert witnesses.tail == newest(sample().content(TAIL)) and witnesses.durable > 0
    assert not witnesses.blind and codes(witnesses) == []


@pytest.mark.parametrize("at", SLOT_OFFSETS)
def test_a_damaged_slot_is_found_and_the_other_one_speaks(at: int) -> None:
    """It may be one write older."""
    disk = sample().kill()
    disk.flip(TAIL, at + 20)
    witnesses = read(disk)
    assert witnesses.tail is not None and codes(witnesses) == ["tail-damaged"]


def test_a_slot_that_was_zeroed_is_found() -> None:
    """Only the first generation has a slot that was never written."""
    disk = sample().kill()
    disk.poke(TAIL, SLOT_OFFSETS[0], bytes(128))
    assert codes(read(disk)) == ["tail-damaged"]


def test_a_file_that_was_never_written_proves_nothing_and_is_there() -> None:
    """The state of every new journal, and of one after a power cut."""
    disk = sample().kill()
    disk.poke(TAIL, 0, bytes(1024))
    witnesses = read(disk)
    assert (witnesses.tail, witnesses.durable, witnesses.blind) == (None, 0, False)


@pytest.mark.parametrize("how", ["gone", "foreign", "unreadable", "short"])
def test_without_a_tail_file_of_this_journal_and_without_index_it_is_blind(how: str) -> None:
    """Row 7 then refuses to cut."""
    disk = sample().kill()
    uuid = UUID
    if how == "gone":
        disk.unlink(TAIL)
    elif how == "foreign":
        uuid = bytes(16)
    elif how == "unreadable":
        disk.break_range(TAIL, 0, 1)
    else:
        with disk.open(TAIL, write=True) as file:
            file.truncate(0)
    witnesses = read(disk, uuid)
    assert witnesses.blind and witnesses.durable == 0 and codes(witnesses)
