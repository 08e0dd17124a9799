"""The tail file: two slots, of which a torn write can only hurt the older one."""

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durafix.journal.checksum import mask, reference
from durafix.journal.tail import (
    FILE_BYTES,
    SLOT_BYTES,
    SLOT_OFFSETS,
    TailSlot,
    newest,
    pack_slot,
    slot_offset,
    unpack_slot,
)

SLOT = TailSlot(
    journal_uuid=bytes(range(16)),
    term=2,
    segment=3,
    offset=12_800,
    event=1234,
    header_crc=0xAABBCCDD,
    generation=8,
)
U64 = st.integers(0, 2**64 - 1)


def later(slot: TailSlot, generations: int = 1) -> TailSlot:
    """A slot as the writer would write it so many syncs later."""
    return msgspec.structs.replace(
        slot, event=slot.event + generations, generation=slot.generation + generations
    )


def file_with(*slots: TailSlot) -> bytearray:
    """The file after these writes."""
    data = bytearray(FILE_BYTES)
    for slot in slots:
        at = slot_offset(slot.generation)
        data[at : at + SLOT_BYTES] = pack_slot(slot)
    return data


def test_a_slot_has_the_bytes_of_the_format() -> None:
    """Field by field, the rest zero."""
    raw = pack_slot(SLOT)
    fields = struct.unpack("<8sII16sQQQQQI", raw[:76])
    assert fields == (
        b"DFIXTAIL", mask(reference(raw[12:])), 1, bytes(range(16)),
        2, 3, 12_800, 1234, 8, 0xAABBCCDD,
    )  # fmt: skip
    assert raw[76:] == bytes(SLOT_BYTES - 76)
    assert SLOT_OFFSETS == (0, 512)


@given(
    st.builds(
        TailSlot,
        journal_uuid=st.binary(min_size=16, max_size=16),
        header_crc=st.integers(0, 2**32 - 1),
        generation=st.integers(1, 2**64 - 1),
        **dict.fromkeys(["term", "segment", "offset", "event"], U64),
    )
)
def test_a_slot_comes_back(slot: TailSlot) -> None:
    """Alone, and from a file."""
    assert unpack_slot(pack_slot(slot)) == slot
    assert newest(bytes(file_with(slot))) == slot


def test_generations_take_turns() -> None:
    """The newest wins, whichever slot it is in."""
    assert newest(bytes(file_with(SLOT, later(SLOT)))) == later(SLOT)
    assert newest(bytes(file_with(later(SLOT), later(SLOT, 2)))) == later(SLOT, 2)


def test_a_torn_write_leaves_the_slot_before() -> None:
    """Cut at any byte of the slot that is being replaced."""
    whole = pack_slot(later(SLOT, 2))
    for size in range(SLOT_BYTES):
        data = file_with(SLOT, later(SLOT))
        data[:size] = whole[:size]
        complete = bytes(data[:SLOT_BYTES]) == whole  # only zeros were left to write
        assert newest(bytes(data)) == (later(SLOT, 2) if complete else later(SLOT))


def test_every_flipped_bit_voids_its_slot() -> None:
    """The unused bytes too."""
    raw = pack_slot(SLOT)
    for bit in range(8 * SLOT_BYTES):
        bad = bytearray(raw)
        bad[bit >> 3] ^= 1 << (bit & 7)
        assert unpack_slot(bytes(bad)) is None


def test_a_slot_in_the_place_of_the_other_one_is_void() -> None:
    """A misdirected write proves nothing."""
    data = bytearray(FILE_BYTES)
    data[512 : 512 + SLOT_BYTES] = pack_slot(SLOT)
    assert newest(bytes(data)) is None


@pytest.mark.parametrize("data", [b"", bytes(FILE_BYTES), b"x" * FILE_BYTES, bytes(127)])
def test_no_file_and_garbage_prove_nothing(data: bytes) -> None:
    """None, never an error."""
    assert newest(data) is None


def test_a_file_that_was_cut_keeps_its_first_slot() -> None:
    """Behind 128 bytes nothing of it is needed."""
    assert newest(pack_slot(SLOT)) == SLOT


def test_a_slot_of_another_version_proves_nothing() -> None:
    """Its fields may mean something else."""
    raw = bytearray(pack_slot(SLOT))
    raw[12] = 2
    raw[8:12] = mask(reference(bytes(raw[12:]))).to_bytes(4, "little")
    assert unpack_slot(bytes(raw)) is None
