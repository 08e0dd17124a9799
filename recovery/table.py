"""The opening table: what the first bad place of a journal means. The decision as data.

Owns the eight rows of the storage rules ("Opening") and their order; the first row that fits
decides. It must not know how the facts were found (scan.py) nor what follows from a decision
(resume.py, verify.py, plan.py).

Words. E is the event that was expected at the first bad place; where a step would be cut in half, E
is the first event of that step, because a step is kept whole or cut whole. W is the highest event
that anything proves durable: a later record with a valid header (its number less its depth), the
index, the tail file, a seal, a later segment.

Invariant: bytes are cut only where row 8 decides, so nothing that a witness proves durable is ever
cut. The price of doubt is a refusal: a wrong "corruption" costs a phone call, a wrong "torn tail"
costs an order.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Decision(enum.StrEnum):
    """What to do about the first bad place."""

    UNNUMBERED_DAMAGE = "unnumbered-damage"
    CORRUPTION = "corruption"
    CANNOT_TELL = "cannot-tell"
    CLEAN_END = "clean-end"
    TORN_TAIL = "torn-tail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about the first bad place. Each is a yes or a no; scan.py says how each is
    found.
    """

    continues: bool
    """The next valid record behind the place continues at E, so the place held no event."""
    proven: bool
    """E <= W: something proves that E had been on disk."""
    closed: bool
    """A later segment exists, or a valid SEAL lies behind the place in this one."""
    short: bool
    """The file is shorter than the allocated size in its header."""
    unreadable: bool
    """The read of the place failed."""
    zeros: bool
    """From the end of the last whole step to the end of the file there are only zeros."""
    blind: bool
    """Index and tail file are both gone, so W comes from this segment's bytes alone."""


class Row(NamedTuple):
    """One row: its number, the fact in words (as the docs show it), the test and the decision."""

    number: int
    fact: str
    fits: Callable[[Facts], bool]
    decision: Decision
    because: str


TABLE: tuple[Row, ...] = (
    Row(
        1,
        "the next valid record continues at E",
        lambda f: f.continues,
        Decision.UNNUMBERED_DAMAGE,
        "only bytes without an event are damaged: a finding, nothing lost, start allowed",
    ),
    Row(
        2,
        "E <= W, whatever the bytes are",
        lambda f: f.proven,
        Decision.CORRUPTION,
        "an event that was on disk is damaged or gone",
    ),
    Row(
        3,
        "not the last segment, or a valid SEAL behind",
        lambda f: f.closed,
        Decision.CORRUPTION,
        "what is sealed or followed was complete and on disk",
    ),
    Row(
        4,
        "the file is shorter than the allocated size in its header",
        lambda f: f.short,
        Decision.CORRUPTION,
        "a crash cannot shrink a file",
    ),
    Row(
        5,
        "the read fails",
        lambda f: f.unreadable,
        Decision.CANNOT_TELL,
        "nobody knows what is written there",
    ),
    Row(
        6,
        "zeros to the end",
        lambda f: f.zeros,
        Decision.CLEAN_END,
        "nothing was ever written behind the last step",
    ),
    Row(
        7,
        "index and tail file both gone, and non-zero bytes would be cut",
        lambda f: f.blind,
        Decision.CANNOT_TELL,
        "the witnesses that would know are missing",
    ),
    Row(
        8,
        "else",
        lambda f: True,
        Decision.TORN_TAIL,
        "an unfinished write: cut back to the last whole step",
    ),
)


def decide(facts: Facts) -> Row:
    """The first row of the table that fits ``facts``."""
    return next(row for row in TABLE if row.fits(facts))
