"""What the application holds in its hands: a session by name, and the receipt of a send.

Owns the public verbs of a session. They turn calls into inputs of the core and its refusals into
errors; they decide nothing themselves. A handle lives as long as its engine; the connection behind
it comes and goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

import anyio
import msgspec

from ..errors import (
    DiskFull,
    EngineStopped,
    NotLoggedOn,
    SendRefused,
    SendTimeout,
    UnknownSession,
)
from ..session import inputs as inp
from ..session.events import Out
from ..session.identity import SessionId, SessionNameError, resolve
from ..wire import Message
from .gate import Gate
from .runners import CAUSE

if TYPE_CHECKING:
    from .loop import Driver


KEY_BYTES_MAX = 256
"""Longest idempotency key; the last ``keys_max`` of them are kept in memory."""


class Receipt:
    """A message that is in the journal. ``event_number`` and ``seq_num`` name it.

    ``duplicate``: this key was sent before, and the numbers are those of the first time; nothing
    was sent now.
    """

    __slots__ = ("_gate", "duplicate", "event_number", "seq_num")

    def __init__(self, gate: Gate, event: int, seq: int, *, duplicate: bool = False) -> None:
        self._gate = gate
        self.event_number = event
        self.seq_num = seq
        self.duplicate = duplicate

    @property
    def is_durable(self) -> bool:
        """Whether the message is on disk now."""
        return self._gate.writer.durable >= self.event_number

    @property
    def state(self) -> Literal["numbered", "covered", "durable"]:
        """How far it is: numbered, covered by the policy (it may leave), on disk."""
        if self.is_durable:
            return "durable"
        return "covered" if self._gate.writer.covered >= self.event_number else "numbered"

    async def durable(self) -> Receipt:
        """Wait until the message is on disk, under any policy; asks for an fsync where the policy
        would not.

        ``OutcomeUnknown`` if the journal failed before: the message may or may not be there.
        """
        await self._gate.durable(self.event_number)
        return self

    def __repr__(self) -> str:
        return f"<Receipt event {self.event_number} 34={self.seq_num} {self.state}>"


class SessionState(msgspec.Struct, frozen=True):
    """A copy of where a session stands. ``gap`` is the range that we wait for, None if there is
    none.
    """

    logged_on: bool
    connected: bool
    epoch: int
    next_out: int
    next_in: int
    gap: tuple[int, int] | None
    unfinished: int
    waiting_for_handlers: int


class Session:
    """One session. All methods are for the loop's thread; ``BlockingSession`` is for others."""

    def __init__(self, driver: Driver, gate: Gate) -> None:
        self._driver = driver
        self._gate = gate

    @property
    def id(self) -> SessionId:
        """Who talks to whom, ours first."""
        return self._driver.id

    @property
    def name(self) -> str:
        """The canonical text, as in ``FIX.4.4:BUYER->SELLER``."""
        return self._driver.id.text

    @property
    def is_logged_on(self) -> bool:
        """Whether application messages can be sent now."""
        return self._driver.is_logged_on

    @property
    def state(self) -> SessionState:
        """Numbers, logon and gap as of now."""
        state = self._driver.state
        return SessionState(
            logged_on=self.is_logged_on,
            connected=self._driver.link is not None,
            epoch=state.epoch,
            next_out=state.next_out,
            next_in=state.next_in,
            gap=(state.next_in, state.gap_end) if state.gap != "none" else None,
            unfinished=len(state.pending),
            waiting_for_handlers=len(self._driver.handlers),
        )

    async def wait_logged_on(self) -> None:
        """Return once the session is logged on. ``EngineStopped`` if the engine ends first."""
        driver = self._driver
        while not driver.is_logged_on:
            self._check_open()
            await driver.wait_change()

    async def send(self, message: Message, key: str | bytes | None = None) -> Receipt:
        """Journal a message and send it; returns once it has a number, before it is on disk or
        wire.

        It leaves when the policy covers it; ``await receipt.durable()`` waits for the disk. Within
        a handler the send records which message it answers. ``key`` makes it idempotent: a key that
        was sent before in this session gives the first receipt, and nothing is sent.

        Waits while there is no room (slow disk, slow peer, a resend being answered, a logon that is
        not finished), at most ``send_timeout_s``. Raises ``NotLoggedOn``, ``SendTimeout``,
        ``DiskFull``, ``EngineStopped``, ``SendRefused``, or ``Refuse`` from ``to_app``: nothing was
        journaled. ``OutcomeUnknown``: the journal failed.
        """
        given = self._input(message, key)
        receipt = self._try(given)
        if receipt is None:
            return await self._send_when_possible(given)
        if self._gate.crowded:
            await anyio.sleep(0)  # a loop full of sends must not starve the others
        return receipt

    def _input(self, message: Message, key: str | bytes | None) -> inp.Send:
        self._check_open()
        self._driver.to_app(message)
        raw_key = key.encode() if isinstance(key, str) else key or b""
        if len(raw_key) > KEY_BYTES_MAX:
            raise SendRefused(f"a key has at most {KEY_BYTES_MAX} bytes", where=self.name)
        return inp.Send(message.type.encode(), message.body_fields(), CAUSE.get(), raw_key)

    async def _send_when_possible(self, given: inp.Send) -> Receipt:
        seconds = self._driver.config.send_timeout_s
        receipt = None
        with anyio.move_on_after(seconds):
            while receipt is None:
                await self._driver.turn()
                receipt = self._try(given)
        if receipt is None:
            raise SendTimeout(
                f"no room for the message within {seconds:g} s",
                where=self.name,
                hint="the disk or the peer is too slow; nothing was journaled, send it again",
            )
        return receipt

    def _try(self, given: inp.Send) -> Receipt | None:
        """One attempt; None if it has to wait."""
        driver, gate = self._driver, self._gate
        self._check_open()
        if driver.is_full:
            return None
        event = gate.writer.next_event
        outcome = driver.command(given)
        refusal = outcome.refusal
        if refusal is None:
            sent = outcome.events[0]
            assert isinstance(sent, Out), "a send begins with its OUT event"
            driver.sent()
            return Receipt(gate, event, sent.seq)
        if refusal.code == "wait":
            return None
        if refusal.code == "duplicate":
            return Receipt(gate, refusal.event, refusal.seq, duplicate=True)
        driver.send_refused()
        if refusal.code == "not-logged-on":
            hint = "wait for it with: await session.wait_logged_on()"
            raise NotLoggedOn(refusal.text, where=self.name, hint=hint)
        raise SendRefused(refusal.text, where=self.name)

    def _check_open(self) -> None:
        gate = self._gate
        if gate.failure is not None:
            raise gate.failure
        if self._driver.stopping:
            raise EngineStopped("the engine is closing", where=self.name)
        if gate.writer.state == "disk-full":
            raise DiskFull(
                "the disk is full: nothing was journaled",
                where=self.name,
                hint="free some space; sending works again by itself",
            )

    async def logout(self, text: str = "") -> None:
        """Log out in order: send a Logout, wait for the answer or the logout timeout, until the
        link is down.
        """
        self._check_open()
        link = self._driver.link
        self._driver.command(inp.LogoutCommand(text))
        if link is not None:
            await link.over.wait()
            await self._gate.settled()

    async def reset(self, who: str, why: str) -> None:
        """Open a new epoch, numbers from 1: over the wire if logged on, else at once. Both
        arguments are journaled.
        """
        self._check_open()
        self._ask(inp.ResetCommand(who, why))
        await self._gate.settled()

    async def set_numbers(self, *, next_out: int = 0, next_in: int = 0, who: str, why: str) -> None:
        """Set the next numbers while nothing is connected (0 leaves one as it is). Journaled with
        who and why.
        """
        self._check_open()
        self._ask(inp.SetNumbers(next_out, next_in, who, why))
        await self._gate.settled()

    def _ask(self, command: inp.Input) -> None:
        outcome = self._driver.command(command)
        if outcome.refusal is not None:
            raise SendRefused(outcome.refusal.text, where=self.name)

    def __repr__(self) -> str:
        return f"<Session {self.name} {'on' if self.is_logged_on else 'out'}>"


class Sessions(Mapping[str, Session]):
    """The sessions of an engine, by canonical name or any short form that fits one of them.

    ``engine.sessions["BUYER->SELLER"]``; ``UnknownSession`` lists the candidates (session rule 28).
    Iterates over canonical names.
    """

    def __init__(self, sessions: dict[SessionId, Session]) -> None:
        self._by_id = sessions
        self._by_name = {session.name: session for session in sessions.values()}

    def __getitem__(self, name: str) -> Session:
        found = self._by_name.get(name)
        if found is None:
            try:
                found = self._by_id[resolve(name, self._by_id)]
            except SessionNameError as error:
                raise UnknownSession(error.message, where=name, hint=error.hint) from None
        return found

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and self[name] is not None
        except UnknownSession:
            return False

    def __iter__(self) -> Iterator[str]:
        return (session.name for session in self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)
