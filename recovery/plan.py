"""What could be done about the damage in a report: a plan to be read before it is carried out.

Owns which finding has which remedy, as data, and the plan as a value. It is pure: it looks at a
report and at nothing else, so the same report gives the same plan. ``repair.py`` carries it out.

Invariant: a plan never removes bytes that a witness proves durable, and what it removes is copied
aside first. Damage that would need more than that is refused, with what a salvage into a new
journal could still save.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..journal.position import Position
from .findings import Finding, Severity, Verdict
from .verify import Report


class Remedy(enum.StrEnum):
    """What can be done, in the order in which it is done."""

    RESTORE_HEADER = "restore-header"
    CUT_TAIL = "cut-tail"
    REWRITE_TAIL_FILE = "rewrite-tail-file"
    REBUILD_INDEX = "rebuild-index"


REMEDIES: dict[str, Remedy] = {
    "header-copy-damaged": Remedy.RESTORE_HEADER,
    "torn-tail": Remedy.CUT_TAIL,
    "tail-damaged": Remedy.REWRITE_TAIL_FILE,
    "index-damaged": Remedy.REBUILD_INDEX,
    "index-differs": Remedy.REBUILD_INDEX,
}
TOLERATED = frozenset({"unnumbered-damage", "alignment-damaged"})
"""Damage in which no event was touched. The journal opens with it; the bytes stay as evidence."""

SALVAGE: dict[str, str] = {
    "record-payload": "skip the one message that its header names",
    "record-header": "skip to the next valid record and name the numbers in between",
    "record-foreign": "skip to the next valid record and name the numbers in between",
    "record-number": "skip to the next record that continues, and name the numbers in between",
    "record-link": "skip to the next record that continues, and name the numbers in between",
    "record-form": "keep the record's bytes aside and skip it",
    "events-lost": "list the lost numbers of each session, to be asked for again or gap-filled",
    "seal-missing": "close the copy of the segment behind its last whole step",
    "segment-missing": "go on with the next segment and name the numbers of the missing one",
    "segment-short": "keep what is there and name what the witnesses knew of the rest",
    "header-lost": "take the identity of the segment from its neighbours and its records",
    "header-split": "decide by the neighbours which of the two headers is right",
}
"""What a salvage into a new journal can do about damage that a repair in place must refuse."""


class Outcome(enum.StrEnum):
    """How a repair ends. ``EXIT_CODES`` maps each to the exit code of the command line."""

    NOTHING = "nothing-to-do"
    PLANNED = "planned"
    REPAIRED = "repaired"
    REFUSED = "refused"
    CANNOT_TELL = "cannot-tell"


EXIT_CODES: dict[Outcome, int] = {
    Outcome.NOTHING: 0,
    Outcome.PLANNED: 1,
    Outcome.CANNOT_TELL: 3,
    Outcome.REPAIRED: 4,
    Outcome.REFUSED: 5,
}
VERDICT_EXIT_CODES: dict[Verdict, int] = {"clean": 0, "damaged": 1, "cannot-tell": 3}
"""Exit codes of ``verify`` and ``replay``."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do."""

    remedy: Remedy
    position: Position | None
    text: str
    """What happens, for people."""
    cut_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Damage that is not repaired in place."""

    finding: Finding
    salvage: str
    """What a salvage could do; empty if that is not known."""


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """What would be done, lost and refused. Equal plans do the same."""

    actions: tuple[Action, ...]
    lost: tuple[Finding, ...]
    """Records in the torn tail, by name where their headers are whole. None was acknowledged."""
    refused: tuple[Refusal, ...]
    undecided: tuple[Finding, ...]
    tolerated: tuple[Finding, ...]

    @property
    def outcome(self) -> Outcome:
        """What is to be said before anything is done."""
        if self.refused:
            return Outcome.REFUSED
        if self.undecided:
            return Outcome.CANNOT_TELL
        return Outcome.PLANNED if self.actions else Outcome.NOTHING

    def lines(self, root: str) -> list[str]:
        """The plan in words, one line each; the last one is the command to run next."""
        said: list[str] = []
        for refusal in self.refused:
            said.append(f"refused: {refusal.finding}")
            if refusal.salvage:
                said.append(f"  a salvage could: {refusal.salvage}")
        said += [f"cannot tell: {found}" for found in self.undecided]
        said += [f"left as it is, no event is touched: {found}" for found in self.tolerated]
        said += [f"would: {action.text}" for action in self.actions]
        said += [f"would be cut, was never acknowledged: {found.where}" for found in self.lost]
        if self.outcome is Outcome.PLANNED:
            said.append(f"durafix repair {root} --apply")
        elif self.outcome is Outcome.NOTHING:
            said.append("nothing to repair")
        else:
            said.append(f"durafix verify {root}")
        return said


def plan(report: Report) -> RepairPlan:
    """The plan for what ``verify`` found."""
    actions: dict[tuple[Remedy, Position | None], Action] = {}
    lost: list[Finding] = []
    refused: list[Refusal] = []
    undecided: list[Finding] = []
    tolerated: list[Finding] = []
    for found in report.findings:
        remedy = REMEDIES.get(found.code)
        if found.code == "torn-record":
            lost.append(found)
        elif remedy is not None:
            action = _action(remedy, found)
            actions.setdefault((remedy, action.position), action)
        elif found.code in TOLERATED:
            tolerated.append(found)
        elif found.severity is Severity.DAMAGE:
            refused.append(Refusal(found, SALVAGE.get(found.code, "")))
        elif found.severity is Severity.DOUBT:
            undecided.append(found)
    order = list(Remedy)
    ordered = sorted(actions.values(), key=lambda a: (order.index(a.remedy), a.position or (0, 0)))
    return RepairPlan(
        tuple(ordered), tuple(lost), tuple(refused), tuple(undecided), tuple(tolerated)
    )


def _action(remedy: Remedy, found: Finding) -> Action:
    here = found.position
    if remedy is Remedy.RESTORE_HEADER:
        return Action(remedy, here, f"write the header page at {here} again from its other copy")
    if remedy is Remedy.CUT_TAIL:
        cut = int(found.evidence.get("cut_bytes", 0))
        text = f"copy {cut} bytes at {here} to quarantine, cut them, and seal the segment there"
        return Action(remedy, here, text, cut)
    if remedy is Remedy.REWRITE_TAIL_FILE:
        return Action(remedy, None, "write the tail file again from its good slot")
    return Action(remedy, None, "throw the index away and build it again from the journal")
