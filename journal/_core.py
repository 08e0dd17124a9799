"""The one place that chooses between ``_native.pyx`` and ``_pure.py``; everyone else imports from
here.

Invariant: the compiled CRC and SHA-256 are used only after they agreed with crcmod and hashlib on
fixed vectors in this very process, because a wrong CPU path would write journals that no other
machine can read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import checksum
from ._backend import PURE, warn_slow

if TYPE_CHECKING or PURE:
    from ._pure import (
        MerkleTree,
        Packer,
        crc32c,
        find_header,
        mask,
        scan,
        step_bytes,
        unmask,
        unpack_header,
    )

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
            step_bytes,
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
            step_bytes,
            unmask,
            unpack_header,
        )

        NATIVE = False
        warn_slow("journal records")


def _tree_agrees() -> bool:
    """Whether the compiled SHA-256 makes the same roots as hashlib, for leaves around every block
    border and both sides of its short path."""
    from . import _pure

    ours, twin = MerkleTree(), _pure.MerkleTree()
    for size in (0, 54, 55, 56, 62, 63, 64, 118, 119, 127, 1022, 1023, 1024, 4096):
        leaf = bytes((size + i) & 0xFF for i in range(size))
        ours.add(leaf)
        twin.add(leaf)
    return ours.root() == twin.root()


if not checksum.check(crc32c):
    raise ImportError("this build's CRC-32C disagrees with crcmod; reinstall or DURAFIX_PURE=1")
if NATIVE and not _tree_agrees():
    raise ImportError("this build's SHA-256 disagrees with hashlib; reinstall or DURAFIX_PURE=1")
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
    "step_bytes",
    "unmask",
    "unpack_header",
]
