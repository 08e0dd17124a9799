"""What one simulated file knows: what a reader sees, what the medium holds, and what lies between.

Owns the sectors of a file and its sizes, each with the versions that have been written since the
last sync. It must not know names, folders or faults; ``simdisk.py`` does.

The model. The medium is written in sectors of 512 bytes, each whole. The kernel writes back blocks
of 4 KiB, so a write makes every sector of the touched blocks pending, with the bytes that a reader
sees. Until a sync, any version of a sector may be the one that a power cut leaves, and the size is
chosen apart from the content. After a *failed* sync the kernel takes its pages for clean: the
versions stay possible, but no later sync writes them unless the block is written again.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from random import Random

SECTOR_BYTES = 512
BLOCK_BYTES = 4096


class Loss(enum.Enum):
    """What a power cut does to everything that was not synced."""

    KEEP = "keep"
    """Content, sizes and names all survive: the kernel had written them back just in time."""
    DROP = "drop"
    """None of it survives."""
    DATA = "data"
    """Content is lost, sizes and names survive: files of zeros."""
    NAMES = "names"
    """Names and sizes are lost, content survives."""
    TORN = "torn"
    """Everything up to a moment survives, in order; the sector of that moment is torn in the
    middle.
    """
    MIXED = "mixed"
    """Each sector, size and name decides by itself; a sector may be torn."""


class Write(NamedTuple):
    """One version of one sector, and when it was written (a counter that the whole disk shares)."""

    tick: int
    sector: int
    data: bytes


class Cut(NamedTuple):
    """One power cut: how it loses, the last tick that survives under TORN, and the dice."""

    loss: Loss
    tick: int
    dice: Random


class Inode:
    """Content of one file.

    ``live`` is what a reader sees, ``stable`` what the medium holds for certain.
    """

    def __init__(self) -> None:
        self.live = bytearray()
        self.stable = bytearray()
        self.stable_size = 0
        self.pending: list[Write] = []
        """Written, not synced; a sync makes it stable."""
        self.doubtful: list[Write] = []
        """Was pending when a sync failed: perhaps on the medium, and no sync will put it there."""
        self.sizes: list[tuple[int, int]] = []
        """(tick, size) of each change of size since the last sync."""
        self.protected = False

    def copy(self) -> Inode:
        """The same, independent."""
        twin = Inode()
        twin.live, twin.stable = bytearray(self.live), bytearray(self.stable)
        twin.pending, twin.doubtful = list(self.pending), list(self.doubtful)
        twin.sizes, twin.protected = list(self.sizes), self.protected
        twin.stable_size = self.stable_size
        return twin

    def write(self, tick: int, data: bytes, offset: int) -> None:
        """Change what a reader sees; all sectors of the touched blocks become pending."""
        if not data:
            return
        if offset + len(data) > len(self.live):
            self.resize(tick, offset + len(data))
        self.live[offset : offset + len(data)] = data
        first = offset // BLOCK_BYTES * BLOCK_BYTES // SECTOR_BYTES
        end = -(-(offset + len(data)) // BLOCK_BYTES) * BLOCK_BYTES // SECTOR_BYTES
        for sector in range(first, min(end, -(-len(self.live) // SECTOR_BYTES))):
            self.pending.append(Write(tick, sector, self._live_sector(sector)))
        if self.doubtful:
            self.doubtful = [w for w in self.doubtful if not first <= w.sector < end]

    def resize(self, tick: int, size: int) -> None:
        """Cut, or grow with zeros.

        Bytes that a cut removed do not come back when the file grows again.
        """
        old = len(self.live)
        if size < old:
            del self.live[size:]
            keep = -(-size // SECTOR_BYTES)
            for sector in range(size // SECTOR_BYTES, -(-len(self.stable) // SECTOR_BYTES)):
                if sector < keep or any(self.stable[sector * SECTOR_BYTES :][:SECTOR_BYTES]):
                    self.pending.append(Write(tick, sector, self._live_sector(sector)))
        else:
            self.live.extend(bytes(size - old))
        self.sizes.append((tick, size))

    def sync(self, until: int, *, sizes: bool) -> None:
        """Make what was written up to tick ``until`` stable.

        Without ``sizes`` (fdatasync) a size that shrank stays pending.
        """
        for write in self.pending:
            if write.tick <= until:
                _put(self.stable, write.sector, write.data)
        self.pending = [write for write in self.pending if write.tick > until]
        reached = [size for tick, size in self.sizes if tick <= until]
        if reached and (sizes or reached[-1] >= self.stable_size):
            self.stable_size = reached[-1]
            del self.stable[self.stable_size :]
            self.sizes = [(tick, size) for tick, size in self.sizes if tick > until]

    def fail_sync(self, *, revert: bool) -> None:
        """A sync failed: the pages count as clean.

        ``revert`` shows the medium's bytes again, as Btrfs does.
        """
        if revert:
            for write in self.pending:
                start = write.sector * SECTOR_BYTES
                old = bytes(self.stable[start : start + SECTOR_BYTES]).ljust(SECTOR_BYTES, b"\0")
                end = min(start + SECTOR_BYTES, len(self.live))
                self.live[start:end] = old[: end - start]
        self.doubtful += self.pending
        self.pending.clear()

    def medium(self) -> bytes:
        """What a read past the page cache gives: it writes pending pages back first, but no
        doubtful ones.
        """
        content = bytearray(self.live)
        for write in self.doubtful:
            start = write.sector * SECTOR_BYTES
            old = bytes(self.stable[start : start + SECTOR_BYTES]).ljust(SECTOR_BYTES, b"\0")
            end = min(start + SECTOR_BYTES, len(content))
            content[start:end] = old[: end - start]
        return bytes(content)

    def survive(self, cut: Cut) -> Inode:
        """The file after a power cut."""
        content = bytearray(self.stable)
        writes = [*self.doubtful, *self.pending]
        if cut.loss in (Loss.KEEP, Loss.NAMES):
            for write in writes:
                _put(content, write.sector, write.data)
        elif cut.loss is Loss.TORN:
            self._survive_in_order(content, writes, cut)
        elif cut.loss is Loss.MIXED:
            self._survive_by_chance(content, writes, cut.dice)
        _fit(content, self._surviving_size(cut))
        after = Inode()
        after.live, after.stable = content, bytearray(content)
        after.stable_size = len(content)
        after.protected = self.protected
        return after

    def _survive_in_order(self, content: bytearray, writes: list[Write], cut: Cut) -> None:
        at_the_cut: list[Write] = []
        for write in writes:
            if write.tick < cut.tick:
                _put(content, write.sector, write.data)
            elif write.tick == cut.tick:
                at_the_cut.append(write)
        if at_the_cut:
            stop = cut.dice.randrange(len(at_the_cut))
            for write in at_the_cut[:stop]:
                _put(content, write.sector, write.data)
            _tear(content, at_the_cut[stop], cut.dice)

    def _survive_by_chance(self, content: bytearray, writes: list[Write], dice: Random) -> None:
        versions: dict[int, list[Write]] = {}
        for write in writes:
            versions.setdefault(write.sector, []).append(write)
        for sector, options in versions.items():
            pick = dice.randrange(len(options) + 1)
            if pick:
                if dice.random() < 0.1:
                    _tear(content, options[pick - 1], dice)
                else:
                    _put(content, sector, options[pick - 1].data)

    def _surviving_size(self, cut: Cut) -> int:
        options = [self.stable_size, *(size for _, size in self.sizes)]
        if cut.loss in (Loss.KEEP, Loss.DATA):
            return options[-1]
        if cut.loss is Loss.MIXED:
            return cut.dice.choice(options)
        if cut.loss is Loss.TORN:
            return options[sum(tick <= cut.tick for tick, _ in self.sizes)]
        return options[0]

    def _live_sector(self, sector: int) -> bytes:
        start = sector * SECTOR_BYTES
        return bytes(self.live[start : start + SECTOR_BYTES]).ljust(SECTOR_BYTES, b"\0")


def _put(content: bytearray, sector: int, data: bytes) -> None:
    start = sector * SECTOR_BYTES
    if len(content) < start + SECTOR_BYTES:
        content.extend(bytes(start + SECTOR_BYTES - len(content)))
    content[start : start + SECTOR_BYTES] = data


def _tear(content: bytearray, write: Write, dice: Random) -> None:
    """Only the first bytes of a sector arrived."""
    start = write.sector * SECTOR_BYTES
    old = bytes(content[start : start + SECTOR_BYTES]).ljust(SECTOR_BYTES, b"\0")
    at = dice.randrange(1, SECTOR_BYTES)
    _put(content, write.sector, write.data[:at] + old[at:])


def _fit(content: bytearray, size: int) -> None:
    if len(content) > size:
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))
