"""docs/journal-format.md is enough: a reader written from that page alone agrees with durafix."""

import base64
import hashlib
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from durafix.journal.disk import RealDisk
from durafix.journal.reader import Reader
from durafix.journal.record import Draft
from durafix.journal.record import Record as DurafixRecord
from durafix.recovery.resume import Options, Resumed, open_journal

from .forge import GOLDEN, GOLDEN_LAST_PAD, copied
from .simple_reader import Damage, Journal, Record

HERE = Path(__file__).parent
TERMS = ((0, 300, 512, True), (1, 0, 512, True), (2, 60, 4096, False), (3, 40, 512, True))


class Counting:
    """A toy fold: the state is the number of events seen."""

    def initial(self) -> list[int]:
        return [0]

    def apply(self, state: list[int], record: DurafixRecord) -> None:
        state[0] += 1

    def digest(self, state: list[int]) -> bytes:
        return hashlib.sha256(b"%d" % state[0]).digest()

    def rerun(self, state: list[int], records: Sequence[DurafixRecord]) -> list[Draft]:
        state[0] += len(records)
        return [record.draft for record in records]


def opened(root: Path, pad_bytes: int = 512) -> Resumed[list[int]]:
    options = Options(segment_bytes=32768, pad_bytes=pad_bytes, threaded=False)
    return open_journal(RealDisk(), str(root), Counting(), create=True, options=options)


def append_steps(journal: Resumed[list[int]], seed: int, steps: int) -> None:
    """Random steps of one to four events, several to a batch, payloads around multiples of 8."""
    rng, writer = random.Random(seed), journal.writer
    sessions = [writer.register(f"FIX.4.4:A->B{n}") for n in range(seed % 3 + 1)]
    for step in range(steps):
        drafts = [
            Draft(
                kind=rng.choice((1, 2, 3, 5, 16, 18, 130, 255)),
                direction=rng.randrange(3),
                flags=rng.choice((0, 4, 8, 64)),
                session=rng.choice(sessions),
                seq=rng.randrange(1, 1 << 40),
                payload=rng.randbytes(rng.randrange(160)),
            )
            for _ in range(rng.randrange(1, 5))
        ]
        writer.append(drafts, 1_704_153_600_000_000_000 + step)
        if rng.random() < 0.2:
            writer.commit()
    writer.commit()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal as durafix writes it today: several terms, one of them without any event, one that
    ended in a crash; pads of both sizes; rotation."""
    root = tmp_path_factory.mktemp("fresh") / "journal"
    for seed, steps, pad_bytes, clean in TERMS:
        journal = opened(root, pad_bytes)
        append_steps(journal, seed, steps)
        journal.writer.close(clean)
    return root


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A copy of the golden journal to be spoiled."""
    return copied(GOLDEN, tmp_path / "journal")


def as_listed(record: Record) -> dict[str, object]:
    """A record as the golden listing writes it."""
    fields = record._asdict()
    payload: bytes = fields.pop("payload")
    del fields["end"]
    fields["salt"] = int.from_bytes(record.salt, "little")
    return fields | {
        "payload_bytes": len(payload),
        "payload_b64": base64.b64encode(payload).decode("ascii"),
    }


def as_durafix(record: Record) -> tuple[object, ...]:
    """A record as durafix's Reader gives it out."""
    r = record
    place = (r.segment, r.offset)
    numbers = (r.event, r.utc_ns, r.seq, r.session, r.kind, r.direction, r.flags, r.depth)
    return (place, *numbers, r.header_crc, r.payload)


def assert_agreement(root: Path) -> Journal:
    ours, theirs = Journal(root), Reader(RealDisk(), str(root))
    assert [as_durafix(r) for r in ours.records()] == [tuple(r) for r in theirs.records()]
    steps = [[as_durafix(r) for r in step] for step in ours.steps()]
    assert steps == [[tuple(r) for r in step] for step in theirs.steps()]
    return ours


def test_agrees_record_by_record_with_the_golden_listing() -> None:
    listing = (HERE / "v1.ndjson").read_text("utf-8").splitlines()
    journal = Journal(GOLDEN)
    assert [as_listed(r) for r in journal.records()] == [json.loads(line) for line in listing]
    assert (journal.ending, journal.notes, journal.durable_event) == ("open", [], 22)


def test_agrees_with_durafix_on_the_golden_journal() -> None:
    assert_agreement(GOLDEN)


def test_agrees_with_durafix_on_a_journal_written_today(fresh: Path) -> None:
    journal = assert_agreement(fresh)
    assert (journal.ending, journal.notes) == ("sealed", [])
    records = list(journal.records())
    assert records[-1].segment > 2 * len(TERMS)  # it rotated, often
    assert journal.durable_event == max(r.event for r in records if r.is_event)


def test_agrees_with_durafix_while_the_last_segment_is_open(tmp_path: Path) -> None:
    live = opened(tmp_path / "journal")
    append_steps(live, seed=5, steps=30)
    assert assert_agreement(tmp_path / "journal").ending == "open"
    live.writer.close()


class Place(NamedTuple):
    """Bytes of a journal, and what the page promises when one of them changes.

    ``damage`` raises at the record that starts at ``record``; ``torn`` ends the journal there;
    ``note`` is a copy of which another one serves.
    """

    segment: int  # 0: TAIL
    offset: int
    size_bytes: int
    promise: str
    record: int = 0

    @property
    def file(self) -> str:
        return f"segments/{self.segment:08}.seg" if self.segment else "TAIL"


def promised(root: Path, durable_end: tuple[int, int]) -> list[list[Place]]:
    """All protected bytes of a journal by what protects them. Records before ``durable_end``
    (segment, offset) are proved by a witness; those behind are as good as never written."""
    held: dict[str, list[Place]] = {"damage": [], "torn": [], "pages": [], "tail": []}
    ends = {}
    for r in Journal(root).records():
        promise = "damage" if (r.segment, r.offset) < durable_end else "torn"
        held[promise].append(Place(r.segment, r.offset, r.end - r.offset, promise, r.offset))
        ends[r.segment] = r.end
    for segment, end in ends.items():
        held["pages"].append(Place(segment, 0, 8192, "note"))
        zeros = (root / f"segments/{segment:08}.seg").stat().st_size - end
        if zeros:
            held["torn"].append(Place(segment, end, zeros, "torn", end))
    held["tail"] += [Place(0, slot, 128, "note") for slot in (0, 512)]
    return [places for places in held.values() if places]


def complaint(root: Path) -> tuple[str, int, int]:
    """What the simple reader says about a journal with one flipped byte: which promise it kept,
    and where."""
    journal = Journal(root)
    try:
        records = list(journal.records())
    except Damage as damage:
        return "damage", damage.segment, damage.offset
    if journal.ending.startswith("torn"):
        return "torn", records[-1].segment, records[-1].end
    for note in journal.notes:
        named = re.match("segment ([0-9]+)", note)
        return "note", int(named[1]) if named else 0, 0
    return "silence", 0, 0


def test_reader_complains_about_any_flipped_byte_that_is_protected(
    golden: Path, fresh: Path, tmp_path: Path
) -> None:
    rng = random.Random(20240102)
    written = copied(fresh, tmp_path / "fresh")
    cases = ((golden, (3, GOLDEN_LAST_PAD), 90), (written, (1 << 32, 0), 10))
    for root, durable_end, flips in cases:
        groups = promised(root, durable_end)
        for n in range(flips):
            group = groups[n % len(groups)]
            place = rng.choices(group, [p.size_bytes for p in group])[0]
            path = root / place.file
            whole = path.read_bytes()
            spoilt = bytearray(whole)
            spoilt[place.offset + rng.randrange(place.size_bytes)] ^= rng.randrange(1, 256)
            path.write_bytes(spoilt)
            assert complaint(root) == (place.promise, place.segment, place.record), place
            path.write_bytes(whole)
        assert complaint(root)[0] == "silence"
