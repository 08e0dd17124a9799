"""What recovery raises: a refusal that carries the findings which led to it.

Owns the two errors of an opening that does not end in a running journal. Both say in ``hint`` the
one command to run next. Damage itself is a finding, a value; it becomes an error only because the
caller asked for a writer and must not get one.
"""

from __future__ import annotations

from ..journal.errors import CannotTell, Corrupt
from .findings import Finding


class Damaged(Corrupt):
    """Events that were durable are damaged or gone. Nothing was moved, cut or written."""

    def __init__(
        self, message: str, findings: tuple[Finding, ...], *, where: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.findings = findings


class Undecided(CannotTell):
    """The evidence does not allow a verdict. Nothing was moved, cut or written."""

    def __init__(
        self, message: str, findings: tuple[Finding, ...], *, where: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.findings = findings


def refuse(root: str, findings: list[Finding]) -> Damaged | Undecided:
    """The error for an opening that ends here; the last finding is the one that decided."""
    decisive = findings[-1]
    damaged = decisive.severity == "damage"
    kind = Damaged if damaged else Undecided
    return kind(
        decisive.message,
        tuple(findings),
        where=decisive.where or root,
        hint=f"run: durafix verify {root}",
    )
