"""Handlers: the application's calls for one session, one after the other.

Owns the queue of what the application is to be told, the order, and what happens when a handler
fails: a refusal is answered on the wire; any other exception is tried again after a delay, then the
message is parked with an alert (session rule 24: a dead database must not reject a real fill). A
handler that could not send because the session is not logged on is no failure: it is called again
after the next logon, as often as it takes. It must not know loops or threads: *how* a call runs is
a runner's business (runners.py). It must not know the session core either: it reports what became
of a message.

Invariant: at most one call of a session runs, and the next begins after the outcome of the one
before was reported.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ..errors import NotLoggedOn
from ..wire import Message, MissingTag
from .application import Refuse

Call = Callable[..., "Awaitable[Any] | Any"]
REQUIRED_TAG_MISSING = 5
"""BusinessRejectReason (380): conditionally required field missing."""
RETRY_S_MAX = 5.0
"""Longest pause between two attempts."""


class Runner(Protocol):
    """Runs one call at a time."""

    def call(self, job: Job, done: Callable[[Job, BaseException | None], None]) -> None:
        """Run ``job.call(*job.args)`` and report once on the loop's thread, perhaps before this
        returns.
        """
        ...

    def stop(self) -> None:
        """End what is under way, if it can be ended."""
        ...


class Job:
    """One call of the application. ``on_loop``: it does not block, and needs no thread.

    ``message`` is None for on_logon and on_logout, which are not journaled.
    """

    __slots__ = ("args", "attempts", "call", "message", "on_loop", "seq")

    def __init__(
        self, call: Call, args: tuple[Any, ...], message: Message | None, on_loop: bool
    ) -> None:
        self.call = call
        self.args = args
        self.message = message
        self.on_loop = on_loop
        self.seq = message.seq_num if message is not None else 0
        self.attempts = 0


class Outcomes(Protocol):
    """Who hears what became of a call."""

    def handled(self, job: Job, result: str, reason: str = "", code: int = 0) -> None:
        """``result`` is "done", "refused" or "parked"."""
        ...

    def handler_failed(self, job: Job, error: BaseException) -> None:
        """A call raised something that is not answered; it will be tried again or was given up."""
        ...

    def earlier_sends(self, event: int) -> tuple[Any, ...]:
        """What attempts at this message have sent so far."""
        ...


class Handlers:
    """The queue of one session. ``later(seconds, call)`` is the loop's timer."""

    def __init__(
        self,
        runner: Runner,
        outcomes: Outcomes,
        later: Callable[[float, Callable[[], None]], object],
        *,
        retries_max: int,
        retry_s: float,
    ) -> None:
        self._runner = runner
        self._outcomes = outcomes
        self._later = later
        self._retries_max = retries_max
        self._retry_s = retry_s
        self._jobs: deque[Job] = deque()
        self._running: Job | None = None
        self._waiting: Job | None = None
        self._looping = False
        self._stopped = False

    def __len__(self) -> int:
        """How many calls wait, the running one among them."""
        return len(self._jobs) + (self._running is not None)

    def put(self, job: Job) -> None:
        """Queue a call; it runs at once if nothing else does."""
        self._jobs.append(job)
        if not self._looping and self._running is None:
            self._loop()

    def stop(self) -> None:
        """Start no further call and end the one under way; its message stays unfinished."""
        self._stopped = True
        self._jobs.clear()
        self._runner.stop()

    def _loop(self) -> None:
        self._looping = True
        try:
            while self._jobs and self._running is None and not self._stopped:
                self._running = job = self._jobs.popleft()
                self._runner.call(job, self._done)
        finally:
            self._looping = False

    def nudge(self) -> None:
        """Something changed for the better (a logon): do not wait any longer with a call that
        failed.
        """
        if self._waiting is not None:
            self._again(self._waiting)

    def _again(self, job: Job) -> None:
        if not self._stopped and self._waiting is job:
            self._waiting = None
            if job.message is not None:
                job.message.redelivered = True
                job.message.earlier_sends = self._outcomes.earlier_sends(job.message.event_number)
            self._runner.call(job, self._done)

    def _done(self, job: Job, error: BaseException | None) -> None:
        assert self._running is job
        if self._stopped:
            return
        if error is None:
            self._outcomes.handled(job, "done")
        elif isinstance(error, Refuse) and job.message is not None:
            self._outcomes.handled(job, "refused", error.reason, error.reject_reason)
        elif isinstance(error, MissingTag) and job.message is not None:
            self._outcomes.handled(job, "refused", error.message, REQUIRED_TAG_MISSING)
        elif self._will_retry(job, error):
            return
        else:
            self._outcomes.handled(job, "parked", f"{type(error).__name__}: {error}")
        self._running = None
        if not self._looping:
            self._loop()

    def _will_retry(self, job: Job, error: BaseException) -> bool:
        offline = isinstance(error, NotLoggedOn)
        if not offline:
            self._outcomes.handler_failed(job, error)
        if job.message is None or (job.attempts >= self._retries_max and not offline):
            return False
        delay = min(self._retry_s * 2 ** min(job.attempts, 16), RETRY_S_MAX)
        job.attempts += 0 if offline else 1
        self._waiting = job
        self._later(RETRY_S_MAX if offline else delay, lambda: self._again(job))
        return True
