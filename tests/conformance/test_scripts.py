"""The public acceptance scripts of two versions, played by their runner against our acceptor.

The runner and the scripts are no part of this repository: they are looked for in the folder
``shared`` beside it, and the tests are skipped where they are not. What does not pass yet is listed
here with its reason; a script that is not listed must pass, and the count is fixed, so that none is
lost on the way.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFORMANCE = ROOT.parent / "shared" / "conformance"
RUNNER = CONFORMANCE / "at_runner.py"

DICTIONARY = "judged by a dictionary, which comes with validation"
NOT_YET = {
    "14a_BadField": DICTIONARY,
    "14b_RequiredFieldMissing": DICTIONARY,
    "14c_TagNotDefinedForMsgType": DICTIONARY,
    "14e_IncorrectEnumValue": DICTIONARY,
    "14f_IncorrectDataFormat": DICTIONARY,
    "14g_HeaderBodyTrailerFieldsOutOfOrder": DICTIONARY,
    "14h_RepeatedTag": DICTIONARY,
    "14i_RepeatingGroupCountNotEqual": DICTIONARY,
    "2q_MsgTypeNotValid": DICTIONARY,
    "RejectResentMessage": DICTIONARY,
    "ReverseRoute": DICTIONARY,
    "ReverseRouteWithEmptyRoutingTags": DICTIONARY,
}
"""Script to the reason why it does not pass."""
SLOW = {"6_SendTestRequest"}
"""Scripts that wait for real heartbeats."""
PASS = {"fix40": 45, "fix44": 47}
"""How many pass, the slow one among them."""


def scripts(group: str) -> list[str]:
    """Those of a group that must pass."""
    names = sorted(path.stem for path in (CONFORMANCE / "definitions" / group).glob("*.def"))
    return [name for name in names if name not in NOT_YET]


def play(names: list[str], out: Path) -> list[str]:
    """Run scripts, given as GROUP/NAME; returns those that failed."""
    spawn = f"{sys.executable} -m tests.conformance.acceptor --port {{port}}"
    command = [sys.executable, str(RUNNER), "--spawn", spawn, "--json", str(out)]
    done = subprocess.run([*command, *names], cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    result = json.loads(out.read_text())
    assert len(result["scenarios"]) == len(names)
    return [one["id"] for one in result["scenarios"] if not one["passed"]]


pytestmark = pytest.mark.skipif(not RUNNER.exists(), reason="no shared/conformance beside us")


def test_public_scripts_pass(tmp_path: Path) -> None:
    """Every script that is not listed as not yet passing passes."""
    assert {group: len(scripts(group)) for group in PASS} == PASS
    names = [f"{group}/{name}" for group in PASS for name in scripts(group) if name not in SLOW]
    assert play(names, tmp_path / "out.json") == []


@pytest.mark.deep
def test_heartbeats_of_the_public_scripts_are_on_time(tmp_path: Path) -> None:
    """Heartbeat, TestRequest and the close of a dead link come when the script expects them."""
    names = [f"{group}/{name}" for group in PASS for name in SLOW]
    assert play(names, tmp_path / "out.json") == []
