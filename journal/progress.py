"""How far a journal has come, and everyone who waits to hear of it.

Owns the published numbers ``covered`` and ``durable``, the state, and the ways to wait. It must not
know files.

Threads. The numbers are written under ``_mutex`` and read without it: each is one reference to an
int, replaced at once. A publisher stores first and looks for waiters afterwards; a waiter announces
itself first and looks at the numbers afterwards. One of the two sees the other, so no wake-up is
lost. Listeners run in the publisher's thread, outside all locks, and must not raise or block: the
usual one is ``loop.call_soon_threadsafe``.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Literal

from .errors import Closed, IoFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .probe import Probe

State = Literal["running", "disk-full", "failed", "closed"]


class Bell:
    """Wakes one thread. Rings before the wait are remembered, as one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Wake the waiter, now or at its next wait. Any thread."""
        try:
            self._lock.release()
        except RuntimeError:
            pass  # it was rung already

    def wait(self, timeout: float | None) -> None:
        """Until it rings, or ``timeout`` seconds."""
        self._lock.acquire(timeout=-1 if timeout is None else timeout)


class Progress:
    """See the module."""

    def __init__(self, last_event: int, *, always: bool, probe: Probe) -> None:
        self.covered = last_event
        self.durable = last_event
        self.state: State = "running"
        self.error: IoFailed | None = None
        self.ended = False
        """Whether the state is "failed" or "closed"."""
        self._always = always
        self._probe = probe
        self._mutex = threading.Lock()
        self._changed = threading.Condition()
        self._waiting = 0
        self._listeners: list[Callable[[], None]] = []
        self._synced_steps: deque[tuple[int, int]] = deque()

    def demand_sync(self, first: int, last: int) -> None:
        """A step that is covered only when durable; called before it can be written.

        Owner's thread.
        """
        self._synced_steps.append((first, last))

    def advance(self, written: int, durable: int) -> bool:
        """Publish; returns whether a step that demanded it still waits for a sync.

        Once the state is final nothing moves: what a failed sync left open stays unknown.
        """
        waits = False
        with self._mutex:
            if self.ended:
                return False
            covered = durable if self._always else written
            demands = self._synced_steps
            if demands:
                while demands and demands[0][1] <= durable:
                    demands.popleft()
                if demands and demands[0][0] <= written:
                    waits = True
                    covered = min(covered, demands[0][0] - 1)
            moved = False
            if covered > self.covered:
                self.covered, moved = covered, True
            if durable > self.durable:
                self.durable, moved = durable, True
        if moved:
            self.tell()
        return waits

    def turn(self, state: State, error: IoFailed | None = None) -> None:
        """Publish another state.

        "failed" and "closed" are for ever, and "failed" stays when it is closed.
        """
        with self._mutex:
            if state == self.state or self.state in ("failed", "closed"):
                return
            self.error = error
            self.state = state
            self.ended = state in ("failed", "closed")
        self._probe.state(state)
        self.tell()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call it after each change, from whichever thread made it."""
        self._listeners.append(listener)

    def tell(self) -> None:
        """Something changed: room in the queue, a number, the state."""
        for listener in self._listeners:
            listener()
        if self._waiting:
            with self._changed:
                self._changed.notify_all()

    def wait_until(self, reached: Callable[[], bool], timeout: float | None) -> bool:
        """Block until ``reached()``; False after ``timeout`` seconds. Raises what ended the
        journal, if that came first: ``IoFailed`` (outcome unknown) or ``Closed``."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self._waiting += 1
            try:
                while not reached():
                    self.check()
                    rest = None if deadline is None else deadline - time.monotonic()
                    if rest is not None and rest <= 0:
                        return False
                    self._changed.wait(rest)
            finally:
                self._waiting -= 1
        return True

    def check(self) -> None:
        """Raise what ended the journal; nothing while it runs."""
        if self.state == "failed":
            assert self.error is not None
            raise IoFailed(self.error.message, where=self.error.where, hint=self.error.hint)
        if self.state == "closed":
            raise Closed("the journal's writer was closed")
