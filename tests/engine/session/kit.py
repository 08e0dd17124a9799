"""A session core on a table: a fake clock, a journal in memory, and every step checked.

``Core.feed`` takes an input through ``step``, writes the drafts as records, and at once proves
promise P3 on them: the state folded from the records has the live state's digest, and ``rerun``
gives the same drafts. ``Pair`` joins two cores with a wire that can lose frames and links.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from durafix.engine.session import effects as x
from durafix.engine.session.effects import Effect
from durafix.engine.session.fold import EngineFold, EngineState
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
    ResendRuns,
    Send,
    Start,
    Tick,
)
from durafix.engine.session.records import drafts
from durafix.engine.session.resend import gap_fill, plan, possdup
from durafix.engine.session.settings import SessionSettings
from durafix.engine.session.state import State
from durafix.engine.session.step import Outcome, step
from durafix.engine.session.timers import deadlines, next_deadline
from durafix.engine.wire.encode import encode
from durafix.engine.wire.framing import Frame, parse
from durafix.engine.wire.values import utc_timestamp
from durafix.journal.position import Position
from durafix.journal.record import Draft, Flag, Kind, Record

NS = 1_000_000_000
START_UTC_NS = 1_750_000_000 * NS
SESSION = 1


class Clock:
    """Time moves only when told to."""

    def __init__(self) -> None:
        self.at = At(START_UTC_NS, 5 * NS)

    def advance(self, seconds: float) -> None:
        """Both readings go on."""
        ns = round(seconds * NS)
        self.at = At(self.at.utc_ns + ns, self.at.mono_ns + ns)


def roster_draft(name: str) -> Draft:
    """Registers the one session of a core."""
    payload = msgspec.json.encode({"sessions": {str(SESSION): name}})
    return Draft(Kind.ROSTER, 0, 0, 0, 0, payload)


class Core:
    """One session with its journal; ``received``/``expect`` speak readable FIX with ``|``."""

    def __init__(
        self, settings: SessionSettings, clock: Clock | None = None, *, checked: bool = True
    ) -> None:
        self.settings = settings
        self.clock = clock or Clock()
        self.fold = EngineFold()
        self.records: list[Record] = []
        self.checked = checked
        self.live = self.fold.initial()
        self._folded, self._rerun = self.fold.initial(), self.fold.initial()
        for record in self._append([roster_draft(settings.session.text)]):
            for state in (self.live, self._folded, self._rerun):
                self.fold.apply(state, record)
        self.last = self.feed(Configure(settings))

    @property
    def state(self) -> State:
        """The live state."""
        return self.live.sessions[SESSION]

    @property
    def number(self) -> int:
        """The next event number."""
        return len(self.records) + 1

    def feed(self, inp: Input) -> Outcome:
        """One step, journaled and checked."""
        at = self.clock.at
        outcome = step(self.state, inp, self.number, at)
        if outcome.refusal is not None:
            assert not outcome.events and not outcome.effects
        records = self._append(drafts(inp, outcome, SESSION, at))
        if records:
            self.check(records)
        elif self.checked:
            assert self.fold.digest(self.live) == self.fold.digest(self._folded)
        self.last = outcome
        due = deadlines(self.state).values()
        assert next_deadline(self.state) == min(due, default=None), "one truth about timers"
        return outcome

    def _append(self, new: list[Draft]) -> list[Record]:
        added: list[Record] = []
        for draft in new:
            flags = draft.flags | (Flag.LAST if draft is new[-1] else 0)
            number = len(self.records) + 1
            record = Record(
                Position(1, 8192 + number * 64), number, self.clock.at.utc_ns, draft.seq,
                draft.session, draft.kind, draft.direction, int(flags), 1, 0, draft.payload,
            )  # fmt: skip
            self.records.append(record)
            added.append(record)
        return added

    def check(self, records: list[Record]) -> None:
        """P3 on the records of one step: the fold and the re-run end where the live state is."""
        if not self.checked:
            return
        for record in records:
            self.fold.apply(self._folded, record)
        digest = self.fold.digest(self.live)
        assert self.fold.digest(self._folded) == digest, "fold(events) is another state"
        again = self.fold.rerun(self._rerun, records)
        assert again == [record.draft for record in records], "step re-run gives other events"
        assert self.fold.digest(self._rerun) == digest, "step re-run ends in another state"

    def replayed(self) -> EngineState:
        """The state folded from all records, from zero."""
        state = self.fold.initial()
        for record in self.records:
            self.fold.apply(state, record)
        return state

    def restart(self, *, clean: bool = False, number_from_bound: bool = False) -> Outcome:
        """The process died and came back: nothing but the journal is left."""
        self.live = self.replayed()
        return self.feed(Start(clean, number_from_bound))

    # -- the wire, readable

    def peer(self, msg_type: str, seq: int, body: str = "", *, time: int = 0, **more: Any) -> Frame:
        """A frame of the peer; ``more``: header fields as ``t43="Y"``; t49="-" leaves one out."""
        session = self.settings.session
        utc_ns = self.clock.at.utc_ns + time * NS
        head = {
            34: str(seq),
            49: session.target,
            52: utc_timestamp(utc_ns, 3).decode(),
            56: session.sender,
        }
        begin = more.pop("t8", session.begin_string)
        for name, value in more.items():
            head[int(name[1:])] = value
        fields = [(35, msg_type.encode())]
        fields += [(tag, value.encode()) for tag, value in sorted(head.items()) if value != "-"]
        fields += split(body)
        return parse(encode(begin.encode(), fields))

    def receive(self, msg_type: str, seq: int, body: str = "", **more: Any) -> list[str]:
        """Feed a frame of the peer; what came of it, readable (see ``shown``)."""
        return self.shown(self.feed(Received(self.peer(msg_type, seq, body, **more))))

    def tell(self, inp: Input) -> list[str]:
        """Feed any input; what came of it, readable."""
        return self.shown(self.feed(inp))

    def pass_time(self, seconds: float) -> list[str]:
        """Let time pass; tick at each deadline on the way."""
        end = self.clock.at.mono_ns + round(seconds * NS)
        out: list[str] = []
        while (due := next_deadline(self.state)) is not None and due <= end:
            self.clock.advance(max(due - self.clock.at.mono_ns, 0) / NS)
            before = self.number
            out += self.tell(Tick())
            assert self.number != before, "a tick at a deadline does something"
        self.clock.advance((end - self.clock.at.mono_ns) / NS)
        return out

    def shown(self, outcome: Outcome) -> list[str]:
        """Effects as text; sent frames without 8, 9, 49, 52, 56, 10."""
        return [show(effect) for effect in outcome.effects]

    def logged_on(self, body: str = "98=0|108=30|", seq: int = 1) -> Core:
        """Bring the session up as the peer would; the lists of effects are dropped."""
        self.feed(LinkUp("peer"))
        self.feed(Received(self.peer("A", seq, body)))
        if self.settings.role == "acceptor":
            self.feed(Authenticated(True))
        assert self.state.logon == "on", self.state.logon
        return self

    def events(self, kind: type | None = None) -> list[Any]:
        """Events of the last step, all or of one type."""
        return [e for e in self.last.events if kind is None or isinstance(e, kind)]

    def sent_frames(self, epoch: int) -> dict[int, bytes]:
        """What went out under each number of an epoch, from the records."""
        found: dict[int, bytes] = {}
        current = 0
        for record in self.records:
            if record.kind == Kind.EPOCH:
                current = msgspec.json.decode(record.payload)["epoch"]
            elif record.kind == Kind.OUT and current == epoch:
                assert record.seq not in found, "a number is used once (P5)"
                found[record.seq] = record.payload[int.from_bytes(record.payload[:2], "little") :]
        return found


def split(text: str) -> list[tuple[int, bytes]]:
    """``"98=0|108=30|"`` as fields."""
    parts = [part.partition("=") for part in text.split("|") if part]
    return [(int(tag), value.encode()) for tag, _, value in parts]


def show(effect: Effect) -> str:
    """One effect as a line."""
    if isinstance(effect, x.SendBytes):
        skip = {8, 9, 49, 52, 56, 10}
        fields = [f for f in parse(effect.frame).fields() if f[0] not in skip]
        return "".join(f"{tag}={value.decode('latin-1')}|" for tag, value in fields)
    if isinstance(effect, x.Close):
        return f"close: {effect.reason}"
    if isinstance(effect, x.Deliver):
        return f"deliver {effect.seq}"
    if isinstance(effect, x.FetchResend):
        return f"fetch {effect.begin}-{effect.end} of epoch {effect.epoch}"
    if isinstance(effect, x.Resend):
        return "resend " + " ".join(f"{a}-{b}{v}" for a, b, v in effect.runs)
    if isinstance(effect, x.Alert):
        return f"alert {effect.code}"
    if isinstance(effect, x.LoggedOut):
        return "logged out"
    return {x.LoggedOn: "logged on", x.AskAuthentication: "ask"}[type(effect)]


def acceptor(version: str = "FIX.4.4", **more: Any) -> Core:
    """We accept: ISLD, the peer is TW."""
    return Core(SessionSettings(SessionId(version, "ISLD", "TW"), "acceptor", **more))


def initiator(version: str = "FIX.4.4", **more: Any) -> Core:
    """We connect: ISLD, the peer is TW."""
    return Core(SessionSettings(SessionId(version, "ISLD", "TW"), "initiator", **more))


class Side:
    """One end of a pair: a core, its application, and the wire that leads to it."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.inbox: deque[bytes] = deque()
        self.delivered: list[str] = []
        self.connected = False


class Pair:
    """Two cores, an in-memory wire in each direction, one clock."""

    def __init__(self, version: str = "FIX.4.4", *, checked: bool = True, **more: Any) -> None:
        self.clock = Clock()
        ours = SessionId(version, "DESK", "EXCH")
        theirs = SessionId(version, "EXCH", "DESK")
        desk = Core(SessionSettings(ours, "initiator", **more), self.clock, checked=checked)
        exchange = Core(SessionSettings(theirs, "acceptor", **more), self.clock, checked=checked)
        self.desk, self.exchange = Side(desk), Side(exchange)
        self.lose: Callable[[bytes], bool] = lambda frame: False

    def other(self, side: Side) -> Side:
        """The far end."""
        return self.exchange if side is self.desk else self.desk

    def connect(self) -> None:
        """A new connection, if there is none."""
        if self.desk.connected:
            return
        for side in (self.exchange, self.desk):
            side.connected = True
            self.give(side, LinkUp("memory"))

    def cut(self) -> None:
        """The connection breaks: what is on the wire is lost."""
        for side in (self.desk, self.exchange):
            side.inbox.clear()
            if side.connected:
                side.connected = False
                self.give(side, LinkDown("cut"))

    def kill(self, side: Side, *, number_from_bound: bool = False) -> None:
        """One process dies and comes back; the other sees the link go."""
        far = self.other(side)
        for end in (side, far):
            end.inbox.clear()
        side.connected = False
        self.effects(side, side.core.restart(number_from_bound=number_from_bound).effects)
        if far.connected:
            far.connected = False
            self.give(far, LinkDown("reset by peer"))

    def send(self, side: Side, text: str) -> bool:
        """An application message with 58 = text; whether it was taken."""
        outcome = self.give(side, Send(b"B", [(58, text.encode())], 0, text.encode()))
        return outcome.refusal is None

    def give(self, side: Side, inp: Input) -> Outcome:
        """Feed one side and do what it asks for."""
        outcome = side.core.feed(inp)
        self.effects(side, outcome.effects)
        return outcome

    def effects(self, side: Side, effects: Iterable[Effect]) -> None:
        """What a runtime would do."""
        core = side.core
        for effect in effects:
            if isinstance(effect, x.SendBytes):
                self._to_wire(side, effect.frame)
            elif isinstance(effect, x.AskAuthentication):
                self.give(side, Authenticated(True))
            elif isinstance(effect, x.FetchResend):
                frames = list(core.sent_frames(effect.epoch).items())
                runs = plan(frames, effect.begin, effect.end)
                self.give(side, ResendRuns(effect.begin, effect.end, runs, True, effect.epoch))
            elif isinstance(effect, x.Resend):
                self._resend(side, effect)
            elif isinstance(effect, x.Deliver):
                side.delivered.append(effect.frame[58].decode())
                self.give(side, HandlerDone(effect.event, effect.seq, "done"))
            elif isinstance(effect, x.Close):
                self._closed(side)

    def _to_wire(self, side: Side, frame: bytes) -> None:
        if side.connected and not self.lose(frame):
            self.other(side).inbox.append(frame)

    def _resend(self, side: Side, effect: x.Resend) -> None:
        stored = side.core.sent_frames(effect.epoch)
        names = side.core.state.names
        assert names is not None
        for first, last, verdict in effect.runs:
            if verdict == "g":
                self._to_wire(side, gap_fill(names, first, last + 1, effect.sending_time))
                continue
            for seq in range(first, last + 1):
                self._to_wire(side, possdup(stored[seq], effect.sending_time))

    def _closed(self, side: Side) -> None:
        """What is on its way to the far end still arrives, then the end of the stream."""
        side.connected = False
        side.inbox.clear()
        self.other(side).inbox.append(b"")

    def run(self, limit: int = 100_000) -> None:
        """Deliver what is on the wire until nothing is."""
        for _ in range(limit):
            side = next((s for s in (self.desk, self.exchange) if s.inbox), None)
            if side is None:
                return
            data = side.inbox.popleft()
            if not side.connected:
                continue
            if data:
                self.give(side, Received(parse(data)))
            else:
                side.connected = False
                self.give(side, LinkDown("end of stream"))
        raise AssertionError("the pair does not come to rest")

    def pass_time(self, seconds: float) -> None:
        """Time passes for both; ticks at their deadlines, the wire runs in between."""
        end = self.clock.at.mono_ns + round(seconds * NS)
        while True:
            due = [
                (deadline, index)
                for index, side in enumerate((self.desk, self.exchange))
                if (deadline := next_deadline(side.core.state)) is not None and deadline <= end
            ]
            if not due:
                break
            deadline, index = min(due)
            self.clock.advance(max(deadline - self.clock.at.mono_ns, 0) / NS)
            self.give((self.desk, self.exchange)[index], Tick())
            self.run()
        self.clock.advance((end - self.clock.at.mono_ns) / NS)
