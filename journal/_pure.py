"""Records packed, scanned and hashed in plain Python: the twin of ``_native.pyx``, and its
specification.

Owns the byte layout of a record (docs/journal-format.md, "Record") and the Merkle tree over a
segment. It must not know files, segments' header pages, policies or FIX: a caller says at which
offset, behind which record and with which salt. ``_core.py`` chooses between this module and the
compiled one; every test runs on both, and a Hypothesis test compares them byte for byte.

Invariant: what ``Packer`` packs, ``scan`` accepts with the same salt and predecessor, and nothing
else is accepted.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from .checksum import Buffer, crc32c, mask, unmask
from .errors import TooLarge
from .record import (
    ALIGN_BYTES,
    DEPTH_UNKNOWN,
    HEADER_BYTES,
    KIND_SKIPPABLE,
    MAGIC,
    NUMBER_MAX,
    PAYLOAD_BYTES_MAX,
    Draft,
    Flag,
    Header,
    Kind,
    Row,
    Stop,
    padded,
    takes_number,
)

__all__ = [
    "MerkleTree",
    "Packer",
    "crc32c",
    "find_header",
    "mask",
    "scan",
    "step_bytes",
    "unmask",
    "unpack_header",
]

_HEADER = struct.Struct("<IIIIQQQQIBBHII")
_REST = struct.Struct("<IIQQQQIBBHII")  # the header from byte 8 on: what the header crc covers
_CRC = struct.Struct("<I")
_SALT = struct.Struct("<Q")
_MAGIC = _CRC.pack(MAGIC)
_ZERO_HEADER = bytes(HEADER_BYTES)
_KNOWN = frozenset(int(kind) for kind in Kind)


class MerkleTree:
    """SHA-256 tree over leaves that arrive one by one, shaped as in RFC 6962 section 2.1.

    A leaf hashes as SHA-256(0x00 || leaf), a node as SHA-256(0x01 || left || right); the left
    subtree is the largest power of two below the count. Only the roots of finished subtrees are
    kept, so memory is logarithmic.
    """

    __slots__ = ("_count", "_stack")

    def __init__(self) -> None:
        self._stack: list[bytes] = []
        self._count = 0

    @property
    def count(self) -> int:
        """Leaves so far."""
        return self._count

    def add(self, leaf: Buffer) -> None:
        """Append one leaf."""
        node = hashlib.sha256(b"\0" + leaf).digest()
        stack, size = self._stack, self._count
        while size & 1:  # each trailing one bit is a finished subtree of the same height
            node = hashlib.sha256(b"\1" + stack.pop() + node).digest()
            size >>= 1
        stack.append(node)
        self._count += 1

    def root(self) -> bytes:
        """The root over all leaves so far, 32 bytes; SHA-256 of nothing without leaves. More may be
        added after."""
        if not self._stack:
            return hashlib.sha256().digest()
        node = self._stack[-1]
        for left in reversed(self._stack[:-1]):
            node = hashlib.sha256(b"\1" + left + node).digest()
        return node


class Packer:
    """Turns drafts into record bytes, one behind the other, in one segment.

    ``salt`` is the segment's, ``prev_header_crc`` that of the record before (of the header page for
    the first), and ``offset`` the file offset where the next record goes (a multiple of 8). Packed
    bytes wait until ``take``. Every record but SEAL becomes a leaf of ``tree``; the header page is
    the caller's to add first.
    """

    __slots__ = ("_out", "_salt", "_salt_crc", "offset", "prev_header_crc", "records", "tree")

    def __init__(self, salt: int, prev_header_crc: int, offset: int) -> None:
        assert offset % ALIGN_BYTES == 0
        self._salt = salt
        self._salt_crc = crc32c(_SALT.pack(salt))
        self._out = bytearray()
        self.prev_header_crc = prev_header_crc
        """Header crc of the last record packed."""
        self.offset = offset
        """File offset where the next record goes."""
        self.records = 0
        """Records packed by this packer, PAD, MARK and SEAL included."""
        self.tree = MerkleTree()
        """Over all records but SEAL."""

    @property
    def pending(self) -> int:
        """Bytes packed and not yet taken."""
        return len(self._out)

    def take(self) -> bytes:
        """All bytes packed since the last call; they belong at ``offset - len(result)``."""
        taken = bytes(self._out)
        self._out.clear()
        return taken

    def step(self, first_number: int, utc_ns: int, durable: int, drafts: Sequence[Draft]) -> None:
        """Pack one whole step: consecutive numbers from ``first_number``, one time, LAST on the
        last record only.

        ``durable`` is the last event number known durable; each depth is number - durable.
        ``TooLarge`` if a payload is beyond the format's limit; nothing is packed then.
        """
        assert drafts
        assert 0 <= durable < first_number <= NUMBER_MAX - len(drafts)
        for draft in drafts:
            assert takes_number(draft[0], draft[2]), "a step holds events only"
            _check_size(draft[5])
        last, crc, records = len(drafts) - 1, self.prev_header_crc, []
        for i, (kind, direction, flags, session, seq, payload) in enumerate(drafts):
            number = first_number + i
            depth = min(number - durable, DEPTH_UNKNOWN - 1)
            flags = flags | Flag.LAST if i == last else flags & ~Flag.LAST
            record, crc = self._lay(
                crc, number, utc_ns, depth, kind, direction, flags, session, seq, payload
            )
            records.append((record, crc, kind))
        for record, crc, kind in records:  # a step is packed whole or not at all
            self._append(record, crc, kind)

    def steps(
        self, batch: list[tuple[int, int, Sequence[Draft], int]], durable: int, room: int
    ) -> tuple[int, int]:
        """Pack whole steps, in order, while their bytes fit into ``room``.

        A step is (first event number, time, drafts, ``step_bytes`` of them). Returns how many were
        packed and their bytes. What is packed stays packed when a later step raises.
        """
        taken = count = 0
        for first, utc_ns, drafts, size in batch:
            if taken + size > room:
                break
            before = self.offset
            self.step(first, utc_ns, durable, drafts)
            assert self.offset - before == size
            taken += size
            count += 1
        return count, taken

    def single(
        self,
        number: int,
        utc_ns: int,
        depth: int,
        kind: int,
        direction: int,
        flags: int,
        session: int,
        seq: int,
        payload: bytes,
    ) -> None:
        """Pack one record outside a step: MARK, SEAL, a ROSTER copy, or a REPAIR.

        An unnumbered record repeats the last event's ``number``. A numbered one is a step of its
        own: LAST is set. ``depth`` is taken as given (``DEPTH_UNKNOWN`` proves nothing).
        """
        _check_size(payload)
        if takes_number(kind, flags):
            flags |= Flag.LAST
        record, crc = self._lay(
            self.prev_header_crc,
            number,
            utc_ns,
            depth,
            kind,
            direction,
            flags,
            session,
            seq,
            payload,
        )
        self._append(record, crc, kind)

    def pad(self, number: int, utc_ns: int, durable: int, boundary: int) -> None:
        """Fill up to the next multiple of ``boundary`` in the file with one PAD record; nothing if
        already there.

        A remainder below 64 bytes cannot hold a record, so it goes on to the boundary after
        (storage rule 3).
        """
        assert boundary >= HEADER_BYTES and boundary % ALIGN_BYTES == 0
        rest = -self.offset % boundary
        if not rest:
            return
        if rest < HEADER_BYTES:
            rest += boundary
        assert number >= durable
        depth = min(number - durable, DEPTH_UNKNOWN - 1)
        self.single(number, utc_ns, depth, Kind.PAD, 0, 0, 0, 0, bytes(rest - HEADER_BYTES))

    def _lay(
        self,
        previous_crc: int,
        number: int,
        utc_ns: int,
        depth: int,
        kind: int,
        direction: int,
        flags: int,
        session: int,
        seq: int,
        payload: bytes,
    ) -> tuple[bytes, int]:
        """One record behind another, and its header crc."""
        assert 0 <= number <= NUMBER_MAX and 0 <= utc_ns <= NUMBER_MAX and 0 <= seq <= NUMBER_MAX
        assert kind > 0
        rest = _REST.pack(
            len(payload),
            mask(crc32c(payload)),
            self._salt,
            number,
            utc_ns,
            seq,
            session,
            kind,
            direction,
            flags,
            depth,
            previous_crc,
        )
        crc = mask(crc32c(rest, self._salt_crc))
        alignment = bytes(-len(payload) % ALIGN_BYTES)
        return b"".join((_MAGIC, _CRC.pack(crc), rest, payload, alignment)), crc

    def _append(self, record: bytes, crc: int, kind: int) -> None:
        self._out += record
        self.offset += len(record)
        self.prev_header_crc = crc
        self.records += 1
        if kind != Kind.SEAL:
            self.tree.add(record)


def step_bytes(drafts: Sequence[Draft]) -> int:
    """Bytes that a step of these drafts takes in a segment, before it is packed."""
    return sum(padded(len(draft[5])) for draft in drafts)


def _check_size(payload: bytes) -> None:
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise TooLarge(
            f"a payload of {len(payload)} bytes; the limit is {PAYLOAD_BYTES_MAX}",
            hint="send it in parts",
        )


def scan(
    data: Buffer, start: int, base: int, salt: int, prev_crc: int, last_event: int, limit: int
) -> tuple[list[Row], int, Stop]:
    """Verify records one behind the other in ``data[start:]``, until one does not verify.

    ``base`` is the file offset of ``data[0]``; ``prev_crc`` and ``last_event`` are the header crc
    and the number of the record before ``start`` (crc of the header page, and base event - 1, at
    the start of a segment). At most ``limit`` rows. Returns the rows, where in ``data`` the next
    record starts, and a ``Stop`` that says why it ended there. Never raises for what the bytes are;
    never reads beyond them.
    """
    assert limit > 0 and start >= 0 and (base + start) % ALIGN_BYTES == 0
    rows: list[Row] = []
    salt_crc = crc32c(_SALT.pack(salt))
    with memoryview(data) as view:
        at, end = start, len(view)
        while True:
            if at >= end:
                return rows, at, Stop.END
            if len(rows) == limit:
                return rows, at, Stop.LIMIT
            if end - at < HEADER_BYTES:
                return rows, at, Stop.SHORT
            header = _HEADER.unpack_from(view, at)
            stop = _check_header(view, at, header, salt, salt_crc)
            if stop is None:
                stop = _check_order(header, prev_crc, last_event)
            payload_at = at + HEADER_BYTES
            behind = payload_at + header[2]
            after = behind + (-header[2] % ALIGN_BYTES)
            if stop is None and after > end:
                stop = Stop.SHORT
            if stop is not None:
                return rows, at, stop
            payload = bytes(view[payload_at:behind])
            if mask(crc32c(payload)) != header[3]:
                return rows, at, Stop.PAYLOAD_CRC
            if any(view[behind:after]):
                return rows, at, Stop.ALIGNMENT
            prev_crc, last_event = header[1], header[5]
            rows.append((at, *header[5:13], prev_crc, payload))
            at = after


def _check_header(
    view: memoryview, at: int, header: tuple[int, ...], salt: int, salt_crc: int
) -> Stop | None:
    """The first fault of 64 bytes as a header by itself."""
    if header[0] != MAGIC:
        return Stop.ZERO if view[at : at + HEADER_BYTES] == _ZERO_HEADER else Stop.MAGIC
    covered = bytes(view[at + 8 : at + HEADER_BYTES])
    if header[4] != salt:
        own = mask(crc32c(covered, crc32c(covered[8:16])))
        return Stop.SALT if own == header[1] else Stop.HEADER_CRC
    if mask(crc32c(covered, salt_crc)) != header[1]:
        return Stop.HEADER_CRC
    return Stop.LENGTH if header[2] > PAYLOAD_BYTES_MAX else None


def _check_order(header: tuple[int, ...], prev_crc: int, last_event: int) -> Stop | None:
    """The first fault of a valid header behind its predecessor."""
    event, utc_ns, seq, kind, flags = header[5], header[6], header[7], header[9], header[11]
    if event > NUMBER_MAX or utc_ns > NUMBER_MAX or seq > NUMBER_MAX:
        return Stop.NUMBER
    if kind not in _KNOWN and kind < KIND_SKIPPABLE:
        return Stop.KIND
    if header[13] != prev_crc:
        return Stop.PREVIOUS
    return None if event == last_event + takes_number(kind, flags) else Stop.NUMBER


def find_header(data: Buffer, start: int, base: int, salt: int) -> int:
    """Where in ``data`` the next header starts that is valid by itself (magic, salt, header crc,
    length limit), at or after ``start``, on the file's grid of 8 bytes; -1 if there is none.
    ``base`` is the file offset of ``data[0]``."""
    salt_crc = crc32c(_SALT.pack(salt))
    raw = data if isinstance(data, (bytes, bytearray)) else bytes(memoryview(data))
    view = memoryview(raw)
    last = len(raw) - HEADER_BYTES
    at = start
    while 0 <= (at := raw.find(_MAGIC, at)) <= last:
        if (base + at) % ALIGN_BYTES == 0:
            header = _HEADER.unpack_from(view, at)
            if _check_header(view, at, header, salt, salt_crc) is None:
                return at
        at += 1
    return -1


def unpack_header(data: Buffer, offset: int) -> Header:
    """The raw fields of 64 bytes at ``offset``, for tools; nothing is verified. ``struct.error`` if
    they are short."""
    return Header(*_HEADER.unpack_from(memoryview(data), offset))
