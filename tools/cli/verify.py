"""``durafix verify``: is the journal sound? One verdict, and findings with their places."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import click

from ...journal.disk import RealDisk
from ...journal.manifest import load
from ...recovery.plan import VERDICT_EXIT_CODES
from ...recovery.verify import FINDINGS_MAX, Report, verify
from ..render import findings
from ..render.records import kind_name
from ..render.times import duration
from . import options
from .exits import Exit


@click.command(short_help="Is the journal sound? One verdict, findings with places.")
@options.journal
@click.option("--max-findings", type=click.IntRange(min=1), default=FINDINGS_MAX, show_default=True)
@options.progress
@options.output("text", "table", "json", "ndjson", "csv")
def command(journal: str, max_findings: int, progress: bool | None, output: str) -> int:
    """Example:  durafix verify JOURNAL

    Checks headers, checksums, links, steps, numbering, seals, chain, tail file and index in one
    pass; writes nothing and works beside a live writer. Exit 0 clean, 1 damaged, 3 cannot tell. A
    torn tail is exit 1 with code torn-tail, although nothing was lost. table, ndjson and csv give
    the findings alone.
    """
    meter = options.meter("verify", progress)
    report = verify(RealDisk(), journal, findings_max=max_findings, progress=meter)
    meter.close()
    refuse_strangers(journal, report)
    sink = options.sink(output)
    if output in ("table", "ndjson", "csv"):
        columns = ("severity", "code", "position", "event", "session_name", "direction", "seq",
                   "message")  # fmt: skip
        sink.rows("finding/1", map(findings.row, report.findings), str, columns)
    else:
        values = document(journal, report)
        sink.report("verify-report/1", values, lambda: text(journal, report))
    return Exit(VERDICT_EXIT_CODES[report.verdict])


def refuse_strangers(journal: str, report: Report) -> None:
    """No journal, or one of another version: one line instead of a report about nothing."""
    if not report.counts.events and any(f.code == "format-unknown" for f in report.findings):
        load(RealDisk(), journal)


def document(journal: str, report: Report) -> dict[str, Any]:
    """``verify-report/1``."""
    counts = report.counts
    return {
        "journal": journal,
        "verdict": report.verdict,
        "sealed": report.sealed,
        "live": report.grew,
        "segments": counts.segments,
        "size_bytes": counts.size_bytes,
        "records": counts.records,
        "events": counts.events,
        "last_event": counts.last_event,
        "records_by_kind": {kind_name(kind): n for kind, n in sorted(counts.kinds.items())},
        "sessions": {str(number): name for number, name in report.roster.items()},
        "findings_made": counts.findings,
        "findings": [findings.row(finding) for finding in report.findings],
        "durations_ns": report.durations_ns,
    }


def text(journal: str, report: Report) -> Iterator[str]:
    """The page for a person: verdict first, then what was read, then what was found."""
    counts = report.counts
    yield findings.verdict_line(f"verify {journal}", report.verdict)
    took = duration(sum(report.durations_ns.values()))
    yield (
        f"{counts.segments} segments, {counts.size_bytes:,} bytes, {counts.records:,} records, "
        f"{counts.events:,} events, {len(report.roster)} sessions, in {took}"
    )
    yield from findings.lines(report.findings)
    if counts.findings > len(report.findings):
        yield f"  ... and {counts.findings - len(report.findings)} more (--max-findings)"
    if report.verdict == "damaged":
        yield f"What can be done: durafix repair {shlex.quote(journal)}"
    elif report.verdict == "cannot-tell":
        yield "What each code means: durafix explain CODE"
