"""``durafix sessions``: where each session of a journal stands."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import click

from ...engine.session.fold import EngineFold
from ...engine.session.state import State
from ...journal.errors import Corrupt
from ...journal.record import Kind, Record
from ..render.records import data_of
from ..render.sessions import COLUMNS as STATE_COLUMNS
from ..render.sessions import state_row
from ..render.times import rfc3339
from ..source import Source
from . import options
from .exits import Exit

COLUMNS = (*STATE_COLUMNS, "frames_in", "frames_out", "last_activity")


@dataclass(slots=True)
class Activity:
    """What the fold does not keep: counts and wall times."""

    frames_in: int = 0
    frames_out: int = 0
    last_ns: int = 0
    logged_on_ns: int = 0

    def take(self, record: Record) -> None:
        """One event of this session."""
        self.last_ns = record.utc_ns
        self.frames_in += record.kind == Kind.IN
        self.frames_out += record.kind == Kind.OUT
        if record.kind == Kind.STATE:
            data = data_of(record)
            if data.get("type") == "logon":
                self.logged_on_ns = record.utc_ns if data.get("to") == "on" else 0


@click.command(short_help="Sessions with their numbers, epochs, gaps and last activity.")
@options.journal
@options.progress
@options.output("table", "text", "json", "ndjson", "csv", default="table")
def command(journal: str, progress: bool | None, output: str) -> int:
    """Example:  durafix sessions JOURNAL

    Folds the journal from zero and shows each session as its last event left it: the numbers that
    come next in each direction, the epoch, the link, a gap that is waited for, messages that the
    application has not finished. Of a process that was killed it says what it was doing.
    """
    source = Source(journal)
    rows = sessions(source, options.meter("sessions", progress))
    options.sink(output).rows("session/1", rows, _line, COLUMNS)
    return Exit.OK


def sessions(source: Source, meter: options.Meter) -> list[dict[str, Any]]:
    """One row a session, in order of their numbers."""
    fold = EngineFold()
    hint = f"run: durafix verify {shlex.quote(source.root)}"
    state, activity = fold.initial(), dict[int, Activity]()
    for record in source.reader.records():
        if record.numbered:
            try:
                fold.apply(state, record)
            except Exception as error:  # as replay does: what comes before this event is gone
                what = f"event {record.event} does not follow from what is there"
                raise Corrupt(what, where=str(record.position), hint=hint) from error
            if record.session:
                activity.setdefault(record.session, Activity()).take(record)
            if not record.event & 0xFFF:
                meter(record.event, 0)
    meter.close()
    return [
        row(number, state.roster[number], one, activity.get(number, Activity()))
        for number, one in sorted(state.sessions.items())
    ]


def row(number: int, name: str, state: State, activity: Activity) -> dict[str, Any]:
    """``session/1``: the folded state, and what happened when."""
    return {
        **state_row(number, name, state),
        "logged_on": rfc3339(activity.logged_on_ns) if activity.logged_on_ns else None,
        "logged_on_ns": activity.logged_on_ns or None,
        "frames_in": activity.frames_in,
        "frames_out": activity.frames_out,
        "last_activity": rfc3339(activity.last_ns) if activity.last_ns else None,
        "last_activity_ns": activity.last_ns or None,
    }


def _line(values: Any) -> str:
    gap = f", waits for {values['gap'][0]} to {values['gap'][1]}" if values["gap"] else ""
    return (
        f"{values['session']}  {values['name']}  link {values['link']}, logon {values['logon']}, "
        f"next out {values['next_out']}, next in {values['next_in']}, epoch {values['epoch']}"
        f"{gap}, {values['pending']} unfinished, last activity {values['last_activity'] or '-'}"
    )
