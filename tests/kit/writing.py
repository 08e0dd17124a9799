"""A journal on a simulated disk with a writer that has no thread: every test of it is exact."""

from collections.abc import Sequence

from durafix.journal.manifest import create
from durafix.journal.policy import Limits, Mode, Policy, WriterStart
from durafix.journal.probe import Probe
from durafix.journal.record import Draft, Kind
from durafix.journal.simdisk import SimDisk
from durafix.journal.simfile import SimFile
from durafix.journal.writer import Writer

from .fakes import Counter, FakeClock
from .readback import Event, read_events

ROOT = "/journal"
UUID = bytes(range(16))


def draft(text: str = "x", size: int = 0, *, kind: int = Kind.IN) -> Draft:
    """One event whose payload is the text, filled up to ``size`` bytes."""
    return Draft(kind, 1, 0, 1, 1, text.encode().ljust(size, b"."))


class RecordingDisk(SimDisk):
    """Remembers each changing operation as (verb, last part of the path), and where each write
    went.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.log: list[tuple[str, str]] = []
        self.writes: list[tuple[str, int, int]] = []
        """(path, offset, length); a sync of that path is noted as (path, -1, 0)."""
        self.on_operation = self._note

    def _note(self, verb: str, path: str) -> None:
        self.log.append((verb, path.rsplit("/", 1)[-1]))
        if verb in ("fdatasync", "fsync"):
            self.writes.append((path, -1, 0))

    def open(
        self, path: str, *, write: bool = False, create: bool = False, exclusive: bool = False
    ) -> SimFile:
        """See ``Disk``."""
        plain = super().open(path, write=write, create=create, exclusive=exclusive)
        return _RecordingFile(self, plain)


class _RecordingFile(SimFile):
    def __init__(self, disk: RecordingDisk, plain: SimFile) -> None:
        super().__init__(disk, plain.path, plain._node, writable=plain._writable)
        self._writes = disk.writes

    def pwrite(self, data: bytes, offset: int) -> None:
        """See ``File``."""
        self._writes.append((self.path, offset, len(data)))
        super().pwrite(data, offset)


class Desk:
    """A writer with its disk and its clock."""

    def __init__(
        self,
        mode: Mode = "always",
        *,
        disk: SimDisk | None = None,
        segment_bytes: int = 64 << 10,
        pad_bytes: int = 512,
        limits: Limits | None = None,
        probe: Probe | None = None,
        interval_ms: int = 50,
    ) -> None:
        self.disk = disk or RecordingDisk()
        self.clock = FakeClock()
        create(self.disk, ROOT, uuid=UUID, created_ns=1)
        self.lock = self.disk.lock(f"{ROOT}/LOCK")
        start = WriterStart(
            root=ROOT,
            uuid=UUID,
            segment_bytes=segment_bytes,
            pad_bytes=pad_bytes,
            lock=self.lock,
        )
        self.writer = Writer(
            self.disk,
            start,
            Policy(mode, interval_ms=interval_ms),
            clock=self.clock.utc,
            monotonic=self.clock.monotonic,
            salts=Counter(),
            limits=limits,
            probe=probe,
            threaded=False,
        )
        self.writer.pump()

    @property
    def log(self) -> list[tuple[str, str]]:
        """Operations so far."""
        assert isinstance(self.disk, RecordingDisk)
        return self.disk.log

    def append(self, *drafts: Draft, sync: bool = False) -> int:
        """One step."""
        return self.writer.append(drafts, self.clock.utc(), sync=sync)

    def put(self, *drafts: Draft, sync: bool = False) -> int:
        """One step, committed."""
        first = self.append(*drafts, sync=sync)
        self.writer.commit()
        return first

    def fill(self, size: int) -> None:
        """Commit events of 1 KiB each until ``size`` more bytes are in the journal."""
        for _ in range(size // 1024):
            self.put(draft("fill", 1024 - 64))

    def wait_ms(self, ms: int) -> None:
        """Let time pass, then let the writer do what is due."""
        self.clock.advance_ms(ms)
        self.writer.pump()

    def events(self) -> list[Event]:
        """What a reader finds now."""
        return read_events(self.disk, ROOT)


def texts(events: Sequence[Event]) -> list[str]:
    """The payloads, without their filling."""
    return [event.payload.decode().rstrip(".") for event in events]
