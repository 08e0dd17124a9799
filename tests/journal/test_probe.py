"""The writer tells its probe about each batch, sync, rotation and state."""

from durafix.journal.probe import NullProbe, Probe
from durafix.journal.simfile import Fault

from ..kit.writing import Desk, draft


class Heard:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int, int]] = []
        self.syncs: list[tuple[int, int, int]] = []
        self.segments: list[int] = []
        self.states: list[str] = []

    def wrote(self, events: int, size_bytes: int, queued_steps: int) -> None:
        """See ``Probe``."""
        self.batches.append((events, size_bytes, queued_steps))

    def synced(self, took_ns: int, events: int, age_ns: int) -> None:
        """See ``Probe``."""
        self.syncs.append((took_ns, events, age_ns))

    def rotated(self, segment: int, took_ns: int) -> None:
        """See ``Probe``."""
        self.segments.append(segment)

    def state(self, name: str) -> None:
        """See ``Probe``."""
        self.states.append(name)


def test_batches_and_syncs_are_told() -> None:
    heard = Heard()
    desk = Desk(probe=heard)
    del heard.batches[:], heard.syncs[:]
    desk.append(draft("a"))
    desk.put(draft("b"), draft("c"))
    assert heard.batches == [(3, 512, 0)]
    assert heard.syncs == [(0, 3, 0)]


def test_the_age_of_the_oldest_undurable_event_is_told() -> None:
    heard = Heard()
    desk = Desk("interval", probe=heard, interval_ms=50)
    desk.wait_ms(50)
    del heard.syncs[:]
    desk.put(draft("a"))
    desk.wait_ms(30)
    desk.put(draft("b"))
    desk.wait_ms(30)
    assert heard.syncs == [(0, 2, 60_000_000)]


def test_rotations_and_states_are_told() -> None:
    heard = Heard()
    desk = Desk(probe=heard, segment_bytes=32 << 10)
    desk.fill(40 << 10)
    assert heard.segments == [2, 3][: desk.writer.segment - 1]
    desk.disk.faults.append(Fault("fdatasync"))
    desk.put(draft("x"))
    assert heard.states == ["failed"]


def test_the_null_probe_takes_all_and_says_nothing() -> None:
    probe: Probe = NullProbe()
    probe.wrote(1, 2, 3)
    probe.synced(1, 2, 3)
    probe.rotated(1, 2)
    probe.state("running")
