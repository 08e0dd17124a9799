"""A disk in memory whose power can be cut: the same seed gives the same bytes.

Owns names, faults and crashes; ``siminode.py`` owns the content of one file. It must not know
records. People use it too, through ``durafix.engine.testing``, to rehearse what their application
does after a power cut.

Invariant: after ``crash`` exactly those bytes, sizes and names are certain that a sync made durable
before; the rest survives or not, as ``Loss`` says. ``kill`` is the other end of a process:
everything written stays, as the page cache does. Both give a new disk and leave this one as it is,
so one state can be crashed in many ways.

``on_operation(verb, path)`` is called before each operation that changes the disk; it may raise
``SimCrash``, and from then on this disk is dead: whoever still holds it gets ``SimCrash`` again and
can change nothing. ``lies`` names syncs that do nothing, for tests that prove that the tests
notice.
"""

from __future__ import annotations

import errno
import os
import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .realdisk import locked
from .simfile import SYNCS, Fault, SimCrash, SimFile, SimLock, sim_error
from .siminode import Cut, Inode, Loss

if TYPE_CHECKING:
    from collections.abc import Callable


class SimDisk:
    """See the module.

    ``capacity_bytes`` limits the sum of all sizes; set it again to free or fill the disk.
    """

    def __init__(self, seed: int = 0, *, lies: frozenset[str] = frozenset()) -> None:
        assert lies <= SYNCS
        self.seed = seed
        self.lies = lies
        self.capacity_bytes: int | None = None
        self.faults: list[Fault] = []
        self.on_operation: Callable[[str, str], None] | None = None
        self.operations = 0
        """Changing operations so far."""
        self.dead = False
        self._unreadable: list[tuple[str, int, int]] = []
        self.mutex = threading.RLock()
        self.tick = 0
        self.locks: dict[str, int] = {}
        self._live: dict[str, Inode | None] = {"/": None}  # None is a folder
        self._stable: dict[str, Inode | None] = {"/": None}
        self._pending: list[_Naming] = []

    # What happens to the machine

    def crash(self, loss: Loss = Loss.DROP, seed: int = 0) -> SimDisk:
        """The disk after a power cut at this moment."""
        with self.mutex:
            dice = random.Random(f"{self.seed}/{seed}/{loss.value}")
            ticks = sorted(self._pending_ticks())
            cut = Cut(loss, dice.choice([0, *ticks]), dice)
            names = dict(self._stable)
            for naming in self._pending:
                if _naming_survives(naming, cut):
                    naming.apply(names)
            after = SimDisk(self.seed, lies=self.lies)
            for path in sorted(names):
                if path == "/" or os.path.dirname(path) in after._live:
                    node = names[path]
                    after._live[path] = None if node is None else node.survive(cut)
            after._stable = dict(after._live)
            after.capacity_bytes = self.capacity_bytes
            return after

    def kill(self) -> SimDisk:
        """The disk after the process was killed: nothing is lost, nothing was synced, no lock is
        held.
        """
        with self.mutex:
            after = SimDisk(self.seed, lies=self.lies)
            twins: dict[int, Inode] = {}

            def twin(node: Inode | None) -> Inode | None:
                return None if node is None else twins.setdefault(id(node), node.copy())

            after._live = {path: twin(node) for path, node in self._live.items()}
            after._stable = {path: twin(node) for path, node in self._stable.items()}
            after._pending = [
                _Naming(n.tick, n.folder, n.gone, n.path, twin(n.node)) for n in self._pending
            ]
            after.tick, after.capacity_bytes = self.tick, self.capacity_bytes
            return after

    def poke(self, path: str, offset: int, data: bytes) -> None:
        """Rot: bytes change on the medium and for readers, and nobody asked for it."""
        with self.mutex:
            node = self._inode(path, "damage")
            for content in (node.live, node.stable):
                end = min(offset + len(data), len(content))
                content[offset:end] = data[: max(0, end - offset)]

    def flip(self, path: str, offset: int, bit: int = 0) -> None:
        """Rot of one bit."""
        with self.mutex:
            old = self._inode(path, "damage").live[offset]
        self.poke(path, offset, bytes([old ^ 1 << bit]))

    def break_range(self, path: str, start: int, end: int) -> None:
        """Reads that touch these bytes fail from now on."""
        self._unreadable.append((path, start, end))

    def content(self, path: str) -> bytes:
        """What a reader sees, without the operation and its faults; for tests."""
        with self.mutex:
            return bytes(self._inode(path, "look at").live)

    def paths(self) -> list[str]:
        """Names of all files, sorted; for tests."""
        with self.mutex:
            return sorted(path for path, node in self._live.items() if node is not None)

    # Disk

    def open(
        self, path: str, *, write: bool = False, create: bool = False, exclusive: bool = False
    ) -> SimFile:
        """See ``Disk``."""
        with self.mutex:
            node = self._live.get(path)
            if path in self._live and (exclusive or node is None):
                raise sim_error(errno.EEXIST if exclusive else errno.EISDIR, "open", path)
            if node is not None and write and node.protected:
                raise sim_error(errno.EACCES, "open", path)
        if node is None:
            if not (create or exclusive):
                raise sim_error(errno.ENOENT, "open", path)
            self._check_parent(path, "open")
            self.begin("create", path)
            node = Inode()
            self._name(path, node)
        return SimFile(self, path, node, writable=write)

    def exists(self, path: str) -> bool:
        """See ``Disk``."""
        with self.mutex:
            self.alive()
            return path in self._live

    def listdir(self, path: str) -> list[str]:
        """See ``Disk``."""
        with self.mutex:
            self.alive()
            if path not in self._live:
                raise sim_error(errno.ENOENT, "list", path)
            inside = (p for p in self._live if p != "/" and os.path.dirname(p) == path)
            return sorted(os.path.basename(p) for p in inside)

    def mkdir(self, path: str) -> None:
        """See ``Disk``."""
        self._check_parent(path, "make the folder")
        if path in self._live:
            raise sim_error(errno.EEXIST, "make the folder", path)
        self.begin("mkdir", path)
        self._name(path, None)

    def rename(self, source: str, target: str) -> None:
        """See ``Disk``. Within one folder only."""
        assert os.path.dirname(source) == os.path.dirname(target)
        node = self._inode(source, "rename")
        self.begin("rename", target)
        self._name(target, node, gone=source)

    def unlink(self, path: str) -> None:
        """See ``Disk``."""
        self._inode(path, "remove")
        self.begin("unlink", path)
        self._name(None, None, gone=path)

    def fsync_dir(self, path: str) -> None:
        """See ``Disk``."""
        if self.begin("fsync_dir", path):
            raise sim_error(errno.EIO, "sync the folder", path, sync=True)
        if "fsync_dir" in self.lies:
            return
        with self.mutex:
            for naming in self._pending:
                if naming.folder == path:
                    naming.apply(self._stable)
            self._pending = [n for n in self._pending if n.folder != path]

    def protect(self, path: str) -> None:
        """See ``Disk``."""
        node = self._inode(path, "protect")
        self.begin("protect", path)
        node.protected = True

    def lock(self, path: str) -> SimLock:
        """See ``Disk``."""
        with self.mutex:
            self.alive()
            if path in self.locks:
                raise locked(path, str(self.locks[path]))
            if path not in self._live:
                self.open(path, write=True, create=True).close()
            self.locks[path] = os.getpid()
        return SimLock(self, path)

    def free_bytes(self, path: str) -> int:
        """See ``Disk``."""
        return max(0, self.room()) if self.capacity_bytes is not None else 1 << 40

    def local_path(self, path: str) -> str | None:
        """See ``Disk``."""
        return None

    # What SimFile and SimLock need

    def alive(self) -> None:
        if self.dead:
            raise SimCrash("this disk is gone")

    def begin(self, verb: str, path: str) -> Fault | None:
        """Each changing operation passes here first: the hook may stop the world, a fault may
        strike.
        """
        self.alive()
        if verb != "pread":
            self.operations += 1
            if self.on_operation is not None:
                try:
                    self.on_operation(verb, path)
                except SimCrash:
                    self.dead = True
                    raise
                self.alive()
        for fault in self.faults:
            if fault.hits(verb, path):
                if verb in SYNCS or verb == "pwrite":
                    return fault
                raise sim_error(fault.code, verb, path)
        return None

    def next_tick(self) -> int:
        self.tick += 1
        return self.tick

    def room(self) -> int:
        files = {id(node): len(node.live) for node in self._live.values() if node is not None}
        assert self.capacity_bytes is not None
        return self.capacity_bytes - sum(files.values())

    def _inode(self, path: str, what: str) -> Inode:
        node = self._live.get(path)
        if node is None:
            raise sim_error(errno.EISDIR if path in self._live else errno.ENOENT, what, path)
        return node

    def _check_parent(self, path: str, what: str) -> None:
        parent = os.path.dirname(path)
        if self._live.get(parent, self) is not None:
            raise sim_error(errno.ENOTDIR if parent in self._live else errno.ENOENT, what, path)

    def _name(self, path: str | None, node: Inode | None, gone: str | None = None) -> None:
        with self.mutex:
            folder = os.path.dirname(path or gone or "")
            naming = _Naming(self.next_tick(), folder, gone, path, node)
            naming.apply(self._live)
            self._pending.append(naming)

    def _pending_ticks(self) -> set[int]:
        ticks = {naming.tick for naming in self._pending}
        for node in (*self._live.values(), *self._stable.values()):
            if node is not None:
                ticks |= {write.tick for write in (*node.pending, *node.doubtful)}
                ticks |= {tick for tick, _ in node.sizes}
        return ticks

    def readable(self, path: str, offset: int, length: int) -> None:
        self.begin("pread", path)
        for broken, start, end in self._unreadable:
            if broken == path and offset < end and start < offset + length:
                raise sim_error(errno.EIO, "read", path)


@dataclass(frozen=True)
class _Naming:
    """One change of a folder: ``gone`` loses its name, then ``path`` names ``node`` (None: a
    folder).
    """

    tick: int
    folder: str
    gone: str | None
    path: str | None
    node: Inode | None

    def apply(self, names: dict[str, Inode | None]) -> None:
        if self.gone is not None:
            names.pop(self.gone, None)
        if self.path is not None:
            names[self.path] = self.node


def _naming_survives(naming: _Naming, cut: Cut) -> bool:
    if cut.loss is Loss.TORN:
        return naming.tick <= cut.tick
    if cut.loss is Loss.MIXED:
        return cut.dice.random() < 0.5
    return cut.loss in (Loss.KEEP, Loss.DATA)
