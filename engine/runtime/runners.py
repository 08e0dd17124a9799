"""Runners: three ways to run one handler call, on one promise (handlers.Runner).

``InlineRunner`` (asyncio, uvloop) starts an ``async def`` handler inside the callback that
delivered the message. A handler that never suspends costs no task and no loop turn, which is most
of the latency of a reply. If it does suspend, the rest of it is carried on by a task. So that
timeouts and cancel scopes work from the first line on, the handler sees that task as the current
one from its start: it is one long-lived task per session, which waits meanwhile.

``TaskRunner`` (trio) hands each call to such a task. ``ThreadRunner`` runs a ``def`` handler in one
worker thread per session, so that blocking code (a database driver) does not stop heartbeats.

``CAUSE`` names the message whose handler runs, so that what it sends records why it was sent
(session rule 23).
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import queue
import threading
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, cast

import anyio

from .handlers import Job
from .host import AsyncioHost, Host

CAUSE: contextvars.ContextVar[int] = contextvars.ContextVar("durafix_cause", default=0)
"""Event number of the message under way in this context; 0 outside handlers."""

Done = Callable[[Job, BaseException | None], None]


def _event_of(job: Job) -> int:
    return job.message.event_number if job.message is not None else 0


@types.coroutine
def _carry_on(
    coroutine: Coroutine[Any, Any, Any], awaited: Any, thrown: BaseException | None
) -> Generator[Any, Any, None]:
    """Run the rest of a coroutine that was started elsewhere and now waits for ``awaited``."""
    try:
        if thrown is not None:
            awaited = coroutine.throw(thrown)
        while True:
            try:
                sent = yield awaited
            except BaseException as error:
                awaited = coroutine.throw(error)
            else:
                awaited = coroutine.send(sent)
    except StopIteration:
        return


class InlineRunner:
    """asyncio: the first stretch inside the caller, the rest in this session's task."""

    def __init__(self, host: AsyncioHost) -> None:
        self._host = host
        self._loop = host.loop
        self._context = contextvars.copy_context()
        self._suspended: tuple[Job, Done, Coroutine[Any, Any, Any], Any] | None = None
        self._wake: asyncio.Future[None] = self._loop.create_future()
        self._stopping = False
        self.task = self._loop.create_task(self._work(), context=self._context)

    def call(self, job: Job, done: Done) -> None:
        """See ``Runner``."""
        asked = asyncio.current_task(self._loop)
        if asked is self.task:  # its context is entered already: go on from the loop
            self._host.soon(self.call, job, done)
            return
        if asked is not None:
            asyncio._leave_task(self._loop, asked)
        asyncio._enter_task(self._loop, self.task)
        error: BaseException | None = None
        suspended = False
        try:
            suspended = self._context.run(self._start, job, done)
        except (Exception, asyncio.CancelledError) as raised:
            error = raised
        finally:
            asyncio._leave_task(self._loop, self.task)
            if asked is not None:
                asyncio._enter_task(self._loop, asked)
        if not suspended:
            done(job, error)

    def _start(self, job: Job, done: Done) -> bool:
        """Run until the handler ends or suspends; whether it suspended."""
        CAUSE.set(_event_of(job))
        coroutine = cast("Coroutine[Any, Any, Any] | None", job.call(*job.args))
        if coroutine is None:
            return False
        try:
            awaited = coroutine.send(None)
        except StopIteration:
            return False
        self._suspended = (job, done, coroutine, awaited)
        if not self._wake.done():
            self._wake.set_result(None)
        return True

    async def _work(self) -> None:
        while True:
            thrown: BaseException | None = None
            try:
                await self._wake
            except asyncio.CancelledError as cancelled:
                if self._suspended is None:
                    raise
                # A scope of the handler ran out, or the engine ends, before its task got to run.
                # Only in this task can the handler leave the scopes that it entered.
                thrown = cancelled
            self._wake = self._loop.create_future()
            assert self._suspended is not None
            job, done, coroutine, awaited = self._suspended
            self._suspended = None
            error: BaseException | None = None
            try:
                await _carry_on(coroutine, awaited, thrown)
            except asyncio.CancelledError as cancelled:
                if self._stopping:
                    raise
                error = cancelled
            except Exception as raised:
                error = raised
            if self._stopping:
                return
            self._host.soon(done, job, error)

    def stop(self) -> None:
        """See ``Runner``."""
        self._stopping = True
        self.task.cancel()


class TaskRunner:
    """Any loop that anyio knows: each call is handed to this session's task (``run``)."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._next: tuple[Job, Done] | None = None
        self._wake = anyio.Event()
        self._scope = anyio.CancelScope()

    def call(self, job: Job, done: Done) -> None:
        """See ``Runner``."""
        assert self._next is None
        self._next = (job, done)
        self._wake.set()

    async def run(self) -> None:
        """The task; ends with ``stop``."""
        with self._scope:
            while True:
                await self._wake.wait()
                self._wake = anyio.Event()
                if self._next is None:
                    continue
                job, done = self._next
                self._next = None
                CAUSE.set(_event_of(job))
                error: BaseException | None = None
                try:
                    result = job.call(*job.args)
                    if result is not None:
                        await result
                except Exception as raised:
                    error = raised
                try:
                    done(job, error)
                except BaseException as bug:
                    self._host.crash(bug)
                    return

    def stop(self) -> None:
        """See ``Runner``."""
        self._scope.cancel()


class ThreadRunner:
    """A ``def`` handler in one thread, in order. ``stop`` lets the call under way end; nobody hears
    of it.
    """

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._calls: queue.SimpleQueue[tuple[Job, Done] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def call(self, job: Job, done: Done) -> None:
        """See ``Runner``."""
        self._calls.put((job, done))

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            job, done = item
            CAUSE.set(_event_of(job))
            error: BaseException | None = None
            try:
                job.call(*job.args)
            except Exception as raised:
                error = raised
            self._host.post(done, job, error)

    def stop(self) -> None:
        """See ``Runner``."""
        self._calls.put(None)


class SplitRunner:
    """Sends ``async def`` calls to one runner and ``def`` calls to a thread, which starts when
    needed.

    The handlers give one call at a time, so the order holds across both.
    """

    def __init__(self, host: Host, on_loop: InlineRunner | TaskRunner, name: str) -> None:
        self._host = host
        self._on_loop = on_loop
        self._name = name
        self._thread: ThreadRunner | None = None

    def call(self, job: Job, done: Done) -> None:
        """See ``Runner``."""
        if job.on_loop:
            self._on_loop.call(job, done)
            return
        if self._thread is None:
            self._thread = ThreadRunner(self._host, f"durafix-{self._name}")
        self._thread.call(job, done)

    def stop(self) -> None:
        """See ``Runner``."""
        self._on_loop.stop()
        if self._thread is not None:
            self._thread.stop()


def runner_for(host: Host, spawn: Callable[..., None], name: str) -> SplitRunner:
    """The runner of one session on this loop."""
    if isinstance(host, AsyncioHost):
        return SplitRunner(host, InlineRunner(host), name)
    on_loop = TaskRunner(host)
    spawn(on_loop.run)
    return SplitRunner(host, on_loop, name)


def runs_on_loop(call: Callable[..., Any], default: Callable[..., Any]) -> bool:
    """Whether a handler is ``async def``, or the base class's own, which does nothing that
    blocks.
    """
    return inspect.iscoroutinefunction(call) or getattr(call, "__func__", None) is default
