"""What is due now: a write, a sync, a mark, a new segment. And what to do when the disk says no.

Owns the lock ``_io`` around the appender and the times of the policy. It must not know who calls:
``writer.py`` has the threads, and its docstring says which lock protects what.

Invariants. Numbers are published only outside ``_io``. A sync confirms the point that was taken,
padded and written before it began. An error that passes (full disk, no descriptors) leaves
everything queued or packed, and the next try goes on there; every other error latches, once.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .errors import DiskFull, IoFailed, JournalError, NoDescriptors

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from .appender import Appender, Step
    from .policy import Limits, Policy
    from .probe import Probe
    from .progress import Progress

MS = 1_000_000
SHORT_S = 0.001
"""Longest that the owner waits for the thread to leave ``_io``.

Without the wait one collision would breed the next: the thread would write what the owner left to
it, and hold the lock again when the owner comes back.
"""


class Committer:
    """See the module.

    ``pump``, ``finish`` and ``fail`` belong to the writer's thread, ``write_inline`` to the owner.
    """

    def __init__(
        self,
        appender: Appender,
        queue: deque[Step],
        progress: Progress,
        policy: Policy,
        limits: Limits,
        monotonic: Callable[[], int],
        probe: Probe,
    ) -> None:
        self._appender = appender
        self._queue = queue
        self._progress = progress
        self._policy = policy
        self._always = policy.mode == "always"
        self._interval = policy.mode == "interval"
        self._sync_bytes = policy.interval_bytes if self._interval else limits.unsynced_bytes
        self._limits = limits
        self._monotonic = monotonic
        self._probe = probe
        self._io = threading.Lock()
        self._demand = False  # a step waits that is covered only when durable
        self._unsynced_since: int | None = None
        self._synced_at = monotonic()
        self._retry_at: int | None = None  # the disk was full: leave it alone until then
        self._prepare_at: int | None = None  # the same for the next segment's file
        self._rotating = False  # the thread holds _io for long; do not wait for it
        self._failure: JournalError | None = None  # met in the owner's thread, handled in ours

    def write_inline(self) -> bool:
        """Pack and write the queue in the owner's thread.

        False if the writer's thread has something to do.
        """
        if self._retry_at is not None or self._rotating or self._progress.ended:
            return False
        if not self._io.acquire(False) and not self._io.acquire(timeout=SHORT_S):
            return False
        appender = self._appender
        try:
            if appender.unwritten is not None:
                return False
            if appender.pack(self._queue, self._limits.batch_bytes):
                self._flush()
            first_unsynced = self._unsynced_since is None
            if first_unsynced:
                self._unsynced_since = self._monotonic()
        except JournalError as error:
            self._failure = error
            return False
        except BaseException as error:  # a bug: what was packed must not be packed again
            self.fail(error)
            raise
        finally:
            self._io.release()
        self._publish()
        if self._demand or self._queue or (appender.wants_next and self._prepare_at is None):
            return False
        if appender.unsynced_bytes >= self._sync_bytes:
            return False
        return not (self._interval and first_unsynced)  # else the thread sets itself an alarm

    def pump(self) -> float | None:
        """Do what is due. Returns the seconds until more is due: 0 at once, None when rung."""
        if self._progress.ended:
            return None
        now = self._monotonic()
        if self._retry_at is not None and now < self._retry_at:
            return (self._retry_at - now) / 1e9
        try:
            self._raise_what_was_met()
            self._write()
            if self._sync_due(now):
                self._sync()
            elif self._mark_due(now):
                self._mark()
            self._retry_at = None
            self._prepare(now)
        except (DiskFull, NoDescriptors) as error:
            self._retry_at = now + self._limits.retry_ms * MS
            self._publish()
            if isinstance(error, DiskFull):
                self._progress.turn("disk-full")
        except JournalError as error:
            self.fail(error)
        return 0 if self._queue and self._retry_at is None else self._next_due()

    def finish(self, patience: Callable[[float], bool]) -> None:
        """Write and sync all that is queued, seal.

        ``patience(seconds)`` waits, and says whether to go on.
        """
        while not self._progress.ended:
            delay = self.pump()
            if self._progress.ended or (self._retry_at is not None and not patience(delay or 0)):
                return
            if self._queue or self._retry_at is not None:
                continue
            try:
                with self._io:
                    self._rotating = True
                    self._appender.seal()
                self._publish()
                return
            except DiskFull:
                if not patience(self._limits.retry_ms / 1000):
                    return
            except JournalError as error:
                self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Latch. Whoever waits learns that the outcome is unknown."""
        failed = IoFailed(
            f"the journal stopped; what was waiting has an unknown outcome: {error}",
            where=error.where if isinstance(error, JournalError) else "",
            hint="stop this process; recovery decides at the next start what is on disk",
        )
        failed.__cause__ = error
        self._progress.turn("failed", failed)

    # One thing each

    def _raise_what_was_met(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None and not isinstance(failure, DiskFull):
            raise failure  # a full disk is met again at once, if it still is full

    def _write(self) -> None:
        appender, queue = self._appender, self._queue
        with self._io:
            if appender.rotating:  # a full disk stopped it half-way
                self._rotate()
            self._flush()
            if not appender.pack(queue, self._limits.batch_bytes) and queue:
                self._rotate()
                appender.pack(queue, self._limits.batch_bytes)
            if self._always and appender.packed > appender.written:
                appender.pad()
            self._flush()
            if appender.unsynced_bytes and self._unsynced_since is None:
                self._unsynced_since = self._monotonic()
        self._publish()

    def _flush(self) -> None:
        appender = self._appender
        before = appender.written
        size = appender.flush()
        if size:
            self._probe.wrote(appender.written - before, size, len(self._queue))

    def _rotate(self) -> None:
        began = self._monotonic()
        self._rotating = True
        try:
            self._appender.rotate()
        finally:
            self._rotating = False
        self._unsynced_since = None
        self._synced_at = self._monotonic()
        self._probe.rotated(self._appender.segment, self._synced_at - began)

    def _sync_due(self, now: int) -> bool:
        appender, policy = self._appender, self._policy
        if not appender.unsynced_bytes:
            return False
        if self._always or self._demand:
            return True
        if appender.unsynced_bytes >= self._sync_bytes:
            return True
        since = self._unsynced_since
        return self._interval and since is not None and now - since >= policy.interval_ms * MS

    def _sync(self) -> None:
        appender = self._appender
        with self._io:
            appender.pad()
            self._flush()
            point = appender.begin_sync()
            since, self._unsynced_since = self._unsynced_since, None
        began = self._monotonic()
        appender.fdatasync()
        self._synced_at = ended = self._monotonic()
        events = point.event - appender.durable
        with self._io:
            appender.confirm(point)
        self._publish()
        self._probe.synced(ended - began, events, ended - (since or began))

    def _mark_due(self, now: int) -> bool:
        return (
            self._appender.durable > self._appender.witnessed
            and not self._queue
            and now - self._synced_at >= self._limits.idle_mark_ms * MS
        )

    def _mark(self) -> None:
        """Prove the last batch durable while nothing follows it.

        Under ``never`` the system writes it some day.
        """
        with self._io:
            if not self._appender.mark():
                self._rotate()
        if self._policy.mode == "never":
            with self._io:
                self._flush()
        else:
            self._sync()

    def _prepare(self, now: int) -> None:
        """Reserve the next segment in good time.

        A full disk shows here first, with half a segment still free.
        """
        if self._prepare_at is None or now >= self._prepare_at:
            if self._appender.wants_next:
                try:
                    self._appender.prepare()
                except (DiskFull, NoDescriptors) as error:
                    self._prepare_at = now + self._limits.retry_ms * MS
                    if isinstance(error, DiskFull):
                        self._progress.turn("disk-full")
                    return
            self._prepare_at = None
            self._progress.turn("running")

    def _publish(self) -> None:
        appender = self._appender
        self._demand = self._progress.advance(appender.written, appender.durable)

    def _next_due(self) -> float | None:
        now = self._monotonic()
        due = [at for at in (self._retry_at, self._prepare_at) if at is not None]
        unsynced = self._unsynced_since is not None and self._appender.unsynced_bytes
        if self._interval and unsynced:
            due.append((self._unsynced_since or 0) + self._policy.interval_ms * MS)
        if self._appender.durable > self._appender.witnessed:
            due.append(self._synced_at + self._limits.idle_mark_ms * MS)
        return max(0, min(due) - now) / 1e9 if due else None
