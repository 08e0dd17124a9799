"""What must be true at the end of a simulated life, and what each policy forgives.

Owns the rules. Three kinds of evidence meet: what the applications were told (notebooks), what was
on the wire, and the two journals, read by ``verify``, by ``replay`` and by the demo's judge, which
does not share the session core. It knows nothing of how the world came to its end.

What a power cut may take under ``interval`` and ``never`` is exactly what was covered and not
durable. The world wrote down what that was, by name, so the judge forgives a repeated order or a
report that only the wire has seen if its name is on that list, and nothing else. Under ``always``
the lists must be empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from durafix.journal.reader import Reader
from durafix.journal.record import Direction, Flag
from durafix.tools.demo.check import check
from durafix.tools.demo.ledger import Ledger
from durafix.tools.demo.reconcile import Problem, fold_agrees, reconcile

from ..interop.wirecheck import Seen, frames, kept, reused_numbers
from .loop import Broken
from .trading import number_of
from .world import ROOT, End, Side

REPEATED = frozenset({"order-delivered-twice", "order-executed-twice", "order-overfilled"})
"""What follows when the desk lost an order that the exchange had got: it is sent once more."""
UNKNOWN_REPORT = "report-invented"
"""What follows when the exchange lost a report that the desk had got."""


def judge(end: End) -> Counter[str]:
    """Counts of what was seen and forgiven. ``Broken`` with everything that is wrong."""
    counts = Counter(end.counts)
    wrong = [
        *_journals(end, counts),
        *_applications(end, counts),
        *_wire("desk", end.desk, counts),
        *_wire("exchange", end.exchange, counts),
    ]
    if wrong:
        raise Broken("\n  ".join([f"{len(wrong)} promises broken:", *wrong[:20]]))
    return counts


def _journals(end: End, counts: Counter[str]) -> Iterator[str]:
    """Both journals verify and replay clean, and what they say fits together."""
    sides = {"desk": end.desk, "exchange": end.exchange}
    ledgers = {}
    for name, side in sides.items():
        checked = check(side.disk, ROOT)
        if (checked.verify, checked.replay) != ("clean", "clean"):
            yield f"{name}: verify {checked.verify}, replay {checked.replay}: {checked.findings}"
        counts["hashes met"] += checked.hashes
        counts["steps run again"] += checked.steps
        ledgers[name] = Ledger.of(name, Reader(side.disk, ROOT).records())
        for problem in fold_agrees(ledgers[name], checked.numbers):
            yield problem.text
    accepted = end.desk.notes.accepted
    for problem in reconcile(ledgers["desk"], ledgers["exchange"], accepted):
        if _forgiven(problem, end):
            counts[f"forgiven: {problem.code}"] += 1
        else:
            yield f"{problem.code} {problem.subject}: {problem.text}"
    if end.scenario.mode == "always":
        for name, side in sides.items():
            if side.notes.lost or side.notes.forgotten:
                yield f"{name} lost what was covered: {side.notes.lost} {side.notes.forgotten}"


def _forgiven(problem: Problem, end: End) -> bool:
    if problem.code in REPEATED:
        return problem.subject in end.desk.notes.lost
    return problem.code == UNKNOWN_REPORT and problem.subject in end.exchange.notes.lost


def _applications(end: End, counts: Counter[str]) -> Iterator[str]:
    """First deliveries in order; a second one is marked, or its cause is on a list."""
    desk, exchange = end.desk.notes, end.exchange.notes
    firsts = list(dict.fromkeys(heard.order for heard in exchange.heard))
    if [number_of(name) for name in firsts] != list(range(1, len(firsts) + 1)):
        yield f"the exchange heard the orders out of order: {firsts}"
    if set(firsts) != set(desk.accepted):
        yield f"accepted and never heard, or the other way: {set(firsts) ^ set(desk.accepted)}"
    yield from _repeats("exchange", end.exchange, desk.lost, counts)
    yield from _repeats("desk", end.desk, exchange.lost, counts)


def _repeats(name: str, side: Side, lost: dict[str, int], counts: Counter[str]) -> Iterator[str]:
    """``lost``: what the other side lost and may have sent once more."""
    heard: Counter[str] = Counter()
    notes, queued = side.notes, _queued(side)
    for one in notes.heard:
        heard[one.name] += 1
        if heard[one.name] == 1:
            continue
        if one.marked:
            counts["heard again, marked"] += 1
        elif one.name in lost or one.order in notes.forgotten:
            counts["heard again, unmarked"] += 1
        elif notes.undelivered.get(one.order, set()) & queued:
            counts["heard again, unmarked, behind a gap"] += 1
        else:
            yield f"{name} heard {one.name} again, unmarked, in life {one.life}"


def _queued(side: Side) -> set[int]:
    """Events of messages that waited behind a gap before they were delivered."""
    records = Reader(side.disk, ROOT).records()
    return {record.event for record in records if record.flags & Flag.QUEUED}


def _wire(name: str, side: Side, counts: Counter[str]) -> Iterator[str]:
    """Over all lives: no number twice without 43=Y, resends equal to what was sent first."""
    seen = frames(side.streams)
    counts["frames"] += len(seen)
    for number, raws in reused_numbers(seen).items():
        yield f"{name} used MsgSeqNum {number} for {raws}"
    originals = {frame.number: frame for frame in _journaled(side)}
    originals |= {frame.number: frame for frame in seen if not frame.poss_dup}
    for frame in seen:
        if not frame.poss_dup:
            continue
        if frame.get(35) == b"4":
            counts["gap fills"] += 1
            continue
        counts["resent"] += 1
        original = originals.get(frame.number)
        if original is None:
            counts["resent, original lost"] += 1
            if not side.notes.lost:
                yield f"{name} resent {frame.number}, which nobody knows"
        elif kept(frame) != kept(original) or frame.get(122) != original.get(52):
            yield f"{name} resent {frame.raw!r} for {original.raw!r}"
        elif frame.get(52) < frame.get(122):
            yield f"{name} resent {frame.number} with 52 before 122"


def _journaled(side: Side) -> Iterator[Seen]:
    """What the journal has as sent."""
    ledger = Reader(side.disk, ROOT).records()
    for record in ledger:
        if record.numbered and record.direction == Direction.OUT and record.seq:
            at = record.payload.find(b"8=FIX")
            for frame in frames([record.payload[at:]]) if at >= 0 else ():
                if not frame.poss_dup:
                    yield frame
