"""The one place that chooses between ``_native.pyx`` and ``_pure.py``; everyone else imports from
here.

Invariant: the compiled module is used only after it agreed with crcmod, and its packer with the
Python one, on fixed vectors in this very process, because a wrong CPU path would write journals
that no other machine can read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import checksum
from ._backend import PURE, warn_slow
from .record import Draft

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


def _twin_agrees() -> bool:
    """Whether the compiled packer makes the same bytes and the same root as the Python one, for
    payloads around every block border of SHA-256 and on both sides of its short path."""
    from . import _pure

    sizes = (0, 1, 54, 55, 62, 63, 64, 118, 119, 127, 200, 958, 959, 960, 1024, 4096)
    drafts = [Draft(1, 1, 0, 1, n, bytes((n + i) & 0xFF for i in range(n))) for n in sizes]
    seen = []
    for twin in (Packer(1, 2, 8192), _pure.Packer(1, 2, 8192)):
        twin.step(1, 3, 0, drafts)
        seen.append((twin.take(), twin.tree.root()))
    return seen[0] == seen[1]


if not checksum.check(crc32c):
    raise ImportError("this build's CRC-32C disagrees with crcmod; reinstall or DURAFIX_PURE=1")
if NATIVE and not _twin_agrees():
    raise ImportError("this build packs other bytes than _pure.py; reinstall or DURAFIX_PURE=1")
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
