"""A refusal: the core did not take an input, and says why. Nothing was journaled and nothing
happened.

``code`` is stable: ``not-logged-on``, ``wait`` (park the send and try again after the next step),
``duplicate`` (with event number and MsgSeqNum of the first send under that key),
``forbidden-field``, ``not-configured``, ``linked``, ``busy``, ``bad-number``,
``bad-settings``, ``other-session``.
"""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why an input was not taken. ``event``, ``seq``: the first send, for "duplicate"."""

    code: str
    text: str
    event: int = 0
    seq: int = 0
