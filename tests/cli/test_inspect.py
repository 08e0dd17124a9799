"""inspect shows segments, seals and witnesses as they are, even where they are damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .conftest import Ran
from .journals import NAME, Live, trading

Cli = Callable[..., Ran]


def test_a_sealed_journal_shows_its_seal_and_its_witnesses(cli: Cli, day: str) -> None:
    """One segment, closed in order."""
    report = cli("inspect", day, "-o", "json").json
    assert report["schema"] == "inspect/1"
    assert report["sessions"] == {"1": NAME.text}
    (segment,) = report["segments"]
    assert (segment["state"], segment["headers"], segment["first_event"]) == ("sealed", "both", 1)
    assert segment["last_event"] == segment["events"] == report["tail"]["durable_event"]
    assert len(segment["merkle_root"]) == len(segment["chain"]) == 64
    assert report["quarantine"] == []


def test_a_live_journal_shows_an_open_segment(cli: Cli, tmp_path: Path) -> None:
    """And the text page says the same as the table."""
    with Live(tmp_path / "j") as live:
        rows = cli("inspect", live.root, "-o", "json").json["segments"]
        assert [row["state"] for row in rows] == ["open"]
        assert "open" in cli("inspect", live.root).out
        assert "open" in cli("inspect", live.root, "-o", "table").out


def test_a_damaged_header_is_shown_and_not_raised(cli: Cli, tmp_path: Path) -> None:
    """inspect is for looking; verify judges."""
    root = trading(tmp_path / "j")
    segment = Path(root) / "segments" / "00000001.seg"
    os.chmod(segment, 0o644)
    data = bytearray(segment.read_bytes())
    data[100] ^= 1
    segment.write_bytes(data)
    (row,) = cli("inspect", root, "-o", "json").json["segments"]
    assert row["headers"] == "one"
