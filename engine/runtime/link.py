"""The link: one connection of a session, with the frames that leave together.

Owns the end of a connection's life and the collecting of frames between two openings of the gate,
so that everything which one batch causes goes out in one write. It must not know what frames mean.

Invariant: an effect acts on the link that the session had when its step was taken. A link outlives
its turn as the session's link, until the wire is closed; what still comes from it is for nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import anyio

from ..wire import Frame, Garbled
from .gate import Gate
from .wire import Wire


class Owner(Protocol):
    """The session that a link belongs to (loop.Driver)."""

    def received(self, link: Link, items: Sequence[Frame | Garbled]) -> None:
        """All frames of one read."""
        ...

    def writable(self) -> None:
        """The peer reads again."""
        ...

    def lost(self, link: Link, cause: str) -> None:
        """The connection ended."""
        ...


class Link:
    """A wire that belongs to a session. ``over`` is set once it is closed; ``logged_on`` says that
    it got that far. ``ended`` is called at the end.
    """

    __slots__ = ("_owner", "_ended", "_gate", "_parts", "logged_on", "over", "wire")

    def __init__(
        self, wire: Wire, owner: Owner, gate: Gate, ended: Callable[[], None] | None
    ) -> None:
        self.wire = wire
        self.over = anyio.Event()
        self.logged_on = False
        self._owner = owner
        self._gate = gate
        self._ended = ended
        self._parts: list[bytes] = []

    def send(self, frame: bytes) -> None:
        """Collect a frame."""
        if not self._parts:
            self._gate.collect(self)
        self._parts.append(frame)

    def flush(self) -> None:
        """Write what was collected."""
        parts = self._parts
        if parts:
            self.wire.write(parts[0] if len(parts) == 1 else b"".join(parts))
            parts.clear()

    def received(self, items: Sequence[Frame | Garbled]) -> None:
        """See ``wire.Receiver``."""
        self._owner.received(self, items)

    def writable(self) -> None:
        """See ``wire.Receiver``."""
        self._owner.writable()

    def lost(self, cause: str) -> None:
        """See ``wire.Receiver``; a second call changes nothing."""
        if self.over.is_set():
            return
        self._owner.lost(self, cause)
        self.over.set()
        if self._ended is not None:
            self._ended()
