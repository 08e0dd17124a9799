"""Whatever comes in, in any order: the core neither crashes nor forgets (P12), and P3 holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from durafix.engine.session.inputs import (
    Authenticated,
    Configure,
    HandlerDone,
    LinkDown,
    LinkUp,
    LogoutCommand,
    Received,
    ResendRuns,
    ResetCommand,
    Send,
    SetNumbers,
    Stop,
    Tick,
)
from durafix.engine.session.timers import next_deadline

from .kit import Core, acceptor, initiator, split

NUMBER = st.sampled_from(["1", "2", "3", "0", "-1", "x", "", "999999", "999999999999999999", "07"])
BODIES = st.builds(
    lambda *fields: "".join(f"{tag}={value}|" for tag, value in fields if value is not None),
    *(
        st.tuples(st.just(tag), st.none() | values)
        for tag, values in {
            98: st.just("0"), 108: st.sampled_from(["30", "0", "x", "1"]), 7: NUMBER, 16: NUMBER,
            36: NUMBER, 123: st.sampled_from(["Y", "N", "?"]), 141: st.sampled_from(["Y", "N"]),
            112: st.sampled_from(["RESET", "TEST", "", "x"]), 789: NUMBER, 45: NUMBER,
            554: st.just("secret"), 58: st.just("text"),
        }.items()
    ),
)  # fmt: skip
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "t43": st.sampled_from(["Y", "N"]), "t49": st.sampled_from(["TW", "WT", "", "-"]),
        "t122": st.sampled_from(["20250615-15:06:40", "20300615-15:06:40", "x"]), "t369": NUMBER,
        "t34": NUMBER, "time": st.sampled_from([0, 500]), "t8": st.sampled_from(["FIX.4.1"]),
    },
)  # fmt: skip
TYPES = st.sampled_from("A0123455ADDD*")
USUAL: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.just({}) | st.just({}) | HEADERS
STEPS = st.lists(
    st.one_of(
        *[
            st.tuples(st.just("frame"), TYPES, st.integers(-2, 4), BODIES, USUAL)
        ]
        * 4,
        st.tuples(st.just("up")), st.tuples(st.just("up")), st.tuples(st.just("down")),
        st.tuples(st.just("verdict"), st.sampled_from([True, True, True, False])),
        st.tuples(st.just("verdict"), st.just(True)),
        st.tuples(st.just("send"), st.booleans()), st.tuples(st.just("send"), st.booleans()),
        st.tuples(st.just("done"), st.sampled_from(["done", "refused", "parked"])),
        st.tuples(st.just("runs"), st.booleans()), st.tuples(st.just("runs"), st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([1, 8, 40])),
        st.tuples(st.just("command"), st.sampled_from(["logout", "reset", "stop", "numbers"])),
        st.tuples(st.just("restart"), st.booleans()),
        st.tuples(st.just("configure"), st.integers(1, 3)),
    ),
    max_size=30,
)  # fmt: skip


def play(core: Core, action: tuple[Any, ...]) -> None:
    """One action; numbers are relative to what the core expects."""
    what, *more = action
    state = core.state
    if what == "frame":
        msg_type, offset, body, header = more
        core.feed(Received(core.peer(msg_type, max(state.next_in + offset, 0), body, **header)))
    elif what == "up":
        core.feed(LinkUp("peer"))
        core.feed(Received(core.peer("A", state.next_in, "98=0|108=30|")))
    elif what == "down":
        core.feed(LinkDown("down"))
    elif what == "verdict":
        core.feed(Authenticated(more[0]))
    elif what == "send":
        cause = next(iter(state.pending), 0)
        core.feed(Send(b"D", split("11=a|97=Y|"), cause, b"key" if more[0] else b""))
    elif what == "done" and state.pending:
        core.feed(HandlerDone(next(iter(state.pending)), 0, more[0], "why"))
    elif what == "runs" and state.asks:
        begin, end = state.asks[0]
        end = end if more[0] else begin
        core.feed(ResendRuns(begin, end, ((begin, end, "g"),), end == state.asks[0][1]))
    elif what == "wait":
        core.pass_time(more[0])
    elif what == "restart":
        core.restart(number_from_bound=more[0])
    elif what == "configure":
        core.feed(Configure(type(core.settings)(**{**fields(core), "resend_tries_max": more[0]})))
    elif what == "command":
        core.feed(
            {
                "logout": LogoutCommand("bye"), "reset": ResetCommand("ann", "x"),
                "stop": Stop(), "numbers": SetNumbers(2, 2, "ann", "x"),
            }[more[0]]
        )  # fmt: skip


def fields(core: Core) -> dict[str, Any]:
    """The settings as keywords."""
    return {name: getattr(core.settings, name) for name in core.settings.__struct_fields__}


def run(make: Any, version: str, flags: dict[str, Any], actions: list[tuple[Any, ...]]) -> Core:
    """All actions, then a tick: nothing may raise, and every timer must still do something."""
    core: Core = make(version, queue_bytes_max=400, reservation_block=3, resend_asks_max=2, **flags)
    for action in actions:
        play(core, action)
        state = core.state
        assert state.next_out - 1 <= state.reserved
        assert state.queue_bytes == sum(len(frame.raw) for _, frame in state.queue.values()) <= 400
        assert state.held_bytes == sum(len(frame.raw) for _, frame in state.held) <= 400
        assert all(seq > state.next_in for seq in state.queue)
        assert list(state.pending) == list(state.frames)
        assert (state.gap == "none") or state.link == "up"
    core.feed(Tick())
    if next_deadline(core.state) is not None:
        core.pass_time(100)
    core.sent_frames(core.state.epoch)
    assert b"secret" not in b"".join(record.payload for record in core.records)
    return core


FLAGS = st.fixed_dictionaries(
    {},
    optional={
        "reset_on_logon": st.booleans(), "reset_on_logout": st.booleans(),
        "reset_on_disconnect": st.booleans(), "logon_refusal": st.sampled_from(["close", "logout"]),
        "send_next_expected": st.booleans(), "check_comp_id": st.booleans(),
    },
)  # fmt: skip
VERSIONS = st.sampled_from(["FIX.4.0", "FIX.4.2", "FIX.4.4", "FIXT.1.1"])
ROLES = st.sampled_from([acceptor, initiator])
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(ROLES, VERSIONS, FLAGS, STEPS)
def test_no_input_in_any_order_breaks_the_core(
    make: Any, version: str, flags: dict[str, Any], actions: list[tuple[Any, ...]]
) -> None:
    """P3, P5, P11, P12 after every step."""
    run(make, version, flags, actions)


@pytest.mark.deep
@settings(max_examples=20_000, deadline=None, suppress_health_check=SLOW)
@given(ROLES, VERSIONS, FLAGS, STEPS)
def test_no_input_in_any_order_breaks_the_core_deep(
    make: Any, version: str, flags: dict[str, Any], actions: list[tuple[Any, ...]]
) -> None:
    """The same for longer."""
    run(make, version, flags, actions)
