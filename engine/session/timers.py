"""What is due when: every timer of a session as one list, read by the tick and by the runtime's
alarm alike.

Owns deadlines (monotonic ns) and what happens when one has passed. A timer is never set or
cancelled: it follows from the state, so it is the same after a replay, and a tick that finds
nothing due leaves no trace.
"""

from __future__ import annotations

from .answer import HEARTBEAT, TEST_ID, TEST_REQUEST, ask_again, logout
from .emitter import Emitter
from .events import LivenessChanged
from .state import State
from .table import LOGGED_ON

NS_PER_S = 1_000_000_000
UNFINISHED = {
    "out": "no Logon in time",
    "sent": "no reply to our Logon in time",
    "checking": "the Logon was not judged in time",
    "rechecking": "the Logon was not judged in time",
    "probing": "no Heartbeat ahead of the reset in time",
    "resetting": "no reply to our reset in time",
}
"""Logon states that must end within the logon timeout, and what is said if they do not."""


def next_deadline(state: State) -> int | None:
    """Monotonic ns at which a ``Tick`` is due, or None while no timer runs."""
    if state.logon == "on" and state.liveness == "alive" and state.gap == "none":
        return _usual(state)
    return min(deadlines(state).values(), default=None)


def _usual(state: State) -> int | None:
    """The same while the session just trades: asked after every step, so written for speed."""
    heart_bt_ns = state.heart_bt_int_s * NS_PER_S
    if not heart_bt_ns or state.settings is None:
        return None
    silence = state.last_in_mono_ns + int(heart_bt_ns * state.settings.test_request_factor)
    heartbeat = state.last_out_mono_ns + heart_bt_ns
    return silence if silence < heartbeat else heartbeat


def deadlines(state: State) -> dict[str, int]:
    """Every timer that runs: its name and the monotonic ns at which it is due."""
    settings = state.settings
    if state.link != "up" or settings is None:
        return {}
    logon = state.logon
    if logon == "leaving":
        return {"logout": state.logon_mono_ns + settings.logout_timeout_s * NS_PER_S}
    due: dict[str, int] = {}
    if logon in UNFINISHED:
        since = state.link_mono_ns if logon == "out" else state.logon_mono_ns
        due["logon"] = since + settings.logon_timeout_s * NS_PER_S
    if logon not in LOGGED_ON:
        return due
    heart_bt_ns = state.heart_bt_int_s * NS_PER_S
    if heart_bt_ns and state.liveness == "asked":
        due["dead"] = state.last_in_mono_ns + int(heart_bt_ns * settings.dead_factor)
    elif heart_bt_ns:
        due["silence"] = state.last_in_mono_ns + int(heart_bt_ns * settings.test_request_factor)
        due["heartbeat"] = state.last_out_mono_ns + heart_bt_ns
    if state.gap != "none":
        due["gap"] = state.gap_mono_ns + settings.resend_timeout_s * NS_PER_S
    return due


def tick(step: Emitter) -> None:
    """Do what is due at the time of this step."""
    state, now = step.state, step.at.mono_ns
    due = {name for name, deadline in deadlines(state).items() if deadline <= now}
    if "logout" in due:
        step.close("no reply to our Logout in time")
    elif "logon" in due:
        step.alert("logon-timeout", UNFINISHED[state.logon])
        step.close(UNFINISHED[state.logon])
    elif "dead" in due:
        step.alert("peer-silent", "no answer to our TestRequest")
        step.close("no answer to our TestRequest")
    else:
        if "gap" in due:
            _gap_stalled(step)
        if "silence" in due and state.liveness == "alive":
            step.write(TEST_REQUEST, [(112, TEST_ID)])
            step.emit(LivenessChanged("silence", "asked", "nothing received for too long"))
        elif "heartbeat" in due and state.last_out_mono_ns < now:
            step.write(HEARTBEAT, [])


def _gap_stalled(step: Emitter) -> None:
    """Nothing moved since we asked: ask again, in the end log out with the missing number."""
    state = step.state
    if state.gap == "told":
        ask_again(step, state.gap_end, 1, "our 789 brought nothing")
    elif state.gap_tries < step.settings.resend_tries_max:
        ask_again(step, state.gap_end, state.gap_tries + 1, f"no progress at {state.next_in}")
    else:
        text = f"ResendRequest not answered, still expecting {state.next_in}"
        step.alert("gap-stalled", text)
        logout(step, text, text)
