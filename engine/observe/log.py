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
