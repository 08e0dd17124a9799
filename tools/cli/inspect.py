"""``durafix inspect``: what a journal's folder holds, segment by segment, and what its witnesses
say.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import click

from ...journal.disk import Disk
from ...journal.errors import Missing
from ...journal.index import read_witness
from ...journal.manifest import Layout
from ...journal.reader import SegmentInfo
from ...journal.segment import Policy
from ...recovery.witness import read_witnesses
from ..render import table
from ..render.times import rfc3339
from ..source import Source
from . import options
from .exits import Exit

COLUMNS = (
    "segment", "state", "term", "policy", "first_event", "last_event", "events", "size_bytes",
    "created", "headers",
)  # fmt: skip


@click.command(short_help="Segments, seals, index, tail file, quarantine.")
@options.journal
@options.output("text", "table", "json", "ndjson", "csv")
def command(journal: str, output: str) -> int:
    """Example:  durafix inspect JOURNAL

    Shows headers and seals as they are, live or not; it does not check the records (durafix verify
    does). table, ndjson and csv give the segments alone.
    """
    source = Source(journal)
    sink = options.sink(output)
    segments = [segment_row(info) for info in source.reader.segments()]
    if output in ("table", "ndjson", "csv"):
        columns = COLUMNS if output == "table" else ()
        sink.rows("segment/1", segments, str, columns)
        return Exit.OK
    report = {**identity(source), "segments": segments, **witnesses(source), **rest(source)}
    sink.report("inspect/1", report, lambda: text(report, segments))
    return Exit.OK


def identity(source: Source) -> dict[str, Any]:
    """Who the journal is, from ``journal.json`` and the roster."""
    manifest = source.manifest
    return {
        "journal": source.root,
        "uuid": str(uuid.UUID(bytes=manifest.uuid)),
        "format": manifest.format,
        "created": rfc3339(manifest.created_ns),
        "created_ns": manifest.created_ns,
        "sessions": {str(number): name for number, name in source.roster.items()},
    }


def segment_row(info: SegmentInfo) -> dict[str, Any]:
    """One segment; what is not known is None."""
    header, seal = info.pages.header, info.seal
    row: dict[str, Any] = {
        "segment": info.id,
        "path": info.path,
        "state": "sealed" if seal else "open" if header else "damaged",
        "size_bytes": info.size_bytes,
        "first_event": info.first_event,
        "last_event": info.last_event,
        "events": seal.events if seal else None,
        "headers": "both" if all(info.pages.valid) else "one" if any(info.pages.valid) else "none",
    }
    if header:
        row |= {
            "term": header.term,
            "policy": Policy(header.policy).name.lower() if header.policy in (1, 2, 3) else "?",
            "created": rfc3339(header.created_ns),
            "created_ns": header.created_ns,
            "allocated_bytes": header.allocated_bytes,
            "pad_bytes": header.pad_bytes,
            "salt": f"{header.salt:016x}",
            "previous_seal_sha256": header.previous_seal.hex(),
        }
    if seal:
        row |= {
            "records": seal.records,
            "merkle_root": seal.root.hex(),
            "chain": seal.chain.hex(),
            "last_time": rfc3339(seal.last_utc_ns),
            "last_time_ns": seal.last_utc_ns,
        }
    return row


def witnesses(source: Source) -> dict[str, Any]:
    """What tail file and index prove durable."""
    known = read_witnesses(source.disk, source.root, source.manifest.uuid)
    mark = read_witness(source.disk, source.root, source.manifest.uuid)
    tail: dict[str, Any] = {"present": known.tail_present}
    if known.tail:
        tail |= {
            "durable_event": known.tail.event,
            "position": f"{known.tail.segment}:{known.tail.offset}",
            "term": known.tail.term,
            "generation": known.tail.generation,
        }
    index: dict[str, Any] = {"present": source.disk.exists(Layout(source.root).index)}
    if mark:
        index |= {"indexed_event": mark.indexed, "durable_event": mark.durable}
    return {"tail": tail, "index": index}


def rest(source: Source) -> dict[str, Any]:
    """What lies beside the segments: the prepared one, and what was cut."""
    layout = Layout(source.root)
    return {
        "prepared_segment": source.disk.exists(layout.next),
        "quarantine": [
            {"name": name, "size_bytes": size(source.disk, f"{layout.quarantine}/{name}")}
            for name in listing(source.disk, layout.quarantine)
        ],
    }


def listing(disk: Disk, folder: str) -> list[str]:
    """Names in a folder that may be missing."""
    try:
        return disk.listdir(folder)
    except Missing:
        return []


def size(disk: Disk, path: str) -> int:
    """Length of a file in bytes."""
    with disk.open(path) as file:
        return file.size()


def text(report: dict[str, Any], segments: list[dict[str, Any]]) -> Iterator[str]:
    """The page for a person."""
    names = ("journal", "uuid", "format", "created", "sessions", "tail", "index",
             "prepared_segment", "quarantine")  # fmt: skip
    yield from table.pairs({name: report[name] for name in names})
    yield ""
    yield from table.lines(segments, COLUMNS)
