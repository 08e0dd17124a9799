"""Findings: damage on disk as values, and the closed list of their codes.

Owns the vocabulary of everything that verify, resume, repair and replay can say about a journal,
one line of explanation for each code. A finding is never raised: it is collected, printed and
judged. It must not know how damage is found.

Invariant: codes are stable, for people write alerts on them, and the list is closed, so that each
one has its line in the docs (a test compares). A finding names what is known and leaves the rest
empty; it never guesses.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from ..journal.position import Position
from ..journal.record import Direction


class Severity(enum.StrEnum):
    """What a finding does to the verdict."""

    NOTE = "note"
    """Worth knowing, no damage: the verdict stays."""
    DOUBT = "doubt"
    """The evidence does not allow a verdict: "cannot tell", unless something else is damaged."""
    DAMAGE = "damage"
    """Something on disk is not as it was written."""


Verdict = Literal["clean", "damaged", "cannot-tell"]

_NOTE, _DOUBT, _DAMAGE = Severity.NOTE, Severity.DOUBT, Severity.DAMAGE

CODES: dict[str, tuple[Severity, str]] = {
    # The journal as a whole
    "format-unknown": (_DOUBT, "not a journal, or one of a format that this version does not know"),
    "manifest-damaged": (_DAMAGE, "journal.json cannot be read, or names another journal"),
    "stray-file": (_NOTE, "a file in the journal's folder that does not belong there"),
    "unreadable": (_DOUBT, "the disk refuses to read this place"),
    "limit-reached": (_DOUBT, "more than the verifier keeps in memory; the rest was not judged"),
    # Segments
    "segment-missing": (_DAMAGE, "a segment between two others is gone"),
    "segment-short": (_DAMAGE, "the file is shorter than its header says; a crash cannot do that"),
    "header-copy-damaged": (
        _DAMAGE,
        "one of two header pages is damaged; the other one serves",
    ),
    "header-lost": (_DAMAGE, "both header pages are damaged"),
    "header-split": (_DAMAGE, "both header pages are valid and say different things"),
    "segment-foreign": (_DAMAGE, "the header belongs to another journal or to another segment"),
    "segment-order": (_DAMAGE, "base event, term or number do not follow from the segment before"),
    # Records
    "record-header": (_DAMAGE, "a record's header is damaged"),
    "record-payload": (_DAMAGE, "a record's payload is damaged; its header is good and names it"),
    "record-foreign": (
        _DAMAGE,
        "a record of another segment: stale or misplaced bytes",
    ),
    "record-number": (_DAMAGE, "an event number does not follow from the one before"),
    "record-link": (
        _DAMAGE,
        "the link to the record before is broken: one is missing or replaced",
    ),
    "record-kind": (_DOUBT, "a kind of record that this version does not know and may not skip"),
    "record-form": (_DAMAGE, "a field of a valid header is beyond the limits of the format"),
    "alignment-damaged": (_DAMAGE, "alignment bytes between two records are not zero"),
    "unnumbered-damage": (_DAMAGE, "padding or a mark is damaged; no event was touched"),
    "step-split": (_DAMAGE, "a step of the core is not whole"),
    "torn-tail": (_DAMAGE, "the last write did not finish; nothing proves these bytes durable"),
    "torn-record": (_NOTE, "this record lies in the torn tail; nothing proves it durable"),
    "unsealed": (
        _NOTE,
        "the last segment has no seal: a live journal, or no clean stop",
    ),
    # Durable events
    "events-lost": (_DAMAGE, "events that something proves durable are damaged or gone"),
    "end-unknown": (_DOUBT, "the end of the journal cannot be judged: its witnesses are gone"),
    # Seals
    "seal-missing": (_DAMAGE, "a segment that was followed by another has no seal"),
    "seal-count": (_DAMAGE, "the seal counts other records or events than the segment holds"),
    "seal-root": (_DAMAGE, "the Merkle root of the records is not the one in the seal"),
    "seal-chain": (_DAMAGE, "the chain hash does not follow from the segment before"),
    "seal-previous": (_DAMAGE, "the header names another seal than the segment before has"),
    "after-seal": (_DAMAGE, "bytes behind the seal that were never zeroed or cut"),
    # Numbers
    "number-reused": (_DAMAGE, "two original frames of an epoch carry the same MsgSeqNum"),
    "number-jumped": (_DAMAGE, "inbound numbers skip ahead without an event that says why"),
    "number-lost": (_DAMAGE, "these numbers of a session were in a damaged place"),
    "epoch-order": (_DAMAGE, "an epoch does not follow the one before it"),
    "session-unknown": (_DAMAGE, "an event names a session that the roster does not know"),
    # Witnesses and the index
    "tail-damaged": (_DAMAGE, "a slot of the tail file is damaged; the other one serves"),
    "tail-missing": (_NOTE, "the tail file is missing; it is written anew by the next writer"),
    "tail-foreign": (_DAMAGE, "the tail file belongs to another journal"),
    "witness-differs": (_DAMAGE, "a witness names another record in this place"),
    "index-missing": (_NOTE, "there is no index; it is rebuilt at the next start"),
    "index-damaged": (_DAMAGE, "the index cannot be read; it is rebuilt from the journal"),
    "index-behind": (
        _NOTE,
        "the index ends before the journal; it catches up at the next start",
    ),
    "index-ahead": (_NOTE, "the index knows events that the journal has not; it is rebuilt"),
    "index-busy": (_NOTE, "the index is in use and was not compared"),
    "index-differs": (_DAMAGE, "the index gives another place for a message than the journal"),
    # Replay
    "hash-differs": (
        _DAMAGE,
        "the state after this event is not that of the live process",
    ),
    "diverged": (_DAMAGE, "the step, computed again, yields other events than the journal holds"),
    "fold-failed": (_DAMAGE, "the fold refused an event"),
    "state-differs": (_DAMAGE, "the replayed state is not the given one"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    ``position`` is where it starts, None if it has no place in a segment. ``event``, ``session``,
    ``seq`` are 0 and ``direction`` is NONE where they are not known. ``session_name`` comes from
    the roster in force at that place. ``evidence`` holds what led to the finding: str, int and bool
    values only, so that it prints and serialises.
    """

    code: str
    severity: Severity
    message: str
    position: Position | None = None
    event: int = 0
    session: int = 0
    session_name: str = ""
    direction: int = Direction.NONE
    seq: int = 0
    evidence: dict[str, str | int | bool] = field(default_factory=dict[str, str | int | bool])

    @property
    def where(self) -> str:
        """The place in words, as errors and tables show it."""
        parts = [str(self.position)] if self.position is not None else []
        if self.event:
            parts.append(f"event {self.event}")
        if self.session:
            parts.append(self.session_name or f"session {self.session}")
        if self.direction:
            parts.append(Direction(self.direction).name.lower())
        if self.seq:
            parts.append(f"MsgSeqNum {self.seq}")
        return ", ".join(parts)

    def __str__(self) -> str:
        where = self.where
        return f"{self.code}: {self.message}" + (f" ({where})" if where else "")


def finding(
    code: str,
    message: str = "",
    *,
    position: Position | None = None,
    event: int = 0,
    session: int = 0,
    session_name: str = "",
    direction: int = Direction.NONE,
    seq: int = 0,
    **evidence: str | int | bool,
) -> Finding:
    """A finding with the severity of its code, and its line where ``message`` is empty."""
    severity, line = CODES[code]
    return Finding(
        code,
        severity,
        message or line,
        position,
        event,
        session,
        session_name,
        direction,
        seq,
        evidence,
    )


def verdict(findings: Iterable[Finding]) -> Verdict:
    """Damage outweighs doubt, and doubt outweighs nothing found."""
    worst: Verdict = "clean"
    for one in findings:
        if one.severity is Severity.DAMAGE:
            return "damaged"
        if one.severity is Severity.DOUBT:
            worst = "cannot-tell"
    return worst
