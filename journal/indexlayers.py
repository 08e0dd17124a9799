"""The store and what waits above it in memory, asked and committed as one.

Owns the moving of batches into the store in the background, and the look-up through all layers,
newest first. It must not know the journal or when a commit is due. Each commit is one transaction
with the watermark of its batch in it, oldest batch first, so the store is always a whole prefix of
the journal.

Threads: any may ask; one at a time fills ``fresh`` (under ``lock``) and flushes; the worker writes.
The lock is never held while LMDB writes or syncs.

Invariant: every value from the store is checked against its CRC; a damaged one is ``Corrupt``,
never an answer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from .errors import Corrupt, JournalError
from .indexbatch import Batch
from .indexformat import (
    SUM_MASK,
    Frame,
    Group,
    Meta,
    epoch_key,
    epoch_of,
    frame_key,
    frame_of,
    open_value,
    pack_meta,
    place_of,
    seq_of,
)
from .indexstore import Item, Store
from .position import Position
from .record import NUMBER_MAX

_SLICE = 1024
_BACKLOG_EVENTS = 1 << 18
"""Events that may wait in memory while the store refuses; then ``flush`` raises."""


class Layers:
    """``fresh`` on top, what is being committed below it, the store at the bottom."""

    def __init__(self, store: Store, meta: Meta) -> None:
        """``meta`` is what the store holds."""
        self.lock = threading.RLock()
        self.fresh = Batch()
        """Filled by whoever reads the journal, holding ``lock``."""
        self.meta = meta
        """As in the store."""
        self.refused = False
        """Whether the last commit failed."""
        self._store = store
        self._frozen: list[tuple[Batch, Meta]] = []  # oldest first; meta without count and sum yet
        self._pending: Future[None] | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="durafix-index")

    @property
    def backlog(self) -> int:
        """Events in memory."""
        with self.lock:
            return sum(batch.count for batch in self._batches())

    def find(self, group: Group, seq: int) -> Frame | None:
        """A frame by its number."""
        with self.lock:
            for batch in self._batches():
                if frame := batch.find(group, seq):
                    return frame
        key = frame_key(group, seq)
        value = self._store.get(key)
        return None if value is None else frame_of(self._body((key, value)))

    def range(self, group: Group, first: int, last: int) -> Iterator[Frame]:
        """Frames in the order of their numbers. What moves from memory into the store meanwhile is
        given once."""
        with self.lock:
            memory: dict[int, Frame] = {}
            for batch in self._batches():
                memory |= batch.within(group, first, last)
        waiting = sorted(memory, reverse=True)
        for seq, frame in self._stored(group, first, last):
            while waiting and waiting[-1] < seq:
                yield memory[waiting.pop()]
            if waiting and waiting[-1] == seq:
                waiting.pop()
            yield frame
        while waiting:
            yield memory[waiting.pop()]

    def highest(self, group: Group) -> int:
        """The highest number of a group; 0 for none."""
        with self.lock:
            memory = max(
                (max(b.frames.get(group, {}), default=0) for b in self._batches()), default=0
            )
            found = self._store.floor(frame_key(group, NUMBER_MAX))
        if found is None or found[0][:-8] != frame_key(group, 0)[:-8]:
            return memory
        return max(memory, seq_of(found[0]))

    def epoch(self, session: int) -> int:
        """The last epoch that the session entered in the store; 0 for none."""
        found = self._store.floor(epoch_key(session, NUMBER_MAX))
        if found is None or found[0][:-8] != epoch_key(session, 0)[:-8]:
            return 0
        return epoch_of(self._body(found)) or 0

    def place_of_event(self, key: bytes, event: int) -> Position | None:
        """The last noted place at or before an event; ``key`` is its key."""
        with self.lock:
            for batch in self._batches():
                if (place := batch.place_before(event)) is not None:
                    return place
            return self._place(key)

    def place_of_time(self, key: bytes, utc_ns: int) -> Position | None:
        """The last noted place before which all is older than ``utc_ns``; ``key`` is the largest of
        such places."""
        with self.lock:
            for batch in self._batches():
                if (place := batch.place_before_time(utc_ns)) is not None:
                    return place
            return self._place(key)

    def flush(self, meta: Meta) -> None:
        """Commit what is fresh in the background, ``meta`` with it (its count and sum are filled in
        there). Does nothing while the last commit runs.

        A commit that failed is tried again; its error is raised when too much has piled up.
        """
        if self._pending is not None:
            if not self._pending.done():
                return
            failed, self._pending = self._pending.exception(), None
            self.refused = failed is not None
            bug = failed is not None and not isinstance(failed, JournalError)
            if failed is not None and (bug or self.backlog >= _BACKLOG_EVENTS):
                raise failed
        self._pending = self._submit(meta, everything=not self.refused)

    def settle(self) -> None:
        """Wait until the last commit came to its end, good or bad."""
        if self._pending is not None:
            self._pending.exception()

    def commit(self, meta: Meta) -> None:
        """Commit everything and return when it is durable; raises what the store raises."""
        self.settle()
        self._pending = None
        self._submit(meta, everything=True).result()
        self.refused = False

    def close(self) -> None:
        """Wait for the last commit and give the store back; nothing is committed."""
        self._worker.shutdown()
        self._store.close()

    def _submit(self, meta: Meta, *, everything: bool) -> Future[None]:
        with self.lock:
            if everything:  # else only what was refused before
                self._frozen.append((self.fresh, meta))
                self.fresh = Batch()
            todo = list(self._frozen)
        return self._worker.submit(self._write, todo)

    def _write(self, todo: Sequence[tuple[Batch, Meta]]) -> None:
        """In the background: each batch one transaction."""
        for batch, meta in todo:
            items, total = batch.items()
            meta = meta._replace(
                entries=self.meta.entries + len(items),
                crc_sum=(self.meta.crc_sum + total) & SUM_MASK,
            )
            self._store.commit(items, pack_meta(meta))
            with self.lock:
                self.meta = meta
                assert self._frozen[0][0] is batch
                del self._frozen[0]

    def _batches(self) -> list[Batch]:
        """Newest first."""
        return [self.fresh, *(batch for batch, _ in reversed(self._frozen))]

    def _stored(self, group: Group, first: int, last: int) -> Iterator[tuple[int, Frame]]:
        """Frames in the store, in slices, so that no transaction stays open between them."""
        end = frame_key(group, min(last, NUMBER_MAX))
        while first <= last:
            items = self._store.slice(frame_key(group, first), end, _SLICE)
            for item in items:
                frame = frame_of(self._body(item))
                assert frame is not None, "a frame's entry has another length"
                yield seq_of(item[0]), frame
            if len(items) < _SLICE:
                return
            first = seq_of(items[-1][0]) + 1

    def _place(self, key: bytes) -> Position | None:
        """The last place in the store at or before a key of its family."""
        found = self._store.floor(key)
        return place_of(self._body(found)) if found and found[0][:1] == key[:1] else None

    def _body(self, item: Item) -> bytes:
        opened = open_value(*item)
        if opened is None:
            what = f"entry {item[0].hex()} of the index fails its checksum"
            hint = "close and open again: the index is then checked, and rebuilt if it must be"
            raise Corrupt(what, where="index", hint=hint)
        return opened[0]
