"""What the writer tells about itself while it works: the hooks for metrics.

Owns the protocol and the one that ignores everything. It must not know who listens. Calls come from
whichever thread did the work, in the middle of it, so an implementation returns at once and never
raises.
"""

from __future__ import annotations

from typing import Protocol


class Probe(Protocol):
    """Times in nanoseconds, sizes in bytes."""

    def wrote(self, events: int, size_bytes: int, queued_steps: int) -> None:
        """One batch was handed to the system; ``queued_steps`` still wait."""
        ...

    def synced(self, took_ns: int, events: int, age_ns: int) -> None:
        """One fdatasync returned; ``events`` became durable, the oldest was written ``age_ns``
        before.
        """
        ...

    def rotated(self, segment: int, took_ns: int) -> None:
        """``segment`` is now the one that is written."""
        ...

    def state(self, name: str) -> None:
        """The writer is now "running", "disk-full", "failed" or "closed"."""
        ...


class NullProbe:
    """Ignores everything."""

    def wrote(self, events: int, size_bytes: int, queued_steps: int) -> None:
        """See ``Probe``."""

    def synced(self, took_ns: int, events: int, age_ns: int) -> None:
        """See ``Probe``."""

    def rotated(self, segment: int, took_ns: int) -> None:
        """See ``Probe``."""

    def state(self, name: str) -> None:
        """See ``Probe``."""
