"""Clocks, salts and disks that a test holds in its hand."""

import threading
import time

from durafix.journal.realdisk import RealDisk, RealFile

START_NS = 1_700_000_000_000_000_000


class FakeClock:
    """UTC and monotonic time that move only when told to; ``utc`` and ``monotonic`` are the
    callables.
    """

    def __init__(self) -> None:
        self.now_ns = 0

    def utc(self) -> int:
        """UTC ns."""
        return START_NS + self.now_ns

    def monotonic(self) -> int:
        """Monotonic ns."""
        return self.now_ns

    def advance_ms(self, ms: int) -> None:
        """Let time pass."""
        self.now_ns += ms * 1_000_000


class Counter:
    """Salts 1, 2, 3 ... in place of random ones."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self) -> int:
        self._last += 1
        return self._last


class SlowDisk(RealDisk):
    """The real disk, but each fdatasync takes ``sync_s`` seconds, or waits for ``gate`` if one is
    set.
    """

    def __init__(self, sync_s: float = 0.0) -> None:
        self.sync_s = sync_s
        self.gate: threading.Event | None = None
        self.syncs = 0

    def open(
        self, path: str, *, write: bool = False, create: bool = False, exclusive: bool = False
    ) -> RealFile:
        """See ``Disk``."""
        plain = super().open(path, write=write, create=create, exclusive=exclusive)
        return _SlowFile(self, path, plain)


class _SlowFile(RealFile):
    def __init__(self, disk: SlowDisk, path: str, plain: RealFile) -> None:
        super().__init__(path, plain._fd, writable=plain._writable)
        self._disk = disk

    def fdatasync(self) -> None:
        """See ``File``."""
        self._disk.syncs += 1
        if self._disk.gate is not None:
            self._disk.gate.wait(10)
        time.sleep(self._disk.sync_s)
        super().fdatasync()
