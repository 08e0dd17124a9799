"""CRC-32C: the reference, the mask, and the check that every faster version must pass.

Owns what a checksum in a journal *is*: CRC-32C (Castagnoli) as crcmod defines it, stored masked.
The compiled version in ``_native.pyx`` must agree with ``reference`` before it is used (``check``,
called once in ``_core.py``). It must not know records or files.

Why masked: a journal's payload may itself hold journal records (an archive, a copied frame), and
the CRC of data that ends in its own CRC is a constant. Rotating and adding a constant breaks that
pattern.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Protocol

import crcmod.predefined

_extend: Callable[[int, bytes], int] | None
try:
    _extend = importlib.import_module("google_crc32c").extend
except ImportError:
    _extend = None

CHECK_INPUT = b"123456789"
CHECK_VALUE = 0xE306_9283
"""The published check value of CRC-32C for ``CHECK_INPUT``."""

_MASK_DELTA = 0xA282_EAD8
_WORD = 0xFFFF_FFFF


class Buffer(Protocol):
    """What can be read as bytes: ``bytes``, ``bytearray``, ``memoryview`` of bytes, ``mmap``."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


Crc32c = Callable[..., int]
"""``crc32c(data, crc=0)``: the CRC of ``data`` behind a prefix whose CRC is ``crc``."""

_crcmod: Crc32c = crcmod.predefined.mkPredefinedCrcFun("crc-32c")


def reference(data: Buffer, crc: int = 0) -> int:
    """CRC-32C of ``data`` by crcmod, the definition for every other version; ``crc`` continues an
    earlier result."""
    return _crcmod(data, crc)


def _google(data: Buffer, crc: int = 0) -> int:
    assert _extend is not None
    return int(_extend(crc, bytes(data)))


crc32c: Crc32c = reference if _extend is None else _google
"""What the pure twin uses: google-crc32c where it is installed, else crcmod."""


def reference_is_compiled() -> bool:
    """Whether crcmod runs its C extension; without it (and without google-crc32c) checksums cost 25
    times more."""
    return bool(getattr(sys.modules.get("crcmod.crcmod"), "_usingExtension", False))


def pure_is_slow() -> bool:
    """Whether ``crc32c`` of this module runs in plain Python."""
    return _extend is None and not reference_is_compiled()


def mask(crc: int) -> int:
    """The stored form of a CRC: rotated right by 15 bits, plus a constant, modulo 2^32."""
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & _WORD


def unmask(masked: int) -> int:
    """The inverse of ``mask``."""
    rotated = (masked - _MASK_DELTA) & _WORD
    return ((rotated >> 17) | (rotated << 15)) & _WORD


def check(candidate: Crc32c) -> bool:
    """Whether ``candidate`` agrees with crcmod on fixed vectors: the published value, every length
    from 0 to 80 (all tails of the word loops), a split in two, and a start at odd addresses."""
    data = bytes((7 * i + (i >> 3)) & 0xFF for i in range(4099))
    lengths = [*range(81), 255, 256, 1023, 1024, 4099]
    return (
        candidate(CHECK_INPUT) == CHECK_VALUE
        and all(candidate(data[:n]) == reference(data[:n]) for n in lengths)
        and all(
            candidate(memoryview(data)[i:], candidate(data[:i])) == reference(data)
            for i in range(1, 9)
        )
    )
