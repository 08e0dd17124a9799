"""Whatever happens, a person gets one line and a program gets one object; a traceback is a bug of
ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from durafix.tools.cli.main import VERBS

from .conftest import QUIET, Ran

Cli = Callable[..., Ran]


def test_help_lists_every_verb_without_loading_any(cli: Cli) -> None:
    """``--help`` starts fast."""
    done = cli("--help")
    assert done.code == 0
    assert all(verb in done.out for verb in VERBS)
    code = (
        "import sys; from durafix.tools.cli.main import invoke; invoke(['--help']);"
        "print(sorted(m for m in sys.modules if m.startswith('durafix') and"
        " ('runtime' in m or 'recovery' in m or 'index' in m)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    env = os.environ | QUIET
    out = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert out.stderr.strip() == "[]"


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_opens_its_help_with_an_example(cli: Cli, verb: str) -> None:
    """The first thing that a person wants to see."""
    done = cli(verb, "--help")
    assert done.code == 0
    assert f"Example:  durafix {verb}" in done.out


@pytest.mark.parametrize(
    "words",
    [["nonsense"], ["cat"], ["cat", "J", "--limit", "0"], ["cat", "J", "--from", "noon"],
     ["cat", "J", "-o", "xml"], ["run", "c.toml", "--sample", "echo", "--application", "a:B"]],
)  # fmt: skip
def test_a_wrong_command_line_ends_in_usage(cli: Cli, words: list[str]) -> None:
    """Nothing was done, nothing is on stdout."""
    done = cli(*words)
    assert done.code == 2
    assert done.out == ""
    assert "Error:" in done.err


def test_a_wrong_command_line_is_an_object_for_a_program(cli: Cli) -> None:
    """It asked for JSON; it gets its error as JSON."""
    done = cli("cat", "J", "--limit", "0", "-o", "json")
    assert done.code == 2
    assert json.loads(done.err)["code"] == "usage"


@pytest.mark.parametrize("verb", ["cat", "tail", "inspect", "sessions"])
def test_no_journal_is_one_line_and_exit_3(cli: Cli, verb: str, tmp_path: object) -> None:
    """What, where, what to do; never a traceback."""
    for path in (tmp_path, f"{tmp_path}/nothing"):
        done = cli(verb, path)
        assert (done.code, done.out) == (3, "")
        assert done.err.count("\n") == 1
        assert str(path) in done.err
        told = cli(verb, path, "-o", "json")
        error = json.loads(told.err)
        assert error["schema"] == "error/1"
        assert error["where"]
        assert error["hint"]


def test_an_error_of_the_system_is_one_line_and_exit_6(cli: Cli) -> None:
    """Whatever the system refuses, wherever it happens."""
    done = cli("demo", "--dir", "/proc/nowhere/demo")
    assert (done.code, done.out) == (6, "")
    assert done.err.startswith("durafix: no such file or folder (/proc/nowhere")
    assert done.err.count("\n") == 1


def test_a_reader_that_goes_away_ends_it_quietly(day: str) -> None:
    """``| head`` is no error: exit 0, nothing on stderr."""
    command = [sys.executable, "-m", "durafix.tools.cli", "cat", day]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | QUIET
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(1)
        running.stdout.close()
        errors = running.stderr.read()
        assert (running.wait(30), errors) == (0, b"")


def test_explain_knows_exit_codes_findings_and_errors(cli: Cli) -> None:
    """And says so when it does not."""
    assert "exit 130" in cli("explain", "exit").out
    row = cli("explain", "torn-tail", "-o", "json").json["rows"][0]
    assert (row["what"], row["exit"]) == ("finding", 1)
    assert cli("explain", "locked", "-o", "json").json["rows"][0]["exit"] == 5
    assert cli("explain", "no-such-code").code == 2
