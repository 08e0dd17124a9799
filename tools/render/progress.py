"""How far long work has come: count, rate and time left, on stderr, and only when a person looks at
it.

Invariant: nothing is written when the stream is no terminal, and never to stdout.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

EVERY_S = 0.2


class Progress:
    """Call it with (done, total); it redraws one line at most five times a second. Total 0:
    unknown.
    """

    def __init__(
        self,
        stream: TextIO,
        what: str,
        *,
        enabled: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._what = what
        self._clock = clock
        self._started = self._drawn = clock()
        self._on = stream.isatty() if enabled is None else enabled
        self._width = 0

    def __call__(self, done: int, total: int = 0) -> None:
        """Say how far it is; cheap enough to be called for every few records."""
        now = self._clock()
        if self._on and now - self._drawn >= EVERY_S:
            self._drawn = now
            self._draw(progress_line(self._what, done, total, now - self._started))

    def close(self) -> None:
        """Wipe the line."""
        if self._width:
            self._draw("")
            self._stream.write("\r")
            self._stream.flush()

    def _draw(self, text: str) -> None:
        self._stream.write("\r" + text.ljust(self._width))
        self._stream.flush()
        self._width = len(text)


def progress_line(what: str, done: int, total: int, elapsed_s: float) -> str:
    """``verify  1,200 of 4,800 (25 %)  6,000/s  0.6 s left``."""
    rate = done / elapsed_s if elapsed_s > 0 else 0.0
    if not total:
        return f"{what}  {done:,}  {rate:,.0f}/s"
    left = f"{(total - done) / rate:.1f} s left" if rate else "?"
    share = 100 * done // total
    return f"{what}  {done:,} of {total:,} ({share} %)  {rate:,.0f}/s  {left}"
