"""Names of the standard-library loggers, and the one rule about what goes there.

``durafix.session`` says what happened to sessions, ``durafix.net`` what happened to connections,
``durafix.journal`` what happened to the disk, ``durafix.app`` what went wrong in handlers. Message
content never goes to a log: it may hold a password; MsgType and MsgSeqNum do. The library adds no
handlers and sets no levels.
"""

from __future__ import annotations

import logging

session = logging.getLogger("durafix.session")
net = logging.getLogger("durafix.net")
journal = logging.getLogger("durafix.journal")
app = logging.getLogger("durafix.app")

SHOWN_MAX = 300
"""Most characters of a reason or a text that a peer had a hand in."""


def harmless(text: str) -> str:
    """Text with words of a peer as one short line: no line break that forges an entry, no escape
    sequence for the terminal of whoever reads the log.
    """
    shown = text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."
    return shown if shown.isprintable() else shown.encode("unicode_escape").decode("ascii")
