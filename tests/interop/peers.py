"""Both peers as processes: start, tell, wait for an answer, kill."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Peer:
    """A peer process that takes command lines and answers with JSON lines."""

    def __init__(self, *words: object) -> None:
        self.words = [str(word) for word in words]
        self.events: list[dict[str, Any]] = []
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._start()

    def _start(self) -> None:
        script, *words = self.words
        # What a peer writes to stderr goes to the test's output.
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / script), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                if line.startswith("{"):
                    self._lines.put(json.loads(line))

    def _end(self) -> None:
        """The process is gone: close both pipes."""
        assert self.process.stdin
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self._reader.join(5)

    def tell(self, line: str) -> None:
        """Write one command."""
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 30) -> dict[str, Any]:
        """Take events until one fits; ``TimeoutError`` names the last ones."""
        end = time.monotonic() + seconds
        while True:
            try:
                event = self._lines.get(timeout=max(end - time.monotonic(), 0.001))
            except queue.Empty:
                raise TimeoutError(f"{self.words[0]}: last events {self.events[-3:]}") from None
            self.events.append(event)
            if wanted(event):
                return event

    def wait_for(self, name: str, seconds: float = 30) -> dict[str, Any]:
        """Wait for an event by name."""
        return self.wait(lambda event: event["event"] == name, seconds)

    def ask(self, line: str, name: str) -> dict[str, Any]:
        """Tell a command and wait for the event that answers it."""
        self.tell(line)
        return self.wait_for(name)

    def kill(self) -> None:
        """SIGKILL, now."""
        self.process.kill()
        self.process.wait()
        self._end()

    def restart(self) -> None:
        """Start the same command again, as a supervisor would."""
        self._start()

    def stop(self) -> None:
        """Ask to stop; kill after ten seconds."""
        try:
            if self.process.poll() is None:
                self.tell("stop")
                self.process.wait(10)
            self._end()
        except (OSError, subprocess.TimeoutExpired):
            self.kill()
