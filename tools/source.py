"""A journal as the read verbs see it: its reader, its sessions, and which of its records are
wanted.

Owns the way from a path and filters to records. It takes no lock and writes nothing, so it works
beside a live writer and on a read-only copy. It must not print.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..engine.errors import UnknownSession
from ..journal.disk import Disk, RealDisk
from ..journal.errors import CannotTell
from ..journal.manifest import load, segment_numbers
from ..journal.position import Position
from ..journal.reader import Reader, decode_roster
from ..journal.record import Direction, Kind, Record
from .render.frames import message_type
from .render.records import frame_of


class Source:
    """One journal, opened for reading."""

    def __init__(self, root: str, disk: Disk | None = None) -> None:
        """``root`` is the journal's folder. ``Missing``, ``FormatUnknown``, ``NoPermission``, or
        ``CannotTell`` if there is no segment in it.
        """
        self.root = root
        self.disk = disk or RealDisk()
        self.manifest = load(self.disk, root)
        if not segment_numbers(self.disk, root):
            # Nothing to show is not the same as nothing there; verify knows which it is.
            raise CannotTell(
                "the journal has no segment", where=root, hint=f"run: durafix verify {root}"
            )
        self.reader = Reader(self.disk, root)
        self.roster = self.reader.roster()

    def session(self, name: str) -> int:
        """Its number, by number, by canonical name, or by a part of a name that fits one only."""
        if name.isdecimal() and int(name) in self.roster:
            return int(name)
        exact = [number for number, text in self.roster.items() if text == name]
        found = exact or [number for number, text in self.roster.items() if name in text]
        if len(found) == 1:
            return found[0]
        names = ", ".join(self.roster[n] for n in found or sorted(self.roster)) or "none yet"
        what = "several sessions fit" if found else "no such session:"
        raise UnknownSession(f"{what} {name!r}", where=self.root, hint=f"sessions: {names}")

    def records(self, wanted: Selection) -> Iterator[Record]:
        """The wanted records in order; the roster is as of the record that was yielded last."""
        count = 0
        start, stop_event = self._bounds(wanted)
        for record in within(self.reader.records(start, stop_event=stop_event), wanted):
            self.learn(record)
            if wanted.matches(record):
                yield record
                count += 1
                if count == wanted.limit:
                    return

    def learn(self, record: Record) -> None:
        """Keep the roster as of a record."""
        if record.kind == Kind.ROSTER:
            self.roster = decode_roster(record)

    def _bounds(self, wanted: Selection) -> tuple[Position | None, int | None]:
        start: Position | None = None
        if wanted.start is not None:
            what, value = wanted.start
            if what == "event":
                start = self.reader.seek_event(max(1, value))
            elif what == "time":
                start = self.reader.seek_time(value)
            else:
                start = self.reader.at(value).position
        return start, wanted.end[1] if wanted.end and wanted.end[0] == "event" else None


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which records. Empty sets mean all; ``start`` and ``end`` are inclusive bounds of
    ``options.Place``.
    """

    session: int = 0
    direction: int = 0
    types: frozenset[str] = frozenset()
    kinds: frozenset[int] = frozenset()
    start: tuple[str, Any] | None = None
    end: tuple[str, Any] | None = None
    limit: int | None = None
    unnumbered: bool = False
    filtered: bool = field(default=False)

    def matches(self, record: Record) -> bool:
        """Whether a record passes every filter but the bounds."""
        if not (self.unnumbered or record.numbered):
            return False
        if self.session and record.session != self.session:
            return False
        if self.direction and record.direction != self.direction:
            return False
        if self.kinds and record.kind not in self.kinds:
            return False
        return not self.types or message_type(frame_of(record)) in self.types


def within(records: Iterable[Record], wanted: Selection) -> Iterator[Record]:
    """Records up to the end bound. Time may go back: the first record that is later ends it."""
    what: str
    value: Any
    what, value = wanted.end or ("", 0)
    for record in records:
        if what == "time" and record.utc_ns > value:
            return
        if what == "position" and record.position > value:
            return
        yield record


def direction(name: str | None) -> int:
    """``in`` or ``out`` as a direction; None is 0, both."""
    return Direction[name.upper()] if name else 0
