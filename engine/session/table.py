"""The five small machines of a session as data: link, logon, gap, liveness, schedule.

Owns which transition exists, under which guard, and how the machines are coupled. It decides
nothing: the guards are names of conditions that decision code checks, written here for readers and
for the diagrams. ``evolve`` moves a machine only through ``moved``; a transition that the table
lacks is a bug of ours and stops there.

Why five and not one: their product has several hundred states, nearly all of them the same story
told again.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One transition: in state ``at``, ``trigger`` leads to ``to``; ``guard`` says when it is
    taken.
    """

    at: str
    trigger: str
    to: str
    guard: str = ""


LINK = (
    Row("down", "connected", "up"),
    Row("up", "lost", "down"),
    Row("up", "closed", "down", "we close; the session is free at once"),
)
LOGON = (
    Row("out", "logon-sent", "sent", "initiator, link up"),
    Row("out", "logon-received", "checking", "acceptor; identity and SendingTime are right"),
    Row("sent", "accepted", "on", "the reply is a valid Logon"),
    Row("checking", "accepted", "on", "authenticated, number not too low"),
    Row("on", "logon-received", "rechecking", "141=Y inside the session"),
    Row("rechecking", "accepted", "on", "authenticated again"),
    Row("on", "reset-asked", "probing", "TestRequest first"),
    Row("probing", "probe-answered", "resetting", "Heartbeat with our 112"),
    Row("probing", "logon-received", "rechecking", "the peer was faster"),
    Row("resetting", "accepted", "on", "Logon with 141=Y, 34=1"),
    Row("on", "logout-sent", "leaving"),
    Row("probing", "logout-sent", "leaving"),
    Row("resetting", "logout-sent", "leaving"),
    Row("rechecking", "logout-sent", "leaving"),
    Row("on", "logout-received", "out", "answered"),
    Row("probing", "logout-received", "out", "answered"),
    Row("resetting", "logout-received", "out", "answered"),
    Row("leaving", "logout-received", "out"),
    *(
        Row(at, "link-down", "out")
        for at in (
            "out", "sent", "checking", "on", "rechecking", "probing", "resetting", "leaving",
        )
    ),
)  # fmt: skip
GAP = (
    Row("none", "too-high", "asked", "a frame above the expected number; ResendRequest sent"),
    Row("none", "told", "told", "we sent 789, and the Logon was too high"),
    Row("told", "too-high", "asked", "nothing came in time; ResendRequest sent"),
    Row("asked", "too-high", "asked", "no progress in time, or a queue without room; asked again"),
    Row("asked", "filled", "none", "expected number behind the range"),
    Row("told", "filled", "none", "expected number behind the range"),
    *(Row(at, "link-down", "none") for at in ("none", "told", "asked")),
    *(Row(at, "epoch-opened", "none") for at in ("none", "told", "asked")),
)
LIVENESS = (
    Row("off", "logged-on", "alive"),
    Row("alive", "logged-on", "alive", "after a reset inside the session"),
    Row("asked", "logged-on", "alive", "after a reset inside the session"),
    Row("alive", "silence", "asked", "1.2 x HeartBtInt without a frame; TestRequest sent"),
    Row("asked", "frame", "alive", "any frame"),
    *(Row(at, "logged-off", "off") for at in ("off", "alive", "asked")),
)
SCHEDULE: tuple[Row, ...] = ()

MACHINES = {"link": LINK, "logon": LOGON, "gap": GAP, "liveness": LIVENESS, "schedule": SCHEDULE}
INITIAL = {
    "link": "down", "logon": "out", "gap": "none", "liveness": "off", "schedule": "always-open",
}  # fmt: skip
COUPLED = {
    ("link", "down"): (("logon", "link-down"), ("gap", "link-down"), ("liveness", "logged-off")),
    ("logon", "out"): (("liveness", "logged-off"),),
    ("logon", "on"): (("liveness", "logged-on"),),
}
"""What else moves, within the same event, when a machine reaches a state."""

LOGGED_ON = frozenset({"on", "probing", "resetting", "rechecking"})
"""Logon states in which the session layer talks in both directions and has not said goodbye."""

_MOVES = {
    machine: {(row.at, row.trigger): row.to for row in rows} for machine, rows in MACHINES.items()
}


def states(machine: str) -> tuple[str, ...]:
    """All states of a machine, the initial one first."""
    names = [INITIAL[machine]]
    for row in MACHINES[machine]:
        names += [name for name in (row.at, row.to) if name not in names]
    return tuple(names)


def moved(machine: str, at: str, trigger: str) -> str:
    """The state that ``trigger`` leads to; an ``AssertionError`` if the table has no such
    transition.
    """
    to = _MOVES[machine].get((at, trigger))
    assert to is not None, f"{machine}: no transition {trigger!r} in state {at!r}"
    return to


def mermaid(machine: str) -> str:
    """The machine as a Mermaid state diagram, the way docs/session.md shows it."""
    names = {name: name.replace("-", "_") for name in states(machine)}
    lines = ["stateDiagram-v2", f"    [*] --> {names[INITIAL[machine]]}"]
    merged: dict[tuple[str, str], list[str]] = {}
    for row in MACHINES[machine]:
        label = f"{row.trigger} ({row.guard})" if row.guard else row.trigger
        merged.setdefault((row.at, row.to), []).append(label.replace(";", ","))
    for (at, to), labels in merged.items():
        lines.append(f"    {names[at]} --> {names[to]}: {' / '.join(labels)}")
    return "\n".join(lines) + "\n"
