"""Answering a ResendRequest: the plan and the patched frames."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durafix.engine.session.identity import SessionId
from durafix.engine.session.resend import check_runs, gap_fill, msg_type_of, plan, possdup
from durafix.engine.session.settings import SessionSettings
from durafix.engine.session.state import names_of
from durafix.engine.wire.encode import encode
from durafix.engine.wire.framing import parse

from .kit import split

OLD, NEW = b"20250615-15:06:40.000", b"20250615-15:07:00.000"


def frame(msg_type: str, seq: int, body: str = "", *, time: bytes = OLD, more: str = "") -> bytes:
    """A stored frame; ``more``: header fields behind 56."""
    head = [*split(f"35={msg_type}|34={seq}|49=A|"), (52, time), *split(f"56=B|{more}")]
    return encode(b"FIX.4.4", head + split(body))


STORED = {
    1: frame("A", 1, "98=0|108=30|"),
    2: frame("0", 2),
    3: frame("D", 3, "11=a|"),
    4: frame("D", 4, "11=b|"),
    5: frame("3", 5, "45=1|"),
    6: frame("8", 6, "37=x|"),
}


def test_session_messages_become_gap_fills_and_neighbours_one_run() -> None:
    """Rule 13; 8_AdminAndApplicationMessages."""
    assert plan(list(STORED.items()), 1, 6) == ((1, 2, "g"), (3, 4, "s"), (5, 5, "g"), (6, 6, "s"))


def test_rejects_are_resent_as_an_option() -> None:
    """Rule 13."""
    assert plan(list(STORED.items()), 4, 6, resend_rejects=True) == ((4, 6, "s"),)


def test_what_is_missing_or_redacted_is_gap_filled() -> None:
    """Rules 4, 30: numbers below the epoch's first, lost ones, and those that may not be resent."""
    frames = [(3, STORED[3]), (4, None), (6, STORED[6])]
    assert plan(frames, 1, 8) == ((1, 2, "g"), (3, 3, "s"), (4, 5, "g"), (6, 6, "s"), (7, 8, "g"))
    assert plan([], 1, 1_000_000_000) == ((1, 1_000_000_000, "g"),), "a huge range costs nothing"


@given(
    st.dictionaries(st.integers(1, 30), st.sampled_from(["D", "0", "3", "8", "none"])),
    st.integers(1, 30), st.integers(0, 12), st.booleans(),
)  # fmt: skip
def test_the_plan_covers_the_range_once(
    kinds: dict[int, str], begin: int, more: int, rejects: bool
) -> None:
    """Contiguous cover of [begin, end], no overlap, no two neighbours of one kind."""
    stored = [(s, None if k == "none" else frame(k, s)) for s, k in kinds.items()]
    runs = plan(stored, begin, begin + more, resend_rejects=rejects)
    check_runs(runs, begin, begin + more)
    assert all(a[2] != b[2] for a, b in pairwise(runs))
    resent = {
        seq for first, last, verdict in runs if verdict == "s" for seq in range(first, last + 1)
    }
    good = {"D", "8"} | ({"3"} if rejects else set())
    assert resent == {s for s, k in kinds.items() if k in good and begin <= s <= begin + more}


@pytest.mark.parametrize(
    "runs", [(), ((1, 2, "g"),), ((1, 2, "g"), (4, 4, "s")), ((1, 2, "g"), (2, 4, "s"))]
)
def test_runs_that_do_not_cover_the_range_are_our_bug(
    runs: tuple[tuple[int, int, str], ...],
) -> None:
    """check_runs."""
    with pytest.raises(AssertionError):
        check_runs(runs, 1, 4)


def test_a_copy_has_four_fields_changed_and_nothing_else() -> None:
    """P7: 43=Y, 122 = the stored 52 verbatim, a new 52, 9 and 10."""
    raw = frame("D", 3, "11=a|38=002000.00|453=2|448=x|447=D|448=y|447=D|", more="57=desk|369=1|")
    copy = parse(possdup(raw, NEW))
    assert copy.tags()[:11] == [8, 9, 35, 34, 43, 49, 52, 56, 57, 122, 369]
    assert (copy[43], copy[52], copy[122], copy[369]) == (b"Y", NEW, OLD, b"1")
    kept = [f for f in copy.fields() if f[0] not in (43, 122, 52, 9, 10)]
    assert kept == [f for f in parse(raw).fields() if f[0] not in (52, 9, 10)]


def test_a_new_sending_time_is_never_ahead_of_the_old_one() -> None:
    """Rule 11: clocks step back."""
    copy = parse(possdup(frame("D", 3, time=NEW), OLD))
    assert (copy[52], copy[122]) == (NEW, NEW)


def test_a_copy_without_body_and_one_that_has_the_fields_already() -> None:
    """Missing fields go in at header order, present ones are replaced."""
    assert parse(possdup(frame("0", 2), NEW)).tags() == [8, 9, 35, 34, 43, 49, 52, 56, 122, 10]
    raw = frame("D", 2, "11=a|", more="43=N|122=20200101-00:00:00|")
    copy = parse(possdup(raw, NEW))
    assert (copy[43], copy[122], copy.count(122)) == (b"Y", OLD, 1)


def test_data_fields_keep_their_delimiters() -> None:
    """What looks like 52= or 43= inside a data field is data."""
    secure = b"x\x0152=no\x0143=N\x01y"
    head = [*split("35=D|34=2|49=A|"), (52, OLD), (56, b"B")]
    data = [(90, b"%d" % len(secure)), (91, secure), (11, b"a"), (95, b"3"), (96, b"\x01=\x01")]
    copy = parse(possdup(encode(b"FIX.4.4", head + data), NEW))
    assert copy.tags() == [8, 9, 35, 34, 43, 49, 52, 56, 90, 91, 122, 11, 95, 96, 10]
    assert (copy[52], copy[91], copy[96]) == (NEW, secure, b"\x01=\x01")


VALUE = st.binary(min_size=1, max_size=6).filter(lambda value: b"\x01" not in value)


@given(st.lists(st.tuples(st.sampled_from([11, 58, 448, 447, 5000]), VALUE)), VALUE)
def test_the_body_is_byte_for_byte_the_same(body: list[tuple[int, bytes]], sub: bytes) -> None:
    """P7, whatever the values are."""
    head = [(35, b"D"), (34, b"7"), (49, b"A"), (50, sub), (52, OLD), (56, b"B")]
    raw = encode(b"FIX.4.4", head + body)
    copy = possdup(raw, NEW)
    tail = encode(b"FIX.4.4", body).split(b"\x01", 2)[2][:-7]
    assert raw[:-7].endswith(b"56=B\x01" + tail) and copy[:-7].endswith(OLD + b"\x01" + tail)
    assert parse(copy)[50] == sub


def test_a_gap_fill_is_a_copy_that_names_the_next_number() -> None:
    """8_OnlyAdminMessages: 34, 43, 49, 52, 56, 122, 36, 123."""
    names = names_of(SessionSettings(SessionId("FIX.4.4", "A", "B"), "acceptor"))
    fill = parse(gap_fill(names, 2, 5, NEW))
    assert fill.tags() == [8, 9, 35, 34, 43, 49, 52, 56, 122, 36, 123, 10]
    assert (fill.msg_type, fill.seq_num, fill[36], fill[123]) == (b"4", 2, b"5", b"Y")
    assert fill[52] == fill[122] == NEW


def test_the_type_is_the_third_field() -> None:
    """Read without parsing."""
    assert msg_type_of(STORED[1]) == b"A"
