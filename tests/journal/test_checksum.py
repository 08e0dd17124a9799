"""CRC-32C and its mask: every version agrees with crcmod."""

import mmap
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durafix.journal import checksum

from .images import twins

WORDS = st.integers(0, 2**32 - 1)


def test_check_value_of_the_standard(journal_core: ModuleType) -> None:
    """The published value for the nine digits."""
    assert journal_core.crc32c(b"123456789") == 0xE3069283
    assert journal_core.crc32c(b"") == 0


def test_known_vectors_of_rfc_3720(journal_core: ModuleType) -> None:
    """Test patterns of the iSCSI standard, appendix B.4, which uses the same CRC."""
    assert journal_core.crc32c(bytes(32)) == 0x8A9136AA
    assert journal_core.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert journal_core.crc32c(bytes(range(32))) == 0x46DD794E
    assert journal_core.crc32c(bytes(range(31, -1, -1))) == 0x113FDB5C


def test_self_check_accepts_the_core(journal_core: ModuleType) -> None:
    """What the import runs."""
    assert checksum.check(journal_core.crc32c)


def test_self_check_refuses_a_version_that_is_wrong_in_one_length_only() -> None:
    """The vectors cover every tail of a word loop."""
    for wrong in (0, 1, 7, 8, 13, 64, 77, 4099):

        def candidate(data: checksum.Buffer, crc: int = 0, wrong: int = wrong) -> int:
            good = checksum.reference(data, crc)
            return good ^ 1 if len(memoryview(data)) == wrong else good

        assert not checksum.check(candidate)


def test_self_check_refuses_a_version_that_ignores_the_first_crc() -> None:
    """A record's header is seeded with the segment's salt."""
    assert not checksum.check(lambda data, crc=0: checksum.reference(data))


@given(st.binary(max_size=300), WORDS)
def test_twins_agree_on_any_bytes_and_any_prefix(data: bytes, crc: int) -> None:
    """Native, native by table, pure and crcmod are one function."""
    native, pure = twins()
    expected = checksum.reference(data, crc)
    assert native.crc32c(data, crc) == pure.crc32c(data, crc) == expected
    assert native.crc32c_by_table(data, crc) == expected


def test_any_contiguous_buffer_will_do(journal_core: ModuleType) -> None:
    """Bytes, bytearray, a slice of a memoryview, a map of a file."""
    expected = journal_core.crc32c(b"x" * 4096)
    assert journal_core.crc32c(bytearray(b"x" * 4096)) == expected
    assert journal_core.crc32c(memoryview(b"yy" + b"x" * 4096)[2:]) == expected
    with mmap.mmap(-1, 4096) as area:
        area[:] = b"x" * 4096
        assert journal_core.crc32c(area) == expected


def test_large_buffers_give_the_same_value(journal_core: ModuleType) -> None:
    """Two mebibytes."""
    data = bytearray(range(256)) * 8192
    assert journal_core.crc32c(data) == checksum.reference(data)


@given(WORDS)
def test_unmask_is_the_inverse_of_mask(crc: int) -> None:
    """In all three modules."""
    for module in (*twins(), checksum):
        assert module.unmask(module.mask(crc)) == crc


@pytest.mark.parametrize(
    ("crc", "masked"), [(0, 0xA282EAD8), (0xE3069283, 0xC78AB0E5), (1, 0xA284EAD8)]
)
def test_mask_rotates_right_by_fifteen_and_adds(
    journal_core: ModuleType, crc: int, masked: int
) -> None:
    """Values from the rule on paper."""
    assert journal_core.mask(crc) == masked
