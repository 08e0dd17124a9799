"""The configuration as typed values: every key, its type, its limits and its default, in one place.

Owns the model and the checks that need two keys. It must not know files (toml.py reads them) or
sockets. Unknown keys are refused, because a misspelt ``reset_on_logno`` that is silently ignored
costs sequence numbers at night.

The names are those of the TOML file. ``[[session]]`` keys are the session core's settings
(session/settings.py, where each is explained) plus where to connect; the table in
docs/configuration.md is checked against this module by a test.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..session.identity import SessionId
from ..session.settings import SessionSettings

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[int, Meta(ge=1, le=86_400)]
Factor = Annotated[float, Meta(ge=1, le=100)]
CompId = Annotated[str, Meta(min_length=1, max_length=256)]
BeginString = Literal["FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1"]


class JournalConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[journal]``: where events go and when they are safe.

    ``path`` is relative to the file that names it. ``fsync``: ``always`` (each event is on disk
    before its effect), ``interval`` (every ``interval_ms`` or ``interval_bytes``), ``never`` (the
    operating system decides). ``queue_bytes_max`` bounds what waits for the disk; sends wait above
    it.
    """

    path: Annotated[str, Meta(min_length=1)]
    fsync: Literal["always", "interval", "never"] = "always"
    interval_ms: Annotated[int, Meta(ge=1, le=60_000)] = 50
    interval_bytes: Annotated[int, Meta(ge=4096, le=1 << 30)] = 1 << 20
    segment_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 34)] = 64 << 20
    queue_bytes_max: Annotated[int, Meta(ge=1 << 16, le=1 << 32)] = 64 << 20


class AcceptorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[acceptor]``: the one port that all sessions with ``role = "acceptor"`` share.

    ``connections_max`` bounds open connections, ``pending_max`` those that have not logged on yet
    (the oldest of them is closed for a new one), ``logon_timeout_s`` how long one may say nothing.
    """

    host: str = "127.0.0.1"
    port: Port
    connections_max: Annotated[int, Meta(ge=1, le=100_000)] = 4096
    pending_max: Annotated[int, Meta(ge=1, le=100_000)] = 256
    logon_timeout_s: Seconds = 10


class SessionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[session]]``: one FIX session. ``host`` and ``port`` say where an initiator connects.

    An initiator tries again after ``reconnect_min_s``, doubling up to ``reconnect_max_s``.
    ``handler_queue_max`` is how many messages may wait for a slow application before the engine
    stops reading; ``handler_retries_max`` how often a handler that failed is called again before
    the message is parked.
    """

    role: Literal["initiator", "acceptor"]
    sender: CompId
    target: CompId
    begin_string: BeginString = "FIX.4.4"
    sender_sub: str = ""
    sender_location: str = ""
    target_sub: str = ""
    target_location: str = ""
    qualifier: str = ""
    host: str = ""
    port: Port = 0
    connect_timeout_s: Seconds = 10
    reconnect_min_s: Annotated[float, Meta(gt=0, le=3600)] = 1.0
    reconnect_max_s: Annotated[float, Meta(gt=0, le=86_400)] = 30.0
    heartbeat_s: Annotated[int, Meta(ge=0, le=86_400)] = 30
    reset_on_logon: bool = False
    reset_on_logout: bool = False
    reset_on_disconnect: bool = False
    check_comp_id: bool = True
    check_latency_s: Annotated[int, Meta(ge=0, le=86_400)] = 120
    logon_timeout_s: Seconds = 10
    logout_timeout_s: Seconds = 2
    logon_refusal: Literal["close", "logout"] = "close"
    test_request_factor: Factor = 1.2
    dead_factor: Factor = 2.4
    timestamp_digits: Annotated[int, Meta(ge=0, le=9)] | None = None
    default_appl_ver_id: str = ""
    send_next_expected: bool = False
    resend_rejects: bool = False
    resend_timeout_s: Seconds = 30
    resend_tries_max: Annotated[int, Meta(ge=1, le=1000)] = 3
    resend_asks_max: Annotated[int, Meta(ge=1, le=1000)] = 16
    reservation_block: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    queue_bytes_max: Annotated[int, Meta(ge=1 << 16, le=1 << 30)] = 16 << 20
    keys_max: Annotated[int, Meta(ge=1, le=1 << 20)] = 16_384
    handler_queue_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 1024
    handler_retries_max: Annotated[int, Meta(ge=0, le=1000)] = 5
    handler_retry_s: Annotated[float, Meta(ge=0, le=3600)] = 0.5
    send_timeout_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0

    @property
    def id(self) -> SessionId:
        """The session's identity, ours first."""
        return SessionId(
            begin_string=self.begin_string,
            sender=self.sender,
            target=self.target,
            sender_sub=self.sender_sub,
            sender_location=self.sender_location,
            target_sub=self.target_sub,
            target_location=self.target_location,
            qualifier=self.qualifier,
        )

    @property
    def settings(self) -> SessionSettings:
        """What the session core needs of it."""
        same = {name: getattr(self, name) for name in SAME_IN_SETTINGS}
        return SessionSettings(session=self.id, heart_bt_int_s=self.heartbeat_s, **same)


SAME_IN_SETTINGS = tuple(
    name for name in SessionSettings.__struct_fields__ if name in SessionConfig.__struct_fields__
)
"""Settings of the core that have the same name here."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole configuration: one journal, at most one listening port, at least one session.

    ``message_bytes_max`` bounds one FIX message on the wire.
    """

    journal: JournalConfig
    session: Annotated[list[SessionConfig], Meta(min_length=1, max_length=10_000)]
    acceptor: AcceptorConfig | None = None
    message_bytes_max: Annotated[int, Meta(ge=1024, le=16 << 20)] = 1 << 20


def problems(config: Config) -> list[tuple[str, str, str]]:
    """What is wrong although every key alone is right: (where, message, hint), where as in
    ``session[0].port``.
    """
    found: list[tuple[str, str, str]] = []
    if "\0" in config.journal.path:
        found.append(("journal.path", "a path holds no NUL", "remove it"))
    if config.acceptor and not _is_host(config.acceptor.host):
        found.append(("acceptor.host", "no name or address of a host", 'host = "127.0.0.1"'))
    names: dict[str, int] = {}
    for number, session in enumerate(config.session):
        where = f"session[{number}]"
        found += [(f"{where}.{key}", message, hint) for key, message, hint in _session(session)]
        if session.role == "acceptor" and config.acceptor is None:
            hint = 'add a section [acceptor] with a port, for example "port = 5001"'
            found.append((f"{where}.role", "an acceptor session needs a port to listen on", hint))
        twin = names.setdefault(session.id.text, number)
        if twin != number:
            hint = "give one of them a qualifier, or remove it"
            found.append((where, f"the same session as session[{twin}]: {session.id.text}", hint))
    return found


def _session(session: SessionConfig) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    if session.role == "initiator":
        if not session.host:
            found.append(("host", "an initiator needs a host to connect to", 'host = "127.0.0.1"'))
        elif not _is_host(session.host):
            found.append(("host", "no name or address of a host", 'host = "127.0.0.1"'))
        if not session.port:
            found.append(("port", "an initiator needs a port from 1 to 65535", "port = 5001"))
    elif session.host or session.port:
        key = "host" if session.host else "port"
        hint = "the port to listen on belongs into [acceptor]"
        found.append((key, "an acceptor session does not connect", hint))
    if session.reconnect_min_s > session.reconnect_max_s:
        found.append(("reconnect_min_s", "greater than reconnect_max_s", "make it the smaller one"))
    if session.begin_string == "FIXT.1.1" and not session.default_appl_ver_id:
        hint = 'default_appl_ver_id = "9" for FIX 5.0 SP2'
        found.append(("default_appl_ver_id", "FIXT.1.1 needs one", hint))
    for key in ("sender", "target", "sender_sub", "sender_location", "target_sub",
                "target_location", "qualifier"):  # fmt: skip
        if any(ord(c) < 32 or ord(c) == 127 for c in getattr(session, key)):
            found.append((key, "control characters cannot stand in a FIX field", "remove them"))
        elif any(ord(c) > 255 for c in getattr(session, key)):
            hint = "FIX has one byte for each of them"
            found.append((key, "characters beyond Latin-1 cannot stand in a FIX field", hint))
    return found


def _is_host(name: str) -> bool:
    """Whether a resolver may be asked for it: it refuses some texts with errors of its own."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return name.isprintable()
