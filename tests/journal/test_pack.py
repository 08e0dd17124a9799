"""Packing: the bytes of a record, steps, pads, and the tree that grows with them."""

import hashlib
import struct
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durafix.journal.checksum import mask, reference
from durafix.journal.errors import TooLarge
from durafix.journal.record import (
    DEPTH_UNKNOWN,
    NUMBER_MAX,
    PAYLOAD_BYTES_MAX,
    Draft,
    Flag,
    Kind,
)

from .images import PAGE_CRC, SALT, START, T0, draft, image, packer, scan, twins

HEADER = "<IIIIQQQQIBBHII"


def test_one_record_has_the_bytes_of_the_format(journal_core: ModuleType) -> None:
    """Checked against the table of DESIGN.md section 5, field by field, without our unpacker."""
    p = packer(journal_core)
    p.step(11, T0, 9, [Draft(Kind.OUT, 2, Flag.COMMAND, 5, 77, b"hello")])
    raw = p.take()
    fields = struct.unpack(HEADER, raw[:64])
    salted = reference(raw[8:64], reference(SALT.to_bytes(8, "little")))
    assert fields[0] == 0xF1D05EA1
    assert fields[1] == mask(salted)
    assert fields[2:5] == (5, mask(reference(b"hello")), SALT)
    assert fields[5:9] == (11, T0, 77, 5)
    assert fields[9:] == (Kind.OUT, 2, Flag.COMMAND | Flag.LAST, 2, PAGE_CRC)
    assert raw[64:] == b"hello\0\0\0"
    assert (p.offset, p.prev_header_crc, p.records) == (START + 72, fields[1], 1)


def test_header_unpacks_without_any_check(journal_core: ModuleType) -> None:
    """Tools look at damaged headers too."""
    raw = bytes(range(3)) + bytes(range(100, 164))
    header = journal_core.unpack_header(raw, 3)
    assert tuple(header) == struct.unpack(HEADER, raw[3:67])
    with pytest.raises(struct.error):
        journal_core.unpack_header(raw, 4)


def test_last_is_set_on_the_last_record_of_a_step_only(journal_core: ModuleType) -> None:
    """Whatever the drafts say."""
    p = packer(journal_core)
    p.step(1, T0, 0, [Draft(Kind.IN, 1, flags, 1, 1, b"") for flags in (1, 0, 3, 2)])
    rows, _, _ = scan(journal_core, p.take())
    assert [row[7] for row in rows] == [0, 0, 2, 3]


def test_a_step_has_consecutive_numbers_one_time_and_depths_behind_durable(
    journal_core: ModuleType,
) -> None:
    """Depth is the number minus the last durable number."""
    p = journal_core.Packer(SALT, PAGE_CRC, START)
    p.step(5, T0, 2, [draft()] * 3)
    rows, _, _ = scan(journal_core, p.take(), last_event=4)
    assert [row[1:3] for row in rows] == [(5, T0), (6, T0), (7, T0)]
    assert [row[8] for row in rows] == [3, 4, 5]


def test_depth_never_reaches_the_value_that_proves_nothing(journal_core: ModuleType) -> None:
    """It stays one below, which is still true: at least so much is not durable."""
    first = DEPTH_UNKNOWN - 2
    p = packer(journal_core)
    p.step(first, T0, 0, [draft()] * 4)
    rows, _, _ = scan(journal_core, p.take(), last_event=first - 1)
    assert [row[8] for row in rows] == [first, first + 1, first + 1, first + 1]


def test_a_single_event_is_a_whole_step(journal_core: ModuleType) -> None:
    """LAST is set for a REPAIR, and not for what is no event."""
    p = packer(journal_core)
    p.single(1, T0, 1, Kind.REPAIR, 0, 0, 0, 0, b"{}")
    p.single(1, T0, 0, Kind.MARK, 0, 0, 0, 0, b"")
    p.single(1, T0, DEPTH_UNKNOWN, Kind.ROSTER, 0, Flag.COPY, 0, 0, b"{}")
    rows, _, _ = scan(journal_core, p.take())
    assert [row[7] for row in rows] == [Flag.LAST, 0, Flag.COPY]
    assert [row[1] for row in rows] == [1, 1, 1]
    assert rows[2][8] == DEPTH_UNKNOWN


@pytest.mark.parametrize("boundary", [512, 4096])
@pytest.mark.parametrize("used", [8, 64, 440, 448, 456, 504, 512, 520])
def test_pad_fills_to_the_boundary_with_one_record(
    journal_core: ModuleType, used: int, boundary: int
) -> None:
    """Nothing at a boundary; a rest too small for a header goes on to the boundary after."""
    start = START + used
    p = journal_core.Packer(SALT, PAGE_CRC, start)
    p.pad(9, T0, 7, boundary)
    raw = p.take()
    assert p.offset % boundary == 0
    if used % boundary == 0:
        assert raw == b""
        return
    assert 64 <= len(raw) < boundary + 64
    rows, _, _ = scan(journal_core, raw, base=start, last_event=9)
    assert len(rows) == 1
    assert rows[0][5] == Kind.PAD
    assert (rows[0][1], rows[0][7], rows[0][8]) == (9, 0, 2)
    assert not any(rows[0][10])


def test_take_empties_and_the_offset_stays(journal_core: ModuleType) -> None:
    """Two takes give the bytes of one."""
    p = packer(journal_core)
    assert p.take() == b""
    p.step(1, T0, 0, [draft(b"one")])
    assert p.pending == 72
    first = p.take()
    p.step(2, T0, 0, [draft(b"two")])
    second = p.take()
    assert p.pending == 0
    q = packer(journal_core)
    q.step(1, T0, 0, [draft(b"one")])
    q.step(2, T0, 0, [draft(b"two")])
    assert q.take() == first + second
    assert p.offset == q.offset == START + 144


def test_step_bytes_says_what_a_step_will_take(journal_core: ModuleType) -> None:
    """So that the writer can rotate before it packs."""
    drafts = [draft(b"x" * n) for n in (0, 1, 7, 8, 9, 250)]
    p = packer(journal_core)
    p.step(1, T0, 0, drafts)
    assert journal_core.step_bytes(drafts) == p.pending
    assert journal_core.step_bytes([]) == 0


def test_steps_packs_whole_steps_while_they_fit(journal_core: ModuleType) -> None:
    """The same bytes as one by one; the step that does not fit, and all behind it, stay."""
    steps = [[draft(b"x" * 10)], [draft(b"y" * 100), draft()], [draft()]]
    batch, number = [], 1
    for drafts in steps:
        batch.append((number, T0 + number, drafts, journal_core.step_bytes(drafts)))
        number += len(drafts)
    one = packer(journal_core)
    for first, utc_ns, drafts, _ in batch:
        one.step(first, utc_ns, 0, drafts)
    data = one.take()
    sizes = [entry[3] for entry in batch]
    for room, count in ((0, 0), (79, 0), (80, 1), (80 + sizes[1] - 1, 1), (1 << 20, 3)):
        p = packer(journal_core)
        assert p.steps(batch, 0, room) == (count, sum(sizes[:count]))
        assert p.take() == data[: sum(sizes[:count])]


def test_a_payload_beyond_the_limit_packs_nothing(journal_core: ModuleType) -> None:
    """Neither the records before it in the step, nor a leaf."""
    p = packer(journal_core)
    p.step(1, T0, 0, [draft()])
    before = (p.pending, p.offset, p.prev_header_crc, p.records, p.tree.root())
    big = draft(bytes(PAYLOAD_BYTES_MAX + 1))
    with pytest.raises(TooLarge):
        p.step(2, T0, 0, [draft(), big])
    with pytest.raises(TooLarge):
        p.single(1, T0, 0, Kind.MARK, 0, 0, 0, 0, big.payload)
    assert (p.pending, p.offset, p.prev_header_crc, p.records, p.tree.root()) == before


def test_the_largest_payload_packs_and_scans(journal_core: ModuleType) -> None:
    """16 MiB exactly."""
    p = packer(journal_core)
    p.step(1, T0, 0, [draft(bytes(PAYLOAD_BYTES_MAX))])
    rows, _, stop = scan(journal_core, p.take())
    assert len(rows) == 1
    assert stop == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda p: p.step(1, T0, 0, []),
        lambda p: p.step(1, T0, 1, [draft()]),
        lambda p: p.step(1, T0, 0, [draft(kind=Kind.MARK)]),
        lambda p: p.step(1, T0, 0, [Draft(Kind.ROSTER, 0, Flag.COPY, 0, 0, b"")]),
        lambda p: p.step(NUMBER_MAX, T0, 0, [draft()]),
        lambda p: p.step(1, NUMBER_MAX + 1, 0, [draft()]),
        lambda p: p.step(1, T0, 0, [draft(), draft(kind=0)]),
        lambda p: p.step(1, T0, 0, [draft(), draft(seq=NUMBER_MAX + 1)]),
        lambda p: p.pad(1, T0, 2, 512),
        lambda p: p.pad(1, T0, 0, 60),
    ],
)
def test_what_only_a_bug_of_ours_asks_for_is_asserted(journal_core: ModuleType, call: Any) -> None:
    """And leaves the packer as it was, so that a half step can never be written."""
    p = packer(journal_core)
    p.step(1, T0, 0, [draft()])
    p.take()
    before = (p.offset, p.prev_header_crc, p.records)
    with pytest.raises(AssertionError):
        call(p)
    assert p.take() == b""
    assert (p.offset, p.prev_header_crc, p.records) == before


# The tree


def rfc6962_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962 section 2.1, written as it stands there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + rfc6962_root(leaves[:k]) + rfc6962_root(leaves[k:])).digest()


def test_root_is_that_of_rfc_6962_for_every_count(journal_core: ModuleType) -> None:
    """And may be asked at any time without an effect on what follows."""
    tree = journal_core.MerkleTree()
    leaves: list[bytes] = []
    for count in range(70):
        assert tree.count == count
        assert tree.root() == rfc6962_root(leaves)
        leaves.append(bytes([count]) * (count * 37 % 200))
        tree.add(memoryview(leaves[-1]))


def test_leaves_of_every_length_hash_as_hashlib_does() -> None:
    """Around block borders, and on both sides of the short path; with and without SHA
    instructions."""
    native, _ = twins()
    data = bytes(i * 7 & 0xFF for i in range(5000))
    for size in (*range(200), *range(1000, 1100), 4096, 5000):
        expected = hashlib.sha256(b"\1" + data[:size]).digest()
        assert native.sha256(1, data[:size]) == expected
        assert native.sha256(1, data[:size], True) == expected


def test_packer_feeds_its_tree_with_all_but_the_seal(journal_core: ModuleType) -> None:
    """Each record with its alignment bytes is a leaf, behind those that were there before."""
    data = image(journal_core)
    rows, _, _ = scan(journal_core, data)
    ends = [row[0] for row in rows[1:]] + [len(data)]
    leaves = [data[row[0] : end] for row, end in zip(rows, ends, strict=True)]
    p = packer(journal_core)
    p.tree.add(b"page")
    p.single(0, T0, 0, Kind.ROSTER, 0, Flag.COPY, 0, 0, b'{"sessions":{}}')
    assert p.tree.root() == rfc6962_root([b"page", leaves[0]])
    p.step(1, T0, 0, [draft(b"one"), draft(b"", kind=Kind.STATE), draft(b"three!!!")])
    p.pad(3, T0, 0, 512)
    p.step(4, T0 + 1, 3, [draft(b"x" * 50, seq=8)])
    p.single(4, T0 + 2, 0, Kind.MARK, 0, 0, 0, 0, b"")
    before = p.tree.root()
    p.single(4, T0 + 3, 0, Kind.SEAL, 0, 0, 0, 0, b"end")
    assert p.tree.root() == before == rfc6962_root([b"page", *leaves[:-1]])
    assert p.tree.count == len(rows)
    assert p.records == len(rows)
    assert p.take() == data


def test_large_batches_hash_the_same_without_the_gil() -> None:
    """Enough bytes that the native tree gives the GIL up."""
    roots = []
    for core in twins():
        p = packer(core)
        p.step(1, T0, 0, [draft(bytes([i & 0xFF]) * 300) for i in range(500)])
        p.take()
        roots.append((p.tree.count, p.tree.root()))
    assert roots[0] == roots[1]


# The twins

PAYLOADS = st.one_of(st.binary(max_size=90), st.integers(900, 1200).map(bytes))
EVENTS = st.builds(
    Draft,
    st.sampled_from([k for k in Kind if k not in (Kind.MARK, Kind.PAD, Kind.SEAL)] + [128, 255]),
    st.integers(0, 2),
    st.integers(0, 0xFFFF).map(lambda flags: flags & ~Flag.COPY),
    st.integers(0, 2**32 - 1),
    st.integers(0, NUMBER_MAX),
    PAYLOADS,
)
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("step"), st.lists(EVENTS, min_size=1, max_size=6)),
        st.tuples(st.just("pad"), st.sampled_from([512, 4096])),
        st.tuples(st.sampled_from(["mark", "seal", "take", "root"]), st.none()),
    ),
    max_size=12,
)


def play(core: ModuleType, calls: list[tuple[str, Any]], salt: int, utc_ns: int) -> list[object]:
    """Run the calls on one twin; everything that can be seen of it."""
    p = core.Packer(salt, PAGE_CRC, START)
    number, seen = 0, []
    for name, argument in calls:
        if name == "step":
            p.step(number + 1, utc_ns, number // 2, argument)
            number += len(argument)
        elif name == "pad":
            p.pad(number, utc_ns, number // 2, argument)
        elif name == "mark":
            p.single(number, utc_ns, 0, Kind.MARK, 0, 0, 0, 0, b"")
        elif name == "seal":
            p.single(number, utc_ns, 0, Kind.SEAL, 0, 0, 0, 0, b"root")
        elif name == "take":
            seen.append(p.take())
        else:
            seen.append((p.tree.root(), p.tree.count))
    return [*seen, p.take(), p.offset, p.prev_header_crc, p.records, p.tree.root(), p.tree.count]


@given(CALLS, st.integers(0, 2**64 - 1), st.integers(0, NUMBER_MAX))
@settings(max_examples=150, deadline=None)
def test_twins_pack_the_same_bytes(calls: list[tuple[str, Any]], salt: int, utc_ns: int) -> None:
    """Whatever is asked, in whatever order; and a scan takes all of it back."""
    native, pure = twins()
    seen = play(native, calls, salt, utc_ns)
    assert seen == play(pure, calls, salt, utc_ns)
    data = b"".join(part for part in seen[:-5] if isinstance(part, bytes))
    rows, at, stop = scan(native, data, salt=salt)
    assert (at, stop) == (len(data), 0)
    events = [event for name, events in calls if name == "step" for event in events]
    kept = [row for row in rows if row[5] not in (Kind.MARK, Kind.PAD, Kind.SEAL)]
    assert [(*row[5:7], row[7] & ~1, row[4], row[3], row[10]) for row in kept] == [
        (*e[:2], e[2] & ~1, *e[3:]) for e in events
    ]
