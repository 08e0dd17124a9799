"""The hash chain over segments: one value that stands for everything written so far.

Owns one formula. Each seal carries the chain up to and including its own segment, and each header
page the chain up to the segment before, so a segment that was swapped, dropped or rewritten breaks
every later link. It must not know how a root is made (``MerkleTree``) or where it is stored
(``segment.py``).
"""

from __future__ import annotations

import hashlib

GENESIS = bytes(32)
"""The chain before the first segment."""


def extend(previous: bytes, root: bytes, count: int) -> bytes:
    """SHA-256(0x02 || previous chain || Merkle root || leaf count as u64 little-endian), 32 bytes.

    ``count`` is the number of Merkle leaves: the header page and every record but the SEAL (storage
    rule 11).
    """
    assert len(previous) == 32 and len(root) == 32
    return hashlib.sha256(b"\2" + previous + root + count.to_bytes(8, "little")).digest()
