"""The index compared from outside, on a real file system: agreement, damage, and lost names."""

from __future__ import annotations

import os
from pathlib import Path

import lmdb
import pytest

from durafix.journal.indexformat import frame_of, frame_value, seal_value
from durafix.journal.reader import Reader
from durafix.journal.realdisk import RealDisk
from durafix.journal.record import Direction, Kind
from durafix.recovery.errors import Damaged
from durafix.recovery.resume import Resumed, open_journal
from durafix.recovery.verify import Report, verify

from .toys import SESSION, Toy, ToyFold, options


def opened(root: str) -> Resumed[Toy]:
    """The journal at ``root``, made if it is not there."""
    return open_journal(RealDisk(), root, ToyFold(), create=True, options=options())


def written(root: str, *, clean: bool = True) -> Resumed[Toy]:
    """A journal of 60 steps with an index that is caught up and committed."""
    resumed = opened(root)
    writer, fold = resumed.writer, ToyFold()
    session = writer.register(SESSION)
    state = resumed.state
    for i in range(60):
        drafts = fold.drafts(state, f"t{i % 3}", session)
        for draft in drafts:
            if draft.kind == Kind.STATE:
                text, _, count = draft.payload.decode().partition("=")
                state.counts[text] = int(count)
            if draft.kind == Kind.OUT:
                state.next_out = draft.seq + 1
        writer.append(drafts, 1_700_000_000_000_000_000 + i)
        writer.commit()
    resumed.index.catch_up(writer.covered)
    resumed.index.set_durable(writer.durable)
    resumed.index.commit()
    if clean:
        writer.close()
        resumed.index.close()
    return resumed


def check(root: str) -> Report:
    return verify(RealDisk(), root, pause=lambda seconds: None)


def codes(report: Report) -> set[str]:
    return {found.code for found in report.findings}


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


def test_an_index_that_agrees_is_clean(root: str) -> None:
    """Closed or in use."""
    written(root)
    report = check(root)
    assert (report.verdict, codes(report)) == ("clean", set())
    live = opened(root)
    assert check(root).verdict == "clean"
    live.writer.close()
    live.index.close()


@pytest.mark.parametrize("how", ["delete", "truncate", "garbage", "flip"])
def test_a_damaged_index_is_told_and_opens_with_the_same_answers(root: str, how: str) -> None:
    """Deleted, cut short, overwritten, or one bit of it flipped: said, rebuilt, same answers."""
    before = written(root)
    path = Path(root) / "index" / "data.mdb"
    data = path.read_bytes()
    if how == "delete":
        path.unlink()
    elif how == "truncate":
        path.write_bytes(data[: len(data) // 2])
    elif how == "garbage":
        path.write_bytes(os.urandom(len(data)))
    else:
        path.write_bytes(data[:5000] + bytes([data[5000] ^ 4]) + data[5001:])
    told = codes(check(root))
    assert told == {"index-missing" if how == "delete" else "index-damaged"}
    again = opened(root)
    assert again.report.index.status == "rebuilt" and again.report.index.reason
    assert again.state == before.state or again.state.counts == before.state.counts
    for seq in range(1, again.state.next_out):
        entry = again.index.find(1, Direction.OUT, 0, seq)
        assert entry is not None
        assert Reader(RealDisk(), root).at(entry.position).seq == seq
    assert again.index.find(1, Direction.OUT, 0, again.state.next_out) is None
    again.writer.close()
    again.index.close()
    assert check(root).verdict == "clean"


def test_the_index_of_another_history_differs(root: str, tmp_path: Path) -> None:
    """An index that names other places than the journal has."""
    written(root)
    other = str(tmp_path / "other")
    resumed = opened(other)
    resumed.writer.register(SESSION)
    resumed.writer.commit()
    resumed.writer.close()
    resumed.index.close()
    for path in (Path(root) / "index").iterdir():
        (Path(other) / "index" / path.name).write_bytes(path.read_bytes())
    assert check(other).verdict != "clean"


def test_an_entry_that_names_another_place_differs(root: str) -> None:
    """With a good checksum, in a file that nobody vouches for: only the comparison tells."""
    written(root)
    folder = Path(root) / "index"
    (folder / "STAMP").unlink()
    with lmdb.open(str(folder)) as env, env.begin(write=True) as txn, txn.cursor() as cursor:
        assert cursor.set_range(b"e")
        key, value = cursor.item()
        frame = frame_of(value[:-4])
        assert frame is not None
        moved = frame_value((frame[0], frame[1] + 8, frame[2], frame[3], frame[4]))
        assert cursor.put(key, seal_value(key, moved)[0])
    report = check(root)
    assert codes(report) == {"index-differs"}
    found = report.findings[0]
    assert (found.session_name, found.direction) == (SESSION, Direction.OUT)


def test_the_index_gives_lost_messages_their_names(root: str) -> None:
    """A damaged header says nothing; the index still knows what was there."""
    written(root)
    record = [r for r in Reader(RealDisk(), root).records() if r.kind == Kind.OUT][5]
    path = Path(root) / "segments" / f"{record.position.segment:08d}.seg"
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[record.position.offset + 30] ^= 1
    path.write_bytes(data)
    report = check(root)
    named = [
        found
        for found in report.findings
        if found.code == "number-lost" and found.position == record.position
    ]
    assert [(f.event, f.session_name, f.direction, f.seq) for f in named] == [
        (record.event, SESSION, Direction.OUT, record.seq)
    ]


def test_the_index_alone_proves_what_was_durable(root: str) -> None:
    """Tail file and last events are lost; the watermark knows that they had been on disk."""
    written(root, clean=False).index.close()
    (Path(root) / "TAIL").write_bytes(bytes(1024))
    path = max((Path(root) / "segments").glob("*.seg"))
    record = [r for r in Reader(RealDisk(), root).records() if r.kind == Kind.OUT][-1]
    data = path.read_bytes()
    path.write_bytes(data[: record.position.offset] + bytes(len(data) - record.position.offset))
    assert "events-lost" in codes(check(root))
    with pytest.raises(Damaged):
        opened_again(root)


def opened_again(root: str) -> Resumed[Toy]:
    """As after the death of the process that has the lock: another lock file."""
    (Path(root) / "LOCK").unlink()
    return opened(root)
