"""Findings as rows and as lines: what recovery found, for a person and for a program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...journal.record import Direction
from ...recovery.findings import Finding
from .frames import masked_text

EXIT_WORDS = {"clean": "CLEAN", "damaged": "DAMAGED", "cannot-tell": "CANNOT TELL"}


def row(finding: Finding) -> dict[str, Any]:
    """A finding as named values; what is not known is None."""
    place = finding.position
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "message": finding.message,
        "position": str(place) if place is not None else None,
        "event": finding.event or None,
        "session": finding.session or None,
        "session_name": finding.session_name or None,
        "direction": Direction(finding.direction).name.lower() if finding.direction else None,
        "seq": finding.seq or None,
        "evidence": {
            name: masked_text(value) if isinstance(value, str) else value
            for name, value in finding.evidence.items()
        },
    }


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """One line a finding: severity, code, what, where."""
    for finding in findings:
        where = f"  ({finding.where})" if finding.where else ""
        yield f"  {finding.severity.value:<6}  {finding.code}: {finding.message}{where}"


def verdict_line(what: str, verdict: str) -> str:
    """``verify JOURNAL: CLEAN``."""
    return f"{what}: {EXIT_WORDS[verdict]}"
