"""Whatever lies in a journal's folder: every verb ends in time, with a documented exit code and at
most one line of error, and "clean" is never said of records that are gone.

The damages are a table of (name, what is done to a copy of a journal); each one meets every read
verb, the repair on a copy, and an opening for writing. ``deep`` adds seeded damage of every file.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from durafix.engine.session.fold import EngineFold
from durafix.journal.disk import RealDisk
from durafix.journal.errors import Error
from durafix.journal.policy import Policy
from durafix.recovery.resume import Options, open_journal

from ..cli.conftest import Ran, cli, process
from ..cli.journals import Live
from ..cli.test_run import drop_override, one_line

__all__ = ["cli", "process"]

Cli = Callable[..., Ran]
Damage = Callable[[Path], object]
READ_VERBS = ("verify", "replay", "cat", "tail", "inspect", "sessions")
DOCUMENTED = {0, 1, 3, 4, 5, 6}
PATIENCE_S = 20
LAST = "segments/00000003.seg"
FILES = ("segments/00000001.seg", LAST, "TAIL", "journal.json", "index/data.mdb", "index/STAMP",
         "index/lock.mdb", "LOCK")  # fmt: skip


@pytest.fixture(scope="session")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of three reigns, two of them killed, closed at the end. Nobody writes to it."""
    root = tmp_path_factory.mktemp("days") / "journal"
    for number in (1, 2):
        with Live(root) as live:
            live.logon()
            live.order(f"k{number}")
            live.follow()
    live = Live(root)
    live.logon()
    live.order("c3")
    live.close()
    return root


@pytest.fixture
def journal(three_days: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    root = tmp_path / "journal"
    shutil.copytree(three_days, root)
    for path in root.rglob("*"):
        path.chmod(0o750 if path.is_dir() else 0o640)
    return root


@contextmanager
def in_time(seconds: float = PATIENCE_S) -> Iterator[None]:
    """Fail, and do not hang, when something takes for ever."""

    def late(number: int, frame: object) -> None:
        raise AssertionError(f"not done within {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def instead(name: str, make: Callable[[Path], object]) -> Damage:
    """Something else in the place of a file or a folder."""

    def damage(root: Path) -> None:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        make(path)

    return damage


def nothing(path: Path) -> None:
    """Leave the place empty."""


def holding(data: bytes) -> Callable[[Path], object]:
    """A file with this content."""
    return lambda path: path.write_bytes(data)


def changed(name: str, change: Callable[[bytes], bytes]) -> Damage:
    """Other bytes in a file."""
    return lambda root: (root / name).write_bytes(change((root / name).read_bytes()))


def flipped(data: bytes, at: int) -> bytes:
    """One bit is another."""
    return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]


def copied(source: str, target: str) -> Damage:
    """A file under another name too."""
    return lambda root: shutil.copy(root / source, root / target)


def strange_names(root: Path) -> None:
    """File names that no terminal and no JSON should see as they are."""
    for name in (b"\n\x1b[31m.seg", b"\xff.seg", b"2.seg", b"next.tmp"):
        with open(os.fsencode(root / "segments") + b"/" + name, "wb"):
            pass


def looped(path: Path) -> None:
    """A link to itself."""
    path.symlink_to(path)


def endless(path: Path) -> None:
    """A device that is read for ever."""
    path.symlink_to("/dev/zero")


TABLE: dict[str, Damage] = {
    **{f"{name} is a folder": instead(name, Path.mkdir) for name in FILES},
    **{f"{name} is a pipe": instead(name, os.mkfifo) for name in FILES},
    **{f"{name} is a link to itself": instead(name, looped) for name in FILES[:4]},
    **{f"{name} is a device": instead(name, endless) for name in FILES[:6]},
    **{f"{name} is gone": instead(name, nothing) for name in (*FILES, "segments", "index")},
    **{f"{name} is empty": instead(name, holding(b"")) for name in FILES[:6]},
    **{f"{name} is zeros": changed(name, lambda data: bytes(len(data))) for name in FILES},
    **{f"{name} is doubled": changed(name, lambda data: data * 2) for name in FILES},
    "segments/ is empty": instead("segments", Path.mkdir),
    "segments/ is a file": instead("segments", holding(b"x")),
    "index/ is a file": instead("index", holding(b"x")),
    "a segment twice": copied(LAST, "segments/00000004.seg"),
    "a segment in the place of another": copied("segments/00000001.seg", LAST),
    "an empty segment more": lambda root: (root / "segments/00000004.seg").touch(),
    "strange names": strange_names,
    "format 2": changed("journal.json", lambda data: data.replace(b'"format":1', b'"format":2')),
    "another time": changed("journal.json", lambda data: data.replace(b"_ns\":", b"_ns\":-")),
    "nested JSON": instead("journal.json", holding(b'{"a":' * 800)),
    "long JSON": instead("journal.json", holding(b" " * 5_000_000)),
    "header of version 9": changed(LAST, lambda data: flipped(flipped(data, 5), 4096 + 5)),
    "a payload bit": changed(LAST, lambda data: flipped(data, 8192 + 700)),
    "a cut": changed(LAST, lambda data: data[: len(data) * 2 // 3]),
    "garbage behind the seal": changed(LAST, lambda data: data + b"\xa5" * 70_000),
}  # fmt: skip
LOSSES = frozenset(
    {f"{name} is {how}" for name in (FILES[0], LAST) for how in
     ("a folder", "a pipe", "a link to itself", "a device", "gone", "empty", "zeros")}
    | {"segments is gone", "segments/ is empty", "segments/ is a file", "a payload bit", "a cut",
       "a segment in the place of another"}
)  # fmt: skip
"""Where acknowledged records are missing or changed."""


QUICK = frozenset(
    {f"{LAST} is {how}" for how in ("a pipe", "gone", "zeros", "doubled")}
    | {"TAIL is a device", "TAIL is zeros", "TAIL is a folder", "journal.json is a link to itself",
       "journal.json is gone", "index/data.mdb is zeros", "index/data.mdb is a pipe",
       "index/STAMP is a folder", "LOCK is a pipe"}
    | {what for what in TABLE if " is " not in what or what.startswith(("segments ", "segments/ "))}
)  # fmt: skip
"""One or two of each kind; the rest is for ``deep``, since each case starts several processes."""


def meets_all_verbs(cli: Cli, root: Path, what: str) -> dict[str, int]:
    """Run the read verbs; what each must do whatever the damage is. Returns the exit codes."""
    codes = {}
    for number, verb in enumerate(READ_VERBS):
        form = "json" if (number + len(what)) % 2 else "text"
        more = ["--no-index"] if verb == "replay" else []
        with in_time():
            done = cli(verb, root, *more, "-o", form)
        codes[verb] = done.code
        said = f"{what}: {verb} -o {form}: exit {done.code}: {done.err[:300]}"
        assert done.code in DOCUMENTED - {4}, said
        assert done.err.count("\n") <= 1 and len(done.err) < 2000, said
        assert done.code == 0 or done.out or done.err, said
        if form == "json":
            assert not done.err or json.loads(done.err)["schema"] == "error/1", said
            assert not done.out or "schema" in json.loads(done.out), said
    return codes


def opens(root: Path) -> bool:
    """Whether the journal can be opened for writing; anything but an error of ours fails."""
    try:
        small = Options(policy=Policy("never"), segment_bytes=1 << 20)
        resumed = open_journal(RealDisk(), str(root), EngineFold(), options=small)
    except Error:
        return False
    resumed.index.close()
    resumed.writer.close(True)
    return True


@pytest.mark.parametrize(
    "what",
    [what if what in QUICK else pytest.param(what, marks=pytest.mark.deep) for what in TABLE],
)
def test_every_verb_survives(cli: Cli, journal: Path, what: str) -> None:
    """No traceback, no hang, one line; nothing that is lost is clean, opened or repaired away."""
    TABLE[what](journal)
    codes = meets_all_verbs(cli, journal, what)
    with in_time():
        repaired = cli("repair", journal, "--apply").code
        opened = opens(journal)
    assert repaired in DOCUMENTED
    if what in LOSSES:
        assert codes["verify"] != 0 and codes["replay"] != 0, codes
        assert repaired not in (0, 4)
        assert not opened


def test_a_journal_that_may_not_be_read_is_exit_6(process: Cli, journal: Path) -> None:
    """The environment's fault and one line, not a lesson about the command line."""
    journal.chmod(0)
    try:
        for verb in ("verify", "cat"):
            done = process(verb, journal, preexec_fn=drop_override)
            one_line(done, 6, str(journal))
    finally:
        journal.chmod(0o750)


@pytest.mark.deep
def test_seeded_damage_of_every_file(
    cli: Cli, three_days: Path, tmp_path: Path, deep_seed: int, deep_seconds: float
) -> None:
    """Flips, cuts, zeros, garbage and repeats anywhere; damaged segments are never called clean."""
    dice = random.Random(deep_seed)
    until, root = time.monotonic() + deep_seconds, tmp_path / "journal"
    while time.monotonic() < until:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(three_days, root)
        name = dice.choice(FILES)
        path = root / name
        path.chmod(0o640)
        data = path.read_bytes()
        at = dice.randrange(len(data))
        end = min(len(data), at + dice.choice([1, 8, 64, 512, 4096]))
        new = dice.choice([
            flipped(data, at), data[:at], data[:at] + bytes(end - at) + data[end:],
            data[:at] + dice.randbytes(end - at) + data[end:], data[:end] + data[at:],
        ])  # fmt: skip
        path.write_bytes(new)
        codes = meets_all_verbs(cli, root, f"{name} at {at} seed {deep_seed}")
        if name.startswith("segments") and new != data:
            assert codes["verify"] != 0, (name, at, end)
        with in_time():
            opens(root)
