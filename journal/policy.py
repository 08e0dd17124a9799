"""When an event counts as covered, the writer's limits, and where a writer begins.

Owns values only. ``covered`` is the promise that effects wait for (storage rule 13): under
``always`` an event is covered when fdatasync returned, under ``interval`` and ``never`` when the
write of its whole step returned. Such an event survives the death of the process, not a power cut;
steps that ask for ``sync`` are fsynced first under every policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from .chain import GENESIS
from .record import SECTOR_BYTES
from .segment import FIRST_RECORD
from .segment import Policy as PolicyCode

if TYPE_CHECKING:
    from .disk import Lock

Mode = Literal["always", "interval", "never"]
_CODES = {
    "always": PolicyCode.ALWAYS,
    "interval": PolicyCode.INTERVAL,
    "never": PolicyCode.NEVER,
}
SEGMENT_BYTES_MIN = FIRST_RECORD + 8192
"""Room for the header pages, a roster and some events; for tests. Real journals take megabytes."""


class Policy(msgspec.Struct, frozen=True):
    """When to fdatasync.

    Under ``interval``: ``interval_ms`` after the first unsynced write, or earlier once
    ``interval_bytes`` wait. Under ``never``: for steps that ask for it, at the end of a segment,
    and in the background each ``Limits.unsynced_bytes``.
    """

    mode: Mode = "always"
    interval_ms: int = 50
    interval_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        if self.mode not in _CODES:
            raise ValueError(f"policy {self.mode!r} is none of {', '.join(_CODES)}")
        if self.interval_ms <= 0 or self.interval_bytes <= 0:
            raise ValueError("interval_ms and interval_bytes must be positive")

    @property
    def code(self) -> PolicyCode:
        """How the header page notes it."""
        return _CODES[self.mode]


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one writer."""

    queue_bytes: int = 16 << 20
    """From this much on ``has_room`` is false. It is advice to the caller; nothing is dropped."""
    batch_bytes: int = 4 << 20
    """Most that one write takes, so that one sync stays short."""
    unsynced_bytes: int = 2 << 20
    """Under ``never``: when so much was written, the thread syncs it in the background.

    Otherwise the end of a segment would have to wait until a whole one is on disk.
    """
    idle_mark_ms: int = 50
    """Quiet time before a MARK proves the last batch durable."""
    retry_ms: int = 200
    """Pause between two tries on a full disk."""
    close_ms: int = 10_000
    """Longest that ``close`` waits for the disk."""


class WriterStart(msgspec.Struct, frozen=True, kw_only=True):
    """Where a writer begins: recovery's answer. Everything up to ``last_event`` is durable.

    ``segment`` is the number of the segment that it opens, ``term`` is above every earlier one;
    ``previous_seal`` and ``chain`` come from the sealed segment before (zeros for the first).
    ``roster`` maps session number to name. ``lock`` is released by ``Writer.close``.
    """

    root: str
    uuid: bytes
    term: int = 1
    last_event: int = 0
    segment: int = 1
    previous_seal: bytes = GENESIS
    chain: bytes = GENESIS
    roster: dict[int, str] = msgspec.field(default_factory=dict)
    segment_bytes: int = 64 << 20
    pad_bytes: int = SECTOR_BYTES
    lock: Lock | None = None

    def __post_init__(self) -> None:
        if self.segment_bytes < SEGMENT_BYTES_MIN or self.segment_bytes % 4096:
            raise ValueError(f"segment_bytes must be a multiple of 4096, from {SEGMENT_BYTES_MIN}")
        if self.pad_bytes not in (SECTOR_BYTES, 4096):
            raise ValueError("pad_bytes must be 512 or 4096")
