"""Journals that are wrong although every CRC is right: the golden journal with fields changed and
records added, checksums made anew. Written from docs/journal-format.md, as the simple reader is.
"""

import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from .simple_reader import FIRST_RECORD, masked_crc

GOLDEN = Path(__file__).parent / "v1"
OPEN_SEGMENT = "segments/00000003.seg"
GOLDEN_END = 8704  # of the records in the open segment; zeros from there on
SALT = b"\x33" * 8  # of that segment
GOLDEN_LAST_PAD = 8552  # the record before: behind the event that TAIL proves

Fields = dict[str, int | bytes]
Spoil = Callable[[Path], object]


def copied(root: Path, to: Path) -> Path:
    """A journal without the modes of its files: sealed segments are read-only."""
    return Path(shutil.copytree(root, to, copy_function=shutil.copyfile))


def packed(previous_crc: int, fields: Fields) -> tuple[bytes, int]:
    """A record of the golden open segment with true CRCs; also its header crc."""
    plain: Fields = {
        "magic": 0xF1D05EA1,
        "salt": int.from_bytes(SALT, "little"),
        "event": 23,
        "utc_ns": 5,
        "seq": 0,
        "session": 0,
        "kind": 11,
        "direction": 0,
        "flags": 1,
        "depth": 1,
        "previous_crc": previous_crc,
        "payload": b"{}",
        "align": b"\0",
    }
    f = plain | fields
    payload, align = f["payload"], f["align"]
    assert isinstance(payload, bytes)
    assert isinstance(align, bytes)
    names = ("salt", "event", "utc_ns", "seq", "session", "kind", "direction", "flags", "depth")
    rest = struct.pack("<QQQQIBBHII", *(f[name] for name in (*names, "previous_crc")))
    body = struct.pack("<II", f.get("length", len(payload)), masked_crc(payload)) + rest
    crc = masked_crc(SALT + body)
    return struct.pack("<II", f["magic"], crc) + body + payload + align * (-len(payload) % 8), crc


def written_behind(root: Path, *records: Fields, end: int = GOLDEN_END) -> None:
    """Put records behind the one that ends at ``end`` in the open segment of the golden journal:
    its last one, or the header pages."""
    path = root / OPEN_SEGMENT
    data = bytearray(path.read_bytes())
    before = {GOLDEN_END: GOLDEN_LAST_PAD + 4, FIRST_RECORD: 8}[end]
    crc = int.from_bytes(data[before : before + 4], "little")
    for fields in records:
        block, crc = packed(crc, fields)
        data[end : end + len(block)] = block
        end += len(block)
    path.write_bytes(data)


def page_set(segment: int, offset: int, value: bytes, copies: Sequence[int] = (0, 4096)) -> Spoil:
    """Change a field of header pages and give them a true page crc."""

    def spoil(root: Path) -> None:
        path = root / f"segments/{segment:08}.seg"
        data = bytearray(path.read_bytes())
        for start in copies:
            data[start + offset : start + offset + len(value)] = value
            crc = masked_crc(bytes(data[start + 12 : start + 4096]))
            data[start + 8 : start + 12] = crc.to_bytes(4, "little")
        path.write_bytes(data)

    return spoil


def cut(file: str, size_bytes: int) -> Spoil:
    return lambda root: (root / file).write_bytes((root / file).read_bytes()[:size_bytes])


def seal_set(offset: int) -> Spoil:
    """Change a byte of the payload of segment 2's SEAL and give the record true CRCs."""

    def spoil(root: Path) -> None:
        path = root / "segments/00000002.seg"
        data = bytearray(path.read_bytes())
        seal = data[-184:]
        seal[64 + offset] ^= 1
        seal[12:16] = masked_crc(bytes(seal[64:])).to_bytes(4, "little")
        seal[4:8] = masked_crc(bytes(seal[16:24] + seal[8:64])).to_bytes(4, "little")
        path.write_bytes(data[:-184] + seal)

    return spoil


def manifest_set(old: bytes, new: bytes) -> Spoil:
    def spoil(root: Path) -> None:
        path = root / "journal.json"
        path.write_bytes(path.read_bytes().replace(old, new))

    return spoil


def tail_set(offset: int, value: bytes) -> Spoil:
    """Change a field of the newer tail slot and give it a true crc."""

    def spoil(root: Path) -> None:
        data = bytearray((root / "TAIL").read_bytes())
        data[512 + offset : 512 + offset + len(value)] = value
        data[520:524] = masked_crc(bytes(data[524:640])).to_bytes(4, "little")
        (root / "TAIL").write_bytes(data)

    return spoil
