"""A frame on its way through judgement, fresh or from a queue, and how its judgement is journaled.

Owns the one place where a frame becomes an ``In`` or a ``Dequeued``, with its secrets masked. It
decides nothing.
"""

from __future__ import annotations

from ...journal.record import Flag
from ..wire.framing import Frame
from .emitter import Emitter
from .events import Dequeued, In, LivenessChanged
from .secrets import has_secrets, mask, sealed, secret_tags

CONSUMED = int(Flag.CONSUMED)
DELIVER = int(Flag.DELIVER)
QUEUED = int(Flag.QUEUED)
COPY = int(Flag.COPY)
REDACTED = int(Flag.REDACTED)


class Arrival:
    """One frame to judge.

    ``source``: event number of its ``In`` if it was journaled before, else 0. ``stored``: masked
    bytes, if a re-run knows them already. ``queued``: it waited behind a gap.
    """

    __slots__ = ("cause", "frame", "msg_type", "queued", "seq", "source", "stored")

    def __init__(
        self,
        frame: Frame,
        seq: int,
        msg_type: bytes,
        source: int = 0,
        cause: str = "",
        *,
        queued: bool = False,
        stored: bytes = b"",
    ) -> None:
        self.frame = frame
        self.seq = seq
        self.msg_type = msg_type
        self.source = source
        self.cause = cause
        self.queued = queued
        self.stored = stored

    def record(self, step: Emitter, flags: int) -> int:
        """Journal the judgement; the number of the event that carries the frame."""
        if self.source:
            step.emit(Dequeued(self.source, max(self.seq, 0), flags, self.cause))
            return self.source
        frame = self.frame
        stored = self.stored
        if has_secrets(frame):
            stored = stored or mask(frame, secret_tags(frame))
            frame = sealed(stored)
            flags |= REDACTED
        number = step.emit(In(max(self.seq, 0), flags, frame, stored))
        self.source = number
        if step.state.liveness == "asked":
            step.emit(LivenessChanged("frame", "alive", "a frame came in"))
        return number
