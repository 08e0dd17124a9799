"""How many records of 200 bytes a second does the journal take, by policy, against SQLite and
QuickFIX's FileStore?

    python bench/journal.py [--json] [--rounds N] [--seconds S] [--dir FOLDER]

All subjects run in one process, in turns: each round gives every subject a time slice, and a ratio
compares two subjects of the same round. A row shows medians over the rounds. "a second" is wall
time until the last record of the slice has what its policy promises (``always``: fdatasync; the
others: in the page cache). "cpu ns" is the processor time of the calling thread a record, which a
busy machine disturbs less; work of other threads is not in it.

What is compared is not the same promise. FileStore writes and flushes to the page cache, without a
checksum and without fsync; the journal packs, checksums and hashes each record into a Merkle tree.
SQLite puts (session, direction, seq, utc, frame) into one table in WAL mode, one transaction a
record or a hundred. Put ``--dir`` on the disk that you mean to measure; a folder in memory flatters
whoever syncs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from durafix.journal._core import NATIVE
from durafix.journal.disk import RealDisk
from durafix.journal.manifest import create
from durafix.journal.policy import Limits, Mode, Policy, WriterStart
from durafix.journal.record import Draft, Kind
from durafix.journal.writer import Writer

quickfix: Any
try:
    import quickfix
except ImportError:
    quickfix = None

PAYLOAD_BYTES = 200
BURST = 64
"""Records between two commits of a reader that takes what one read from its socket gave it."""
FRAME = b"8=FIX.4.4\x019=180\x0135=D\x01".ljust(PAYLOAD_BYTES - 7, b"1") + b"10=000\x01"
DRAFTS = [Draft(Kind.OUT, 2, 0, 1, 1, FRAME)]


class Ours:
    """The journal under one policy.

    ``window`` appenders wait for their record before the next one; 0: nobody.
    """

    def __init__(self, folder: str, mode: Mode, *, every: int = 1, window: int = 0) -> None:
        disk = RealDisk()
        self._every, self._window = every, window
        create(disk, folder, uuid=os.urandom(16), created_ns=time.time_ns())
        start = WriterStart(root=folder, uuid=os.urandom(16))
        limits = Limits(queue_bytes=64 << 20)
        self._writer = Writer(disk, start, Policy(mode), limits=limits)

    def run(self, count: int) -> None:
        """Append ``count`` records; returns when the last is covered."""
        writer, every, window = self._writer, self._every, self._window
        append, commit, utc_ns = writer.append, writer.commit, time.time_ns
        for i in range(count):
            number = append(DRAFTS, utc_ns())
            if window:
                if number - writer.covered >= window:
                    commit()
                    writer.wait(number - window + 1)
            elif i % every == every - 1:
                commit()
        commit()
        writer.wait(writer.next_event - 1)

    def close(self) -> None:
        """End it."""
        self._writer.close()


class Sqlite:
    """One table in WAL mode."""

    def __init__(self, folder: str, synchronous: str, *, every: int = 1) -> None:
        os.mkdir(folder)
        self._every = every
        self._db = sqlite3.connect(f"{folder}/journal.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={synchronous}")
        self._db.execute(
            "CREATE TABLE events (n INTEGER PRIMARY KEY, session INTEGER, direction INTEGER,"
            " seq INTEGER, utc INTEGER, frame BLOB)"
        )

    def run(self, count: int) -> None:
        """Insert ``count`` rows."""
        execute, every, utc_ns = self._db.execute, self._every, time.time_ns
        insert = "INSERT INTO events (session, direction, seq, utc, frame) VALUES (?, ?, ?, ?, ?)"
        for i in range(count):
            if i % every == 0:
                execute("BEGIN")
            execute(insert, (1, 2, i, utc_ns(), FRAME))
            if i % every == every - 1 or i == count - 1:
                execute("COMMIT")

    def close(self) -> None:
        """End it."""
        self._db.close()


class FileStore:
    """QuickFIX's FileStore through its Python binding; ``numbers``: also store the next number, as
    a session does.
    """

    def __init__(self, folder: str, *, numbers: bool) -> None:
        session = quickfix.SessionID("FIX.4.4", "A", "B")
        self._store = quickfix.FileStore(quickfix.UtcTimeStamp(), folder, session)
        self._numbers = numbers
        self._next = 1
        self._text = FRAME.decode()

    def run(self, count: int) -> None:
        """Store ``count`` messages."""
        store, text, numbers = self._store, self._text, self._numbers
        for i in range(self._next, self._next + count):
            store.set(i, text)
            if numbers:
                store.incrNextSenderMsgSeqNum()
        self._next += count

    def close(self) -> None:
        """The destructor closes the files."""
        del self._store


def subjects() -> dict[str, Callable[[str], Any]]:
    """What is measured, by name; each is made in a folder of its own."""
    ours: dict[str, Callable[[str], Any]] = {
        "journal never, commit each": lambda folder: Ours(folder, "never"),
        f"journal never, commit every {BURST}": lambda folder: Ours(folder, "never", every=BURST),
        "journal interval, commit each": lambda folder: Ours(folder, "interval"),
        f"journal interval, commit every {BURST}": lambda folder: Ours(
            folder, "interval", every=BURST
        ),
        "journal always, 1 waits": lambda folder: Ours(folder, "always", window=1),
        "journal always, 128 wait": lambda folder: Ours(folder, "always", window=128),
        "sqlite OFF, one a transaction": lambda folder: Sqlite(folder, "OFF"),
        "sqlite OFF, 100 a transaction": lambda folder: Sqlite(folder, "OFF", every=100),
        "sqlite FULL, one a transaction": lambda folder: Sqlite(folder, "FULL"),
        "sqlite FULL, 100 a transaction": lambda folder: Sqlite(folder, "FULL", every=100),
    }
    if quickfix is not None:
        ours["quickfix FileStore, set"] = lambda folder: FileStore(folder, numbers=False)
        ours["quickfix FileStore, set and number"] = lambda folder: FileStore(folder, numbers=True)
    return ours


RATIOS = [
    (f"journal never, commit every {BURST}", "quickfix FileStore, set"),
    (f"journal never, commit every {BURST}", "quickfix FileStore, set and number"),
    ("journal never, commit each", "quickfix FileStore, set"),
    ("journal never, commit each", "quickfix FileStore, set and number"),
    (f"journal never, commit every {BURST}", "sqlite OFF, 100 a transaction"),
    ("journal never, commit each", "sqlite OFF, one a transaction"),
    ("journal always, 1 waits", "sqlite FULL, one a transaction"),
    ("journal always, 128 wait", "sqlite FULL, 100 a transaction"),
    ("journal always, 128 wait", "sqlite FULL, one a transaction"),
]


def measure(folder: str, rounds: int, seconds: float) -> dict[str, list[tuple[float, float]]]:
    """For each subject and round: (records a second, cpu ns a record)."""
    made = {name: make(f"{folder}/{i}") for i, (name, make) in enumerate(subjects().items())}
    counts = dict.fromkeys(made, 200)
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in made}
    for number in range(rounds + 2):
        for name, subject in made.items():
            count = counts[name]
            os.sync()  # what the one before left in the page cache is not this one's to wait for
            began, cpu = time.perf_counter_ns(), time.thread_time_ns()
            subject.run(count)
            took, cpu = time.perf_counter_ns() - began, time.thread_time_ns() - cpu
            counts[name] = max(50, min(20 * count, int(count * seconds * 1e9 / took)))
            if number >= 2:  # the first two rounds only find out how much fits into a slice
                results[name].append((count * 1e9 / took, cpu / count))
    for subject in made.values():
        subject.close()
    return results


def report(results: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """Medians, and ratios by round."""
    rows = {
        name: {
            "per_second": round(statistics.median(rate for rate, _ in values)),
            "best_per_second": round(max(rate for rate, _ in values)),
            "cpu_ns": round(statistics.median(cpu for _, cpu in values)),
        }
        for name, values in results.items()
    }
    ratios = [
        {
            "what": ours,
            "against": theirs,
            "times": round(
                statistics.median(
                    a / b for (a, _), (b, _) in zip(results[ours], results[theirs], strict=True)
                ),
                2,
            ),
        }
        for ours, theirs in RATIOS
        if theirs in results
    ]
    return {
        "schema": "bench-journal/1",
        "python": platform.python_version(),
        "native": NATIVE,
        "payload_bytes": PAYLOAD_BYTES,
        "rows": rows,
        "ratios": ratios,
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="time slice of a subject")
    parser.add_argument("--dir", default=None, help="a folder on the disk to measure")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="bench-journal-", dir=options.dir)
    try:
        result = report(measure(folder, options.rounds, options.seconds))
    finally:
        shutil.rmtree(folder)
    if options.json:
        json.dump(result, sys.stdout, indent=1)
        print()
        return
    print(f"records of {PAYLOAD_BYTES} bytes, Python {result['python']}, native: {NATIVE}")
    for name, row in result["rows"].items():
        print(f"{name:36}{row['per_second']:>12,} a second{row['cpu_ns']:>12,} cpu ns")
    for ratio in result["ratios"]:
        print(f"{ratio['times']:8.2f} x  {ratio['what']}  /  {ratio['against']}")


if __name__ == "__main__":
    main()
