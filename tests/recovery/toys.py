"""A fold of a few lines, and journals made with it on a simulated disk."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from durafix.journal.policy import Policy
from durafix.journal.position import Position
from durafix.journal.record import Draft, Flag, Kind, Record
from durafix.journal.simdisk import SimDisk
from durafix.recovery.resume import Options, Resumed, open_journal

ROOT = "/j"
SESSION = "FIX.4.4:A->B"
SEGMENT_BYTES = 32768


@dataclass
class Toy:
    """What the toy fold knows: how often each text came in, and a running hash of all events."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    running: bytes = bytes(32)
    last_event: int = 0
    next_out: int = 1


class ToyFold:
    """An INPUT of ``text`` yields one STATE ``text=count``, and an OUT for every third."""

    def initial(self) -> Toy:
        return Toy()

    def apply(self, state: Toy, record: Record) -> None:
        assert record.event == state.last_event + 1
        state.last_event = record.event
        if record.kind == Kind.STATE:
            text, _, count = record.payload.decode().partition("=")
            state.counts[text] = int(count)
        if record.kind == Kind.OUT:
            state.next_out = record.seq + 1
        if record.kind not in (Kind.HASH, Kind.REPAIR, Kind.ROSTER):
            state.running = hashlib.sha256(state.running + record.payload).digest()

    def digest(self, state: Toy) -> bytes:
        return hashlib.sha256(repr(sorted(state.counts.items())).encode() + state.running).digest()

    def drafts(self, state: Toy, text: str, session: int = 1) -> list[Draft]:
        """What the toy's core yields for one input."""
        count = state.counts.get(text, 0) + 1
        drafts = [
            Draft(Kind.INPUT, 0, 0, session, 0, text.encode()),
            Draft(Kind.STATE, 0, 0, session, 0, f"{text}={count}".encode()),
        ]
        if count % 3 == 0:
            payload = f"frame {text} {count}".encode()
            drafts.append(Draft(Kind.OUT, 2, Flag.CONSUMED, session, state.next_out, payload))
        return drafts

    def rerun(self, state: Toy, records: Sequence[Record]) -> list[Draft]:
        drafts = self.drafts(state, records[0].payload.decode(), records[0].session)
        for record in records:
            self.apply(state, record)
        return drafts


class Ticker:
    """A clock that goes on by a millisecond at each look; salts and ids from the same source."""

    def __init__(self, start_ns: int = 1_700_000_000_000_000_000) -> None:
        self._ns = itertools.count(start_ns, 1_000_000)
        self._salts = itertools.count(start_ns % 977 + 1)

    def now(self) -> int:
        return next(self._ns)

    def salt(self) -> int:
        return next(self._salts) * 0x9E37_79B9_7F4A_7C15 % (1 << 64) or 1

    def uuid(self) -> bytes:
        return hashlib.sha256(b"journal").digest()[:16]


def options(
    mode: str = "always", *, ticker: Ticker | None = None, segment_bytes: int = SEGMENT_BYTES
) -> Options:
    """Everything injected, no thread."""
    ticker = ticker or Ticker()
    return Options(
        policy=Policy(mode),  # type: ignore[arg-type]
        segment_bytes=segment_bytes,
        threaded=False,
        clock=ticker.now,
        monotonic=ticker.now,
        uuids=ticker.uuid,
        salts=ticker.salt,
    )


def new_disk(seed: int = 0) -> SimDisk:
    """A disk with nothing on it."""
    return SimDisk(seed)


def resume(disk: SimDisk, mode: str = "always", *, ticker: Ticker | None = None) -> Resumed[Toy]:
    """Open the journal at ``ROOT``, or make it."""
    return open_journal(
        disk, ROOT, ToyFold(), create=True, options=options(mode, ticker=ticker or Ticker())
    )


def _record(number: int, draft: Draft) -> Record:
    kind, direction, flags, session, seq, payload = draft
    return Record(Position(0, 0), number, 0, seq, session, kind, direction, flags, 1, 0, payload)


class Machine:
    """A toy application on a journal: feeds texts, keeps the state, remembers what was covered."""

    def __init__(
        self, disk: SimDisk, mode: str = "always", *, ticker: Ticker | None = None
    ) -> None:
        self.disk = disk
        self.ticker = ticker or Ticker()
        self.fold = ToyFold()
        self.resumed = resume(disk, mode, ticker=self.ticker)
        self.state = self.resumed.state
        self.writer = self.resumed.writer
        self.digests = {self.state.last_event: self.fold.digest(self.state)}
        """Last event of each step to the digest of the state there."""
        self.session = self.register()

    def register(self) -> int:
        before = self.writer.next_event
        number = self.writer.register(SESSION)
        if self.writer.next_event > before:
            self.writer.commit()
            self._passed(1)
        return number

    def feed(self, text: str, *, commit: bool = True) -> int:
        """One step; returns its last event number."""
        drafts = self.fold.drafts(self.state, text, self.session)
        first = self.writer.append(drafts, self.ticker.now())
        for number, draft in enumerate(drafts, first):
            self.fold.apply(self.state, _record(number, draft))
        self._passed(0)
        if commit:
            self.writer.commit()
        return first + len(drafts) - 1

    def hash(self, *, sync: bool = False) -> int:
        """Journal the state's digest; returns the event number."""
        draft = Draft(Kind.HASH, 0, 0, 0, 0, self.fold.digest(self.state))
        event = self.writer.append([draft], self.ticker.now(), sync=sync)
        self._passed(1)
        self.writer.commit()
        return event

    def _passed(self, events: int) -> None:
        self.state.last_event += events
        self.digests[self.state.last_event] = self.fold.digest(self.state)
