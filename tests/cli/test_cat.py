"""cat shows the records that were asked for, with secrets masked, in every format."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from durafix.journal.disk import RealDisk
from durafix.journal.reader import Reader

from .conftest import Ran
from .journals import NAME, PASSWORD, START_NS, Live

Cli = Callable[..., Ran]


def rows(done: Ran) -> list[dict[str, object]]:
    """The records of a json answer."""
    assert done.json["schema"] == "record/1"
    found: list[dict[str, object]] = done.json["rows"]
    assert done.json["count"] == len(found)
    return found


def test_all_events_come_in_order_without_a_gap(cli: Cli, day: str) -> None:
    """Numbers 1, 2, 3, ...; times as text and as integer."""
    found = rows(cli("cat", day, "-o", "json"))
    assert [row["event"] for row in found] == list(range(1, len(found) + 1))
    assert found[1]["time_ns"] == START_NS + 1_000_000_000
    assert str(found[1]["time"]).startswith("2025-06-15T15:06:41.0000")
    assert {row["session_name"] for row in found} == {NAME.text, ""}


def test_filters_narrow_by_session_direction_type_and_kind(cli: Cli, day: str) -> None:
    """Each alone and together."""
    assert {r["msg_type"] for r in rows(cli("cat", day, "--type", "D,8", "-o", "json"))} == {
        "D",
        "8",
    }
    out = rows(cli("cat", day, "--direction", "out", "--type", "8", "-o", "json"))
    assert [row["key"] for row in out] == ["ack-c1", "ack-c2", "ack-c3"]
    assert all(row["cause_event"] for row in out)
    cursors = rows(cli("cat", day, "--kind", "cursor", "-o", "json"))
    assert [row["data"]["result"] for row in cursors] == ["done"] * 3  # type: ignore[index]
    for name in ("1", "BUYER", NAME.text):
        assert len(rows(cli("cat", day, "--session", name, "--limit", "5", "-o", "json"))) == 5


def test_bounds_are_events_times_and_positions(cli: Cli, day: str) -> None:
    """Inclusive at both ends."""
    every = rows(cli("cat", day, "-o", "json"))
    fifth, ninth = every[4], every[8]
    expected = [row["event"] for row in every[4:9]]
    for bounds in (
        (fifth["event"], ninth["event"]),
        (fifth["position"], ninth["position"]),
    ):
        found = rows(cli("cat", day, "--from", bounds[0], "--to", bounds[1], "-o", "json"))
        assert [row["event"] for row in found] == expected
    timed = rows(cli("cat", day, "--from", fifth["time"], "--to", ninth["time"], "-o", "json"))
    assert {row["time_ns"] for row in timed} == {row["time_ns"] for row in every[4:9]}


def test_nothing_found_is_exit_1_for_a_filter_and_0_without(cli: Cli, day: str) -> None:
    """As grep has it."""
    assert cli("cat", day, "--type", "ZZ").code == 1
    assert cli("cat", day, "--from", "999999").code == 1
    assert cli("cat", day).code == 0


def test_an_unknown_session_lists_the_known_ones(cli: Cli, day: str) -> None:
    """A usage error with the candidates."""
    done = cli("cat", day, "--session", "NOBODY")
    assert done.code == 2
    assert NAME.text in done.err


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """A journal with a password in each direction."""
    with Live(tmp_path / "j") as live:
        live.logon()
        live.request()
        return live.root


@pytest.mark.parametrize("form", ["text", "table", "json", "ndjson", "csv"])
def test_a_password_is_in_no_format(cli: Cli, secret: str, form: str) -> None:
    """Neither as text nor inside base64, in neither direction."""
    out = cli("cat", secret, "-o", form).out
    assert PASSWORD not in out
    assert "554=***" in out
    if form == "json":
        raw = [
            base64.b64decode(str(r["raw_b64"])) for r in json.loads(out)["rows"] if "raw_b64" in r
        ]
        assert raw
        assert not any(PASSWORD.encode() in frame for frame in raw)


def test_vertical_and_raw_are_masked_too(cli: Cli, secret: str) -> None:
    """One field a line; frames as bytes."""
    for words in (["cat", secret], ["tail", secret, "-n", "99"]):
        vertical = cli(*words, "--vertical", "--type", "A,BE").out
        assert vertical.count("    554  ***") == 2
        assert PASSWORD not in vertical
    raw = cli("cat", secret, "--raw", "--type", "A,BE").out
    assert raw.startswith("8=FIX.4.4\x01")
    assert raw.count("554=***") == 2
    assert PASSWORD not in raw
    assert cli("cat", secret, "--raw", "-o", "json").code == 2


def test_csv_and_table_have_the_same_columns(cli: Cli, day: str) -> None:
    """And csv can be read by a csv reader."""
    parsed = list(csv.DictReader(io.StringIO(cli("cat", day, "-o", "csv").out)))
    head = cli("cat", day, "-o", "table").out.splitlines()[0].split()
    assert list(parsed[0]) == head
    assert parsed[0]["kind"] == "roster"


def test_padding_marks_and_seals_are_shown_when_asked_for(cli: Cli, day: str) -> None:
    """They are no events, so they do not disturb by default."""
    kinds = {row["kind"] for row in rows(cli("cat", day, "--all", "-o", "json"))}
    assert "seal" in kinds
    assert "seal" not in {row["kind"] for row in rows(cli("cat", day, "-o", "json"))}


def test_a_live_journal_is_read_beside_its_writer(cli: Cli, tmp_path: Path) -> None:
    """No lock is taken, and the writer goes on."""
    with Live(tmp_path / "j") as live:
        live.logon()
        before = len(rows(cli("cat", live.root, "-o", "json")))
        live.order("c1")
        assert len(rows(cli("cat", live.root, "-o", "json"))) > before


def test_reading_changes_nothing(cli: Cli, day: str) -> None:
    """Not a byte and not a time stamp of any file."""

    def look() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(Path(day).rglob("*"))
        }

    before = look()
    for verb in ("cat", "tail", "sessions", "inspect"):
        assert cli(verb, day).code == 0
    assert look() == before


def test_damage_ends_the_reading_with_exit_1_and_its_place(cli: Cli, tmp_path: Path) -> None:
    """What is before the damage is shown."""
    from .journals import trading

    root = trading(tmp_path / "j")
    record = next(r for r in Reader(RealDisk(), root).records() if r.event == 12)
    segment = Path(root) / "segments" / "00000001.seg"
    os.chmod(segment, 0o644)
    data = bytearray(segment.read_bytes())
    data[record.position.offset + 80] ^= 1
    segment.write_bytes(data)
    done = cli("cat", root)
    assert done.code == 1
    assert len(done.out.splitlines()) == 11
    assert str(record.position) in done.err
    assert "durafix verify" in done.err


@pytest.mark.parametrize("verb", ["cat", "tail", "sessions", "inspect"])
def test_a_journal_without_segments_is_not_an_empty_answer(
    cli: Cli, day: str, tmp_path: Path, verb: str
) -> None:
    """Nothing to show and exit 0 would be a lie: the way to the truth is named."""
    copy = shutil.copytree(day, tmp_path / "copy")
    for path in (copy / "segments").iterdir():
        path.unlink()
    done = cli(verb, str(copy))
    assert done.code == 3
    assert "no segment" in done.err and "durafix verify" in done.err
