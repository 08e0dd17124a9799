"""repair shows its plan, acts only when told to, and refuses what would lose an acknowledged
record.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from durafix.journal.disk import RealDisk
from durafix.journal.reader import Reader
from durafix.journal.record import Kind

from .conftest import Ran
from .journals import Live, trading
from .test_verify import an_order, flip, segment_of

Cli = Callable[..., Ran]


def everything(root: Path) -> dict[str, bytes]:
    """All files of a journal."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def torn(tmp_path: Path) -> Path:
    """A journal whose last write did not finish."""
    root = tmp_path / "torn journal"
    with Live(root) as live:
        live.logon()
        live.order("c1")
        live.follow()
        records = Reader(RealDisk(), live.root).records()
        end = max(r.position.offset + 64 + (len(r.payload) + 7) // 8 * 8 for r in records)
    with segment_of(str(root)).open("r+b") as file:
        file.seek(end)
        file.write(b"\xa1\x5e\xd0\xf1 half a record")
    return root


def test_a_clean_journal_needs_nothing(cli: Cli, day: str) -> None:
    """With or without --apply."""
    for words in ([], ["--apply"]):
        done = cli("repair", day, *words)
        assert (done.code, done.out) == (0, f"repair {day}: nothing to repair\n")


def test_the_plan_changes_nothing_and_ends_with_the_command(cli: Cli, torn: Path) -> None:
    """The path is quoted, so that the line can be pasted."""
    before = everything(torn)
    done = cli("repair", torn)
    assert done.code == 1
    assert everything(torn) == before
    command = done.out.splitlines()[-1]
    assert shlex.split(command) == ["durafix", "repair", str(torn), "--apply"]
    report = cli("repair", torn, "-o", "json").json
    assert (report["schema"], report["outcome"]) == ("repair-report/1", "planned")
    assert report["next"] == command
    assert [action["remedy"] for action in report["actions"]] == ["cut-tail"]


def test_apply_cuts_keeps_a_copy_and_records_who_and_why(cli: Cli, torn: Path) -> None:
    """Exit 4; afterwards the journal is clean, and repairing again finds nothing to do."""
    done = cli("repair", torn, "--apply", "--who", "kim", "--why", "power cut", "-o", "json")
    assert done.code == 4, done.err
    report = done.json
    assert report["outcome"] == "repaired"
    kept = [torn / "quarantine" / name for name in report["quarantine"]]
    assert any(b"half a record" in path.read_bytes() for path in kept)
    repairs = [r for r in Reader(RealDisk(), str(torn)).records() if r.kind == Kind.REPAIR]
    assert len(repairs) == 1
    assert b"kim" in repairs[0].payload
    assert b"power cut" in repairs[0].payload
    assert cli("verify", torn).code == 0
    assert cli("repair", torn, "--apply").code == 0


def test_damage_to_an_acknowledged_record_is_refused(cli: Cli, tmp_path: Path) -> None:
    """Exit 5, nothing is touched, and the message is named."""
    root = trading(tmp_path / "j")
    record = an_order(root)
    flip(root, record.position.offset + 90)
    before = everything(tmp_path / "j")
    for words in ([], ["--apply"]):
        done = cli("repair", root, *words)
        assert done.code == 5
        assert "REFUSED" in done.out
        assert f"MsgSeqNum {record.seq}" in done.out
    assert everything(tmp_path / "j") == before
    refused = cli("repair", root, "-o", "json").json["refused"]
    assert record.seq in {one["finding"]["seq"] for one in refused}


def test_a_live_writer_is_never_repaired_beside(cli: Cli, torn: Path) -> None:
    """Exit 5: locked."""
    from durafix.journal.manifest import lock_writer

    lock = lock_writer(RealDisk(), str(torn))
    try:
        done = cli("repair", torn, "--apply")
    finally:
        lock.release()
    assert done.code == 5
    assert done.err.count("\n") == 1


def test_no_journal_is_exit_3(cli: Cli, tmp_path: Path) -> None:
    """One line, and nothing is created."""
    done = cli("repair", tmp_path, "--apply")
    assert (done.code, done.out) == (3, "")
    assert list(tmp_path.iterdir()) == []
