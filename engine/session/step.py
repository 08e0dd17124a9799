"""``step``: one input in, events and effects out. The session layer as a pure function.

Owns the dispatch of inputs and those that are small: settings, start and stop, operators' commands,
the answer of the journal to a resend. It evolves the state in place through the emitter; an input
that yields no event changes nothing, is not journaled and takes no number.

Numbers: the record of the input takes ``number``. For a frame, an application send and a finished
handler that record is the first event itself (IN, OUT, CURSOR); for every other input it is an
INPUT record, and events follow from ``number + 1``.
"""

from __future__ import annotations

import msgspec

from . import inputs as i
from . import logon, receive, send
from .answer import logout
from .check import Validator
from .effects import Effect, FetchResend, Resend
from .emitter import Emitter
from .events import Configured, Event, LinkChanged, NumbersSkipped, OperatorSet, Resent, Reserved
from .refusal import Refusal
from .resend import check_runs
from .state import State, names_of
from .table import LOGGED_ON
from .timers import tick

FIRST_IS_INPUT = (i.Received, i.Send, i.HandlerDone)
"""Inputs whose first event carries them; they have no INPUT record."""


class Outcome(msgspec.Struct, gc=False):
    """What a step yields. ``refusal``: the input was not taken, and nothing else is set.

    ``sync``: the events must be on disk before any effect, under every policy (storage rule 13).
    """

    events: list[Event]
    effects: list[Effect]
    refusal: Refusal | None
    sync: bool


def step(
    state: State,
    inp: i.Input,
    number: int,
    at: i.At,
    validator: Validator | None = None,
) -> Outcome:
    """Take one input. ``number``: event number that the first record of this step will get."""
    kind = type(inp)
    if kind is i.Received:
        emitter = Emitter(state, number, at)
        receive.received(emitter, inp, validator)  # type: ignore[arg-type]
        return Outcome(emitter.events, emitter.effects, None, emitter.sync)
    if kind is i.Send:
        emitter = Emitter(state, number, at)
        refusal = send.sent(emitter, inp)  # type: ignore[arg-type]
        return Outcome(emitter.events, emitter.effects, refusal, emitter.sync)
    if kind is i.HandlerDone and state.settings is not None:
        emitter = Emitter(state, number, at)
        send.handler_done(emitter, inp)  # type: ignore[arg-type]
        return Outcome(emitter.events, emitter.effects, None, emitter.sync)
    first = number if kind in FIRST_IS_INPUT else number + 1
    emitter = Emitter(state, first, at)
    refusal = _other(emitter, i.readable(inp), validator)
    return Outcome(emitter.events, emitter.effects, refusal, emitter.sync)


def _other(step: Emitter, inp: i.Input, validator: Validator | None) -> Refusal | None:
    state = step.state
    if isinstance(inp, i.Configure):
        return _configure(step, inp)
    if state.settings is None:
        return Refusal("not-configured", "the session has no settings yet")
    match inp:
        case i.Tick():
            tick(step)
        case i.ResendRuns():
            _resend_runs(step, inp)
        case i.Authenticated():
            receive.authenticated(step, inp, validator)
        case i.LinkUp():
            if state.link == "up":
                return Refusal("linked", "another connection belongs to this session")
            logon.connected(step, inp.peer)
        case i.LinkDown():
            _link_down(step, inp.reason)
        case i.Start():
            _start(step, inp)
        case i.Stop():
            _stop(step)
        case i.LogoutCommand():
            return _logout(step, inp)
        case i.ResetCommand():
            return _reset(step, inp)
        case i.SetNumbers():
            return _set_numbers(step, inp)
        case _:
            raise TypeError(f"no input of the session core: {type(inp).__name__}")
    return None


def _configure(step: Emitter, inp: i.Configure) -> Refusal | None:
    state, settings = step.state, inp.settings
    if settings == state.settings:
        return None
    try:
        names_of(settings)
        msgspec.json.encode(settings)
    except (KeyError, ValueError) as error:
        return Refusal("bad-settings", f"these settings cannot be written on the wire: {error}")
    known = state.settings
    if known is not None and known.session != settings.session:
        return Refusal("other-session", f"this is {known.session}, not {settings.session}")
    step.emit(Configured(settings))
    if not state.epoch:
        step.open_epoch(1, 1, "first epoch of the session")
    return None


def _link_down(step: Emitter, reason: str) -> None:
    """The connection ended, or was lost with the engine that held it."""
    state = step.state
    if state.link == "up":
        was_on = state.logon in LOGGED_ON or state.logon == "leaving"
        step.supersede(list(state.queue), reason)
        step.emit(LinkChanged("lost", "down", reason))
        step.link_ended(reason, was_on)


def _start(step: Emitter, inp: i.Start) -> None:
    _link_down(step, "the engine started: the link of before is lost")
    state = step.state
    if inp.number_from_bound and state.reserved >= state.next_out:
        cause = "the journal may have lost its end"
        step.emit(NumbersSkipped(state.next_out, state.reserved, cause))
        step.alert("numbers-skipped", f"outbound numbers go on at {state.next_out}: {cause}")
        step.sync = True


def _stop(step: Emitter) -> None:
    state = step.state
    if state.link == "up":
        step.close("the engine stops", drain=True)
    if state.reserved != state.next_out - 1:
        step.emit(Reserved(state.epoch, state.next_out - 1))
        step.sync = True


def _resend_runs(step: Emitter, inp: i.ResendRuns) -> None:
    """The journal answered what to send again; an answer to a question of before is ignored."""
    state = step.state
    current = (inp.epoch or state.epoch) == state.epoch
    if not state.asks or not current or inp.begin != state.asks[0][0]:
        return
    end = state.asks[0][1]
    check_runs(inp.runs, inp.begin, inp.end)
    assert inp.end <= end and (inp.last or inp.end < end), "runs stay within the range asked for"
    last = inp.end == end
    stamp = step.names.stamp(step.at.utc_ns)
    step.emit(Resent(inp.begin, inp.end, state.epoch, stamp.decode(), inp.runs, last))
    step.effect(Resend(inp.runs, stamp, inp.begin, inp.end, state.epoch))
    if last and state.asks:
        begin, end = state.asks[0]
        step.effect(FetchResend(begin, end, state.epoch))


def _logout(step: Emitter, inp: i.LogoutCommand) -> Refusal | None:
    state = step.state
    if state.logon in LOGGED_ON:
        logout(step, inp.text, "commanded")
    elif state.link == "up" and state.logon != "leaving":
        step.close("logout commanded before the logon was finished")
    return None


def _reset(step: Emitter, inp: i.ResetCommand) -> Refusal | None:
    state = step.state
    if state.link == "up" and (state.logon != "on" or not step.names.version.reset_flag):
        return Refusal("busy", f"no reset while the logon is {state.logon!r} in this version")
    now = (state.next_out, state.next_in)
    step.emit(OperatorSet(inp.who, inp.why, *now, *now))
    step.sync = True
    if state.link == "up":
        logon.ask_reset(step, f"{inp.who}: {inp.why}")
    else:
        step.open_epoch(1, 1, f"{inp.who}: {inp.why}")
    return None


def _set_numbers(step: Emitter, inp: i.SetNumbers) -> Refusal | None:
    state = step.state
    if state.link == "up":
        return Refusal("linked", "numbers are set while the session is not connected")
    next_out, next_in = inp.next_out or state.next_out, inp.next_in or state.next_in
    if next_out < 1 or next_in < 1:
        return Refusal("bad-number", "sequence numbers start at 1")
    if (next_out, next_in) == (state.next_out, state.next_in):
        return None
    lower = next_out < state.next_out or next_in < state.next_in
    step.emit(OperatorSet(inp.who, inp.why, state.next_out, state.next_in, next_out, next_in))
    step.sync = True
    if lower:
        step.open_epoch(next_out, next_in, f"{inp.who}: {inp.why}")
    return None
