"""The hash chain: one formula."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durafix.journal.chain import GENESIS, extend

HASHES = st.binary(min_size=32, max_size=32)


def test_chain_is_the_hash_of_tag_previous_root_and_count() -> None:
    """Written out once by hand: 73 bytes under SHA-256."""
    root = bytes(range(32))
    expected = hashlib.sha256(b"\x02" + bytes(32) + root + b"\x05\x01" + bytes(6)).digest()
    assert extend(GENESIS, root, 0x105) == expected


@given(HASHES, HASHES, st.integers(0, 2**64 - 1), st.integers(0, 64 * 8 - 1))
def test_every_bit_of_what_went_in_counts(
    previous: bytes, root: bytes, count: int, bit: int
) -> None:
    """Another predecessor, root or count gives another link."""
    link = extend(previous, root, count)
    both = bytearray(previous + root)
    both[bit >> 3] ^= 1 << (bit & 7)
    assert extend(bytes(both[:32]), bytes(both[32:]), count) != link
    assert extend(previous, root, count ^ 1 << bit % 64) != link


def test_a_hash_of_another_length_is_our_bug() -> None:
    """The formula is unambiguous only with fixed lengths."""
    with pytest.raises(AssertionError):
        extend(b"", bytes(32), 1)
    with pytest.raises(AssertionError):
        extend(GENESIS, bytes(31), 1)
