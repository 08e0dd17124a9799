"""``evolve``: the only function that writes state, live and on replay.

Owns how each event changes a session. It decides nothing and reads no settings but those in the
state; every machine moves by the table (table.py), with what is coupled to it. Decision code
(receive.py, logon.py, timers.py ...) emits events and reads the result.

Invariant (promise P3): the same events in the same order give the same state. The asserts here are
promises of the core to itself: a number is reserved before it is used (P5), and used in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...journal.record import Flag
from . import events as e
from .inputs import At
from .state import State, names_of
from .table import COUPLED, moved

if TYPE_CHECKING:
    from ..wire.framing import Frame

CONSUMED = int(Flag.CONSUMED)
DELIVER = int(Flag.DELIVER)
QUEUED = int(Flag.QUEUED)
COPY = int(Flag.COPY)


def evolve(state: State, event: e.Event, number: int, at: At) -> None:
    """Change ``state`` by one event; ``number`` is the event's, ``at`` the time of its step."""
    kind = type(event)
    if kind is e.In:
        _in(state, event, number, at)  # type: ignore[arg-type]
    elif kind is e.Out:
        _out(state, event, number, at)  # type: ignore[arg-type]
    else:
        _OTHERS[kind](state, event, number, at)


def _in(state: State, event: e.In, number: int, at: At) -> None:
    state.last_in_mono_ns = at.mono_ns
    _judged(state, event.seq, event.flags, number, event.frame, at)


def _judged(state: State, seq: int, flags: int, number: int, frame: Frame, at: At) -> None:
    """What the judgement of a frame, at once or later, does to the numbers and the queues."""
    if flags & CONSUMED:
        if flags & COPY:
            state.old_in = seq + 1
        else:
            state.next_in = seq + 1
            if state.gap != "none":
                state.gap_mono_ns = at.mono_ns
                state.gap_tries = 1
    if flags & DELIVER:
        state.pending[number] = []
        state.frames[number] = frame
    elif flags & QUEUED:
        if not flags & COPY:
            state.queue[seq] = (number, frame)
            state.queue_bytes += len(frame.raw)
            if state.gap != "none" and seq > state.gap_end:
                state.gap_end = seq - 1
        elif frame.msg_type == b"A" and state.waiting is None:
            state.waiting = (number, frame)
        else:
            state.held.append((number, frame))
            state.held_bytes += len(frame.raw)


def _out(state: State, event: e.Out, number: int, at: At) -> None:
    seq = event.seq
    assert seq == state.next_out, "outbound numbers are used in order"
    assert seq <= state.reserved, "a number is reserved before it is used"
    state.next_out = seq + 1
    state.last_out_mono_ns = at.mono_ns
    if event.cause and (sent := state.pending.get(event.cause)) is not None:
        sent.append((number, seq))
    if event.key:
        keys = state.keys
        keys[event.key] = (number, seq)
        assert state.names is not None
        if len(keys) > state.names.keys_max:
            del keys[next(iter(keys))]


def _cursor(state: State, event: e.Cursor, number: int, at: At) -> None:
    del state.pending[event.event]
    del state.frames[event.event]


def _epoch(state: State, event: e.EpochOpened, number: int, at: At) -> None:
    state.old_in = state.next_in if state.logon == "probing" else 0
    state.epoch = event.epoch
    state.epoch_first_out = state.next_out = event.next_out
    state.next_in = event.next_in
    state.reserved = event.next_out - 1
    state.evidence = 0
    state.asks.clear()
    _clear_queue(state)
    _move(state, "gap", "epoch-opened")
    state.gap_end = state.gap_tries = 0


def _reserved(state: State, event: e.Reserved, number: int, at: At) -> None:
    assert event.through >= state.next_out - 1, "what was used stays reserved"
    state.reserved = event.through


def _configured(state: State, event: e.Configured, number: int, at: At) -> None:
    state.settings = event.settings
    state.names = names_of(event.settings)


def _link(state: State, event: e.LinkChanged, number: int, at: At) -> None:
    _move(state, "link", event.trigger, event.to)
    state.link_mono_ns = at.mono_ns
    if event.to == "up":
        state.peer = event.cause
        return
    state.waiting = None
    state.held.clear()
    state.held_bytes = 0
    state.asks.clear()
    state.old_in = state.gap_end = state.gap_tries = 0
    _clear_queue(state)


def _logon(state: State, event: e.LogonChanged, number: int, at: At) -> None:
    _move(state, "logon", event.trigger, event.to)
    state.logon_mono_ns = at.mono_ns
    if event.to == "on":
        state.heart_bt_int_s = event.heart_bt_int_s
        state.old_in = 0


def _gap(state: State, event: e.GapChanged, number: int, at: At) -> None:
    _move(state, "gap", event.trigger, event.to)
    state.gap_end = event.end
    state.gap_tries = event.tries
    state.gap_mono_ns = at.mono_ns


def _liveness(state: State, event: e.LivenessChanged, number: int, at: At) -> None:
    _move(state, "liveness", event.trigger, event.to)


def _inbound_moved(state: State, event: e.InboundMoved, number: int, at: At) -> None:
    assert event.to >= state.next_in, "lowering a number opens an epoch"
    state.next_in = event.to
    state.gap_mono_ns = at.mono_ns


def _numbers_skipped(state: State, event: e.NumbersSkipped, number: int, at: At) -> None:
    assert event.begin == state.next_out, "skipping starts from the next number"
    assert event.end >= event.begin, "skipping is no step back"
    state.next_out = event.end + 1
    state.reserved = max(state.reserved, event.end)


def _dequeued(state: State, event: e.Dequeued, number: int, at: At) -> None:
    if state.waiting is not None and state.waiting[0] == event.event:
        frame = state.waiting[1]
        state.waiting = None
    elif state.held and state.held[0][0] == event.event:
        frame = state.held.pop(0)[1]
        state.held_bytes -= len(frame.raw)
    else:
        found, frame = state.queue.pop(event.seq)
        assert found == event.event
        state.queue_bytes -= len(frame.raw)
    _judged(state, event.seq, event.flags, event.event, frame, at)


def _superseded(state: State, event: e.Superseded, number: int, at: At) -> None:
    for source, seq in zip(event.events, event.seqs, strict=True):
        entry = state.queue.get(seq)
        if entry is not None and entry[0] == source:
            del state.queue[seq]
            state.queue_bytes -= len(entry[1].raw)
        elif state.gap != "none":
            state.gap_end = max(state.gap_end, seq)


def _resend_asked(state: State, event: e.ResendAsked, number: int, at: At) -> None:
    state.asks.append((event.begin, event.end))


def _resent(state: State, event: e.Resent, number: int, at: At) -> None:
    _, end = state.asks[0]
    state.last_out_mono_ns = at.mono_ns
    if event.last:
        state.asks.pop(0)
    else:
        state.asks[0] = (event.end + 1, end)


def _operator_set(state: State, event: e.OperatorSet, number: int, at: At) -> None:
    state.next_out = max(event.next_out, state.next_out)
    state.next_in = max(event.next_in, state.next_in)
    state.reserved = max(state.reserved, state.next_out - 1)


def _noted(state: State, event: e.Noted, number: int, at: At) -> None:
    if event.code == "peer-ahead":
        state.evidence = max(state.evidence, event.value)


def _clear_queue(state: State) -> None:
    state.queue.clear()
    state.queue_bytes = 0


def _move(state: State, machine: str, trigger: str, to: str = "") -> None:
    """Move a machine and what is coupled to it; ``to`` is what the event claims."""
    reached = moved(machine, getattr(state, machine), trigger)
    assert reached == (to or reached), f"{machine}: {trigger} leads to {reached}, not to {to}"
    setattr(state, machine, reached)
    for other, then in COUPLED.get((machine, reached), ()):
        _move(state, other, then)


_OTHERS: dict[type, Callable[[State, Any, int, At], None]] = {
    e.Cursor: _cursor,
    e.EpochOpened: _epoch,
    e.Reserved: _reserved,
    e.Configured: _configured,
    e.LinkChanged: _link,
    e.LogonChanged: _logon,
    e.GapChanged: _gap,
    e.LivenessChanged: _liveness,
    e.InboundMoved: _inbound_moved,
    e.NumbersSkipped: _numbers_skipped,
    e.Dequeued: _dequeued,
    e.Superseded: _superseded,
    e.ResendAsked: _resend_asked,
    e.Resent: _resent,
    e.OperatorSet: _operator_set,
    e.Noted: _noted,
}
"""One function an event; the two that come with each message are dispatched ahead of it."""
