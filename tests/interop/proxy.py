"""A recording TCP proxy on loopback: what went over the wire, and accidents on demand.

Every connection to ``port`` is joined with one to ``target``. All bytes that a side sent are
recorded, also those that an accident kept from the other side. ``cut`` lets a number of bytes pass,
swallows what follows for a moment and then closes both sides, so that a message is torn in the
middle and both peers have sent frames that never arrived.
``stall`` holds back one direction for a while.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Taken:
    """Bytes of one connection, by direction; ``front`` is what the connecting side sent."""

    front: bytearray = field(default_factory=bytearray)
    back: bytearray = field(default_factory=bytearray)


class Proxy:
    """Runs in a thread of the test process; ``close`` ends it."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.taken: list[Taken] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._closing = threading.Event()
        self._cut: int | None = None
        self._stalled_until = {"front": 0.0, "back": 0.0}
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def cut(self, after_bytes: int) -> None:
        """Tear the live connection after so many more bytes of the connecting side."""
        self._cut = after_bytes

    def stall(self, direction: str, seconds: float) -> None:
        """Hold back one direction (``front`` or ``back``) for some seconds."""
        self._stalled_until[direction] = time.monotonic() + seconds

    def close(self) -> None:
        """Close all sockets and wait for the threads."""
        self._closing.set()
        self._accepting.join(5)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            ready, _, _ = select.select([self._listener], [], [], 0.1)
            if ready:
                front, _ = self._listener.accept()
                thread = threading.Thread(target=self._join, args=(front,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _join(self, front: socket.socket) -> None:
        with front, contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.target), 2) as back:
                taken = Taken()
                self.taken.append(taken)
                self._pump(front, back, taken)

    def _pump(self, front: socket.socket, back: socket.socket, taken: Taken) -> None:
        """Copy both ways until one side closes or an accident ends it."""
        sides = {front: ("front", back, taken.front), back: ("back", front, taken.back)}
        swallowing_until = 0.0
        while not self._closing.is_set():
            now = time.monotonic()
            if swallowing_until and now > swallowing_until:
                return
            waiting = [side for side in sides if now >= self._stalled_until[sides[side][0]]]
            ready, _, _ = select.select(waiting, [], [], 0.02)
            for side in ready:
                name, other, record = sides[side]
                data = side.recv(65536)
                if not data:
                    return
                record += data
                if swallowing_until:
                    continue
                if self._cut is not None and name == "front":
                    passed, self._cut = self._cut, max(self._cut - len(data), 0)
                    data = data[:passed]
                    if self._cut == 0:
                        self._cut = None
                        swallowing_until = now + 0.15
                other.sendall(data)
