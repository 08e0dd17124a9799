"""Real journals for the command line: an acceptor that took a logon with a password and some
orders.

Everything but the socket is real: recovery opens the journal, the session core decides, the writer
writes. The clock stands still between steps, so every run makes the same events.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from durafix.engine.session.fold import EngineFold
from durafix.engine.session.identity import SessionId
from durafix.engine.session.inputs import (
    At,
    Authenticated,
    Configure,
    HandlerDone,
    Input,
    LinkDown,
    LinkUp,
    Received,
    Send,
    Start,
    Stop,
)
from durafix.engine.session.records import drafts
from durafix.engine.session.settings import SessionSettings
from durafix.engine.session.state import State
from durafix.engine.session.step import Outcome, step
from durafix.engine.wire.encode import encode
from durafix.engine.wire.framing import parse
from durafix.engine.wire.values import utc_timestamp
from durafix.journal.disk import RealDisk
from durafix.journal.policy import Policy
from durafix.journal.record import Draft, Kind
from durafix.recovery.resume import Options, open_journal

NS = 1_000_000_000
START_NS = 1_750_000_000 * NS
PASSWORD = "hunter2"
NAME = SessionId("FIX.4.4", "SELLER", "BUYER")


class Live:
    """An acceptor on a journal. The peer's frames are made here, with the numbers that are due."""

    def __init__(self, root: Path, *, segment_bytes: int = 1 << 20, fsync: str = "never") -> None:
        self.root = str(root)
        self.now = At(START_NS, 5 * NS)
        self.fold = EngineFold()
        resumed = open_journal(
            RealDisk(),
            self.root,
            self.fold,
            create=True,
            options=Options(
                policy=Policy(fsync),  # type: ignore[arg-type]
                segment_bytes=segment_bytes,
                clock=lambda: self.now.utc_ns,
            ),
        )
        self.writer, self.state, self.index = resumed.writer, resumed.state, resumed.index
        self.number = self.writer.register(NAME.text)
        self.state.roster[self.number] = NAME.text
        self.session = self.state.sessions.setdefault(self.number, State())
        self.feed(Configure(SessionSettings(NAME, "acceptor")))
        self.feed(Start(resumed.clean, False))

    def feed(self, inp: Input) -> Outcome:
        """One step, journaled and covered. A second passes."""
        self.now = At(self.now.utc_ns + NS, self.now.mono_ns + NS)
        outcome = step(self.session, inp, self.writer.next_event, self.now)
        found = drafts(inp, outcome, self.number, self.now)
        if found:
            last = self.writer.append(found, self.now.utc_ns, sync=outcome.sync) + len(found) - 1
            self.writer.commit()
            self.writer.wait(last)
        return outcome

    def frame(self, kind: str, fields: list[tuple[int, bytes]], seq: int = 0) -> Input:
        """A frame of the peer, with the number that is expected unless ``seq`` is given."""
        number = seq or self.session.next_in
        stamp = utc_timestamp(self.now.utc_ns + NS, 3)
        header = [
            (35, kind.encode()),
            (49, b"BUYER"),
            (56, b"SELLER"),
            (34, b"%d" % number),
            (52, stamp),
        ]
        return Received(parse(encode(b"FIX.4.4", [*header, *fields])))

    def logon(self) -> None:
        """The peer connects and logs on with a password."""
        self.feed(LinkUp("127.0.0.1:1"))
        fields = [(98, b"0"), (108, b"30"), (553, b"joe"), (554, PASSWORD.encode())]
        self.feed(self.frame("A", fields))
        self.feed(Authenticated(True))

    def order(self, name: str, *, finish: bool = True) -> int:
        """An order arrives and is acknowledged; returns its event number."""
        event = self.writer.next_event
        self.feed(
            self.frame("D", [(11, name.encode()), (55, b"MSFT"), (54, b"1"), (38, b"100"),
                             (40, b"1"), (60, b"20260101-00:00:00")])
        )  # fmt: skip
        report = [(37, b"o1"), (11, name.encode()), (17, b"e-" + name.encode()), (150, b"0")]
        self.feed(Send(b"8", report, cause=event, key=b"ack-" + name.encode()))
        if finish:
            self.feed(HandlerDone(event, self.session.next_in - 1, "done"))
        return event

    def request(self) -> None:
        """We send a UserRequest with a password: what leaves is journaled as it left."""
        fields = [(553, b"joe"), (554, PASSWORD.encode()), (923, b"r1"), (924, b"1")]
        self.feed(Send(b"BE", fields))

    def follow(self) -> None:
        """The index catches up and commits, as it does once a second."""
        self.index.catch_up(self.writer.covered)
        self.index.set_durable(self.writer.durable)
        self.index.commit()

    def hash(self) -> None:
        """The state hash, as the engine journals it."""
        digest = self.fold.digest(self.state)
        self.writer.append([Draft(Kind.HASH, 0, 0, 0, 0, digest)], self.now.utc_ns)

    def close(self) -> None:
        """A stop in order."""
        self.feed(LinkDown("eof"))
        self.feed(Stop())
        self.hash()
        self.writer.sync()
        self.writer.wait(self.writer.next_event - 1, durable=True)
        self.follow()
        self.index.close()
        self.writer.close(True)

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The end of a process: the index is closed, the journal is left without a seal."""
        self.index.close()
        self.writer.close(False)


def trading(root: Path, orders: int = 3, **options: int) -> str:
    """A finished day: logon, some orders, a stop in order. Returns the journal's path."""
    live = Live(root, **options)  # type: ignore[arg-type]
    live.logon()
    for number in range(1, orders + 1):
        live.order(f"c{number}")
    live.close()
    return live.root
