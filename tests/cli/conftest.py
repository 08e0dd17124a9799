"""A finished journal, and the command line as a process or in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from durafix.tools.cli.main import invoke

from .journals import trading

QUIET = {"PYTHONWARNINGS": "ignore:durafix runs without compiled code"}
"""For processes whose stderr is compared: without a compiler it has a note more."""


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as one JSON value."""
        return json.loads(self.out)


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A journal of one finished day. Nobody writes to it."""
    return trading(tmp_path_factory.mktemp("day") / "journal")


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command line in this process."""

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        code = invoke([str(a) for a in arguments])
        sys.stdout.flush()
        out, err = capfd.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Ran]:
    """Run a command line as a process of its own, in an empty folder."""

    def run(*arguments: object, **options: Any) -> Ran:
        command = [sys.executable, "-m", "durafix.tools.cli", *map(str, arguments)]
        env = os.environ | QUIET
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, **options
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run
