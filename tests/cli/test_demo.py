"""The demo kills for real, recovers, reconciles what is on disk, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from durafix.tools.cli.demo import judge
from durafix.tools.demo.reconcile import Accepted
from durafix.tools.demo.supervisor import Outcome, Settings

from .conftest import Ran

Cli = Callable[..., Ran]


@pytest.mark.parametrize(("fsync", "seed"), [("always", 1), ("interval", 2), ("never", 3)])
def test_orders_survive_kills_under_every_policy(
    cli: Cli, tmp_path: Path, fsync: str, seed: int
) -> None:
    """SIGKILL keeps the page cache: nothing that was accepted may be missing under any of them."""
    folder = tmp_path / "demo"
    words = ["--orders", 300, "--kills", 3, "--seed", seed, "--fsync", fsync, "--dir", folder]
    done = cli("demo", *words, "-o", "json")
    assert done.code == 0, done.out + done.err
    report = done.json
    assert (report["schema"], report["verdict"]) == ("demo-report/1", "clean")
    assert report["orders_accepted"] == report["orders_acknowledged"] == 300
    assert len(report["recoveries"]) == 3
    assert all(one["up_ms"] <= one["logged_on_ms"] for one in report["recoveries"])
    assert sum(side["starts"] for side in report["sides"].values()) == 2 + 3
    for side in report["sides"].values():
        assert (side["verify"], side["replay"]) == ("clean", "clean")


def test_the_verdict_comes_from_the_journals(cli: Cli, tmp_path: Path) -> None:
    """An order that ``send`` accepted and the journal does not hold is exit 1, whatever the
    processes say.
    """
    folder = tmp_path / "demo"
    done = cli("demo", "--orders", 20, "--kills", 0, "--dir", folder)
    assert done.code == 0, done.out + done.err
    assert "CLEAN" in done.out
    settings = Settings(folder=folder, orders=20, kills=0, seed=1, fsync="always", rate=0)
    outcome = Outcome(accepted={"c99": Accepted("c99", 7, 7)})
    assert judge(settings, outcome, "text") == 1


def test_a_folder_that_holds_something_is_refused(cli: Cli, tmp_path: Path) -> None:
    """A demo never trades on journals that are there already."""
    (tmp_path / "precious").write_text("x")
    done = cli("demo", "--dir", tmp_path)
    assert done.code == 2
    assert "not empty" in done.err


def running_in(folder: Path) -> list[str]:
    """Process ids whose command line names the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in command and int(entry.parent.name) != os.getpid():
            found.append(entry.parent.name)
    return found


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_demo_leaves_no_process_behind(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Ctrl-C ends both sides; even a killed supervisor does, because their stdin ends."""
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "durafix.tools.cli", "demo", "--orders", "100000"]
    with subprocess.Popen(
        [*command, "--rate", "200", "--dir", str(folder)], stderr=subprocess.PIPE
    ) as running:
        deadline = time.monotonic() + 40
        while not (folder / "desk" / "segments").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(running_in(folder)) >= 3
        running.send_signal(number)
        assert running.wait(40) == code
    deadline = time.monotonic() + 40
    while running_in(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running_in(folder) == []
