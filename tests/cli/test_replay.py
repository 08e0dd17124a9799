"""replay folds from zero and finds whatever does not follow from the journaled inputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from durafix.journal.record import Draft, Kind

from .conftest import Ran
from .journals import NAME, Live

Cli = Callable[..., Ran]


def test_a_finished_day_replays_to_the_hash_that_was_journaled(cli: Cli, day: str) -> None:
    """Every step with an input is run again; the last event is the hash itself."""
    done = cli("replay", day, "-o", "json")
    assert done.code == 0, done.out
    report = done.json
    assert (report["schema"], report["verdict"]) == ("replay-report/1", "clean")
    assert (report["state_hashes_met"], report["last_event"]) == (1, 27)
    assert report["steps_run_again"] > 10
    (session,) = report["sessions"]
    assert (session["name"], session["next_out"], session["next_in"]) == (NAME.text, 5, 5)
    hashes = cli("cat", day, "--kind", "hash", "-o", "json").json["rows"]
    assert hashes[0]["data"]["state_sha256"] == report["state_sha256"]


def test_the_state_can_be_seen_as_of_an_event_or_a_time(cli: Cli, day: str) -> None:
    """In the middle of the day the session was logged on, with other numbers."""
    middle = cli("cat", day, "--type", "D", "-o", "json").json["rows"][1]
    for until in (middle["event"], middle["time"]):
        report = cli("replay", day, "--until", until, "-o", "json").json
        assert report["last_event"] == middle["event"]
        (session,) = report["sessions"]
        assert (session["logon"], session["next_in"]) == ("on", middle["seq"] + 1)
    assert cli("replay", day, "--until", "1:8192").code == 2


def test_a_hash_that_is_not_met_is_exit_1(cli: Cli, tmp_path: Path) -> None:
    """The finding names the event."""
    with Live(tmp_path / "j") as live:
        live.logon()
        event = live.writer.next_event
        live.writer.append([Draft(Kind.HASH, 0, 0, 0, 0, b"\x01" * 32)], live.now.utc_ns)
        live.writer.sync()
    done = cli("replay", tmp_path / "j", "-o", "json")
    assert done.code == 1
    assert [(f["code"], f["event"]) for f in done.json["findings"]][:1] == [("hash-differs", event)]


def test_an_event_that_no_step_would_yield_is_exit_1(cli: Cli, tmp_path: Path) -> None:
    """Somebody wrote a step that the core would not have taken."""
    with Live(tmp_path / "j") as live:
        live.logon()
        first = live.writer.next_event
        note = {"type": "noted", "code": "x", "text": "made up", "value": 0}
        planted = [
            Draft(Kind.INPUT, 0, 0, live.number, 0, b'{"type":"tick","mono":99}'),
            Draft(Kind.STATE, 0, 0, live.number, 0, msgspec.json.encode(note)),
        ]
        live.writer.append(planted, live.now.utc_ns)
        live.writer.sync()
    done = cli("replay", tmp_path / "j", "-o", "json")
    assert done.code == 1
    found = [f for f in done.json["findings"] if f["code"] == "diverged"]
    assert [f["event"] for f in found] == [first]
    assert cli("replay", tmp_path / "j", "--no-rerun").code == 0
    assert "diverged" in cli("replay", tmp_path / "j").out


def test_no_journal_is_exit_3(cli: Cli, tmp_path: Path) -> None:
    """One line."""
    done = cli("replay", tmp_path)
    assert (done.code, done.out) == (3, "")
    assert done.err.count("\n") == 1
