"""What the runtime needs from an event loop: run something soon, from another thread, or at a time.

Owns the only difference between loops outside the wire and the handlers. Everything else in the
runtime is plain callbacks on the loop's thread, so that a frame that arrives costs no task switch.
It must not know sessions.

Invariant: an exception that escapes a callback is our bug, and is never only logged: it goes to
``crash``, which ends the engine in order. asyncio alone would print it and carry on with half a
step done.
"""

from __future__ import annotations

import asyncio
import functools
import heapq
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from .clock import Clock

if TYPE_CHECKING:
    import trio

Crash = Callable[[BaseException], None]


class Timer(Protocol):
    """A call that waits for its time."""

    def cancel(self) -> None:
        """Forget the call; harmless when it already ran."""
        ...


class Host(Protocol):
    """The loop, as the runtime sees it. All but ``post`` are called on the loop's thread."""

    crash: Crash

    def soon(self, call: Callable[..., None], *args: Any) -> None:
        """Run the call in the loop's next turn."""
        ...

    def post(self, call: Callable[..., None], *args: Any) -> None:
        """The same from any thread. Silently dropped when the loop is gone."""
        ...

    def call_at(self, mono_ns: int, call: Callable[[], None]) -> Timer:
        """Run the call once the clock's monotonic reading is at ``mono_ns``; about a millisecond
        sharp.
        """
        ...

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Run the call after a pause."""
        ...

    async def run(self) -> None:
        """Work of the host itself, as a task of the engine; returns at once where there is none."""
        ...


class AsyncioHost:
    """asyncio or uvloop: the loop's own calls."""

    def __init__(self, clock: Clock, crash: Crash) -> None:
        self.loop = asyncio.get_running_loop()
        self.crash = crash
        self._clock = clock

    def _guarded(self, call: Callable[..., None], *args: Any) -> None:
        try:
            call(*args)
        except BaseException as error:
            self.crash(error)

    def soon(self, call: Callable[..., None], *args: Any) -> None:
        """See ``Host``."""
        self.loop.call_soon(self._guarded, call, *args)

    def post(self, call: Callable[..., None], *args: Any) -> None:
        """See ``Host``."""
        try:
            self.loop.call_soon_threadsafe(self._guarded, call, *args)
        except RuntimeError:  # the loop is closed: whoever waited is gone too
            pass

    def call_at(self, mono_ns: int, call: Callable[[], None]) -> Timer:
        """See ``Host``."""
        seconds = max(0, mono_ns - self._clock.mono_ns()) / 1e9
        return self.loop.call_later(seconds, self._guarded, call)

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """See ``Host``."""
        return self.loop.call_later(seconds, self._guarded, call)

    async def run(self) -> None:
        """asyncio keeps the timers itself."""


class _Due:
    """One waiting call of ``TrioHost``."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None] | None) -> None:
        self.call = call

    def cancel(self) -> None:
        """Forget the call."""
        self.call = None


class TrioHost:
    """trio: calls go through its token, and one task sleeps until the earliest timer."""

    def __init__(self, clock: Clock, crash: Crash) -> None:
        import trio

        self.token: trio.lowlevel.TrioToken = trio.lowlevel.current_trio_token()
        self._gone: type[Exception] = trio.RunFinishedError
        self.crash = crash
        self._clock = clock
        self._due: list[tuple[int, int, _Due]] = []
        self._order = itertools.count()
        self._changed = anyio.Event()

    def _guarded(self, call: Callable[..., None], *args: Any) -> None:
        try:
            call(*args)
        except BaseException as error:
            self.crash(error)

    def soon(self, call: Callable[..., None], *args: Any) -> None:
        """See ``Host``."""
        self.post(call, *args)

    def post(self, call: Callable[..., None], *args: Any) -> None:
        """See ``Host``."""
        try:
            self.token.run_sync_soon(functools.partial(self._guarded, call, *args))
        except self._gone:
            pass

    def call_at(self, mono_ns: int, call: Callable[[], None]) -> Timer:
        """See ``Host``."""
        due = _Due(call)
        heapq.heappush(self._due, (mono_ns, next(self._order), due))
        self._changed.set()
        return due

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """See ``Host``."""
        return self.call_at(self._clock.mono_ns() + round(seconds * 1e9), call)

    async def run(self) -> None:
        """Sleep until the earliest timer or until an earlier one comes; run what is due."""
        while True:
            self._changed = anyio.Event()
            now = self._clock.mono_ns()
            while self._due and self._due[0][0] <= now:
                due = heapq.heappop(self._due)[2]
                if due.call is not None:
                    self._guarded(due.call)
            seconds = (self._due[0][0] - now) / 1e9 if self._due else float("inf")
            with anyio.move_on_after(seconds):
                await self._changed.wait()


def on_asyncio() -> bool:
    """Whether this code runs on asyncio (uvloop included); else it is trio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def current_host(clock: Clock, crash: Crash) -> Host:
    """The host of the loop that runs now."""
    return AsyncioHost(clock, crash) if on_asyncio() else TrioHost(clock, crash)


async def pause(host: Host, seconds: float) -> None:
    """Sleep on the host's timers, which a test may hold in its hands."""
    over = anyio.Event()
    timer = host.after(seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()
