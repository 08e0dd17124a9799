"""Edits by somebody who can compute checksums: seals, chain and header pages still tell."""

from __future__ import annotations

import struct
from collections.abc import Callable

import msgspec
import pytest

from durafix.journal._core import MerkleTree, crc32c, mask
from durafix.journal.chain import extend
from durafix.journal.reader import Reader
from durafix.journal.record import MAGIC, Kind, Record
from durafix.journal.segment import (
    FIRST_RECORD,
    Seal,
    SegmentHeader,
    pack_header_page,
    pack_seal,
    page_crc,
    read_header_pages,
    unpack_seal,
)
from durafix.journal.simdisk import SimDisk
from durafix.recovery.errors import Damaged
from durafix.recovery.verify import verify

from .toys import ROOT, Machine, new_disk, resume


def sealed() -> SimDisk:
    """Three sealed segments and more."""
    disk = new_disk()
    machine = Machine(disk)
    for i in range(120):
        machine.feed(f"t{i % 3}")
    machine.writer.close()
    return disk.kill()


def path_of(segment: int) -> str:
    return f"{ROOT}/segments/{segment:08d}.seg"


def packed(record: Record, salt: int, previous: int) -> tuple[bytes, int]:
    """A record's bytes and header crc, packed by hand so that any flag can be forged."""
    rest = struct.pack(
        "<IIQQQQIBBHII",
        len(record.payload),
        mask(crc32c(record.payload)),
        salt,
        *record[1:9],
        previous,
    )
    crc = mask(crc32c(rest, crc32c(struct.pack("<Q", salt))))
    padding = bytes(-len(record.payload) % 8)
    return struct.pack("<II", MAGIC, crc) + rest + record.payload + padding, crc


def forge(
    disk: SimDisk,
    segment: int,
    *,
    record: Callable[[Record], Record] = lambda record: record,
    seal: Callable[[Seal], Seal] = lambda seal: seal,
    header: Callable[[SegmentHeader], SegmentHeader] = lambda header: header,
    root_too: bool = False,
) -> None:
    """Write a segment again with edits and with every checksum and link made to fit.

    ``root_too`` also puts the root and the chain of the edited records into the seal.
    """
    path = path_of(segment)
    pages = read_header_pages(disk.content(path)[:FIRST_RECORD])
    assert pages.header is not None
    edited = header(pages.header)
    page = pack_header_page(edited)
    tree, data, previous, leaves = MerkleTree(), page + page, page_crc(page), 1
    tree.add(page)
    for old in Reader(disk, ROOT).records():
        if old.position.segment != segment:
            continue
        new = record(old)
        payload = new.payload
        if new.kind == Kind.SEAL:
            root = tree.root()
            fields = seal(unpack_seal(payload))
            if root_too:
                chain = extend(edited.chain, root, leaves)
                fields = msgspec.structs.replace(fields, root=root, chain=chain)
            payload = pack_seal(fields)
        raw, previous = packed(new._replace(payload=payload), edited.salt, previous)
        if new.kind != Kind.SEAL:
            tree.add(raw)
            leaves += 1
        data += raw
    disk.rename(path, f"{path}.old")
    with disk.open(path, write=True, exclusive=True) as file:
        file.pwrite(data, 0)


def found(disk: SimDisk) -> set[str]:
    report = verify(disk, ROOT, pause=lambda seconds: None)
    return {f.code for f in report.findings if f.severity != "note"}


def test_a_segment_that_is_written_again_as_it_was_is_clean() -> None:
    """The forger of these tests makes no mistakes of its own."""
    disk = sealed()
    forge(disk, 1)
    assert found(disk) == set()


def edit_one(record: Record) -> Record:
    if record.payload == b"t2=5":
        return record._replace(payload=b"t2=6")
    return record


def test_a_changed_event_with_good_checksums_does_not_fit_the_root() -> None:
    """The Merkle root in the seal is of other records."""
    disk = sealed()
    forge(disk, 1, record=edit_one)
    assert found(disk) == {"seal-root", "seal-previous"}


def test_a_changed_event_with_a_new_seal_does_not_fit_the_next_header() -> None:
    """Root and chain made to fit: the next segment still names the old seal."""
    disk = sealed()
    forge(disk, 1, record=edit_one, root_too=True)
    assert found(disk) == {"seal-previous"}
    with pytest.raises(Damaged):
        resume(disk)


@pytest.mark.parametrize(
    "field",
    ["events", "records", "first_event", "last_event", "first_utc_ns", "last_utc_ns", "size_bytes"],
)
def test_each_count_in_a_seal_is_compared(field: str) -> None:
    """One more than the segment holds."""
    disk = sealed()
    last = int(max(p for p in disk.paths() if p.endswith(".seg"))[-12:-4])

    def more(seal: Seal) -> Seal:
        return msgspec.structs.replace(seal, **{field: getattr(seal, field) + 1})

    forge(disk, last, seal=more)
    assert "seal-count" in found(disk)


def test_the_chain_hash_is_compared_in_seal_and_header() -> None:
    """A seal with another chain, and a header page with another one."""
    disk = sealed()
    forge(disk, 1, seal=lambda seal: msgspec.structs.replace(seal, chain=bytes(32)))
    assert "seal-chain" in found(disk)
    disk = sealed()
    wrong = b"\1" * 32
    forge(disk, 2, header=lambda h: msgspec.structs.replace(h, chain=wrong), root_too=True)
    assert "seal-chain" in found(disk)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("journal_uuid", bytes(16), "segment-foreign"),
        ("segment", 7, "segment-foreign"),
        ("base_event", 5, "segment-order"),
        ("term", 0, "segment-order"),
        ("previous_seal", bytes(32), "seal-previous"),
    ],
)
def test_each_link_in_a_header_page_is_compared(field: str, value: object, code: str) -> None:
    """Identity, order and the seal before."""
    disk = sealed()
    forge(
        disk,
        2,
        header=lambda header: msgspec.structs.replace(header, **{field: value}),
        root_too=True,
    )
    assert code in found(disk)
    with pytest.raises(Damaged):
        resume(disk)


def test_two_valid_header_pages_that_differ_are_damage() -> None:
    """Nobody can say which of them is true."""
    disk = sealed()
    pages = read_header_pages(disk.content(path_of(2))[:FIRST_RECORD])
    assert pages.header is not None
    other = pack_header_page(msgspec.structs.replace(pages.header, created_ns=1))
    disk.poke(path_of(2), 4096, other)
    assert "header-split" in found(disk)


def test_bytes_behind_a_seal_are_found() -> None:
    """Nothing belongs there; zeros in front of a truncation do."""
    disk = sealed()
    path = path_of(2)
    size = len(disk.content(path))
    disk.rename(path, f"{path}.old")
    with disk.open(path, write=True, exclusive=True) as file:
        file.pwrite(disk.content(f"{path}.old") + bytes(512), 0)
    assert found(disk) == set()
    disk.poke(path, size + 100, b"x")
    assert found(disk) == {"after-seal"}


def test_a_step_without_an_end_is_found() -> None:
    """The last flag of an event is gone, with every checksum made to fit."""
    disk = sealed()

    def unflag(record: Record) -> Record:
        return record._replace(flags=record.flags & ~1) if record.payload == b"t2=5" else record

    forge(disk, 1, record=unflag, root_too=True)
    assert "step-split" in found(disk)
