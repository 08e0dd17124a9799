"""Who talks to whom: the name of a session, its canonical text, and how a short form is resolved.

Canonical text, ours first (session rule 28): ``FIX.4.4:BUYER/SUB/LOC->SELLER:QUALIFIER``. Sub and
location ids and the qualifier are left out when empty; the characters that the text itself uses
(``% / : >``) are written as ``%XX`` inside an id, so that text and value are one to one. This
module must not know settings or state.

Invariant: ``parse(id.text) == id`` for every id, and two ids never share a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from ...journal.errors import Error

_ESCAPED = re.compile(r"[%/:>\x00-\x20\x7f]")
_HEX = re.compile(r"%([0-9A-F]{2})")


class SessionNameError(Error):
    """A text names no session, or more than one; the hint lists the candidates."""

    code = "session-name"


class SessionId(msgspec.Struct, frozen=True, omit_defaults=True):
    """One session, seen from our side: ``sender`` is 49 of what we send, ``target`` its 56."""

    begin_string: str
    sender: str
    target: str
    sender_sub: str = ""
    sender_location: str = ""
    target_sub: str = ""
    target_location: str = ""
    qualifier: str = ""

    @property
    def text(self) -> str:
        """The canonical text."""
        tail = f":{_escape(self.qualifier)}" if self.qualifier else ""
        ours = _side(self.sender, self.sender_sub, self.sender_location)
        theirs = _side(self.target, self.target_sub, self.target_location)
        return f"{_escape(self.begin_string)}:{ours}->{theirs}{tail}"

    def __str__(self) -> str:
        return self.text


def _escape(part: str) -> str:
    return _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", part)


def _unescape(part: str) -> str:
    return _HEX.sub(lambda match: chr(int(match[1], 16)), part)


def _side(comp: str, sub: str, location: str) -> str:
    parts = [_escape(comp), _escape(sub), _escape(location)]
    while not parts[-1] and len(parts) > 1:
        parts.pop()
    return "/".join(parts)


def _unside(text: str) -> tuple[str, str, str]:
    parts = [_unescape(part) for part in text.split("/")]
    if not parts[0] or len(parts) > 3:
        raise ValueError(text)
    comp, sub, location = (*parts, "", "")[:3]
    return comp, sub, location


def parse(text: str) -> SessionId:
    """The session that a canonical text names; ``SessionNameError`` if it is none."""
    begin_string, colon, rest = text.partition(":")
    ours, arrow, theirs = rest.partition("->")
    theirs, _, qualifier = theirs.partition(":")
    try:
        if not (begin_string and colon and arrow) or ":" in ours + qualifier:
            raise ValueError(text)
        sender, target = _unside(ours), _unside(theirs)
    except ValueError:
        raise SessionNameError(
            f"not a session: {text!r}",
            hint="write it as FIX.4.4:SENDER->TARGET, with /SUB/LOCATION and :QUALIFIER if any",
        ) from None
    return SessionId(
        _unescape(begin_string), sender[0], target[0], sender[1], sender[2], target[1], target[2],
        _unescape(qualifier),
    )  # fmt: skip


def resolve(short: str, candidates: Iterable[SessionId]) -> SessionId:
    """The one candidate that a short form fits.

    A short form is the canonical text with parts left out: the BeginString, sub and location ids,
    the qualifier, or everything but one CompID. ``SessionNameError`` if none or several fit; its
    hint lists them.
    """
    known = sorted(candidates, key=lambda session: session.text)
    fits = [session for session in known if session.text == short]
    fits = fits or [session for session in known if short in _short_forms(session)]
    if len(fits) == 1:
        return fits[0]
    what = "several sessions fit" if fits else "no session fits"
    listed = ", ".join(session.text for session in fits or known) or "no session at all"
    raise SessionNameError(f"{what} {short!r}", hint=f"one of: {listed}")


def _short_forms(session: SessionId) -> set[str]:
    pair = f"{_escape(session.sender)}->{_escape(session.target)}"
    version = _escape(session.begin_string)
    tail = _escape(session.qualifier)
    full = session.text.partition(":")[2]
    bare = {pair, full, full.removesuffix(f":{tail}") if tail else full}
    if tail:
        bare.add(f"{pair}:{tail}")
    return {
        *bare,
        *(f"{version}:{form}" for form in bare),
        _escape(session.sender),
        _escape(session.target),
        *({tail} if tail else ()),
    }
