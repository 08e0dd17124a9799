"""The wire: one connection's bytes in and out, and nothing of FIX beyond framing.

Owns the protocol ``Wire``, its receiver, and the fast implementation on asyncio and uvloop. The
other one, on anyio byte streams (trio, tests), is stream.py; which one a connection gets is
network.py's choice. It must not know sessions, numbers or the journal: it hands over frames, and
takes bytes that are already safe to send.

The fast path follows what was measured: a ``BufferedProtocol`` reads into one buffer that all
connections of a loop share (a callback uses it up before the next read), decodes there, and calls
the receiver in the same callback. So a frame meets its session without a copy of the chunk, a queue
or a task switch.

Invariants: ``write`` never blocks and never waits; ``congested`` says that the peer is slow, and
the receiver stops producing. Beyond ``write_bytes_max`` the connection is cut, because a bound that
is only a request is none. Closing after a Logout shuts down writing first and reads on for a while:
a close with unread input resets the connection, and the peer would lose our Logout (session rule
19).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, cast

from ..wire import Decoder, Frame, Garbled
from .host import Host

READ_BYTES = 1 << 16
"""Most bytes of one read, and with that the size of one batch."""
WRITE_BYTES_HIGH = 1 << 18
"""Above this many unsent bytes a wire is congested."""
WRITE_BYTES_LOW = 1 << 16
"""Below this many it is writable again."""
WRITE_BYTES_MAX = 1 << 24
"""A peer that lets this much pile up is cut off."""
GRACE_S = 0.5
"""How long a wire that was closed without a Logout may read on, so that what it sent last arrives.
"""


class Receiver(Protocol):
    """Who gets what a wire reads. All calls come on the loop's thread, one at a time, never from
    within ``write``.
    """

    def received(self, items: Sequence[Frame | Garbled]) -> None:
        """All frames of one read, in order, with what was skipped between them; never empty."""
        ...

    def lost(self, cause: str) -> None:
        """The connection ended: by the peer, by an error, or because ``close`` is through. Called
        exactly once.
        """
        ...

    def writable(self) -> None:
        """A congested wire is not any more."""
        ...


class Wire(Protocol):
    """One open connection."""

    receiver: Receiver
    """May be replaced: the acceptor reads the first frame, the session the rest."""
    peer: str
    """The other end as ``host:port``, for people."""

    @property
    def congested(self) -> bool:
        """Whether the peer reads slower than we write."""
        ...

    def write(self, data: bytes) -> None:
        """Send, or keep until the peer reads on. Ignored after ``close`` or the connection's
        end.
        """
        ...

    def pause(self) -> None:
        """Stop reading: backpressure reaches the peer through its own socket."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...

    def close(self, linger_s: float = GRACE_S) -> None:
        """Send what is left, shut down writing, drop what still comes for up to ``linger_s``,
        close.
        """
        ...

    def abort(self) -> None:
        """Close now; unsent bytes are dropped."""
        ...


class AsyncioWire(asyncio.BufferedProtocol):
    """A connection on asyncio or uvloop. The transport's callbacks are the loop's; see ``Wire`` for
    the rest.
    """

    def __init__(self, host: Host, buffer: bytearray, decoder: Decoder) -> None:
        self.receiver: Receiver
        self.peer = "?"
        self._host = host
        self._buffer = buffer
        self._view = memoryview(buffer)
        self._decoder = decoder
        self._transport: asyncio.Transport
        self._congested = False
        self._paused = False
        self._closing = False
        self._over = False
        self._linger: asyncio.TimerHandle | None = None

    # -- what the loop calls -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        # uvloop's transports do not derive from asyncio's, but do the same.
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=WRITE_BYTES_HIGH, low=WRITE_BYTES_LOW)
        name = transport.get_extra_info("peername")
        self.peer = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name or "?")

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where the next read goes: the buffer that is shared by all wires of this loop."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """``nbytes`` were read: decode them and hand the frames on."""
        if self._closing:
            return
        try:
            items = self._decoder.feed(self._view[:nbytes])
            if items:
                self.receiver.received(items)
        except BaseException as error:
            self._host.crash(error)

    def eof_received(self) -> bool:
        """The peer shut down its side: a FIX session has no use for the other half."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, whoever wanted it."""
        if self._linger is not None:
            self._linger.cancel()
        self._end("end of stream" if exc is None else f"{type(exc).__name__}: {exc}")

    def pause_writing(self) -> None:
        """The transport holds more than the high mark."""
        self._congested = True

    def resume_writing(self) -> None:
        """The transport is below the low mark again."""
        self._congested = False
        if not self._over:
            try:
                self.receiver.writable()
            except BaseException as error:
                self._host.crash(error)

    # -- what the session calls --------------------------------------------------------------------

    @property
    def congested(self) -> bool:
        """See ``Wire``."""
        return self._congested

    def write(self, data: bytes) -> None:
        """See ``Wire``."""
        if self._closing or self._over:
            return
        try:
            self._transport.write(data)
        except RuntimeError:  # uvloop, between the end of a transport and its last callback
            self._closing = True
        if self._congested and self._transport.get_write_buffer_size() > WRITE_BYTES_MAX:
            self.abort()

    def pause(self) -> None:
        """See ``Wire``."""
        if not self._paused and not self._closing and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """See ``Wire``."""
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def close(self, linger_s: float = GRACE_S) -> None:
        """See ``Wire``."""
        if self._closing or self._over:
            return
        self.resume()
        self._closing = True
        if linger_s <= 0 or not self._transport.can_write_eof():
            self._transport.close()
            return
        try:
            self._transport.write_eof()
        except OSError:  # the peer is gone already
            self._transport.abort()
            return
        self._linger = asyncio.get_running_loop().call_later(linger_s, self._transport.abort)

    def abort(self) -> None:
        """See ``Wire``."""
        self._closing = True
        if not self._over:
            self._transport.abort()

    def _end(self, cause: str) -> None:
        if self._over:
            return
        self._over = True
        try:
            self.receiver.lost(cause)
        except BaseException as error:
            self._host.crash(error)
