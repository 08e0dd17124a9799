"""Journals made by hand, record by record, for tests that read: no writer, no threads, no clock."""

import json
from pathlib import Path

from durafix.journal import chain
from durafix.journal._core import Packer, scan
from durafix.journal.disk import Disk
from durafix.journal.position import Position
from durafix.journal.realdisk import RealDisk
from durafix.journal.record import Direction, Draft, Flag, Kind, Record
from durafix.journal.segment import (
    FIRST_RECORD,
    Policy,
    Seal,
    SegmentHeader,
    pack_header_page,
    pack_seal,
    page_crc,
    seal_digest,
    segment_name,
)
from durafix.journal.tail import FILE_BYTES, TailSlot, pack_slot, slot_offset

UUID = bytes(range(16))
START_NS = 1_700_000_000_000_000_000
ROSTER = {1: "FIX.4.4:A->B", 2: "FIX.4.2:C->D"}


def frame(text: str = "8=FIX.4.4|") -> bytes:
    """A payload that looks like a journaled frame."""
    return b"\x0a\x00" + bytes(8) + text.encode()


def in_(seq: int, payload: bytes = b"in", *, session: int = 1, flags: int = 0) -> Draft:
    """A received frame."""
    return Draft(Kind.IN, Direction.IN, flags, session, seq, payload)


def out(seq: int, payload: bytes = b"out", *, session: int = 1, flags: int = 0) -> Draft:
    """A sent frame."""
    return Draft(Kind.OUT, Direction.OUT, flags, session, seq, payload)


def epoch(number: int, *, session: int = 1) -> Draft:
    """A new epoch of a session."""
    body = {"epoch": number, "next_out": 1, "next_in": 1, "cause": "test"}
    return Draft(Kind.EPOCH, 0, 0, session, 0, json.dumps(body).encode())


class Made:
    """A journal on a disk that grows by calls; ``records`` is what a reader must see of it."""

    def __init__(
        self,
        disk: Disk,
        root: str,
        *,
        policy: Policy = Policy.ALWAYS,
        allocated: int = 256 << 10,
        uuid: bytes = UUID,
        salt: int = 0x1234_5678_9ABC_DEF1,
    ) -> None:
        self.disk, self.root, self.uuid = disk, root, uuid
        self.policy, self.allocated = policy, allocated
        self.records: list[Record] = []
        self.segment = 0
        self.event = 0
        self.durable = 0
        self.utc_ns = START_NS
        self.generation = 0
        self.salt = salt
        self._previous = (0, 0)
        self._chain = chain.GENESIS
        self._seal = bytes(32)
        for folder in (root, f"{root}/segments"):
            if not disk.exists(folder):
                disk.mkdir(folder)
        self.open_segment()

    @property
    def path(self) -> str:
        """File of the live segment."""
        return f"{self.root}/segments/{segment_name(self.segment)}"

    @property
    def end(self) -> int:
        """File offset behind the last record packed."""
        return self._packer.offset

    def open_segment(self) -> None:
        """Begin the next segment, with its roster copy."""
        self.segment += 1
        self.salt += 1
        header = SegmentHeader(
            journal_uuid=self.uuid,
            segment=self.segment,
            salt=self.salt,
            base_event=self.event + 1,
            term=1,
            created_ns=self.utc_ns,
            policy=self.policy,
            pad_bytes=512,
            allocated_bytes=self.allocated,
            previous_seal=self._seal,
            chain=self._chain,
        )
        page = pack_header_page(header)
        self._packer = Packer(self.salt, page_crc(page), FIRST_RECORD)
        self._packer.tree.add(page)
        self._first = (self.event + 1, self.utc_ns)
        temporary = f"{self.root}/segments/next.tmp"
        with self.disk.open(temporary, write=True, create=True) as file:
            file.allocate(self.allocated)
            file.pwrite(page * 2, 0)
        self.disk.rename(temporary, self.path)
        payload = json.dumps({"sessions": {str(k): v for k, v in ROSTER.items()}}).encode()
        self._single(Kind.ROSTER, Flag.COPY, payload)

    def pack(self, *drafts: Draft, utc_ns: int | None = None) -> tuple[int, bytes]:
        """The bytes of one step and where they belong; nothing is written, but they count."""
        self.utc_ns = self.utc_ns + 1_000_000 if utc_ns is None else utc_ns
        self._packer.step(self.event + 1, self.utc_ns, self.durable, drafts)
        self.event += len(drafts)
        return self._take()

    def step(self, *drafts: Draft, utc_ns: int | None = None) -> list[Record]:
        """Write one step; its records."""
        count = len(self.records)
        self.write(*self.pack(*drafts, utc_ns=utc_ns))
        return self.records[count:]

    def sync(self) -> None:
        """Pad, and count all as durable from here on (only what the records say; nothing syncs)."""
        self._packer.pad(self.event, self.utc_ns, self.durable, 512)
        if self._packer.pending:
            self.write(*self._take())
        self.durable = self.event

    def mark(self) -> None:
        """A MARK: everything is durable."""
        self.durable = self.event
        self._single(Kind.MARK, 0, b"")

    def tail(self, event: int | None = None) -> None:
        """Write the tail file for ``event`` (default: the last)."""
        self.generation += 1
        last = self.records[-1]
        slot = TailSlot(
            journal_uuid=self.uuid,
            term=1,
            segment=self.segment,
            offset=self._packer.offset,
            event=self.event if event is None else event,
            header_crc=last.header_crc,
            generation=self.generation,
        )
        with self.disk.open(f"{self.root}/TAIL", write=True, create=True) as file:
            if file.size() < FILE_BYTES:
                file.truncate(FILE_BYTES)
            file.pwrite(pack_slot(slot), slot_offset(self.generation))

    def seal(self, *, truncate: bool = True) -> None:
        """Close the live segment."""
        self.durable = self.event
        first, first_ns = self._first
        some = self.event >= first
        root, leaves = self._packer.tree.root(), self._packer.tree.count
        self._chain = chain.extend(self._chain, root, leaves)
        seal = Seal(
            events=self.event - first + 1,
            records=self._packer.records,
            first_event=first if some else 0,
            last_event=self.event if some else 0,
            first_utc_ns=first_ns if some else 0,
            last_utc_ns=self.utc_ns if some else 0,
            size_bytes=self._packer.offset,
            root=root,
            chain=self._chain,
        )
        at, data = self._single(Kind.SEAL, 0, pack_seal(seal))
        self._seal = seal_digest(data)
        if truncate:
            with self.disk.open(self.path, write=True) as file:
                file.truncate(at + len(data))

    def rotate(self) -> None:
        """Seal, and begin the next segment."""
        self.seal()
        self.open_segment()

    def _single(self, kind: int, flags: int, payload: bytes) -> tuple[int, bytes]:
        self._packer.single(self.event, self.utc_ns, 0, kind, 0, flags, 0, 0, payload)
        at, data = self._take()
        self.write(at, data)
        return at, data

    def _take(self) -> tuple[int, bytes]:
        data = self._packer.take()
        at = self._packer.offset - len(data)
        if at == FIRST_RECORD:
            with self.disk.open(self.path) as file:
                previous, last = page_crc(file.pread(0, 4096)), self.event
        else:
            previous, last = self._previous
        rows, end, _ = scan(data, 0, at, self.salt, previous, last, 1 << 30)
        assert end == len(data)
        self._previous = (rows[-1][9], rows[-1][1])
        self.records += [Record(Position(self.segment, at + row[0]), *row[1:]) for row in rows]
        return at, data

    def write(self, at: int, data: bytes) -> None:
        """Bytes into the live segment."""
        with self.disk.open(self.path, write=True) as file:
            file.pwrite(data, at)


def made(path: Path, *, policy: Policy = Policy.ALWAYS, allocated: int = 256 << 10) -> Made:
    """An empty journal in a folder of the real disk."""
    path.mkdir(exist_ok=True)
    return Made(RealDisk(), str(path / "journal"), policy=policy, allocated=allocated)


def flip(path: str, offset: int, value: int = 0xFF) -> None:
    """Damage one byte of a file."""
    with RealDisk().open(path, write=True) as file:
        byte = file.pread(offset, 1)[0]
        file.pwrite(bytes([byte ^ value]), offset)


def zero(path: str, offset: int, length: int) -> None:
    """A lost write: zeros where bytes should be."""
    with RealDisk().open(path, write=True) as file:
        file.pwrite(bytes(length), offset)
