"""Scanning: every fault has its code, no fault is missed, and nothing is read beyond the end."""

import mmap
import random
import struct
import time
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durafix.journal.checksum import mask, reference
from durafix.journal.record import (
    HEADER_BYTES,
    NUMBER_MAX,
    PAYLOAD_BYTES_MAX,
    Flag,
    Kind,
    Stop,
    padded,
)

from .images import PAGE_CRC, SALT, START, T0, draft, image, packer, scan, twins

SALT_CRC = reference(SALT.to_bytes(8, "little"))


def resealed(raw: bytes, at: int = 0) -> bytes:
    """The bytes with the header crc at ``at`` made right again: a lie that no checksum shows."""
    crc = mask(reference(raw[at + 8 : at + HEADER_BYTES], SALT_CRC))
    return raw[: at + 4] + crc.to_bytes(4, "little") + raw[at + 8 :]


def changed(raw: bytes, offset: int, form: str, value: int) -> bytes:
    """The first record with one field replaced, and its header crc made right again."""
    out = bytearray(raw)
    struct.pack_into("<" + form, out, offset, value)
    return resealed(bytes(out))


def starts(core: ModuleType, data: bytes) -> list[int]:
    """Where the records of a whole image start."""
    return [row[0] for row in scan(core, data)[0]]


def test_a_whole_image_scans_to_its_end(journal_core: ModuleType) -> None:
    """Every record as it was packed, in order."""
    data = image(journal_core)
    rows, at, stop = scan(journal_core, data)
    assert (at, stop) == (len(data), Stop.END)
    assert [Kind(row[5]).name for row in rows] == [
        "ROSTER", "IN", "STATE", "IN", "PAD", "IN", "MARK", "SEAL",
    ]  # fmt: skip
    assert [row[1] for row in rows] == [0, 1, 2, 3, 3, 4, 4, 4]
    assert rows[1][1:9] == (1, T0, 7, 3, Kind.IN, 1, Flag.CONSUMED, 1)
    assert [row[10] for row in rows[1:4]] == [b"one", b"", b"three!!!"]
    assert rows[5][10] == b"x" * 50


def test_the_stop_is_a_member_of_the_enum(journal_core: ModuleType) -> None:
    """So that a report can name it."""
    assert scan(journal_core, b"x" * 64)[2] is Stop.MAGIC


def test_limit_pauses_and_the_next_call_goes_on(journal_core: ModuleType) -> None:
    """With the crc and the number of the last row."""
    data = image(journal_core)
    whole, at, crc, event = [], 0, PAGE_CRC, 0
    while True:
        rows, at, stop = scan(journal_core, data, start=at, prev_crc=crc, last_event=event, limit=3)
        whole += rows
        if stop != Stop.LIMIT:
            break
        assert len(rows) == 3
        crc, event = rows[-1][9], rows[-1][1]
    assert whole == scan(journal_core, data)[0]
    assert stop == Stop.END


def test_a_limit_that_is_met_at_the_end_says_end(journal_core: ModuleType) -> None:
    """Nothing is left to go on with."""
    data = image(journal_core)
    assert scan(journal_core, data, limit=8)[1:] == (len(data), Stop.END)


def test_a_window_anywhere_in_the_file_scans_with_its_base(journal_core: ModuleType) -> None:
    """Rows carry offsets in the window; the grid of 8 is that of the file."""
    data = image(journal_core)
    second = starts(journal_core, data)[1]
    crc = int.from_bytes(data[4:8], "little")
    window = b"???" + data[second:]
    rows, at, stop = scan(
        journal_core, window, start=3, base=START + second - 3, prev_crc=crc, last_event=0
    )
    assert (at, stop) == (len(window), Stop.END)
    assert rows[0][0] == 3


def test_a_short_end_is_short_wherever_it_is(journal_core: ModuleType) -> None:
    """Cut at every byte: the whole records before the cut, then SHORT, or END on a border."""
    data = image(journal_core)
    at = [*starts(journal_core, data), len(data)]
    for size in range(len(data) + 1):
        rows, stopped, stop = scan(journal_core, data[:size])
        whole = sum(1 for border in at[1:] if border <= size)
        assert len(rows) == whole
        assert stopped == at[whole]
        assert stop == (Stop.END if size == at[whole] else Stop.SHORT)


def test_every_single_bit_flip_is_seen(journal_core: ModuleType) -> None:
    """In headers, payloads, alignment bytes and pads; and at the record that holds the bit."""
    data = image(journal_core)
    borders = [*starts(journal_core, data), len(data)]
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        rows, at, stop = scan(journal_core, flipped)
        assert stop not in (Stop.END, Stop.LIMIT)
        assert at == max(border for border in borders if border <= bit >> 3)
        assert borders[len(rows)] == at


def test_each_part_of_a_record_has_its_code(journal_core: ModuleType) -> None:
    """The code says what is still good: after PAYLOAD_CRC and ALIGNMENT the header is."""
    p = packer(journal_core)
    p.step(1, T0, 0, [draft(b"hello")])
    raw = p.take()
    expected = {0: Stop.MAGIC, 4: Stop.HEADER_CRC, 8: Stop.HEADER_CRC, 16: Stop.HEADER_CRC,
                24: Stop.HEADER_CRC, 63: Stop.HEADER_CRC, 64: Stop.PAYLOAD_CRC,
                68: Stop.PAYLOAD_CRC, 69: Stop.ALIGNMENT, 71: Stop.ALIGNMENT}  # fmt: skip
    for at, code in expected.items():
        bad = bytearray(raw)
        bad[at] ^= 0x10
        assert scan(journal_core, bad) == ([], 0, code), at


def test_zeros_are_told_from_garbage(journal_core: ModuleType) -> None:
    """64 zeros were never written or were lost; one other byte, and it is something else."""
    assert scan(journal_core, bytes(64)) == ([], 0, Stop.ZERO)
    assert scan(journal_core, bytes(63)) == ([], 0, Stop.SHORT)
    assert scan(journal_core, bytes(63) + b"\1") == ([], 0, Stop.MAGIC)


def test_a_record_of_another_segment_is_named_so(journal_core: ModuleType) -> None:
    """Its header is whole under its own salt: stale or misdirected, not rotten."""
    data = image(journal_core)
    assert scan(journal_core, data, salt=SALT ^ 1) == ([], 0, Stop.SALT)


LIES = [
    ("length beyond the limit", 8, "I", PAYLOAD_BYTES_MAX + 1, Stop.LENGTH),
    ("length of all ones", 8, "I", 0xFFFF_FFFF, Stop.LENGTH),
    ("length at the limit, beyond the data", 8, "I", PAYLOAD_BYTES_MAX, Stop.SHORT),
    ("length beyond the data by one", 8, "I", 9, Stop.SHORT),
    ("length zero", 8, "I", 0, Stop.PAYLOAD_CRC),
    ("number skipped", 24, "Q", 2, Stop.NUMBER),
    ("number repeated", 24, "Q", 0, Stop.NUMBER),
    ("number beyond 2^63", 24, "Q", NUMBER_MAX + 1, Stop.NUMBER),
    ("number of all ones", 24, "Q", 2**64 - 1, Stop.NUMBER),
    ("time beyond 2^63", 32, "Q", NUMBER_MAX + 1, Stop.NUMBER),
    ("MsgSeqNum beyond 2^63", 40, "Q", NUMBER_MAX + 1, Stop.NUMBER),
    ("kind zero", 52, "B", 0, Stop.KIND),
    ("kind unknown", 52, "B", 19, Stop.KIND),
    ("kind unknown, the last", 52, "B", 127, Stop.KIND),
    ("kind that takes no number", 52, "B", Kind.MARK, Stop.NUMBER),
    ("another predecessor", 60, "I", PAGE_CRC ^ 1, Stop.PREVIOUS),
]


@pytest.mark.parametrize(
    ("offset", "form", "value", "code"), [lie[1:] for lie in LIES], ids=[lie[0] for lie in LIES]
)
def test_lies_under_a_valid_crc_are_seen(
    journal_core: ModuleType, offset: int, form: str, value: int, code: Stop
) -> None:
    """A header that someone, or a bug, sealed again is still checked against every rule."""
    p = packer(journal_core)
    p.step(1, T0, 0, [draft(b"payload")])
    raw = changed(p.take(), offset, form, value)
    assert scan(journal_core, raw) == ([], 0, code)


def test_kinds_from_128_on_are_events_like_others(journal_core: ModuleType) -> None:
    """A reader may skip them, but their numbers count."""
    p = packer(journal_core)
    p.step(1, T0, 0, [draft(kind=128), draft(kind=255), draft()])
    rows, _, stop = scan(journal_core, p.take())
    assert [(row[1], row[5]) for row in rows] == [(1, 128), (2, 255), (3, Kind.IN)]
    assert stop == Stop.END


def test_a_missing_record_shows_even_if_it_had_no_number(journal_core: ModuleType) -> None:
    """The link to the predecessor finds a MARK that is gone."""
    data = image(journal_core)
    mark, seal = starts(journal_core, data)[-2:]
    rows, at, stop = scan(journal_core, data[:mark] + data[seal:])
    assert (len(rows), at, stop) == (6, mark, Stop.PREVIOUS)


def test_records_in_the_wrong_order_show(journal_core: ModuleType) -> None:
    """Two whole records swapped."""
    data = image(journal_core)
    a, b, c = starts(journal_core, data)[1:4]
    _, at, stop = scan(journal_core, data[:a] + data[b:c] + data[a:b] + data[c:])
    assert (at, stop) == (a, Stop.PREVIOUS)


def test_any_buffer_can_be_scanned(journal_core: ModuleType) -> None:
    """A map of a file is scanned in place."""
    data = image(journal_core)
    expected = scan(journal_core, data)
    assert scan(journal_core, bytearray(data)) == expected
    assert scan(journal_core, memoryview(data)) == expected
    with mmap.mmap(-1, len(data)) as area:
        area[:] = data
        assert scan(journal_core, area) == expected


def test_rows_own_their_payloads(journal_core: ModuleType) -> None:
    """What was scanned may be overwritten."""
    buffer = bytearray(image(journal_core))
    rows, _, _ = scan(journal_core, buffer)
    buffer[:] = bytes(len(buffer))
    assert rows[1][10] == b"one"


def test_a_start_behind_the_end_is_an_end(journal_core: ModuleType) -> None:
    """Nothing is read."""
    assert scan(journal_core, b"", start=0) == ([], 0, Stop.END)
    assert scan(journal_core, b"12345678", start=16) == ([], 16, Stop.END)


# Finding the next header


def find(core: ModuleType, data: Any, start: int = 0, base: int = START) -> int:
    """``find_header`` with the salt of these tests."""
    found: int = core.find_header(data, start, base, SALT)
    return found


def test_find_meets_every_record_in_turn(journal_core: ModuleType) -> None:
    """From each place the next one, and -1 behind the last."""
    data = image(journal_core)
    at = starts(journal_core, data)
    found, start = [], 0
    while (start := find(journal_core, data, start)) >= 0:
        found.append(start)
        start += 1
    assert found == at


def test_find_passes_garbage_zeros_and_headers_of_other_segments(
    journal_core: ModuleType,
) -> None:
    """Only a header with this salt and a right crc counts; its payload may be bad."""
    p = journal_core.Packer(SALT + 1, PAGE_CRC, START)
    p.step(1, T0, 0, [draft()])
    foreign = p.take()
    good = image(journal_core)[:64]
    junk = foreign + bytes(80) + b"\xa1\x5e\xd0\xf1" * 20
    assert find(journal_core, junk + good) == len(junk)
    assert find(journal_core, junk + good[:63]) == -1
    assert find(journal_core, junk + good, len(junk) + 8) == -1


def test_find_keeps_to_the_grid_of_the_file(journal_core: ModuleType) -> None:
    """A header copied to an odd place inside a payload is none."""
    good = image(journal_core)[:64]
    for shift in range(1, 8):
        assert find(journal_core, bytes(shift) + good) == -1
        assert find(journal_core, bytes(shift) + good, 0, START - shift) == shift


def test_find_refuses_a_sealed_lie_about_the_length(journal_core: ModuleType) -> None:
    """A length beyond the format's limit is no header."""
    raw = changed(image(journal_core), 8, "I", PAYLOAD_BYTES_MAX + 1)
    assert find(journal_core, raw[:64]) == -1


def test_find_in_a_large_buffer(journal_core: ModuleType) -> None:
    """Beyond the size from which the native twin gives the GIL up."""
    good = image(journal_core)[:64]
    assert find(journal_core, bytes(1 << 20) + good + bytes(8)) == 1 << 20
    assert find(journal_core, bytes(1 << 20)) == -1


# The twins


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An image with a few bytes changed, pieces moved, or its end cut; sometimes sealed again."""
    data = bytearray(image(twins()[1]))
    rng = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(0, 3))):
        at = rng.randrange(len(data))
        how = rng.randrange(5)
        if how == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[at] = rng.randrange(256)
        elif how == 2:
            size = rng.randrange(1, 200)
            data[at : at + size] = bytes(len(data[at : at + size]))
        elif how == 3:
            del data[at & ~7 : (at & ~7) + 8 * rng.randrange(1, 30)]
        else:
            record = rng.choice(starts(twins()[1], image(twins()[1])))
            if record + 64 <= len(data):
                data[record + rng.randrange(8, 64)] = rng.choice([0, 1, 127, 128, 255])
                data = bytearray(resealed(bytes(data), record))
        if not data:
            break
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@given(mutated())
@settings(max_examples=400, deadline=None)
def test_twins_scan_damaged_images_alike(data: bytes) -> None:
    """The same rows, the same place, the same code; and the same next header from anywhere."""
    native, pure = twins()
    rows, at, stop = scan(native, data)
    assert (rows, at, stop) == scan(pure, data)
    assert at <= len(data)
    assert sum(padded(len(row[10])) for row in rows) == at
    for start in (0, 1, at, at + 8):
        assert find(native, data, start) == find(pure, data, start)


@given(st.binary(max_size=400), st.integers(0, 7))
@settings(deadline=None)
def test_twins_scan_any_bytes_alike(data: bytes, shift: int) -> None:
    """Bytes that were never a journal, at any alignment of the window."""
    native, pure = twins()
    for core in (native, pure):
        assert scan(core, data, start=shift, base=START - shift)[0] == []
    args = {"start": shift, "base": START - shift}
    assert scan(native, data, **args) == scan(pure, data, **args)
    assert find(native, data, 0, START + shift) == find(pure, data, 0, START + shift)


@pytest.mark.deep
def test_twins_agree_on_a_long_seeded_sweep(deep_seed: int, deep_seconds: float) -> None:
    """Random damage, longer than the default suite allows."""
    native, pure = twins()
    rng = random.Random(deep_seed)
    whole = image(pure)
    until = time.monotonic() + deep_seconds
    while time.monotonic() < until:
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.choice([0, 255, rng.randrange(256)])
        record = rng.choice([0, rng.randrange(0, len(data) - 64, 8)])
        raw = resealed(bytes(data), record) if rng.random() < 0.5 else bytes(data)
        raw = raw[: rng.randrange(len(raw) + 1)] if rng.random() < 0.3 else raw
        assert scan(native, raw) == scan(pure, raw)
        start = rng.randrange(len(whole))
        assert find(native, raw, start) == find(pure, raw, start)
