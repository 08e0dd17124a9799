"""What the engine counts: a closed list of names, so that a metric means the same everywhere.

Owns the counters and histograms of one engine. The hot path adds to plain integers; nobody formats,
locks or exports here. ``snapshot`` is what ``Engine.metrics()``, the demo and later the exporters
read.
"""

from __future__ import annotations

from .histogram import Histogram

COUNTERS = {
    "frames_in": "frames read with right BodyLength and CheckSum",
    "frames_out": "frames handed to a connection, resends and gap fills included",
    "garbled": "pieces of input that were no FIX message, skipped",
    "delivered": "messages given to the application",
    "redelivered": "of these, given again after a restart",
    "sends": "application messages accepted",
    "sends_refused": "application messages refused before the journal",
    "resend_batches": "parts of an answer to a ResendRequest",
    "frames_resent": "stored frames sent again with 43=Y",
    "gap_fills": "gap fills sent in place of stored frames",
    "connections": "connections accepted or made",
    "connections_refused": "connections closed at once: too many",
    "logons": "times a session logged on",
    "logouts": "times a session was no longer logged on",
    "handler_errors": "handlers that raised something that is not answered on the wire",
    "parked": "messages given up after too many failures",
    "alerts": "things that a person should see",
}
"""Name to meaning."""
GREETING_REFUSALS = {
    "silent": "no whole frame within the logon timeout",
    "pushed": "closed for a newer connection while too many had not logged on",
    "garbage": "the first bytes were no FIX message",
    "not_logon": "the first message was no Logon",
    "unknown_session": "the Logon names no session of this port",
    "duplicate": "the session is already connected",
    "stopping": "the engine is closing",
    "left": "the peer closed before it said anything",
}
"""Why a connection never reached a session."""


class Counters:
    """The counters and histograms of one engine. Histogram names end with their unit."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = dict.fromkeys(COUNTERS, 0)
        self.greetings: dict[str, int] = dict.fromkeys(GREETING_REFUSALS, 0)
        self.fsync_ns = Histogram()
        self.batch_events = Histogram()
        self.batch_bytes = Histogram()

    def add(self, name: str, amount: int = 1) -> None:
        """Count; ``KeyError`` for a name that is not in ``COUNTERS``."""
        self.counts[name] += amount

    def refuse_greeting(self, cause: str) -> None:
        """Count a connection that never reached a session."""
        self.greetings[cause] += 1

    def snapshot(self) -> dict[str, object]:
        """A plain copy: counters by name, refusals by cause, summaries of the histograms."""
        return {
            **self.counts,
            "greetings_refused": dict(self.greetings),
            "fsync_ns": self.fsync_ns.summary(),
            "batch_events": self.batch_events.summary(),
            "batch_bytes": self.batch_bytes.summary(),
        }
