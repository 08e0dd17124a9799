"""Small runs of records for tests of the bytes: no files, no clock, the same on every run."""

import importlib
import os
from types import ModuleType
from typing import Any

import pytest

from durafix.journal import _pure
from durafix.journal.record import Draft, Flag, Kind, Row

SALT = 0x0123_4567_89AB_CDEF
PAGE_CRC = 0x5EED_F00D
START = 8192
T0 = 1_700_000_000_000_000_000


def twins() -> tuple[Any, Any]:
    """The native module and its pure twin, for tests that compare them."""
    try:
        return importlib.import_module("durafix.journal._native"), _pure
    except ImportError:
        if os.environ.get("WANT_NATIVE"):
            raise
        pytest.skip("no native build here")


def draft(payload: bytes = b"payload", *, kind: int = Kind.IN, seq: int = 7) -> Draft:
    """An event of session 3."""
    return Draft(kind, 1, Flag.CONSUMED, 3, seq, payload)


def packer(core: ModuleType) -> Any:
    """A packer at the start of a segment."""
    return core.Packer(SALT, PAGE_CRC, START)


def image(core: ModuleType) -> bytes:
    """A roster copy, two steps, a pad, a mark and a seal, as the first records of a segment."""
    p = packer(core)
    p.single(0, T0, 0, Kind.ROSTER, 0, Flag.COPY, 0, 0, b'{"sessions":{}}')
    p.step(1, T0, 0, [draft(b"one"), draft(b"", kind=Kind.STATE), draft(b"three!!!")])
    p.pad(3, T0, 0, 512)
    p.step(4, T0 + 1, 3, [draft(b"x" * 50, seq=8)])
    p.single(4, T0 + 2, 0, Kind.MARK, 0, 0, 0, 0, b"")
    p.single(4, T0 + 3, 0, Kind.SEAL, 0, 0, 0, 0, b"end")
    data: bytes = p.take()
    return data


def scan(core: ModuleType, data: Any, **at: int) -> tuple[list[Row], int, int]:
    """Scan a whole image from its start, or as the keywords say."""
    args = {"start": 0, "base": START, "salt": SALT, "prev_crc": PAGE_CRC, "last_event": 0}
    result: tuple[list[Row], int, int] = core.scan(data, **{**args, "limit": 1 << 20, **at})
    return result
