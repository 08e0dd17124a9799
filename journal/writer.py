"""The one writer of a journal: events in, receipts out, and a thread that makes them durable.

Owns the queue, the policy and the thread. What the bytes are and in which order they reach the disk
is ``appender.py``'s; who hears about it is ``progress.py``'s. It must not know what events mean.

Group commit needs no timer: while one fdatasync runs, events gather; the thread then takes all of
them in one write, one fdatasync, one tail slot and one call of the listeners. Under ``interval``
and ``never`` an event is covered by the write alone, so ``commit`` writes in the caller's thread (a
copy into the page cache) and no thread hop stands between an event and its effects; syncs and
rotation stay with the thread.

Threads and locks.

- One *owner* thread calls ``append``, ``register`` and ``commit``. ``append`` takes no lock: it
  puts a step at the end of a deque and counts bytes in a number that only the owner writes. It
  never waits for the disk.
- ``_io`` guards the appender: pack, write, rotate. The thread lets it go during fdatasync, unless
  it rotates. The owner waits for it at most a millisecond, and not at all during a rotation; then
  it leaves the work to the thread.
- Sync, rotation and close are the thread's alone, so no two of them meet. While it syncs, the owner
  may pack and write behind the PAD; the point that the sync confirms was taken before, under
  ``_io``.
- Nothing is published under ``_io``, so a listener may call back.

Failure. A failed write or sync that is not a full disk latches (storage rules 16 and 17): the state
is "failed" for ever, waiters learn that the outcome is unknown, nothing more is accepted, and only
recovery decides what is true. A full disk is a state: what was accepted stays queued and is written
at the same place when there is room.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from ._core import step_bytes
from .appender import Appender, Step, check_roster, pack_roster
from .committer import Committer
from .errors import DiskFull, IoFailed, TooLarge
from .policy import Limits, Policy
from .probe import NullProbe
from .progress import Bell, Progress
from .record import PAYLOAD_BYTES_MAX, Draft, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .disk import Disk
    from .policy import WriterStart
    from .probe import Probe
    from .progress import State


def random_salt() -> int:
    """64 random bits, never 0."""
    return int.from_bytes(os.urandom(8), "little") or 1


class Writer:
    """Opens its first segment when it is made (``DiskFull`` or ``IoFailed`` if that fails).

    ``threaded=False`` is for simulations: ``commit`` then does everything that is due in the
    caller's thread, and ``pump`` what time has made due. Times of ``clock`` are UTC ns, of
    ``monotonic`` ns.
    """

    def __init__(
        self,
        disk: Disk,
        start: WriterStart,
        policy: Policy | None = None,
        *,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
        salts: Callable[[], int] = random_salt,
        probe: Probe | None = None,
        limits: Limits | None = None,
        threaded: bool = True,
    ) -> None:
        self.policy = policy or Policy()
        self.limits = limits or Limits()
        probe = probe or NullProbe()
        self._start = start
        self._clock = clock
        self._inline = self.policy.mode != "always"
        self._appender = Appender(disk, start, self.policy.code, clock, salts)
        self._progress = Progress(start.last_event, always=not self._inline, probe=probe)
        self._step_bytes_max = self._appender.step_bytes_max
        self._payload_max = min(PAYLOAD_BYTES_MAX, start.segment_bytes // 4)
        self._roster = dict(start.roster)
        self._queue: deque[Step] = deque()
        self._next = start.last_event + 1
        self._bytes_in = 0  # of all steps so far; only the owner writes it
        self._committer = Committer(
            self._appender, self._queue, self._progress, self.policy, self.limits, monotonic, probe
        )
        self._bell = Bell()
        self._closing: bool | None = None  # what close() asked for: to seal, or just to stop
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._run, name="durafix-writer", daemon=True)
            self._thread.start()

    # What the owner calls

    @property
    def next_event(self) -> int:
        """The number that the next event will get."""
        return self._next

    @property
    def roster(self) -> dict[int, str]:
        """Session number to name; a copy."""
        return dict(self._roster)

    def append(self, drafts: Sequence[Draft], utc_ns: int, *, sync: bool = False) -> int:
        """Queue one step and number its events; returns the first number at once. ``commit`` sends
        it off.

        The drafts now belong to the writer. ``sync`` covers the step only when it is durable, under
        every policy. Raises ``TooLarge`` (nothing is queued), ``IoFailed`` or ``Closed``.
        """
        if self._progress.ended:
            self._progress.check()
        size = step_bytes(drafts)
        if size > self._payload_max:
            self._check_size(drafts, size)
        first = self._next
        self._next = first + len(drafts)
        if sync:
            self._progress.demand_sync(first, self._next - 1)
        self._bytes_in += size
        self._queue.append((first, utc_ns, drafts, size))
        return first

    def commit(self) -> None:
        """Start making everything appended covered.

        Returns at once; waits for nothing but a page-cache write.
        """
        if self._thread is None:
            self.pump()
        elif not self._inline or not self._committer.write_inline():
            self._bell.ring()

    def sync(self) -> None:
        """Have everything that was appended on disk soon, under every policy. Returns at once; what
        is appended later may be covered only after it.
        """
        last = self._next - 1
        if last > self._progress.durable:
            self._progress.demand_sync(last, last)
            self.commit()

    def register(self, name: str) -> int:
        """The number of a session; a new name gets the next one by a synced ROSTER event of its
        own.
        """
        for number, known in self._roster.items():
            if known == name:
                return number
        number = max(self._roster, default=0) + 1
        payload = pack_roster({**self._roster, number: name})
        check_roster(payload, self._start.segment_bytes)
        draft = Draft(Kind.ROSTER, 0, 0, number, 0, payload)
        event = self.append([draft], self._clock(), sync=True)
        self._roster[number] = name
        self._appender.rosters.append((event, dict(self._roster)))
        return number

    # What anyone may call

    @property
    def covered(self) -> int:
        """The last event that the policy covers; effects up to it may happen."""
        return self._progress.covered

    @property
    def durable(self) -> int:
        """The last event known to be on disk."""
        return self._progress.durable

    @property
    def state(self) -> State:
        """ "running", "disk-full", "failed" or "closed"."""
        return self._progress.state

    @property
    def error(self) -> IoFailed | None:
        """What failed, in state "failed"."""
        return self._progress.error

    @property
    def segment(self) -> int:
        """Number of the segment that is written."""
        return self._appender.segment

    @property
    def queued_bytes(self) -> int:
        """Bytes accepted and not yet handed to the system."""
        return self._bytes_in - self._appender.drained_bytes

    @property
    def has_room(self) -> bool:
        """Whether the queue is below its limit.

        Above it, stop reading and sending until a listener's call.
        """
        return self._bytes_in - self._appender.drained_bytes < self.limits.queue_bytes

    def listen(self, listener: Callable[[], None]) -> None:
        """Call it after each change of covered, durable, state or room, from whichever thread made
        it.

        It must not raise or block.
        """
        self._progress.listen(listener)

    def wait(self, event: int, *, durable: bool = False, timeout: float | None = None) -> bool:
        """Block until an event is covered, or durable; False after ``timeout`` seconds.

        ``IoFailed`` means "outcome unknown", never "not there"; ``Closed`` that it will not come.
        """
        progress = self._progress
        if durable:
            return progress.wait_until(lambda: progress.durable >= event, timeout)
        return progress.wait_until(lambda: progress.covered >= event, timeout)

    def wait_room(self, timeout: float | None = None) -> bool:
        """Block until the queue has room; False after ``timeout`` seconds."""
        return self._progress.wait_until(lambda: self.has_room, timeout)

    def pump(self) -> float | None:
        """Do what is due, for a writer without a thread.

        Returns the seconds until something is due again, None if nothing will be.
        """
        assert self._thread is None
        delay = self._committer.pump()
        while delay == 0:
            delay = self._committer.pump()
        return delay

    def close(self, clean: bool = True) -> None:
        """Write and sync what is queued, seal the segment, stop. Closing twice is allowed.

        ``clean=False`` stops where it is, as a crash would. ``DiskFull`` if there was no room
        within the limit for closing; ``IoFailed`` if the disk failed or did not answer. In state
        "failed" it only gives resources back.
        """
        if self._closing is not None:
            return
        self._closing = clean
        had_failed = self._progress.state == "failed"
        if self._thread is None:
            self._finish(lambda seconds: False)
        else:
            self._bell.ring()
            self._stopped.wait(self.limits.close_ms / 1000 + 1)
        hangs = not self._stopped.is_set()
        self._progress.turn("closed")
        if (
            hangs
        ):  # the thread may still write, so it keeps the files and the lock until the process ends
            raise IoFailed(
                "the disk did not answer in time; what was waiting has an unknown outcome",
                where=self._start.root,
            )
        self._appender.close()
        if self._start.lock is not None:
            self._start.lock.release()
        if clean and not had_failed:
            self._raise_what_is_left()

    def _raise_what_is_left(self) -> None:
        if self._progress.state == "failed":
            self._progress.check()
        if self._queue or self._appender.unwritten is not None:
            raise DiskFull(
                "the disk had no room for all that was accepted",
                where=self._start.root,
                hint="free some space; the last events of this run are not in the journal",
            )

    def _check_size(self, drafts: Sequence[Draft], size: int) -> None:
        largest = max(len(draft[5]) for draft in drafts)
        if largest > self._payload_max:
            raise TooLarge(
                f"a payload of {largest} bytes; the limit is {self._payload_max}",
                hint="send it in parts, or use larger segments",
            )
        if size > self._step_bytes_max:
            raise TooLarge(
                f"a step of {size} bytes; a segment holds {self._step_bytes_max}",
                hint="use larger segments",
            )

    def _finish(self, patience: Callable[[float], bool]) -> None:
        if self._closing and self._progress.state != "failed":
            self._committer.finish(patience)
        self._stopped.set()

    def _run(self) -> None:
        """The thread."""
        try:
            while self._closing is None:
                self._bell.wait(self._committer.pump())
            end = time.monotonic() + self.limits.close_ms / 1000

            def patience(seconds: float) -> bool:
                time.sleep(seconds)
                return time.monotonic() < end

            self._finish(patience)
        except BaseException as error:  # a bug, or a simulated crash: nobody may wait for ever
            self._committer.fail(error)
        finally:
            self._stopped.set()
