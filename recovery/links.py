"""How segments hang together: header pages, seals and the chain from one to the next.

Owns the checks that need more than one segment and no hashing of records: identity, order, counts
in the seal, the seal's digest in the next header, the chain hash. The Merkle root itself is
recomputed by verify only. It returns findings and decides nothing.

Invariant: whoever calls ``enter`` and ``leave`` for each segment in order has checked that no
segment is missing, swapped or of another journal, as far as hashes go that nobody forged.
"""

from __future__ import annotations

import msgspec

from ..journal import chain
from ..journal.errors import Corrupt
from ..journal.position import Position
from ..journal.record import HEADER_BYTES
from ..journal.segment import (
    SEAL_BYTES,
    HeaderPages,
    Seal,
    SegmentHeader,
    seal_digest,
    unpack_seal,
)
from .findings import Finding, finding
from .scan import Walk


class Links:
    """What the next segment must say about the one before it."""

    def __init__(self, uuid: bytes) -> None:
        self.uuid = uuid
        self.segment = 0
        self.term = 0
        self.base_event = 1
        """Number that its first event must have; 0 when the chain was lost before it."""
        self.digest: bytes | None = chain.GENESIS
        self.chain: bytes | None = chain.GENESIS
        self.seal: Seal | None = None
        """Of the last segment left."""

    def enter(self, segment: int, pages: HeaderPages) -> list[Finding]:
        """Check the header pages of the next segment. Without a header the links are lost."""
        here = Position(segment, 0)
        findings: list[Finding] = []
        if segment != self.segment + 1:
            missing = f"segments {self.segment + 1} to {segment - 1} are gone"
            if segment == self.segment + 2:
                missing = f"segment {self.segment + 1} is gone"
            findings.append(finding("segment-missing", missing, position=here))
            self.base_event, self.digest, self.chain = 0, None, None
        self.segment = segment
        header = pages.header
        if header is None:
            code = "header-split" if pages.differ else "header-lost"
            findings.append(finding(code, position=here))
            self.base_event, self.digest, self.chain, self.seal = 0, None, None, None
            return findings
        for at, valid in zip((0, 4096), pages.valid, strict=True):
            if not valid:
                findings.append(finding("header-copy-damaged", position=Position(segment, at)))
        findings += self._compare(here, header)
        self.term = max(self.term, header.term)
        return findings

    def _compare(self, here: Position, header: SegmentHeader) -> list[Finding]:
        findings: list[Finding] = []
        if header.journal_uuid != self.uuid or header.segment != here.segment:
            text = f"the file holds segment {header.segment}"
            if header.journal_uuid != self.uuid:
                text = "the segment belongs to another journal"
            findings.append(finding("segment-foreign", text, position=here))
        if self.base_event and header.base_event != self.base_event:
            findings.append(
                finding(
                    "segment-order",
                    f"the segment starts at event {header.base_event} instead of {self.base_event}",
                    position=here,
                    event=header.base_event,
                )
            )
        if header.term < self.term:
            text = f"term {header.term} behind term {self.term}"
            findings.append(finding("segment-order", text, position=here))
        if self.digest is not None and header.previous_seal != self.digest:
            findings.append(finding("seal-previous", position=here))
        elif self.chain is not None and header.chain != self.chain:
            findings.append(finding("seal-chain", position=here))
        return findings

    def leave(self, walk: Walk) -> list[Finding]:
        """Check the seal at which ``walk`` ended and remember it for the next header."""
        self.base_event, self.seal = walk.event + 1, None
        here = Position(walk.segment, walk.seal_offset or walk.offset)
        if walk.seal is None:
            self.digest = self.chain = None
            return []
        self.digest = seal_digest(walk.seal)
        try:
            seal = unpack_seal(walk.seal[HEADER_BYTES : HEADER_BYTES + SEAL_BYTES], str(here))
        except Corrupt as error:
            self.chain = None
            return [finding("seal-count", error.message, position=here)]
        self.seal, self.chain = seal, seal.chain
        return [*_compare_counts(walk, seal, here), *_compare_chain(walk, seal, here)]


def _compare_counts(walk: Walk, seal: Seal, here: Position) -> list[Finding]:
    events = walk.event - walk.header.base_event + 1
    found = msgspec.structs.replace(
        seal,
        events=events,
        records=walk.records - 1,
        first_event=walk.header.base_event if events else 0,
        last_event=walk.event if events else 0,
        first_utc_ns=walk.first_utc_ns,
        last_utc_ns=walk.cut_utc_ns,
        size_bytes=walk.seal_offset,
    )
    wrong = [name for name in seal.__struct_fields__ if getattr(seal, name) != getattr(found, name)]
    return [
        finding(
            "seal-count",
            f"the seal says {name} {getattr(seal, name)}, the segment {getattr(found, name)}",
            position=here,
            event=walk.event,
        )
        for name in wrong
    ]


def _compare_chain(walk: Walk, seal: Seal, here: Position) -> list[Finding]:
    if chain.extend(walk.header.chain, seal.root, seal.records + 1) == seal.chain:
        return []
    return [finding("seal-chain", position=here, event=walk.event)]
