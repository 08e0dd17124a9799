"""Tasks: everything of an engine that runs beside its callbacks, under one roof.

Owns one anyio task group for the life of an engine. A plain callback of a loop may not start tasks
everywhere, so ``spawn`` leaves the wish to a task that may. What a task raises is our bug or an
outside fault that nobody handled; it goes to ``crash`` as a whole, never into an exception group
that the user of the engine would have to take apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

import anyio
from anyio.abc import TaskGroup

from .host import Crash

Call = Callable[..., Awaitable[None]]


class Tasks:
    """The tasks of one engine. ``enter`` and ``leave`` belong into the same task, in that order."""

    def __init__(self, crash: Crash) -> None:
        self._crash = crash
        self._wanted: deque[tuple[Call, tuple[Any, ...]]] = deque()
        self._more: anyio.Event
        self.group: TaskGroup

    async def enter(self) -> None:
        """Open the group."""
        self._more = anyio.Event()
        self.group = anyio.create_task_group()
        await self.group.__aenter__()
        self.group.start_soon(self._start_wanted)

    def spawn(self, call: Call, *args: Any) -> None:
        """Run a task until the engine ends, from any callback on the loop's thread."""
        self._wanted.append((call, args))
        self._more.set()

    def cancel(self) -> None:
        """End all tasks, and whatever the task that entered does."""
        self.group.cancel_scope.cancel()

    async def leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for all tasks; the arguments are those of ``__aexit__``. The caller raises its
        own.
        """
        if isinstance(error, anyio.get_cancelled_exc_class()):
            await self.group.__aexit__(kind, error, trace)
        else:
            await self.group.__aexit__(None, None, None)

    async def _start_wanted(self) -> None:
        while True:
            await self._more.wait()
            self._more = anyio.Event()
            while self._wanted:
                self.group.start_soon(self._guarded, *self._wanted.popleft())

    async def _guarded(self, call: Call, args: tuple[Any, ...]) -> None:
        try:
            await call(*args)
        except Exception as error:
            self._crash(error)
