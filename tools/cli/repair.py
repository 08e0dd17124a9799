"""``durafix repair``: the plan that makes a damaged journal usable, and with ``--apply`` its
execution.
"""

from __future__ import annotations

import getpass
import shlex
from collections.abc import Iterator
from typing import Any

import click

from ...journal.disk import RealDisk
from ...recovery.plan import EXIT_CODES, Outcome, RepairPlan, plan
from ...recovery.repair import Repaired, apply
from ...recovery.verify import Report, verify
from ..render import findings
from . import options
from .exits import Exit
from .verify import refuse_strangers

WORDS = {
    Outcome.NOTHING: "nothing to repair",
    Outcome.PLANNED: "can be repaired; nothing was changed yet",
    Outcome.REPAIRED: "REPAIRED",
    Outcome.REFUSED: "REFUSED: acknowledged records would be lost; nothing was changed",
    Outcome.CANNOT_TELL: "CANNOT TELL: nothing was changed",
}

ENDS = (Outcome.NOTHING, Outcome.REPAIRED)


@click.command(short_help="Show the plan for a damaged journal; --apply carries it out.")
@options.journal
@click.option("--apply", "act", is_flag=True, help="Do what the plan says.")
@click.option("--who", metavar="NAME", help="Recorded with a cut.  [default: the user]")
@click.option("--why", metavar="TEXT", default="", help="Recorded with a cut.")
@options.progress
@options.output("text", "json")
def command(
    journal: str, act: bool, who: str | None, why: str, progress: bool | None, output: str
) -> int:
    """Example:  durafix repair JOURNAL

    Prints what would be done and ends with the command that does it. Bytes that are cut are copied
    to quarantine first; nothing that a witness proves durable is ever cut. Exit 0 nothing to do, 1
    a plan, 3 cannot tell, 4 repaired, 5 refused or a live writer.
    """
    disk = RealDisk()
    meter = options.meter("verify", progress)
    report = verify(disk, journal, progress=meter)
    meter.close()
    refuse_strangers(journal, report)
    planned = plan(report)
    done: Repaired | None = None
    if act and planned.outcome is Outcome.PLANNED:
        person = who or getpass.getuser()
        done = apply(disk, journal, planned, who=person, why=why or "durafix repair --apply")
    values = document(journal, report, planned, done)
    options.sink(output).report("repair-report/1", values, lambda: text(journal, planned, done))
    return Exit(EXIT_CODES[done.outcome if done else planned.outcome])


def document(
    journal: str, report: Report, planned: RepairPlan, done: Repaired | None
) -> dict[str, Any]:
    """``repair-report/1``."""
    outcome = done.outcome if done else planned.outcome
    return {
        "journal": journal,
        "outcome": outcome.value,
        "verdict_before": report.verdict,
        "actions": [
            {
                "remedy": action.remedy.value,
                "position": str(action.position) if action.position else None,
                "text": action.text,
                "cut_bytes": action.cut_bytes,
            }
            for action in planned.actions
        ],
        "cut": [findings.row(finding) for finding in planned.lost],
        "refused": [
            {"finding": findings.row(refusal.finding), "salvage": refusal.salvage or None}
            for refusal in planned.refused
        ],
        "undecided": [findings.row(finding) for finding in planned.undecided],
        "tolerated": [findings.row(finding) for finding in planned.tolerated],
        "done": list(done.done) if done else [],
        "quarantine": list(done.quarantine) if done else [],
        "next": None if outcome in ENDS else planned.lines(shlex.quote(journal))[-1],
    }


def text(journal: str, planned: RepairPlan, done: Repaired | None) -> Iterator[str]:
    """The plan, or what was done, for a person; the last line is what to type next."""
    outcome = done.outcome if done else planned.outcome
    yield f"repair {journal}: {WORDS[outcome]}"
    if done is None:
        said = planned.lines(shlex.quote(journal))
        yield from said[:-1] if outcome is Outcome.NOTHING else said
        return
    for one in done.done:
        yield f"  {one}"
    for name in done.quarantine:
        yield f"  kept aside: {journal}/quarantine/{name}"
    yield f"durafix verify {shlex.quote(journal)}"
