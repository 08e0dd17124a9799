"""The simple reader keeps each rule of docs/journal-format.md that a CRC alone does not keep."""

from pathlib import Path

import pytest

from .forge import (
    GOLDEN,
    GOLDEN_END,
    OPEN_SEGMENT,
    Fields,
    Spoil,
    copied,
    cut,
    manifest_set,
    page_set,
    seal_set,
    tail_set,
    written_behind,
)
from .simple_reader import FIRST_RECORD, Damage, Journal, UnknownVersion


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A copy of the golden journal to be spoiled."""
    return copied(GOLDEN, tmp_path / "journal")


def test_a_record_made_by_hand_is_read(golden: Path) -> None:
    written_behind(golden, {"flags": 0}, {"event": 24, "kind": 128})
    journal = Journal(golden)
    assert [r.event for r in list(journal.steps())[-1]] == [23, 24]
    assert journal.ending == "open"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"magic": 0xF1D05EA2}, "magic"),
        ({"salt": 0x3333333333333334}, "salt"),
        ({"length": (1 << 24) + 1}, "above the limit"),
        ({"length": 1 << 23}, "beyond the file"),
        ({"utc_ns": 1 << 63}, "2^63"),
        ({"seq": 1 << 63}, "2^63"),
        ({"kind": 0}, "kind 0"),
        ({"direction": 3}, "direction"),
        ({"previous_crc": 7}, "does not follow"),
        ({"event": 22}, "number 22 behind 22"),
        ({"event": 1 << 40, "depth": 0xFFFFFFFF}, "behind 22"),
        ({"kind": 13, "flags": 0}, "number 23 behind 22"),
        ({"align": b"x"}, "alignment"),
    ],
)
def test_a_bad_record_that_nothing_proves_is_a_torn_tail(
    golden: Path, fields: Fields, reason: str
) -> None:
    written_behind(golden, fields)
    journal = Journal(golden)
    assert len(list(journal.records())) == 45
    assert journal.ending.startswith(f"torn: segment 3, offset {GOLDEN_END}")
    assert reason in journal.ending


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([{"align": b"x"}, {"event": 24}], "alignment"),
        ([{"event": 24}], "number 24 behind 22"),
        ([{"depth": 0}], "depth 0"),
        ([{"session": 2}], "session 2 has no name"),
        ([{"align": b"x"}, {"event": 24, "kind": 15, "depth": 0xFFFFFFFF}], "alignment"),
        ([{"flags": 0}, {"kind": 14, "flags": 0, "payload": b""}], "inside a step"),
        ([{"kind": 15, "event": 22, "payload": bytes(96)}], "size of its payload"),
        ([{"kind": 15, "event": 22, "payload": bytes(120)}], "seal: counts"),
    ],
)
def test_a_bad_record_that_something_proves_is_damage(
    golden: Path, records: list[Fields], reason: str
) -> None:
    written_behind(golden, *records)
    with pytest.raises(Damage, match="segment 3, offset 87[0-9]*: ") as caught:
        list(Journal(golden).records())
    assert reason in caught.value.reason


def test_the_tail_file_makes_a_bad_event_before_its_own_damage(golden: Path) -> None:
    path = golden / OPEN_SEGMENT
    path.write_bytes(path.read_bytes()[:8424].ljust(16384, b"x"))
    with pytest.raises(Damage, match="segment 3, offset 8424"):
        list(Journal(golden).records())
    (golden / "TAIL").unlink()
    journal = Journal(golden)
    assert list(journal.records())[-1].event == 21
    assert journal.ending.startswith("torn: segment 3, offset 8424")


def test_a_segment_that_does_not_open_with_its_roster_is_bad(golden: Path) -> None:
    written_behind(golden, {"event": 21}, end=FIRST_RECORD)
    with pytest.raises(Damage, match="segment 3, offset 8192: the first record is no roster copy"):
        list(Journal(golden).records())


def test_an_unfinished_segment_that_is_not_the_last_is_damage_without_any_proof(
    golden: Path,
) -> None:
    path = golden / "segments/00000002.seg"
    path.write_bytes(path.read_bytes()[:9728].ljust(16384, b"\0"))
    (golden / "TAIL").unlink()
    with pytest.raises(Damage, match="segment 2, offset 9728"):
        list(Journal(golden).records())


def test_bytes_behind_a_seal_mean_nothing_and_are_noted(golden: Path) -> None:
    with (golden / "segments/00000002.seg").open("ab") as file:
        file.write(bytes(512))
    journal = Journal(golden)
    assert len(list(journal.records())) == 45
    assert not journal.notes
    with (golden / "segments/00000002.seg").open("ab") as file:
        file.write(b"x")
    assert len(list(journal.records())) == 45
    assert journal.notes == ["segment 2: bytes behind the seal"]


def test_an_unknown_kind_below_128_is_refused(golden: Path) -> None:
    written_behind(golden, {"kind": 127})
    with pytest.raises(UnknownVersion, match="kind 127"):
        list(Journal(golden).records())


def test_a_step_without_an_end_did_not_happen(golden: Path) -> None:
    written_behind(golden, {"flags": 0})
    journal = Journal(golden)
    assert [r.event for r in list(journal.steps())[-1]] == [21, 22]
    assert journal.ending == "torn: the last step has no end"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (page_set(2, 16, b"x"), "segment 2, offset 0: of another journal"),
        (page_set(2, 32, b"\x03"), "segment 2, offset 0: calls itself segment 3"),
        (page_set(2, 40, bytes(8)), "segment 2, offset 0: salt 0"),
        (page_set(2, 48, b"\x14"), "segment 2, offset 0: base event"),
        (page_set(1, 48, b"\x02"), "segment 1, offset 0: base event"),
        (page_set(2, 56, b"\x00"), "segment 2, offset 0: term went back"),
        (page_set(2, 72, b"\x04"), "segment 2, offset 0: policy or pad bytes"),
        (page_set(2, 76, b"\x01"), "segment 2, offset 0: policy or pad bytes"),
        (page_set(3, 88, b"x"), "segment 3, offset 0: digest of the seal before"),
        (page_set(1, 88, b"x"), "segment 1, offset 0: digest of the seal before"),
        (page_set(3, 120, b"x"), "segment 3, offset 0: chain"),
        (
            page_set(3, 4000, b"x"),
            "segment 3, offset 0: bytes .* that must be zero",
        ),
        (page_set(3, 64, b"x", copies=[0]), "segment 3, offset 0: two valid header pages"),
        (page_set(2, 64, b"x"), "segment 2, offset 8192: does not follow"),
        *((seal_set(n), "segment 2, offset 9728: seal: counts") for n in range(0, 56, 8)),
        (seal_set(56), "segment 2, offset 9728: seal: Merkle root"),
        (seal_set(88), "segment 2, offset 9728: seal: chain"),
        (cut("segments/00000001.seg", 4000), "segment 1, offset 0: no valid header page"),
        (cut("segments/00000002.seg", 9728), "segment 2, offset 9728: no valid header"),
        (cut(OPEN_SEGMENT, 12288), "segment 3, offset 8704: neither a seal nor the allocated size"),
        (lambda root: (root / OPEN_SEGMENT).unlink(), "the tail file proves event 22"),
        (lambda root: (root / "segments/00000002.seg").unlink(), "segment 2, offset 0: .*missing"),
        (cut("journal.json", 20), "journal.json"),
    ],
)
def test_what_no_crc_shows_is_damage_all_the_same(golden: Path, spoil: Spoil, reason: str) -> None:
    spoil(golden)
    with pytest.raises(Damage, match=reason):
        list(Journal(golden).records())


@pytest.mark.parametrize(
    "spoil",
    [
        page_set(2, 12, b"\x02"),
        page_set(1, 12, b"\x00"),
        tail_set(12, b"\x02"),
        manifest_set(b'"format":1', b'"format":2'),
    ],
)
def test_another_format_version_is_refused(golden: Path, spoil: Spoil) -> None:
    spoil(golden)
    with pytest.raises(UnknownVersion):
        list(Journal(golden).records())


@pytest.mark.parametrize("spoil", [tail_set(16, b"x"), tail_set(64, b"\x2a"), tail_set(0, b"E")])
def test_a_void_tail_slot_leaves_the_other_one(golden: Path, spoil: Spoil) -> None:
    """Of another journal; in the wrong place; without its magic."""
    tail_set(56, b"\x17")(golden)
    spoil(golden)
    journal = Journal(golden)
    assert len(list(journal.records())) == 45
    assert journal.durable_event == 22
    assert journal.notes == ["TAIL, offset 512: no valid slot"]


def test_the_tail_slot_with_the_higher_generation_counts(golden: Path) -> None:
    tail_set(56, b"\x15")(golden)
    journal = Journal(golden)
    assert len(list(journal.records())) == 45
    assert journal.durable_event == 21
    tail_set(64, b"\x27")(golden)
    assert len(list(journal.records())) == 45
    assert journal.durable_event == 22
