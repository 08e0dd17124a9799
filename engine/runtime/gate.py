"""The gate: the one place that journals a step's events, waits for the disk, and only then lets its
effects out.

Owns promise P1. A step goes in with its events and its effects; the events are appended at once and
get their numbers, the effects wait in line until the journal covers them:

    step -> append -> line (FIFO) .. covered -> effects act -> frames leave in one write

Steps run ahead of the disk: many are appended before the first is covered, and one commit covers
them all. *Covered* is the writer's word (storage rule 13): fdatasync returned under ``always``, the
write returned under ``interval`` and ``never``; the writer holds it back for a step marked
``sync``. Where a commit completes within the call, the effects go out in that same call; else the
writer's thread wakes the loop once per batch. One line serves all sessions, because events are
covered in the order of their numbers anyhow.

Effects act while the gate is open, and may take further steps (a handler that sends). Those are
committed and released before the gate closes, round by round, so nothing depends on a loop turn.

It must not know FIX or what an effect does. When the journal fails, nothing more leaves: the line
is emptied, ``failed`` is told once, and whoever waits for durability learns that the outcome is
unknown (P9).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from ...journal.errors import JournalError
from ..errors import OutcomeUnknown

if TYPE_CHECKING:
    from ...journal.record import Draft
    from ...journal.writer import Writer

LAZY_S = 0.005
"""How long events without any effect (a finished handler) may wait for company before a commit."""
INLINE_STEPS_MAX = 64
"""How many steps outside a batch are taken before they are committed within the loop's turn."""

HASH_EVENTS = 16_384
"""A state hash at each multiple of this event number (storage rule 7): a count from the start would
never be full in a process that is killed often."""

Act = Callable[[Any, Any], None]
"""Does one effect; the second argument is the link of its step."""


class Out(Protocol):
    """Something that collects frames and writes them in one go."""

    def flush(self) -> None:
        """Write what was collected."""
        ...


class Timing(Protocol):
    """What the gate needs from the loop (host.Host)."""

    def soon(self, call: Callable[..., None], *args: Any) -> None:
        """Run in the loop's next turn."""
        ...

    def post(self, call: Callable[..., None], *args: Any) -> None:
        """The same from the writer's thread."""
        ...

    def after(self, seconds: float, call: Callable[[], None]) -> object:
        """Run after a pause."""
        ...


def _next_hash(event: int) -> int:
    """The first multiple of ``HASH_EVENTS`` at or behind an event number."""
    return -(-event // HASH_EVENTS) * HASH_EVENTS


class Gate:
    """Appends, commits and releases. Everything is called on the loop's thread.

    ``hash_due`` is called between two steps, every ``HASH_EVENTS`` events; ``moved`` after the disk
    made progress; ``failed`` once, when the journal latched an error.
    """

    def __init__(
        self,
        writer: Writer,
        timing: Timing,
        *,
        hash_due: Callable[[], None],
        moved: Callable[[], None],
        failed: Callable[[OutcomeUnknown], None],
    ) -> None:
        self.writer = writer
        self.failure: OutcomeUnknown | None = None
        self._timing = timing
        self.hash_at = _next_hash(writer.next_event)
        self._hash_due = hash_due
        self._moved = moved
        self._failed = failed
        self._line: deque[tuple[int, Sequence[Any], Act, Any]] = deque()
        self._outs: list[Out] = []
        self._durable: deque[tuple[int, anyio.Event]] = deque()
        self.open = False
        """Whether effects act now; what they append is taken along."""
        self._woken = False
        self._turn_booked = False
        self._turn_steps = 0
        self._lazy_booked = False
        self._uncommitted = 0
        self._urgent = False
        self._thread = threading.get_ident()
        writer.listen(self._listen)

    # -- steps go in -------------------------------------------------------------------------------

    @property
    def next_event(self) -> int:
        """The number that the next event gets: what ``step`` must be told."""
        return self.writer.next_event

    def submit(
        self,
        drafts: Sequence[Draft],
        effects: Sequence[Any],
        act: Act,
        link: Any,
        *,
        utc_ns: int,
        sync: bool,
    ) -> None:
        """Journal a step and queue its effects.

        ``link`` is handed to ``act``: the connection that was the session's when the step was
        taken. ``OutcomeUnknown`` when the journal has failed.
        """
        if drafts:
            self.append(drafts, utc_ns, sync=sync)
        last = self.writer.next_event - 1
        if effects:
            self._line.append((last, effects, act, link))
            self._urgent = True
        if last >= self.hash_at:
            self.hash_at = _next_hash(last + 1)
            self._hash_due()

    def append(self, drafts: Sequence[Draft], utc_ns: int, *, sync: bool = False) -> None:
        """Journal events that have no effects of their own."""
        try:
            self.writer.append(drafts, utc_ns, sync=sync)
        except JournalError:
            if self.writer.state in ("failed", "closed"):
                raise self._fail() from None
            raise
        self._uncommitted += 1
        self._urgent = self._urgent or sync

    # -- effects come out --------------------------------------------------------------------------

    def flush(self) -> None:
        """End of a batch: commit what was appended and release what is covered, until nothing
        moves.
        """
        if self.open or self.failure is not None:
            return
        self.open = True
        try:
            acted = True
            while acted or self._urgent:
                if self._urgent:
                    self._urgent = False
                    self._uncommitted = 0
                    self.writer.commit()
                acted = self._release()
            if self._outs:
                outs, self._outs = self._outs, []
                for out in outs:
                    out.flush()
        finally:
            self.open = False
        if self._durable:
            self._release_durable()
        if self._uncommitted and not self._lazy_booked:
            self._lazy_booked = True
            self._timing.after(LAZY_S, self._lazily)
        if self.writer.state == "failed":
            self._fail()

    def flush_soon(self) -> None:
        """End of a step that is no batch: at once if it is the first of this turn, else with the
        rest.

        A lone send leaves without a loop turn between; a thousand sends in one loop share commits.
        """
        self._turn_steps += 1
        if not self._turn_booked:
            self._turn_booked = True
            self._timing.soon(self._turn)
            self.flush()
        elif self._uncommitted >= INLINE_STEPS_MAX:
            self.flush()

    @property
    def crowded(self) -> bool:
        """Whether this turn of the loop took so many steps that others should have theirs."""
        return self._turn_steps >= INLINE_STEPS_MAX

    def collect(self, out: Out) -> None:
        """Have ``out.flush()`` called once everything that is covered now has acted."""
        self._outs.append(out)

    async def durable(self, event: int) -> None:
        """Wait until the event is on disk, and ask for it where the policy would not.

        ``OutcomeUnknown`` if the journal failed before.
        """
        writer = self.writer
        if writer.durable < event and self.failure is None:
            done = anyio.Event()
            self._durable.append((event, done))
            writer.sync()
            await done.wait()
        if writer.durable < event:
            raise self._fail()

    async def settled(self) -> None:
        """Wait until everything that was appended so far is on disk and has acted."""
        self.flush()
        await self.durable(self.next_event - 1)
        self.flush()  # the writer may have published before its wake-up got here

    # -- inside ------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """The writer's news. From its thread they wake the loop, once per batch; from within
        ``commit`` they are seen by ``flush``, which looks after each commit.
        """
        if not self._woken and threading.get_ident() != self._thread:
            self._woken = True
            self._timing.post(self._wake)

    def _wake(self) -> None:
        """Something is covered or durable now, there is room again, or the journal failed."""
        self._woken = False
        self.flush()
        self._moved()

    def _turn(self) -> None:
        self._turn_booked = False
        self._turn_steps = 0
        self.flush()

    def _lazily(self) -> None:
        self._lazy_booked = False
        if self._uncommitted:
            self._urgent = True
        self.flush()

    def _release(self) -> bool:
        """Let out what is covered; whether anything acted."""
        line = self._line
        writer = self.writer
        acted = False
        while line and line[0][0] <= writer.covered:
            _, effects, act, link = line.popleft()
            for effect in effects:
                act(effect, link)
            acted = True
        return acted

    def _release_durable(self) -> None:
        durable = self.writer.durable
        left: deque[tuple[int, anyio.Event]] = deque()
        for event, done in self._durable:
            if event <= durable:
                done.set()
            else:
                left.append((event, done))
        self._durable = left

    def _fail(self) -> OutcomeUnknown:
        """Latch: nothing leaves any more, and everybody who waits is told."""
        if self.failure is None:
            cause = self.writer.error
            self.failure = OutcomeUnknown(
                f"the journal failed: {cause}" if cause else "the journal was closed",
                where=cause.where if cause else "",
                hint="check the disk and start again: recovery decides what is true",
            )
            self._line.clear()
            self._outs.clear()
            for _, done in self._durable:
                done.set()
            self._durable.clear()
            self._failed(self.failure)
        return self.failure
