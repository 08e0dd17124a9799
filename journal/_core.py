"""The one place that chooses between ``_native.pyx`` and ``_pure.py``; everyone else imports from
here.

Invariant: the compiled CRC is used only after it agreed with crcmod on fixed vectors in this very
process, because a wrong CPU path would write journals that no other machine can read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import checksum
from ._backend import PURE, warn_slow

if TYPE_CHECKING or PURE:
    from ._pure import MerkleTree, Packer, crc32c, find_header, mask, scan, unmask, unpack_header

    NATIVE = False
else:
    try:
        from ._native import (
            MerkleTree,
            Packer,
            crc32c,
            find_header,
            mask,
            scan,
            unmask,
            unpack_header,
        )

        NATIVE = True
    except ImportError:
        from ._pure import (
            MerkleTree,
            Packer,
            crc32c,
            find_header,
            mask,
            scan,
            unmask,
            unpack_header,
        )

        NATIVE = False
        warn_slow("journal records")

if not checksum.check(crc32c):
    raise ImportError(
        "the CRC-32C of this build disagrees with crcmod; reinstall, or set DURAFIX_PURE=1"
    )
if not NATIVE and checksum.pure_is_slow():
    warn_slow("CRC-32C: crcmod has no C extension and google-crc32c is not installed")

__all__ = [
    "NATIVE",
    "MerkleTree",
    "Packer",
    "crc32c",
    "find_header",
    "mask",
    "scan",
    "unmask",
    "unpack_header",
]
