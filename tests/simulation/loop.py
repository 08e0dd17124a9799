"""An event loop without a clock, sockets or threads: the same seed gives the same order of things.

Owns virtual time. Where a real loop would sleep, this one moves its clock to the next timer, so an
hour of heartbeats costs nothing and no result depends on the machine. The engine runs on it as it
is, ``AsyncioHost`` and all. It must not know engines, disks or messages.

Invariant: everything happens in one thread. ``anyio.to_thread`` is answered by a backend that calls
the function at once in its place: a worker thread would race the loop for the simulated disk.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from anyio._backends._asyncio import AsyncIOBackend
from anyio._core import _eventloop as anyio_loop

T = TypeVar("T")
START_UTC_NS = 1_700_000_000_000_000_000


class Broken(AssertionError):
    """A promise was not kept; the text says which."""


class Asleep(Broken):
    """Nothing is due and nothing ever will be."""


class SimLoop(asyncio.BaseEventLoop):
    """asyncio's own loop, with a selector that lets virtual time pass in place of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._selector = self

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.now_s

    def select(self, timeout: float | None) -> list[object]:
        """What asyncio calls when it has nothing to run for ``timeout`` seconds."""
        if timeout is None:
            raise Asleep("every task waits for something that nobody will do")
        self.now_s += timeout
        return []

    def _process_events(self, event_list: object) -> None:
        """No sockets, no events."""

    def _write_to_self(self) -> None:
        """Nobody sleeps, nobody has to be woken."""


class SimClock:
    """The clocks of one boot: wall time may be wrong, monotonic time starts somewhere else."""

    def __init__(self, loop: SimLoop, wall_error_s: float, mono_start_s: float) -> None:
        self._loop = loop
        self._utc_ns = START_UTC_NS + round(wall_error_s * 1e9)
        self._mono_ns = round(mono_start_s * 1e9)

    def utc_ns(self) -> int:
        """See ``Clock``."""
        return self._utc_ns + round(self._loop.now_s * 1e9)

    def mono_ns(self) -> int:
        """See ``Clock``."""
        return self._mono_ns + round(self._loop.now_s * 1e9)


class _NoThreads(AsyncIOBackend):
    """anyio on asyncio, but ``to_thread.run_sync`` runs its function in the caller's place."""

    @classmethod
    async def run_sync_in_worker_thread(
        cls, func: Callable[..., Any], args: tuple[Any, ...], *rest: Any, **options: Any
    ) -> Any:
        await cls.checkpoint()
        return func(*args)


@contextlib.contextmanager
def _without_threads() -> Iterator[None]:
    """anyio has no public way to bring one's own backend; this is the table that it looks into."""
    table = anyio_loop.loaded_backends
    before = table.get("asyncio")
    table["asyncio"] = _NoThreads
    try:
        yield
    finally:
        if before is None:
            del table["asyncio"]
        else:
            table["asyncio"] = before


def run(main: Callable[[SimLoop], Coroutine[Any, Any, T]]) -> T:
    """Run ``main(loop)`` to its end in virtual time."""
    loop = SimLoop()
    loop.set_exception_handler(_raise)
    asyncio.set_event_loop(None)
    with _without_threads():
        try:
            return loop.run_until_complete(main(loop))
        except SystemExit as stopped:
            raise Broken(str(stopped)) from stopped.__cause__
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()


def _raise(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A callback that fails is a bug of the simulation, or the power: never only a line in a
    log.
    """
    error = context.get("exception")
    if isinstance(error, Exception):
        # The one exception that asyncio lets through from here; ``run`` makes it a ``Broken``.
        raise SystemExit(f"{context['message']}: {error!r}") from error
