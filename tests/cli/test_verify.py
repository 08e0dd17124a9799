"""verify answers in one word, with findings that name the place; the exit code says the same."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from durafix.journal.disk import RealDisk
from durafix.journal.reader import Reader
from durafix.journal.record import Kind, Record
from durafix.journal.segment import FIRST_RECORD, pack_header_page, read_header_pages

from .conftest import Ran
from .journals import NAME, Live, trading

Cli = Callable[..., Ran]


def segment_of(root: str) -> Path:
    """The first segment, made writable."""
    path = Path(root) / "segments" / "00000001.seg"
    os.chmod(path, 0o644)
    return path


def flip(root: str, offset: int) -> None:
    """One bit of one byte."""
    path = segment_of(root)
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def an_order(root: str) -> Record:
    """The second order that came in."""
    records = Reader(RealDisk(), root).records()
    return [r for r in records if r.kind == Kind.IN and b"35=D" in r.payload][1]


def test_a_finished_journal_is_clean(cli: Cli, day: str) -> None:
    """In every format."""
    done = cli("verify", day, "-o", "json")
    assert (done.code, done.err) == (0, "")
    report = done.json
    assert (report["schema"], report["verdict"]) == ("verify-report/1", "clean")
    assert report["events"] == report["last_event"] == 27
    assert report["sessions"] == {"1": NAME.text}
    assert "CLEAN" in cli("verify", day).out
    for form in ("table", "ndjson", "csv"):
        assert cli("verify", day, "-o", form).code == 0


def test_a_live_journal_is_clean(cli: Cli, tmp_path: Path) -> None:
    """Its open end is no damage."""
    with Live(tmp_path / "j") as live:
        live.logon()
        live.follow()
        assert cli("verify", live.root).code == 0


def test_a_flipped_byte_is_exit_1_and_named_in_fix_terms(cli: Cli, tmp_path: Path) -> None:
    """Segment, offset, event, session, direction and MsgSeqNum; and what to type next."""
    root = trading(tmp_path / "j")
    record = an_order(root)
    flip(root, record.position.offset + 90)
    done = cli("verify", root, "-o", "json")
    assert done.code == 1
    found = [f for f in done.json["findings"] if f["code"] == "record-payload"]
    assert [
        (f["position"], f["event"], f["session_name"], f["direction"], f["seq"]) for f in found
    ] == [(str(record.position), record.event, NAME.text, "in", record.seq)]
    text = cli("verify", root).out
    assert "DAMAGED" in text
    assert f"MsgSeqNum {record.seq}" in text
    assert f"durafix repair {root}" in text
    rows = [json.loads(line) for line in cli("verify", root, "-o", "ndjson").out.splitlines()]
    assert rows[0]["schema"] == "finding/1"


def test_a_torn_tail_is_exit_1_with_its_code(cli: Cli, tmp_path: Path) -> None:
    """Bytes behind the last whole step, which nothing proves durable."""
    with Live(tmp_path / "j") as live:
        live.logon()
        end = max(
            r.position.offset + 64 + (len(r.payload) + 7) // 8 * 8
            for r in Reader(RealDisk(), live.root).records()
        )
    path = segment_of(str(tmp_path / "j"))
    with path.open("r+b") as file:
        file.seek(end)
        file.write(b"\xa1\x5e\xd0\xf1 half a record")
    done = cli("verify", tmp_path / "j", "-o", "json")
    assert done.code == 1
    assert "torn-tail" in {f["code"] for f in done.json["findings"]}


def test_another_format_is_exit_3(cli: Cli, day: str, tmp_path: Path) -> None:
    """Neither yes nor no: manifest and segments say that a later version wrote them."""
    root = tmp_path / "copy"
    shutil.copytree(day, root)
    manifest = root / "journal.json"
    manifest.write_text(manifest.read_text().replace('"format":1', '"format":99'))
    path = segment_of(str(root))
    header = read_header_pages(path.read_bytes()[:FIRST_RECORD]).header
    assert header is not None
    page = pack_header_page(msgspec.structs.replace(header, format_version=99))
    path.write_bytes(page + page + path.read_bytes()[FIRST_RECORD:])
    done = cli("verify", root)
    assert (done.code, done.out) == (3, "")
    assert "format 99" in done.err


def test_no_journal_is_one_line_and_exit_3(cli: Cli, tmp_path: Path) -> None:
    """No report about nothing."""
    for path in (tmp_path, tmp_path / "nothing"):
        done = cli("verify", path)
        assert (done.code, done.out) == (3, "")
        assert done.err.count("\n") == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_findings_beyond_the_limit_are_counted(cli: Cli, tmp_path: Path, form: str) -> None:
    """The verdict does not change."""
    root = trading(tmp_path / "j")
    for record in list(Reader(RealDisk(), root).records())[5:10]:
        flip(root, record.position.offset + 66)
    done = cli("verify", root, "--max-findings", 2, "-o", form)
    assert done.code == 1
    if form == "json":
        assert len(done.json["findings"]) == 2
        assert done.json["findings_made"] > 2
    else:
        assert "more (--max-findings)" in done.out
