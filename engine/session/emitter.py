"""One step in the making: its events, its effects, and the frames that the session itself writes.

Owns the two lists of an outcome and the rule that each event is applied the moment it is emitted,
so that what is decided next sees what was decided before. It knows how a header is written and when
numbers must be reserved; it does not know why anything is sent.

Invariant: ``emit`` is the only caller of ``evolve`` in a live step, and events get consecutive
numbers.
"""

from __future__ import annotations

from ..wire.encode import encode
from ..wire.tags import HEADER_TAGS
from .effects import Alert, Close, Effect, LoggedOut, SendBytes
from .events import EpochOpened, Event, LinkChanged, Out, Reserved, Superseded
from .evolve import evolve
from .inputs import At
from .settings import SessionSettings
from .state import Names, State
from .table import LOGGED_ON

Fields = list[tuple[int, bytes]]
_HOPS = frozenset({628, 629, 630})


class Emitter:
    """The events and effects of one step, on one state."""

    __slots__ = ("at", "effects", "events", "number", "state", "sync")

    def __init__(self, state: State, number: int, at: At) -> None:
        self.state = state
        self.number = number
        self.at = at
        self.events: list[Event] = []
        self.effects: list[Effect] = []
        self.sync = False

    def emit(self, event: Event) -> int:
        """Apply an event and give its number."""
        number = self.number
        evolve(self.state, event, number, self.at)
        self.events.append(event)
        self.number = number + 1
        return number

    @property
    def settings(self) -> SessionSettings:
        """Of a configured session."""
        settings = self.state.settings
        assert settings is not None, "configured first"
        return settings

    @property
    def names(self) -> Names:
        """Of a configured session."""
        names = self.state.names
        assert names is not None, "configured first"
        return names

    def effect(self, effect: Effect) -> None:
        """Ask for something to be done once the events are covered."""
        self.effects.append(effect)

    def alert(self, code: str, text: str) -> None:
        """Tell a person."""
        self.effects.append(Alert(code, text))

    def write(self, msg_type: bytes, body: Fields, extra: Fields | None = None) -> None:
        """Number, journal and send a message of the session's own; ``extra``: header fields."""
        state = self.state
        seq, names = state.next_out, self.names
        raw = compose(names, msg_type, seq, names.stamp(self.at.utc_ns), body, extra)
        self.emit(Out(seq, 0, msg_type, raw))
        self.effects.append(SendBytes(raw, seq))
        self.reserve()

    def reserve(self) -> None:
        """Reserve a block of numbers when less than half of one is left (P5)."""
        state = self.state
        block = self.names.reservation_block
        if (state.reserved - state.next_out + 1) * 2 < block:
            self.emit(Reserved(state.epoch, state.next_out + block - 1))
            self.sync = True

    def open_epoch(self, next_out: int, next_in: int, cause: str) -> None:
        """Start a new run of numbers in both directions."""
        self.supersede(list(self.state.queue), cause)
        self.emit(EpochOpened(self.state.epoch + 1, next_out, next_in, cause))
        self.sync = True
        if self.state.link == "up":
            self.reserve()

    def supersede(self, seqs: list[int], cause: str) -> None:
        """Drop queued frames, and say so."""
        if seqs:
            events = tuple(self.state.queue[seq][0] for seq in seqs)
            self.emit(Superseded(events, tuple(seqs), cause))

    def close(self, reason: str, *, drain: bool = False, was_on: bool | None = None) -> None:
        """Close the link; the session is free from here on. ``was_on``: logon ended before."""
        state = self.state
        if was_on is None:
            was_on = state.logon in LOGGED_ON or state.logon == "leaving"
        self.supersede(list(state.queue), reason)
        self.emit(LinkChanged("closed", "down", reason))
        self.link_ended(reason, was_on)
        self.effects.append(Close(reason, drain))

    def link_ended(self, reason: str, was_on: bool) -> None:
        """What follows the end of a connection: the callback, and a reset if configured."""
        if was_on:
            self.effects.append(LoggedOut(reason))
            if self.settings.reset_on_disconnect:
                self.restart_numbers("reset on disconnect")

    def restart_numbers(self, cause: str) -> None:
        """A new epoch at 1, unless no number of this one was used yet."""
        if self.state.next_out != 1 or self.state.next_in != 1:
            self.open_epoch(1, 1, cause)


def compose(
    names: Names,
    msg_type: bytes,
    seq: int,
    sending_time: bytes,
    body: Fields,
    extra: Fields | None = None,
) -> bytes:
    """A whole message: 8, 9, 35, the header in ascending order, ``body`` as given, 10.

    ``extra``: more header fields, or some that replace the configured sub and location ids.
    """
    head = [
        (35, msg_type),
        (34, b"%d" % seq),
        (49, names.sender),
        (52, sending_time),
        (56, names.target),
    ]
    if extra or names.extra:
        given = {tag for tag, _ in extra or ()}
        more = [field for field in names.extra if field[0] not in given] + (extra or [])
        head[1:] = sorted(head[1:] + more, key=_header_order)
    return encode(names.begin_string, head + body)


def _header_order(field: tuple[int, bytes]) -> int:
    """Ascending, with the hops group kept together behind its count."""
    return 627 if field[0] in _HOPS else field[0]


def split_header(fields: Fields) -> tuple[Fields, Fields]:
    """(header fields, body fields) of what a caller wants to send, each in the order given."""
    head = [field for field in fields if field[0] in HEADER_TAGS]
    return head, [field for field in fields if field[0] not in HEADER_TAGS]
