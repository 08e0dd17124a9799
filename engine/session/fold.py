"""``EngineFold``: how the journal's events become the state of all sessions of an engine.

The other half of promise P3. ``apply`` turns records back into events and evolves; ``rerun`` turns
the first record of a step back into its input, runs ``step`` again and gives the drafts, to be
compared byte for byte. Fits the ``Fold`` protocol of recovery without importing it. It must not
know files, positions or the index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ...journal.record import Draft, Flag, Kind, Record
from ..wire.framing import Frame, parse
from .check import Validator
from .events import Cursor, In, Out
from .evolve import evolve
from .inputs import At, HandlerDone, Input, Received, Send
from .records import decode, drafts, monotonic_ns
from .state import State
from .step import step

_HEADER_OF_OURS = frozenset({8, 9, 10, 34, 35, 49, 52, 56})
_EVENTS = frozenset(
    {Kind.IN, Kind.OUT, Kind.CURSOR, Kind.STATE, Kind.OPERATOR, Kind.EPOCH, Kind.RESERVATION}
)


class EngineState(msgspec.Struct):
    """All sessions: roster number to state, and to the session's canonical name.

    ``mono_ns`` is the monotonic time of the step that is being folded; no part of the digest.
    """

    sessions: dict[int, State] = {}
    roster: dict[int, str] = {}
    mono_ns: int = 0


class _Roster(msgspec.Struct):
    sessions: dict[int, str]


_roster_decoder = msgspec.json.Decoder(_Roster)


class EngineFold:
    """State = fold(events). ``validator_of`` gives the validator of a roster number, as the engine
    used it.
    """

    def __init__(self, validator_of: Callable[[int], Validator | None] | None = None) -> None:
        self._validator_of = validator_of

    def initial(self) -> EngineState:
        """The state ahead of the first event."""
        return EngineState()

    def apply(self, state: EngineState, record: Record) -> None:
        """Fold one record in. Kinds that change no session are ignored."""
        kind = record.kind
        if kind == Kind.ROSTER:
            self._enrol(state, record)
            return
        mono_ns = monotonic_ns(record)
        if mono_ns is not None:
            state.mono_ns = mono_ns
        if kind in _EVENTS and record.session:
            event = decode(record)
            assert event is not None and not isinstance(event, Input)
            at = At(record.utc_ns, state.mono_ns)
            evolve(state.sessions[record.session], event, record.event, at)

    def digest(self, state: EngineState) -> bytes:
        """SHA-256 of the canonical encoding of all sessions, in order of roster number."""
        parts = [
            (number, state.roster.get(number, ""), canonical(state.sessions[number]))
            for number in sorted(state.sessions)
        ]
        return hashlib.sha256(msgspec.msgpack.encode(parts)).digest()

    def rerun(self, state: EngineState, records: Sequence[Record]) -> list[Draft]:
        """Run one whole step again from its input; evolves ``state`` and gives the drafts it yields
        now.

        A step without an input of the core (roster, hash, repair ...) is folded and given back as
        it is.
        """
        first = records[0]
        inp = self._input(state, first)
        if inp is None:
            for record in records:
                self.apply(state, record)
            return [record.draft for record in records]
        mono_ns = monotonic_ns(first)
        assert mono_ns is not None
        state.mono_ns = mono_ns
        at = At(first.utc_ns, mono_ns)
        validator = self._validator_of(first.session) if self._validator_of else None
        outcome = step(state.sessions[first.session], inp, first.event, at, validator)
        return drafts(inp, outcome, first.session, at)

    def _enrol(self, state: EngineState, record: Record) -> None:
        for number, name in _roster_decoder.decode(record.payload).sessions.items():
            state.roster[number] = name
            if number not in state.sessions:
                state.sessions[number] = State()

    def _input(self, state: EngineState, record: Record) -> Input | None:
        """The input of the step that starts with this record, or None if the core had none."""
        if record.kind not in (Kind.IN, Kind.OUT, Kind.CURSOR, Kind.INPUT):
            return None
        found = decode(record)
        if isinstance(found, In):
            return Received(found.frame, found.stored)
        if isinstance(found, Out) and found.flags & Flag.COMMAND:
            fields = _fields_given(state.sessions[record.session], found)
            return Send(found.msg_type, fields, found.cause, found.key)
        if isinstance(found, Cursor):
            return HandlerDone(found.event, found.seq, found.result, found.reason, found.code)  # type: ignore[arg-type]
        return found if isinstance(found, Input) else None


def _fields_given(state: State, event: Out) -> list[tuple[int, bytes]]:
    """The fields of an application send without what the session added to them."""
    assert state.names is not None, "a session that sent was configured"
    ours = set(state.names.extra)
    fields = parse(event.frame).fields()
    return [f for f in fields if f[0] not in _HEADER_OF_OURS and f not in ours]


def canonical(state: State) -> list[Any]:
    """A session as plain values in one fixed order: equal states give equal values and only they
    do.

    What has an order of its own keeps it (pending messages, keys, held frames); the rest is sorted.
    ``names`` follows from ``settings`` and is left out.
    """
    values: list[Any] = []
    for name in State.__struct_fields__:
        value = getattr(state, name)
        if name == "names":
            continue
        if name == "settings":
            value = msgspec.to_builtins(value)
        elif name == "waiting":
            value = None if value is None else _kept(value)
        elif name == "queue":
            value = [(seq, *_kept(entry)) for seq, entry in sorted(value.items())]
        elif name == "held":
            value = [_kept(entry) for entry in value]
        elif name == "frames":
            value = [(number, frame.raw) for number, frame in value.items()]
        elif name in ("pending", "keys"):
            value = list(value.items())
        values.append((name, value))
    return values


def _kept(entry: tuple[int, Frame]) -> tuple[int, bytes]:
    return entry[0], entry[1].raw
