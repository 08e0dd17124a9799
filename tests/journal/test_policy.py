"""A policy, its limits and a start are checked when they are made."""

import pytest

from durafix.journal.policy import Policy, WriterStart
from durafix.journal.segment import Policy as PolicyCode


def test_each_mode_has_its_code() -> None:
    codes = [Policy(mode).code for mode in ("always", "interval", "never")]
    assert codes == [PolicyCode.ALWAYS, PolicyCode.INTERVAL, PolicyCode.NEVER]
    assert Policy().mode == "always"


@pytest.mark.parametrize(
    "wrong", [{"mode": "sometimes"}, {"interval_ms": 0}, {"interval_bytes": -1}]
)
def test_a_policy_that_means_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be|is none of"):
        Policy(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [{"segment_bytes": 4096}, {"segment_bytes": 1_000_000}, {"pad_bytes": 100}]
)
def test_a_start_that_cannot_work_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        WriterStart(root="/j", uuid=bytes(16), **wrong)  # type: ignore[arg-type]
