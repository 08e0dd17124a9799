"""tail shows the last records and follows a live journal without mistaking an unfinished one for
damage.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import QUIET, Ran
from .journals import Live, trading

Cli = Callable[..., Ran]


@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_the_last_records_are_those_of_cat(cli: Cli, day: str, count: int) -> None:
    """The same lines, from the end."""
    every = cli("cat", day).out.splitlines()
    last = cli("tail", day, "-n", count).out.splitlines()
    assert last == (every[-count:] if count else [])


def test_the_last_records_may_lie_in_several_segments(cli: Cli, tmp_path: Path) -> None:
    """Each start opens a new segment."""
    root = trading(tmp_path / "j", 1)
    with Live(tmp_path / "j") as live:
        live.logon()
    every = cli("cat", root).out.splitlines()
    assert len({line.partition(":")[0] for line in every}) == 2
    assert cli("tail", root, "-n", len(every) - 1).out.splitlines() == every[1:]


def test_filters_choose_the_last_that_match(cli: Cli, day: str) -> None:
    """Not those that match among the last."""
    rows = cli("tail", day, "-n", "2", "--type", "D", "-o", "json").json["rows"]
    assert [row["msg_type"] for row in rows] == ["D", "D"]
    assert "11=c3|" in rows[-1]["text"]


def test_follow_has_no_json(cli: Cli, day: str) -> None:
    """One object without an end is none."""
    done = cli("tail", day, "-f", "-o", "json")
    assert done.code == 2
    assert "ndjson" in done.err


def test_follow_shows_what_is_written_from_now_on_until_it_is_interrupted(tmp_path: Path) -> None:
    """Every event once, in order, each line at once; Ctrl-C ends it with 130 and no noise."""
    with Live(tmp_path / "j", fsync="always") as live:
        live.logon()
        command = [sys.executable, "-m", "durafix.tools.cli", "tail", live.root, "-n", "1", "-f"]
        command += ["-o", "ndjson"]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | QUIET,
        ) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            first = json.loads(running.stdout.readline())
            for number in range(20):
                live.order(f"c{number}")
                time.sleep(0.005)
            last = live.writer.next_event - 1
            seen = [first["event"]]
            while seen[-1] < last:
                seen.append(json.loads(running.stdout.readline())["event"])
            assert seen == list(range(seen[0], last + 1))
            os.kill(running.pid, signal.SIGINT)
            assert (running.wait(30), running.stderr.read()) == (130, "")
