"""One place chooses between the twins."""

from __future__ import annotations

import os
import subprocess
import sys

import durafix.engine.wire as wire
from durafix.engine.wire import _backend

WANTED = bool(os.environ.get("WANT_NATIVE"))


def test_native_runs_where_it_was_asked_for() -> None:
    """``optional`` hides a compile error; this shows it."""
    assert _backend.NATIVE or not WANTED or _backend.PURE
    assert wire.Frame.__module__ == f"durafix.engine.wire.{'_codec' if wire.NATIVE else '_pure'}"


def test_durafix_pure_chooses_the_twin_without_a_warning() -> None:
    """Asked for on purpose, so there is nothing to warn of."""
    code = "import durafix.engine.wire as w; print(w.NATIVE, w.Decoder.__module__)"
    out = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ | {"DURAFIX_PURE": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert out.stdout.split() == ["False", "durafix.engine.wire._pure"]
