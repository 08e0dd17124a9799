"""sessions says where each session stands, by folding the journal and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .conftest import Ran
from .journals import NAME, START_NS, Live

Cli = Callable[..., Ran]


def test_a_finished_day_shows_its_numbers(cli: Cli, day: str) -> None:
    """Logon and three orders in, logon and three reports out."""
    (row,) = cli("sessions", day, "-o", "json").json["rows"]
    assert row["name"] == NAME.text
    assert (row["next_out"], row["next_in"], row["epoch"]) == (5, 5, 1)
    assert (row["frames_in"], row["frames_out"]) == (4, 4)
    assert (row["link"], row["logon"], row["pending"], row["gap"]) == ("down", "out", 0, None)
    assert row["last_activity_ns"] > START_NS
    assert row["logged_on_ns"] is not None


def test_a_gap_and_an_unfinished_message_are_seen(cli: Cli, tmp_path: Path) -> None:
    """On a live journal, while it happens."""
    with Live(tmp_path / "j") as live:
        live.logon()
        live.order("c1", finish=False)
        live.feed(live.frame("0", [], seq=live.session.next_in + 5))
        (row,) = cli("sessions", live.root, "-o", "json").json["rows"]
        assert row["pending"] == 1
        assert row["gap"][0] == live.session.next_in
        assert (row["link"], row["logon"]) == ("up", "on")
        assert "waits for 3 to" in cli("sessions", live.root, "-o", "text").out


def test_the_table_has_one_line_a_session(cli: Cli, day: str) -> None:
    """Under a header and a rule."""
    lines = cli("sessions", day).out.splitlines()
    assert len(lines) == 3
    assert lines[0].split()[0] == "session"


def test_a_journal_without_its_beginning_is_one_line(cli: Cli, tmp_path: Path) -> None:
    """The state cannot be folded from the middle; it is damage, not our bug."""
    with Live(tmp_path / "j") as live:
        live.logon()
    with Live(tmp_path / "j") as live:
        live.logon()
    (tmp_path / "j" / "segments" / "00000001.seg").unlink()
    done = cli("sessions", live.root)
    assert (done.code, done.out) == (1, "")
    assert done.err.count("\n") == 1 and f"durafix verify {live.root}" in done.err
