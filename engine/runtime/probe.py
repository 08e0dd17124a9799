"""The journal's hooks, turned into the engine's counters."""

from __future__ import annotations

from ..observe import Counters, log


class CountingProbe:
    """Counts what the writer tells (journal.probe.Probe); called from whichever thread did the
    work.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def wrote(self, events: int, size_bytes: int, queued_steps: int) -> None:
        """One batch was handed to the system."""
        self._counters.batch_events.record(events)
        self._counters.batch_bytes.record(size_bytes)

    def synced(self, took_ns: int, events: int, age_ns: int) -> None:
        """One fdatasync returned."""
        self._counters.fsync_ns.record(took_ns)

    def rotated(self, segment: int, took_ns: int) -> None:
        """Another segment is written now."""
        log.journal.info("segment %d, rotated in %.1f ms", segment, took_ns / 1e6)

    def state(self, name: str) -> None:
        """The writer's state changed."""
        level = log.journal.warning if name in ("disk-full", "failed") else log.journal.info
        level("journal: %s", name)
