"""Header pages, seals and file names: bytes there and back, and what damage to them looks like."""

import hashlib
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durafix.journal.checksum import mask, reference
from durafix.journal.errors import Corrupt, FormatUnknown
from durafix.journal.segment import (
    FIRST_RECORD,
    FORMAT_VERSION,
    PAGE_BYTES,
    SEAL_BYTES,
    Policy,
    Seal,
    SegmentHeader,
    pack_header_page,
    pack_seal,
    page_crc,
    parse_segment_name,
    read_header_pages,
    seal_digest,
    segment_name,
    unpack_seal,
)

HEADER = SegmentHeader(
    journal_uuid=bytes(range(16)),
    segment=3,
    salt=0x1122334455667788,
    base_event=1001,
    term=2,
    created_ns=1_700_000_000_000_000_000,
    policy=Policy.INTERVAL,
    pad_bytes=512,
    allocated_bytes=64 << 20,
    previous_seal=b"s" * 32,
    chain=b"c" * 32,
)
PAGE = pack_header_page(HEADER)
U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
HASH = st.binary(min_size=32, max_size=32)
HEADERS = st.builds(
    SegmentHeader,
    journal_uuid=st.binary(min_size=16, max_size=16),
    segment=U64,
    salt=U64,
    base_event=U64,
    term=U64,
    created_ns=U64,
    policy=U32,
    pad_bytes=U32,
    allocated_bytes=U64,
    previous_seal=HASH,
    chain=HASH,
)
SEALS = st.builds(
    Seal,
    **dict.fromkeys(["events", "records", "first_event", "last_event"], U64),
    **dict.fromkeys(["first_utc_ns", "last_utc_ns", "size_bytes"], U64),
    **dict.fromkeys(["root", "chain"], HASH),
)


def sealed(page: bytes) -> bytes:
    """The page with its crc made right again."""
    crc = mask(reference(page[12:]))
    return page[:8] + crc.to_bytes(4, "little") + page[12:]


def test_a_header_page_has_the_bytes_of_the_format() -> None:
    """Field by field, without our unpacker; the rest is zero."""
    fields = struct.unpack("<8sII16sQQQQQIIQ32s32s", PAGE[:152])
    assert fields[0] == b"DFIXSEG\0"
    assert fields[1] == mask(reference(PAGE[12:])) == page_crc(PAGE)
    assert fields[2:4] == (1, bytes(range(16)))
    assert fields[4:9] == (3, 0x1122334455667788, 1001, 2, HEADER.created_ns)
    assert fields[9:] == (2, 512, 64 << 20, b"s" * 32, b"c" * 32)
    assert PAGE[152:] == bytes(PAGE_BYTES - 152)
    assert FIRST_RECORD == 2 * PAGE_BYTES


@given(HEADERS)
def test_a_header_comes_back_from_its_pages(header: SegmentHeader) -> None:
    """Both copies valid and equal."""
    page = pack_header_page(header)
    pages = read_header_pages(page + page)
    assert pages.header == header
    assert pages.valid == (True, True)
    assert not pages.differ
    assert pages.crc == page_crc(page)
    assert pages.page == page


@pytest.mark.parametrize("copy", [0, 1])
def test_either_copy_serves_alone(copy: int) -> None:
    """With the other one torn at any sector, or zeroed."""
    for damage in (bytes(PAGE_BYTES), PAGE[:512] + bytes(PAGE_BYTES - 512), b"x" * PAGE_BYTES):
        raw = PAGE + damage if copy == 0 else damage + PAGE
        torn = damage[:512] == PAGE[:512]  # what is behind the fields was zero before, too
        pages = read_header_pages(raw)
        assert pages.header == HEADER
        assert pages.valid == ((True, torn) if copy == 0 else (torn, True))


def test_every_flipped_bit_of_a_page_makes_that_copy_invalid() -> None:
    """The unused rest of the page is under the crc too."""
    for bit in range(8 * PAGE_BYTES):
        if bit >= 8 * 200 and bit % 97:
            continue
        page = bytearray(PAGE)
        page[bit >> 3] ^= 1 << (bit & 7)
        assert read_header_pages(bytes(page) + PAGE).valid == (False, True)


def test_two_valid_copies_that_differ_give_no_header() -> None:
    """That is corruption: whole equal pages are all that is ever written."""
    other = pack_header_page(msgspec.structs.replace(HEADER, term=3))
    pages = read_header_pages(PAGE + other)
    assert (pages.header, pages.valid, pages.differ) == (None, (True, True), True)
    assert (pages.crc, pages.page) == (0, b"")


@pytest.mark.parametrize("size", [0, 7, 4095, 4096, 8191, 8192])
def test_short_files_and_zeros_have_no_copies_beyond_their_end(size: int) -> None:
    """A file that was cut inside its header pages; a file of zeros."""
    pages = read_header_pages((PAGE + PAGE)[:size])
    assert pages.valid == (size >= 4096, size >= 8192)
    assert (pages.header is not None) == (size >= 4096)
    assert read_header_pages(bytes(size)).header is None


def test_another_format_version_is_refused_by_name() -> None:
    """Only with a valid crc; a damaged version field is damage."""
    page = bytearray(PAGE)
    page[12] = FORMAT_VERSION + 1
    with pytest.raises(FormatUnknown, match="format 2") as caught:
        read_header_pages(sealed(bytes(page)) * 2, "segments/00000003.seg")
    assert caught.value.where == "segments/00000003.seg"
    assert caught.value.code == "format-unknown"
    assert read_header_pages(bytes(page) * 2).valid == (False, False)


@given(SEALS)
def test_a_seal_comes_back_from_its_payload(seal: Seal) -> None:
    """120 bytes."""
    payload = pack_seal(seal)
    assert len(payload) == SEAL_BYTES == 120
    assert unpack_seal(payload) == seal


def test_a_seal_has_the_bytes_of_the_format() -> None:
    """Seven numbers and two hashes."""
    seal = Seal(
        events=1, records=2, first_event=3, last_event=4, first_utc_ns=5, last_utc_ns=6,
        size_bytes=7, root=b"r" * 32, chain=b"c" * 32,
    )  # fmt: skip
    expected = struct.pack("<7Q", *range(1, 8)) + b"r" * 32 + b"c" * 32
    assert pack_seal(seal) == expected


def test_a_seal_of_another_length_is_corrupt() -> None:
    """Its record was checked before, so the length is no accident of the disk."""
    with pytest.raises(Corrupt, match="119 bytes"):
        unpack_seal(bytes(119), "3:9000")


def test_digest_of_a_seal_is_sha_256_of_the_record() -> None:
    """Header and alignment bytes included."""
    assert seal_digest(b"record") == hashlib.sha256(b"record").digest()


@pytest.mark.parametrize(
    ("number", "name"),
    [(1, "00000001.seg"), (99_999_999, "99999999.seg"), (123_456_789, "123456789.seg")],
)
def test_names_are_numbers_of_eight_digits_or_more(number: int, name: str) -> None:
    """And come back."""
    assert segment_name(number) == name
    assert parse_segment_name(name) == number


@pytest.mark.parametrize(
    "name",
    ["next.tmp", "1.seg", "00000000.seg", "000000001.seg", "00000001.seg.tmp", "00000001.SEG",
     "-0000001.seg", "\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0661.seg", "", "00000001.seg\n"],
)  # fmt: skip
def test_other_names_are_no_segments(name: str) -> None:
    """A prepared file, a copy, a second spelling of the same number."""
    assert parse_segment_name(name) is None
