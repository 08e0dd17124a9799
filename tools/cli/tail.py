"""``durafix tail``: the last records, and with ``-f`` the next ones as they become durable."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

import click

from ...journal.follower import Bookmark, Follower
from ...journal.position import Position
from ...journal.record import Record
from ...journal.segment import FIRST_RECORD
from ..render import records
from ..source import Selection, Source, direction
from . import options
from .cat import parse_kinds, write
from .exits import Exit

POLL_S = 0.05


@click.command(short_help="The last records; -f follows a live journal.")
@options.journal
@click.option("-n", "--lines", type=click.IntRange(min=0), default=10, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("--session", metavar="NAME", help="Number, name, or a part of a name.")
@click.option("--direction", "way", type=click.Choice(["in", "out"]), help="Frames this way.")
@click.option("--type", "types", metavar="D,8", help="Only frames with these MsgTypes.")
@click.option("--kind", "kinds", metavar="KIND,..", help="Only these kinds.")
@click.option("--vertical", is_flag=True, help="One field a line.")
@options.output("text", "ndjson", "json")
def command(
    journal: str,
    lines: int,
    follow: bool,
    session: str | None,
    way: str | None,
    types: str | None,
    kinds: str | None,
    vertical: bool,
    output: str,
) -> int:
    """Example:  durafix tail JOURNAL -n 20 -f

    Shows the last records that pass the filters. With -f it goes on until Ctrl-C (exit 130) and
    shows whole steps only; under fsync "always" a record appears once it is on disk.
    """
    if output == "json" and follow:
        raise click.UsageError("-f has no end, and json is one object: use -o ndjson")
    if vertical and output != "text":
        raise click.UsageError("--vertical is text; leave -o out")
    source = Source(journal)
    wanted = Selection(
        session=source.session(session) if session else 0,
        direction=direction(way),
        types=frozenset(types.split(",")) if types else frozenset(),
        kinds=parse_kinds(kinds),
    )
    found, bookmark = last_records(source, wanted, lines)
    sink = options.sink(output, flush=follow)

    def stream() -> Iterator[Record]:
        yield from found
        if follow:
            yield from followed(source, wanted, bookmark)

    if vertical:
        write(sink, source, stream(), vertical=True)
    else:
        rows = (records.row(record, source.roster) for record in stream())
        sink.rows("record/1", rows, records.line, records.COLUMNS)
    return Exit.OK


def last_records(
    source: Source, wanted: Selection, count: int
) -> tuple[list[Record], Bookmark | None]:
    """The last ``count`` matching events, and where the journal ended. Reads segments from the
    back.
    """
    found: list[Record] = []
    bookmark: Bookmark | None = None
    for info in reversed(source.reader.segments()):
        last: deque[Record] = deque(maxlen=count)
        for record in source.reader.records(Position(info.id, FIRST_RECORD)):
            if record.position.segment != info.id:
                break
            if record.numbered:
                newest = Bookmark(record.position, record.event, record.header_crc)
                bookmark = max(bookmark or newest, newest, key=lambda b: b.event)
                if wanted.matches(record):
                    last.append(record)
        found = [*last, *found][-count:] if count else []
        if len(found) >= count and bookmark is not None:
            break
    return found, bookmark


def followed(source: Source, wanted: Selection, bookmark: Bookmark | None) -> Iterator[Record]:
    """Matching events behind the bookmark, as they come, without end."""
    with Follower(source.disk, source.root, bookmark) as follower:
        while True:
            served = follower.poll()
            for record in served:
                source.learn(record)
                if wanted.matches(record):
                    yield record
            if not served:
                time.sleep(POLL_S)
