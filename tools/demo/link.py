"""What supervisor and sides say to each other over pipes: one JSON object a line.

Owns the shapes. A side tells; the supervisor grants orders and asks it to stop. What a side tells
decides when to kill and how long recovery took; it is never taken as evidence for the verdict,
except for ``accepted``, which is what the journals have to keep.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Job(msgspec.Struct, frozen=True):
    """What a side is started with, as its one argument. ``first`` is the first order to send."""

    role: Literal["desk", "exchange"]
    config: str
    journal: str
    session: str
    seed: int = 0
    orders: int = 0
    first: int = 1
    rate: int = 0
    window: int = 500


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a side.

    ``what``: ``up`` (journal recovered, sockets next), ``on`` and ``off`` (logged on or no longer),
    ``accepted`` (the policy covers order ``name`` as ``event`` and ``seq``), ``acked`` (the
    exchange's answer to ``name`` came), ``metrics``, ``stopped`` (in order).
    """

    what: Literal["up", "on", "off", "accepted", "acked", "metrics", "stopped"]
    name: str = ""
    event: int = 0
    seq: int = 0
    text: str = ""
    metrics: dict[str, int] = {}


class Ask(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the supervisor: send orders up to ``upto``, or stop in order."""

    upto: int = 0
    stop: bool = False


tell_line = msgspec.json.Encoder().encode
told_of = msgspec.json.Decoder(Told).decode
ask_of = msgspec.json.Decoder(Ask).decode
