"""Reads an index in a process of its own, because reading a damaged one may crash.

Run as ``python -m durafix.recovery.indexdump SOURCE [SEGMENT:START:END ...]``. Without ranges it
checks each entry and prints one JSON object: the watermark, and for each (session, direction,
epoch) how many frames there are and the sum of their checksums. With ranges it prints the frames
whose records lie there. It exits 0, or says why not on stderr and exits 1; a damaged file may also
kill it, and the parent takes that as an answer.

It opens the environment read-only and without a lock file, so it changes nothing; the parent makes
sure that the file did not change meanwhile.
"""

from __future__ import annotations

import resource
import sys

import lmdb
import msgspec

from ..journal.errors import Corrupt, Error
from ..journal.indexcheck import read_meta
from ..journal.indexformat import SUM_MASK, Group, frame_of, open_value, seq_of

FOUND_MAX = 1000
_FRAME_KEY_BYTES = 18


class Place(msgspec.Struct, frozen=True):
    """A frame that the index knows: number, event, and where its record is."""

    session: int
    direction: int
    epoch: int
    seq: int
    event: int
    segment: int
    offset: int


class Dump(msgspec.Struct, frozen=True):
    """What the child prints."""

    meta: str
    """The watermark's bytes in hex."""
    groups: list[tuple[int, int, int, int, int]] = []
    """(session, direction, epoch, frames, sum of their checksums modulo 2^64)."""
    places: list[Place] = []


def group_of(key: bytes) -> Group:
    """Session, direction and epoch in a frame's key."""
    return int.from_bytes(key[1:5], "big"), key[5], int.from_bytes(key[6:10], "big")


def dump(source: str, ranges: list[tuple[int, int, int]]) -> Dump:
    """Read the environment in folder ``source``. ``Corrupt`` for an entry that does not hold."""
    _, raw = read_meta(source)
    sums: dict[bytes, list[int]] = {}
    places: list[Place] = []
    last = b""
    with lmdb.open(source, readonly=True, lock=False, create=False) as env, env.begin() as txn:
        with txn.cursor() as cursor:
            cursor.set_range(b"e")
            for key, value in cursor:
                if key[:1] != b"e":
                    break
                opened = open_value(key, value)
                frame = frame_of(opened[0]) if opened is not None else None
                if opened is None or frame is None or len(key) != _FRAME_KEY_BYTES or key <= last:
                    raise Corrupt(f"entry {key.hex()} of the index is damaged", where=source)
                last = key
                total = sums.setdefault(key[:10], [0, 0])
                total[0] += 1
                total[1] = (total[1] + opened[1]) & SUM_MASK
                if len(places) < FOUND_MAX and any(
                    segment == frame[0] and start <= frame[1] < end
                    for segment, start, end in ranges
                ):
                    event, where = frame[3], frame[:2]
                    places.append(Place(*group_of(key), seq_of(key), event, *where))
    groups = [(*group_of(key), count, total) for key, (count, total) in sums.items()]
    return Dump(raw.hex(), [] if ranges else groups, places)


def main(arguments: list[str]) -> int:
    """See the module's text."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        ranges = [
            (int(segment), int(start), int(end))
            for segment, start, end in (text.split(":") for text in arguments[1:])
        ]
        found = dump(arguments[0], ranges)
    except (Error, lmdb.Error, OSError, MemoryError, AssertionError) as error:
        sys.stderr.write(f"{error or type(error).__name__}\n")
        return 1
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
