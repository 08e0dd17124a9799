"""The demo's last page: what happened, as values for a program and as a table for a person.

Owns the words. It computes nothing that decides: problems come from ``reconcile``, findings from
recovery.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from ..render import table
from ..render.times import duration
from .ledger import Ledger
from .plan import SIDES
from .reconcile import Problem
from .supervisor import Outcome, Settings

PROBLEMS_SHOWN = 20
CHECKS = (
    "every accepted order is journaled as its receipt said",
    "every order reached the exchange's application, once and unchanged",
    "no order was invented, none executed or answered twice",
    "every report came back, once and unchanged",
    "no two frames without 43=Y in an epoch share a number",
    "both sides end with equal numbers",
)


@dataclass(frozen=True)
class Checked:
    """What recovery said about one journal: two verdicts, and findings in words."""

    verify: str
    replay: str
    findings: list[str]
    hashes: int
    steps: int
    numbers: tuple[int, int]
    """(next out, next in) of the replayed state."""


def document(
    settings: Settings,
    outcome: Outcome,
    ledgers: dict[str, Ledger],
    checked: dict[str, Checked],
    problems: list[Problem],
) -> dict[str, Any]:
    """``demo-report/1``."""
    return {
        "verdict": "clean" if is_clean(checked, problems) else "failed",
        "orders": settings.orders,
        "seed": settings.seed,
        "fsync": settings.fsync,
        "folder": str(settings.folder),
        "orders_accepted": len(outcome.accepted),
        "orders_acknowledged": len(outcome.acked),
        "trading_ms": round(outcome.trading_s * 1000),
        "recoveries": [
            {
                "killed": recovery.kill.side,
                "at_order": recovery.accepted,
                "up_ms": round(recovery.up_s * 1000),
                "logged_on_ms": round(recovery.on_s * 1000),
            }
            for recovery in outcome.recoveries
        ],
        "sides": {
            side: side_values(ledgers[side], outcome.metrics[side], checked[side]) for side in SIDES
        },
        "problems": [problem._asdict() for problem in problems],
    }


def is_clean(checked: dict[str, Checked], problems: list[Problem]) -> bool:
    """Whether nothing at all is wrong."""
    return not problems and all(c.verify == c.replay == "clean" for c in checked.values())


def side_values(ledger: Ledger, runs: list[dict[str, int]], checked: Checked) -> dict[str, Any]:
    """One side: counts from its journal, fsyncs from what its processes told last."""
    counts = Counter(ledger.counts)
    fsyncs = [(run["fsync_count"], run["fsync_mean"], run["fsync_p99"], run["fsync_max"])
              for run in runs if run.get("fsync_count")]  # fmt: skip
    total = sum(count for count, *_ in fsyncs)
    return {
        "starts": len(runs),
        "events": counts["events"],
        "frames_out": counts["frames out"],
        "frames_in": counts["frames in"],
        "logons": counts["logons"],
        "resend_requests_received": counts["resend requests received"],
        "messages_resent": counts["messages resent"],
        "gap_fills_sent": counts["gap fills sent"],
        "numbers_skipped": counts["numbers skipped"],
        "duplicates_ignored": counts["duplicates ignored"],
        "redelivered": sum(run.get("redelivered", 0) for run in runs),
        "next_out": ledger.next_out,
        "next_in": ledger.next_in,
        "fsyncs": total,
        "fsync_mean_ns": sum(c * mean for c, mean, *_ in fsyncs) // total if total else 0,
        "fsync_worst_p99_ns": max((p99 for _, _, p99, _ in fsyncs), default=0),
        "fsync_max_ns": max((slowest for *_, slowest in fsyncs), default=0),
        "verify": checked.verify,
        "replay": checked.replay,
        "state_hashes_met": checked.hashes,
        "steps_run_again": checked.steps,
        "findings": checked.findings,
    }


def page(report: dict[str, Any]) -> Iterator[str]:
    """The page for a person."""
    orders, seconds = report["orders"], report["trading_ms"] / 1000
    yield (
        f"{orders:,} orders, fsync {report['fsync']}, seed {report['seed']}: "
        f"{report['orders_acknowledged']:,} acknowledged in {seconds:.1f} s"
    )
    yield ""
    yield from _recoveries(report["recoveries"])
    yield from table.lines(list(_rows(report["sides"])), ("", *SIDES))
    yield ""
    yield from _verdict(report)
    yield ""
    folder = report["folder"]
    yield "Look yourself:"
    yield f"  durafix sessions {folder}/desk"
    yield f"  durafix cat {folder}/desk --kind out --limit 5 --vertical"
    yield f"  durafix verify {folder}/exchange"
    yield f"  durafix replay {folder}/exchange"


def _recoveries(recoveries: list[dict[str, Any]]) -> Iterator[str]:
    if not recoveries:
        return
    yield from table.lines(
        [
            {
                "kill -9": number,
                "side": one["killed"],
                "after order": one["at_order"],
                "journal open after": f"{one['up_ms']} ms",
                "logged on after": f"{one['logged_on_ms']} ms",
            }
            for number, one in enumerate(recoveries, 1)
        ]
    )
    times = [one["logged_on_ms"] for one in recoveries]
    yield f"kill to logged on again: median {median(times):.0f} ms, longest {max(times)} ms"
    yield ""


def _rows(sides: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    names = {
        "starts": "starts of the process",
        "events": "events in the journal",
        "frames_out": "messages sent first time",
        "frames_in": "messages received",
        "logons": "logons",
        "resend_requests_received": "resend requests received",
        "messages_resent": "messages resent",
        "gap_fills_sent": "gap fills sent",
        "numbers_skipped": "numbers skipped after kills",
        "duplicates_ignored": "duplicates ignored",
        "redelivered": "given to the application again",
        "next_out": "next number out",
        "next_in": "next number in",
        "fsyncs": "fsyncs",
    }
    for key, name in names.items():
        yield {"": name, **{side: f"{sides[side][key]:,}" for side in SIDES}}
    for key, name in (("fsync_mean_ns", "fsync, mean"), ("fsync_worst_p99_ns", "fsync, worst p99"),
                      ("fsync_max_ns", "fsync, slowest")):  # fmt: skip
        yield {"": name, **{side: duration(sides[side][key]) for side in SIDES}}
    yield {"": "verify", **{side: sides[side]["verify"] for side in SIDES}}
    yield {
        "": "replay",
        **{
            side: f"{sides[side]['replay']}, {sides[side]['steps_run_again']:,} steps again, "
            f"{sides[side]['state_hashes_met']} hashes"
            for side in SIDES
        },
    }


def _verdict(report: dict[str, Any]) -> Iterator[str]:
    if report["verdict"] == "clean":
        yield "CLEAN: the two journals agree with each other and with every receipt:"
        for check in CHECKS:
            yield f"  - {check}"
    else:
        problems = report["problems"]
        yield f"FAILED: {len(problems)} problems between the journals"
        for problem in problems[:PROBLEMS_SHOWN]:
            yield f"  - {problem['code']} {problem['subject']}: {problem['text']}"
        if len(problems) > PROBLEMS_SHOWN:
            yield f"  ... and {len(problems) - PROBLEMS_SHOWN} more (-o json shows all)"
        for side in SIDES:
            for text in report["sides"][side]["findings"][:PROBLEMS_SHOWN]:
                yield f"  - {side}: {text}"
    yield f"Journals, configurations and logs: {report['folder']}"
