"""The process that is killed: opens a journal, appends, waits, and says what was acknowledged.

Run as ``python -m tests.crash.kill_child ROOT``. For each line ``SEED MODE`` on its input it forks
a child that lives one life; all lines go to one pipe, so they arrive in order:

    pid N              the child has begun
    open LAST ROW      the journal is open; its last event; the row of the opening table
    ack N              events up to N are covered (under ``always``: durable)
    end                it closed the journal by itself
    dead STATUS        the child is gone, by a signal if negative

The payload of an event follows from its number alone, so a reader can tell an event that was never
appended.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
from collections.abc import Sequence

from durafix.journal.disk import RealDisk
from durafix.journal.policy import Policy
from durafix.journal.record import Draft, Kind, Record
from durafix.recovery.resume import Options, open_journal


def payload_of(number: int) -> bytes:
    """What event ``number`` holds, if it is one of ours."""
    digest = hashlib.sha256(str(number).encode()).digest()
    return digest * (1 + digest[0] % 20)


class LastFold:
    """Remembers the last event, and that each payload is what it should be."""

    def initial(self) -> list[int]:
        """See ``Fold``."""
        return [0]

    def apply(self, state: list[int], record: Record) -> None:
        """See ``Fold``."""
        assert record.event == state[0] + 1
        assert record.kind != Kind.IN or record.payload == payload_of(record.event)
        state[0] = record.event

    def digest(self, state: list[int]) -> bytes:
        """See ``Fold``."""
        return hashlib.sha256(str(state[0]).encode()).digest()

    def rerun(self, state: list[int], records: Sequence[Record]) -> list[Draft]:
        """See ``Fold``."""
        for record in records:
            self.apply(state, record)
        return [record.draft for record in records]


def say(line: str) -> None:
    """One line, in one write, so that a kill never cuts it."""
    os.write(1, line.encode() + b"\n")


def live(root: str, seed: int, mode: str) -> None:
    """One life: open, append and wait until killed, or close after a while."""
    dice = random.Random(seed)
    policy = Policy(mode, interval_ms=5)  # type: ignore[arg-type]
    options = Options(policy=policy, segment_bytes=32 << 10)
    opened = open_journal(RealDisk(), root, LastFold(), create=True, options=options)
    writer, index = opened.writer, opened.index
    say(f"open {writer.next_event - 1} {opened.report.row}")
    for _ in range(dice.choice([3, 3000])):
        for _ in range(dice.randrange(1, 12)):
            first = writer.next_event
            count = dice.randrange(1, 4)
            drafts = [
                Draft(Kind.IN, 1, 0, 1, n, payload_of(n)) for n in range(first, first + count)
            ]
            writer.append(drafts, first, sync=dice.random() < 0.02)
            if dice.random() < 0.5:
                writer.commit()
        writer.commit()
        assert writer.wait(writer.next_event - 1, timeout=30)
        say(f"ack {writer.covered}")
        if dice.random() < 0.1:
            index.catch_up(writer.covered)
            index.set_durable(writer.durable)
            index.commit()
    writer.close()
    index.close()
    say("end")


def main() -> None:
    """Fork a life for each line of the input."""
    root = sys.argv[1]
    for line in sys.stdin:
        seed, mode = line.split()
        child = os.fork()
        if child == 0:
            try:
                say(f"pid {os.getpid()}")
                live(root, int(seed), mode)
                os._exit(0)
            except BaseException as error:
                sys.excepthook(type(error), error, error.__traceback__)
                os._exit(1)
        _, status = os.waitpid(child, 0)
        say(f"dead {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
