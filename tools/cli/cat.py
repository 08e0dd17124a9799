"""``durafix cat``: records in order, filtered."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from ...journal.record import Kind, Record
from ..render import frames, records
from ..render.output import Output
from ..source import Selection, Source, direction
from . import options
from .exits import Exit


@click.command(short_help="Records in order, filtered.")
@options.journal
@click.option("--session", metavar="NAME", help="Number, name, or a part of a name.")
@click.option("--direction", "way", type=click.Choice(["in", "out"]), help="Frames this way.")
@click.option("--type", "types", metavar="D,8", help="Only frames with these MsgTypes.")
@click.option("--kind", "kinds", metavar="KIND,..", help="Only these kinds.")
@click.option("--from", "start", type=options.Place(), help="First: event, time or segment:offset.")
@click.option("--to", "end", type=options.Place(), help="Last: event, time or segment:offset.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many records.")
@click.option("--all", "unnumbered", is_flag=True, help="Padding, marks and seals too.")
@click.option("--vertical", is_flag=True, help="One field a line.")
@click.option("--raw", is_flag=True, help="Frames alone, as bytes, one a line.")
@options.output("text", "table", "json", "ndjson", "csv")
def command(
    journal: str,
    session: str | None,
    way: str | None,
    types: str | None,
    kinds: str | None,
    start: options.Bound | None,
    end: options.Bound | None,
    limit: int | None,
    unnumbered: bool,
    vertical: bool,
    raw: bool,
    output: str,
) -> int:
    """Example:  durafix cat JOURNAL --session BUYER --type D,8 --from 2026-11-25T09:00:00Z

    Prints the events of a journal, live or not. Passwords are masked. Exit 1 if a filter was given
    and nothing matched, or if damage ends the reading.
    """
    if (vertical or raw) and output != "text":
        raise click.UsageError("--vertical and --raw are text; leave -o out")
    source = Source(journal)
    wanted = Selection(
        session=source.session(session) if session else 0,
        direction=direction(way),
        types=frozenset(types.split(",")) if types else frozenset(),
        kinds=parse_kinds(kinds),
        start=start,
        end=end,
        limit=limit,
        unnumbered=unnumbered,
    )
    if raw:
        count = _raw(source.records(wanted))
    else:
        count = write(options.sink(output), source, source.records(wanted), vertical=vertical)
    narrowed = any((session, way, types, kinds, start, end))
    return Exit.NO if narrowed and not count else Exit.OK


def parse_kinds(text: str | None) -> frozenset[int]:
    """``in,state`` as kinds; a usage error names what is known."""
    known = {records.kind_name(kind): int(kind) for kind in Kind}
    names = text.split(",") if text else []
    for name in names:
        if name not in known:
            raise click.BadParameter(
                f"no kind {name!r}; known: {', '.join(known)}", param_hint="--kind"
            )
    return frozenset(known[name] for name in names)


def write(sink: Output, source: Source, found: Iterator[Record], *, vertical: bool = False) -> int:
    """Write records as they come; returns how many."""
    if not vertical:
        rows = (records.row(record, source.roster) for record in found)
        return sink.rows("record/1", rows, records.line, records.COLUMNS)
    count = 0
    for count, record in enumerate(found, 1):  # noqa: B007  (the count is the result)
        for text in records.vertical(records.row(record, source.roster), record):
            sink.line(text)
    return count


def _raw(found: Iterator[Record]) -> int:
    count = 0
    for record in found:
        if frame := records.frame_of(record):
            sys.stdout.buffer.write(frames.masked(frame) + b"\n")
            count += 1
    return count
