"""The border to whoever understands the events: recovery folds what it cannot read.

Owns the protocol and nothing else. A fold is the pure pair ``initial`` and ``apply`` of the
design's state = fold(events), a digest of the state, and ``rerun``, which takes the inputs that the
journal recorded and computes the step again. The engine hands in its own; tests hand in a fold of a
few lines.

Invariant: ``apply`` and ``rerun`` read no clock, no file, no random number and no global. Otherwise
the state after a restart is another one than before it, and replay proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from ..journal.record import Draft, Flag, Kind, Record

S = TypeVar("S")


class Fold(Protocol[S]):
    """How events become state. ``S`` is the fold's own and is mutated in place."""

    def initial(self) -> S:
        """The state before event 1. A new object at each call."""
        ...

    def apply(self, state: S, record: Record) -> None:
        """Evolve ``state`` by one event. Called once per numbered record, in order of event
        numbers.
        """
        ...

    def digest(self, state: S) -> bytes:
        """SHA-256 (32 bytes) of one canonical encoding of ``state``, without positions (storage
        rule 7).
        """
        ...

    def rerun(self, state: S, records: Sequence[Record]) -> list[Draft]:
        """Compute the step of ``records[0]`` again on ``state`` and leave ``state`` as it is after
        that step.

        ``records`` is one whole step of the journal, its input first. Returns the drafts that the
        core yields now, the input's own among them, in order and without the LAST flag: equal to
        ``[r.draft for r in records]`` if nothing diverged.
        """
        ...


def has_input(step: Sequence[Record]) -> bool:
    """Whether a step begins with an input of the core, so that it can be run again.

    A received frame, a command (an OUT that is its own input), a finished handler, or any other
    input. Steps of the house itself (roster, state hash, repair, reservation by the gate) have none
    and are only folded.
    """
    first = step[0]
    if first.kind == Kind.OUT:
        return bool(first.flags & Flag.COMMAND)
    return first.kind in (Kind.IN, Kind.CURSOR, Kind.INPUT)
