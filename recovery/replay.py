"""Replays a journal from its first event and compares: state, events, and the index.

Owns the comparison that promise P3 rests on. Two states are carried through the journal: one by
``apply`` alone, the other by running each step again from its input. The state hashes that the live
process journaled must be met by both, and the events that a step yields now must be those that it
yielded then, byte for byte. It takes no lock and writes nothing. It must not know what events mean.

Without the journaled hashes a replay after ``kill -9`` would be compared with itself: that is why
they are in the journal (storage rule 7).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic

from ..journal import manifest
from ..journal.disk import Disk
from ..journal.record import Draft, Flag, Kind, Record
from .findings import Finding, Verdict, finding, verdict
from .fold import Fold, S, has_input
from .indexview import IndexView
from .stream import Stream
from .witness import read_witnesses

FINDINGS_MAX = 100
"""After so many the replay ends: it has failed, and more of the same does not help."""
SHOWN_BYTES = 200
"""So much of a payload is shown of each side."""


@dataclass(frozen=True, slots=True)
class ReplayReport(Generic[S]):
    """The result of a replay."""

    verdict: Verdict
    """"damaged" if anything differs or the journal is damaged."""
    state: S
    """By ``apply``, as of ``last_event``."""
    digest: bytes
    events: int
    steps: int
    reruns: int
    """Steps with an input, which were run again."""
    hashes: int
    """Journaled state hashes that were met."""
    last_event: int
    last_utc_ns: int
    findings: tuple[Finding, ...]
    duration_ns: int


def replay(
    disk: Disk,
    root: str,
    fold: Fold[S],
    *,
    until_event: int | None = None,
    until_ns: int | None = None,
    rerun: bool = True,
    index: bool = True,
    expected_digest: bytes | None = None,
    progress: Callable[[int], None] | None = None,
    monotonic: Callable[[], int] = time.monotonic_ns,
) -> ReplayReport[S]:
    """Fold the journal at ``root`` from zero, up to event ``until_event`` or the last event before
    the first one later than ``until_ns``, else to its end.

    ``expected_digest`` is that of the live state, or of the last one, to be met at the end.
    ``progress`` is told the number of each batch's last event. Raises ``Missing``,
    ``FormatUnknown`` and ``NoPermission`` for a journal that cannot be looked at.
    """
    began = monotonic()
    root = root.rstrip("/")
    identity = manifest.load(disk, root)
    work = _Replay(fold, rerun, until_event, until_ns)
    view = IndexView(disk, root, identity.uuid) if index else None
    stream = Stream(disk, root, identity.uuid, read_witnesses(disk, root, identity.uuid))
    for segment, batch in stream.batches():
        if view is not None:
            view.feed(segment, batch)
        if not work.feed(batch.events(segment)):
            break
        if progress is not None:
            progress(work.last_event)
    digest = fold.digest(work.state)
    if expected_digest is not None and digest != expected_digest:
        work.add(
            finding(
                "state-differs",
                event=work.last_event,
                replayed=digest.hex(),
                expected=expected_digest.hex(),
            )
        )
    whole = not work.stopped and not stream.findings
    if view is not None and whole:
        work.add(*view.compare(work.last_event, stream.roster))
    findings = (*stream.findings, *work.findings)
    return ReplayReport(
        verdict(findings),
        work.state,
        digest,
        work.events,
        work.steps,
        work.reruns,
        work.hashes,
        work.last_event,
        work.last_utc_ns,
        findings,
        monotonic() - began,
    )


class _Replay(Generic[S]):
    """Both states, and what was compared so far."""

    def __init__(
        self, fold: Fold[S], rerun: bool, until_event: int | None, until_ns: int | None
    ) -> None:
        self._fold = fold
        self._rerun = rerun
        self._until_event = until_event
        self._until_ns = until_ns
        self._step: list[Record] = []
        self.state = fold.initial()
        self._again = fold.initial()
        """The state by running each step again."""
        self.stopped = False
        """It ended before the journal did."""
        self.findings: list[Finding] = []
        self.events = self.steps = self.reruns = self.hashes = 0
        self.last_event = self.last_utc_ns = 0

    def add(self, *findings: Finding) -> None:
        """Keep findings; after too many the replay ends."""
        self.findings += findings
        self.stopped = self.stopped or len(self.findings) >= FINDINGS_MAX

    def feed(self, records: Sequence[Record]) -> bool:
        """Take events in order; False when enough was seen."""
        for record in records:
            if self._is_beyond(record):
                self.stopped = True
                return False
            if not self._apply(record):
                return False
            self._step.append(record)
            if record.flags & Flag.LAST:
                self._run_again(self._step)
                self._step = []
                self.steps += 1
                if self.stopped:
                    return False
        return True

    def _is_beyond(self, record: Record) -> bool:
        if self._until_event is not None and record.event > self._until_event:
            return True
        return self._until_ns is not None and record.utc_ns > self._until_ns

    def _apply(self, record: Record) -> bool:
        if record.kind == Kind.HASH:
            self._compare_hash(record)
        try:
            self._fold.apply(self.state, record)
        except Exception as error:  # the fold is the caller's, and so is what it raises
            text = f"the fold refused this event: {type(error).__name__}: {error}"
            self.add(finding("fold-failed", text, position=record.position, event=record.event))
            self.stopped = True
            return False
        self.events += 1
        self.last_event, self.last_utc_ns = record.event, record.utc_ns
        return True

    def _compare_hash(self, record: Record) -> None:
        states = {"apply": self.state, "step": self._again} if self._rerun else {"": self.state}
        for by, state in states.items():
            digest = self._fold.digest(state)
            if digest != record.payload:
                self.add(
                    finding(
                        "hash-differs",
                        position=record.position,
                        event=record.event,
                        by=by,
                        replayed=digest.hex(),
                        journaled=record.payload.hex(),
                    )
                )
                return
        self.hashes += 1

    def _run_again(self, step: list[Record]) -> None:
        """Compute a step again and compare; without an input it is only folded."""
        if not self._rerun:
            return
        try:
            if not has_input(step):
                for record in step:
                    self._fold.apply(self._again, record)
                return
            self.reruns += 1
            now = self._fold.rerun(self._again, step)
        except Exception as error:  # as above
            text = f"the step could not be computed again: {type(error).__name__}: {error}"
            here = step[0].position
            self.add(finding("diverged", text, position=here, event=step[0].event))
            self._again = copy.deepcopy(self.state)
            return
        then = [record.draft for record in step]
        if now != then:
            self.add(_diverged(step, then, now))
            self._again = copy.deepcopy(self.state)  # so that one divergence is told once


def _diverged(step: Sequence[Record], then: Sequence[Draft], now: Sequence[Draft]) -> Finding:
    """The first event of a step that is another one now."""
    both = min(len(then), len(now))
    index = next((i for i in range(both) if then[i] != now[i]), both)
    record = step[min(index, len(step) - 1)]
    return finding(
        "diverged",
        position=record.position,
        event=step[0].event + index,
        session=record.session,
        seq=record.seq,
        direction=record.direction if record.direction in (1, 2) else 0,
        step=step[0].event,
        journaled=_show(then, index),
        now=_show(now, index),
    )


def _show(drafts: Sequence[Draft], index: int) -> str:
    if index >= len(drafts):
        return "nothing"
    kind, direction, flags, session, seq, payload = drafts[index]
    name = Kind(kind).name if kind in list(Kind) else str(kind)
    more = "..." if len(payload) > SHOWN_BYTES else ""
    shown = payload[:SHOWN_BYTES].replace(b"\x01", b"|").decode("latin-1")
    return f"{name} direction={direction} flags={flags} session={session} seq={seq} {shown!r}{more}"
