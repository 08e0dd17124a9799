"""Reject texts and numbers, version by version."""

from __future__ import annotations

from typing import Any

import pytest

from durafix.engine.session.answer import reject
from durafix.engine.session.check import Fault, number_of
from durafix.engine.session.emitter import Emitter

from .kit import acceptor, show


def rejected(version: str, fault: Fault, **header: Any) -> str:
    """The Reject of an order."""
    core = acceptor(version).logged_on()
    emitter = Emitter(core.state, core.number, core.clock.at)
    reject(emitter, core.peer("D", 2, "11=a|", **header), fault)
    return show(emitter.effects[0])


@pytest.mark.parametrize(
    ("version", "reason", "answer"),
    [
        ("FIX.4.0", 13, "58=Tag appears more than once (40)|"),
        ("FIX.4.1", 13, "58=Tag appears more than once (40)|"),
        ("FIX.4.2", 13, "58=Tag appears more than once|371=40|372=D|"),
        ("FIX.4.2", 5, "58=Value is incorrect (out of range) for this tag|371=40|372=D|373=5|"),
        ("FIX.4.2", 11, "58=Invalid MsgType|371=40|372=D|373=11|"),
        ("FIX.4.3", 16, "58=Incorrect NumInGroup count for repeating group|371=40|372=D|373=16|"),
        ("FIX.4.4", 14, "58=Tag specified out of required order|371=40|372=D|373=14|"),
    ],
)
def test_rejects_have_what_the_version_has(version: str, reason: int, answer: str) -> None:
    """371 to 373 from 4.2; 4.2 has no 373 above 11; before, the tag is in the text."""
    assert rejected(version, Fault("reject", reason, 40)) == "35=3|34=2|45=2|" + answer


def test_tags_that_are_none_are_named_all_the_same() -> None:
    """14a: 371=0 and 371=-1."""
    for tag in (0, -1):
        assert f"|371={tag}|" in rejected("FIX.4.4", Fault("reject", 0, tag))


@pytest.mark.parametrize(
    ("version", "given", "turned"),
    [
        ("FIX.4.4", {"t115": "JCD"}, "128=JCD|"),
        ("FIX.4.4", {"t128": "JCD", "t129": "CS"}, "115=JCD|116=CS|"),
        ("FIX.4.4", {"t115": "JCD", "t116": "CS", "t144": "CHI"}, "128=JCD|129=CS|145=CHI|"),
        ("FIX.4.4", {"t115": "JCD", "t116": ""}, "128=JCD|"),
        ("FIX.4.1", {"t145": "CHI"}, "144=CHI|"),
        ("FIX.4.0", {"t145": "CHI"}, ""),
    ],
)
def test_routing_fields_are_turned_round(version: str, given: dict[str, str], turned: str) -> None:
    """ReverseRoute: empty ones are left out, locations only from 4.1."""
    text = rejected(version, Fault("reject", 5), **given)
    assert text.startswith(f"35=3|34=2|{turned}45=2|58=")


@pytest.mark.parametrize(
    ("text", "value"), [("7", 7), ("007", 7), ("-7", -1), ("", -1), ("x", -1), ("9" * 19, -1)]
)
def test_numeric_session_fields(text: str, value: int) -> None:
    """Plain digits, bounded."""
    assert number_of(acceptor().peer("D", 2, f"108={text}|"), 108) == value
    assert number_of(acceptor().peer("D", 2), 108) is None
