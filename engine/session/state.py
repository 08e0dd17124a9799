"""The state of one session: everything that the core knows, and nothing that is not from an event.

Owns the shape and the reading helpers. Written by ``evolve`` alone (evolve.py); decision code only
reads. One engine loop owns a state and it is mutated in place, because a copy per message would
cost more than the message; ``copy.deepcopy`` gives a snapshot.

Invariant (promise P3): the live state and the state folded from the journal are equal, field by
field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..wire.values import Stamper
from .memo import SecondReader
from .settings import SessionSettings
from .version import VERSIONS, Version

if TYPE_CHECKING:
    from ..wire.framing import Frame


class Names(msgspec.Struct, frozen=True):
    """What settings and version come down to on the wire, computed once when configured.

    ``extra``: our sub and location ids for each header. ``stamp`` and ``seconds`` write and read
    52; ``latency_ns`` is how far it may be off, 0 for any. Not part of the digest: the settings
    are.
    """

    version: Version
    begin_string: bytes
    sender: bytes
    target: bytes
    extra: tuple[tuple[int, bytes], ...]
    latency_ns: int
    keys_max: int
    reservation_block: int
    stamp: Stamper
    seconds: SecondReader


class State(msgspec.Struct):
    """One session. Numbers are the next ones to use; times are monotonic ns, 0 for never.

    ``pending``: event number of each delivered, unfinished message, in order of delivery, with the
    (event, seq) of what was sent because of it; ``frames`` holds the message itself. ``queue``:
    MsgSeqNum to (event, frame) behind a gap. ``waiting``: the Logon under authentication; ``held``:
    what came meanwhile. ``asks``: ranges that the peer asked for, the first one being answered.
    ``keys``: idempotency key to (event, seq), oldest first. ``old_in``: the expected number of the
    epoch before, while our reset is on its way, else 0.
    """

    settings: SessionSettings | None = None
    names: Names | None = None
    epoch: int = 0
    epoch_first_out: int = 1
    next_out: int = 1
    next_in: int = 1
    reserved: int = 0
    link: str = "down"
    logon: str = "out"
    gap: str = "none"
    liveness: str = "off"
    schedule: str = "always-open"
    peer: str = ""
    heart_bt_int_s: int = 0
    link_mono_ns: int = 0
    logon_mono_ns: int = 0
    last_in_mono_ns: int = 0
    last_out_mono_ns: int = 0
    gap_end: int = 0
    gap_tries: int = 0
    gap_mono_ns: int = 0
    old_in: int = 0
    evidence: int = 0
    queue_bytes: int = 0
    held_bytes: int = 0
    waiting: tuple[int, Frame] | None = None
    queue: dict[int, tuple[int, Frame]] = {}
    held: list[tuple[int, Frame]] = []
    asks: list[tuple[int, int]] = []
    pending: dict[int, list[tuple[int, int]]] = {}
    frames: dict[int, Frame] = {}
    keys: dict[bytes, tuple[int, int]] = {}

    @property
    def answering(self) -> bool:
        """Whether a ResendRequest of the peer is being answered; application sends wait."""
        return bool(self.asks)


def names_of(settings: SessionSettings) -> Names:
    """Bytes for the wire from settings; the settings' BeginString must be one of ``VERSIONS``."""
    session = settings.session
    version = VERSIONS[session.begin_string]
    extra = [
        (50, session.sender_sub),
        (57, session.target_sub),
        (142, session.sender_location),
        (143, session.target_location),
    ]
    digits = settings.timestamp_digits
    return Names(
        version=version,
        begin_string=session.begin_string.encode(),
        sender=session.sender.encode("latin-1"),
        target=session.target.encode("latin-1"),
        extra=tuple((tag, value.encode("latin-1")) for tag, value in extra if value),
        latency_ns=settings.check_latency_s * 1_000_000_000,
        keys_max=settings.keys_max,
        reservation_block=settings.reservation_block,
        stamp=Stamper(version.timestamp_digits if digits is None else digits),
        seconds=SecondReader(),
    )
