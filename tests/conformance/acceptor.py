"""The acceptor that the public acceptance scripts talk to: ``python -m tests.conformance.acceptor
--port N``.

One port, one session per FIX version, ResetOnLogon, and the echo application that the scripts
expect (NewOrderSingle, SecurityDefinition and Email come back; a possibly resent order that was
seen is dropped; everything else is unsupported). The journal lives in a temporary folder.

Values come back as text, untouched. The scripts want body fields by ascending tag with each group
inline behind its count; without a dictionary the few groups that they use are listed here.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
import tempfile
from collections.abc import Iterator

import anyio

from durafix.engine import Application, Engine, Message, Refuse, Session
from durafix.engine.config import AcceptorConfig, Config, JournalConfig, SessionConfig
from durafix.engine.config.model import BeginString

SESSIONS: tuple[tuple[BeginString, str, str], ...] = (
    ("FIX.4.0", "TW40", ""),
    ("FIX.4.1", "TW41", ""),
    ("FIX.4.2", "TW42", ""),
    ("FIX.4.3", "TW43", ""),
    ("FIX.4.4", "TW44", ""),
    ("FIXT.1.1", "TW50", "7"),
    ("FIXT.1.1", "TW50SP1", "8"),
    ("FIXT.1.1", "TW50SP2", "9"),
    ("FIX.4.4", "TW", ""),
)
"""BeginString, TargetCompID, DefaultApplVerID. Our side is ISLD."""
UNSUPPORTED = 3
GROUPS: dict[int, frozenset[int]] = {
    78: frozenset({79, 661, 736, 467, 80}),
    382: frozenset({375, 337, 437, 438, 655}),
    386: frozenset({336, 625}),
    453: frozenset({448, 447, 452, 802, 523, 803}),
    454: frozenset({455, 456}),
    539: frozenset({524, 525, 538, 804, 545, 805}),
    711: frozenset({311, 312, 309, 305, 462, 463, 310, 763, 313, 542, 241, 242, 243}),
}
"""Count tag to the tags of its members."""
Fields = list[tuple[int, bytes]]


def in_order(fields: Fields) -> Fields:
    """Body fields by ascending tag, a group inline behind its count in the order it came."""
    blocks: list[Fields] = []
    members: frozenset[int] = frozenset()
    for field in fields:
        if field[0] in members:
            blocks[-1].append(field)
            continue
        blocks.append([field])
        members = GROUPS.get(field[0], frozenset())
    return [field for block in sorted(blocks, key=lambda block: block[0][0]) for field in block]


class Echo(Application):
    """Sends orders back."""

    def __init__(self) -> None:
        self._seen: dict[str, set[str]] = {}

    async def on_logout(self, session: Session, reason: str) -> None:
        """The list of seen orders ends with the session, or with its connection."""
        self._seen.pop(session.name, None)

    async def on_message(self, session: Session, message: Message) -> None:
        """Echo, drop or refuse."""
        old = session.id.begin_string in ("FIX.4.0", "FIX.4.1")
        if message.type not in ("D", "C") and (message.type != "d" or old):
            raise Refuse(code=UNSUPPORTED)
        if message.type == "D":
            seen = self._seen.setdefault(session.name, set())
            if message.poss_resend and message[11] in seen:
                return
            seen.add(message[11])
        await session.send(Message(message.type, in_order(message.body_fields()), order="given"))


def config(folder: str, port: int) -> Config:
    """All sessions of the scripts on one port; names beyond a version's knowledge stay default."""
    sessions = [
        SessionConfig(
            role="acceptor", begin_string=begin, sender="ISLD", target=target,
            reset_on_logon=True, default_appl_ver_id=appl,
        )
        for begin, target, appl in SESSIONS
    ]  # fmt: skip
    return Config(
        journal=JournalConfig(path=f"{folder}/journal", fsync="never"),
        acceptor=AcceptorConfig(port=port),
        session=sessions,
    )


@contextlib.contextmanager
def folder() -> Iterator[str]:
    """A temporary folder for the journal."""
    with tempfile.TemporaryDirectory(prefix="durafix-at-") as path:
        yield path


async def serve(port: int) -> None:
    """Run until SIGTERM or SIGINT."""
    with folder() as path:
        async with Engine.open(config(path, port), Echo()) as engine:
            print(f"listening on {engine.port}", flush=True)
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    break


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    if given.verbose:
        logging.basicConfig(level=logging.INFO)
    anyio.run(serve, given.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
