"""The choice between the twins: asked for, missing, or wrong."""

import os
import subprocess
import sys

import pytest

HEAD = "import sys, types, warnings; warnings.simplefilter('error'); "
ABSENT = "sys.modules['durafix.journal._native'] = None; "
WRONG = (
    "from durafix.journal import _pure as p; "
    "wrong = types.ModuleType('durafix.journal._native'); "
    "wrong.__dict__.update({name: getattr(p, name) for name in p.__all__}); "
    "%s; sys.modules['durafix.journal._native'] = wrong; "
)
SAY = "from durafix.journal import _core; print(_core.NATIVE, _core.Packer.__module__)"


def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, where warnings are errors."""
    clean = {key: value for key, value in os.environ.items() if key != "DURAFIX_PURE"}
    return subprocess.run(
        [sys.executable, "-c", HEAD + code],
        capture_output=True,
        text=True,
        env={**clean, **env},
        check=False,
    )


def test_the_pure_twin_is_silent_when_it_was_asked_for() -> None:
    """``DURAFIX_PURE`` is a choice, not a misfortune."""
    out = run(SAY, DURAFIX_PURE="1")
    assert out.stdout == "False durafix.journal._pure\n", out.stderr


def test_a_missing_build_warns_and_works() -> None:
    """One line that says what to do; the records are the same."""
    out = run(ABSENT + SAY)
    assert out.returncode == 1
    assert "durafix runs without compiled code (journal records)" in out.stderr
    assert "DURAFIX_PURE=1" in out.stderr
    out = run("warnings.simplefilter('ignore'); " + ABSENT + SAY)
    assert out.stdout == "False durafix.journal._pure\n", out.stderr


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        ("wrong.crc32c = lambda data, crc=0: 7", "disagrees with crcmod"),
        (
            "wrong.Packer = type('T', (p.Packer,), {'take': lambda self: b'other'})",
            "packs other bytes",
        ),
    ],
)
def test_a_build_that_computes_something_else_is_refused(flaw: str, words: str) -> None:
    """It would write journals that nobody else can read."""
    out = run(WRONG % flaw + SAY)
    assert out.returncode == 1
    assert "ImportError" in out.stderr
    assert words in out.stderr
