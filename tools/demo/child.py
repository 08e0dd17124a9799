"""A side as the supervisor holds it: a process, its pipes, and what it has told so far.

Owns starting, killing and reading. The process is in a session of its own, so that Ctrl-C reaches
the supervisor alone and the end stays in its hands; when the supervisor dies, the side reads the
end of its stdin and stops.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from .link import Ask, Job, Told, tell_line, told_of

MODULE = "durafix.tools.demo.side"
LINE_BYTES_MAX = 1 << 20


class Child:
    """One incarnation of a side."""

    def __init__(self, job: Job, log: Path) -> None:
        self.role = job.role
        self.up = False
        self.on = False
        self.stopped = False
        self._rest = b""
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "durafix.tools.demo.side",
                    msgspec.json.encode(job).decode(),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)

    @property
    def fd(self) -> int:
        """What to wait on for lines."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def ask(self, ask: Ask) -> None:
        """Tell the side something; lost when it is gone, which the reading side notices."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(tell_line(ask) + b"\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass

    def read(self) -> Iterator[Told] | None:
        """Whole lines that are there now; None at the end of the pipe."""
        try:
            data = os.read(self.fd, LINE_BYTES_MAX)
        except BlockingIOError:
            return iter(())
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return (told_of(line) for line in lines if line)

    def kill(self) -> list[Told]:
        """SIGKILL, and the last lines that were still in the pipe."""
        self.process.kill()
        self.process.wait()
        last: list[Told] = []
        while (lines := self.read()) is not None:
            last += lines
        self.close()
        return last

    def close(self) -> int:
        """Wait for the end and free the pipes; returns the exit status."""
        status = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        return status
