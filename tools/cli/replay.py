"""``durafix replay``: does the state follow from the events? Fold from zero, compare, run steps
again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from ...engine.session.fold import EngineFold, EngineState
from ...journal.disk import RealDisk
from ...recovery.plan import VERDICT_EXIT_CODES
from ...recovery.replay import ReplayReport, replay
from ..render import findings, table
from ..render.sessions import COLUMNS, state_row
from ..render.times import duration, rfc3339
from . import options
from .exits import Exit


@click.command(short_help="Fold the journal from zero and compare with what was journaled.")
@options.journal
@click.option("--until", type=options.Place(), help="State as of an event or a time.")
@click.option("--rerun/--no-rerun", default=True, help="Run each step again and compare.")
@click.option("--index/--no-index", default=True, help="Compare the index too.")
@options.progress
@options.output("text", "json")
def command(
    journal: str,
    until: options.Bound | None,
    rerun: bool,
    index: bool,
    progress: bool | None,
    output: str,
) -> int:
    """Example:  durafix replay JOURNAL --until 2026-11-25T09:30:00Z

    Meets every state hash that the live process journaled, runs the session core again on the
    journaled inputs and compares its events byte for byte, compares the index, and shows each
    session as of the end. Exit 0 if all agree, 1 if anything diverges or is damaged, 3 if it cannot
    be told.
    """
    what, value = until or ("", None)
    if what == "position":
        raise click.BadParameter("an event number or a time", param_hint="--until")
    meter = options.meter("replay", progress)
    report = replay(
        RealDisk(),
        journal,
        EngineFold(),
        until_event=value if what == "event" else None,
        until_ns=value if what == "time" else None,
        rerun=rerun,
        index=index,
        progress=meter,
    )
    meter.close()
    values = document(journal, report)
    options.sink(output).report("replay-report/1", values, lambda: text(journal, report))
    return Exit(VERDICT_EXIT_CODES[report.verdict])


def document(journal: str, report: ReplayReport[EngineState]) -> dict[str, Any]:
    """``replay-report/1``."""
    return {
        "journal": journal,
        "verdict": report.verdict,
        "last_event": report.last_event,
        "last_time": rfc3339(report.last_utc_ns),
        "last_time_ns": report.last_utc_ns,
        "events": report.events,
        "steps": report.steps,
        "steps_run_again": report.reruns,
        "state_hashes_met": report.hashes,
        "state_sha256": report.digest.hex(),
        "sessions": rows(report.state),
        "findings": [findings.row(finding) for finding in report.findings],
        "duration_ns": report.duration_ns,
    }


def rows(state: EngineState) -> list[dict[str, Any]]:
    """Each session of the folded state, in order of its number."""
    return [
        state_row(number, state.roster.get(number, ""), one)
        for number, one in sorted(state.sessions.items())
    ]


def text(journal: str, report: ReplayReport[EngineState]) -> Iterator[str]:
    """The page for a person: verdict, what was compared, the state, what differs."""
    yield findings.verdict_line(f"replay {journal}", report.verdict)
    yield (
        f"{report.events:,} events folded, {report.reruns:,} of {report.steps:,} steps run again, "
        f"{report.hashes} state hashes met, in {duration(report.duration_ns)}"
    )
    yield f"state as of event {report.last_event}, {rfc3339(report.last_utc_ns)}:"
    yield f"sha256 {report.digest.hex()}"
    yield from table.lines(rows(report.state), COLUMNS)
    yield from findings.lines(report.findings)
