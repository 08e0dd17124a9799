"""What one session is configured to do: every knob of the core, with its default, in one place.

Settings are a frozen value. They enter the core through a ``Configure`` input and are journaled
with it, so that a replay sees the rules that were in force. They hold no secrets and nothing about
sockets, files or threads; those belong to the runtime. A text config is mapped onto this value by
engine/config.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ..wire.values import Precision
from .identity import SessionId


class SessionSettings(msgspec.Struct, frozen=True):
    """Settings of one session. Durations carry their unit in the name.

    ``check_latency_s`` 0 turns the SendingTime check off. ``timestamp_digits`` is the number of
    decimals in times that we write: None takes what the FIX version has (0 up to 4.1, else 3).
    ``reservation_block`` is how many outbound numbers are reserved durably at once.
    ``queue_bytes_max`` bounds what waits behind a gap, in bytes of frames. ``logon_refusal`` says
    what a peer gets whose Logon fails: nothing, or a Logout. ``resend_rejects``: answer a
    ResendRequest with stored Rejects too. ``test_request_factor`` and ``dead_factor`` are multiples
    of HeartBtInt without a frame from the peer.
    """

    session: SessionId
    role: Literal["initiator", "acceptor"]
    heart_bt_int_s: int = 30
    reset_on_logon: bool = False
    reset_on_logout: bool = False
    reset_on_disconnect: bool = False
    check_comp_id: bool = True
    check_latency_s: int = 120
    logon_timeout_s: int = 10
    logout_timeout_s: int = 2
    logon_refusal: Literal["close", "logout"] = "close"
    test_request_factor: float = 1.2
    dead_factor: float = 2.4
    timestamp_digits: Precision | None = None
    default_appl_ver_id: str = ""
    send_next_expected: bool = False
    resend_rejects: bool = False
    resend_timeout_s: int = 30
    resend_tries_max: int = 3
    resend_asks_max: int = 16
    reservation_block: int = 1000
    queue_bytes_max: int = 16 << 20
    keys_max: int = 16_384
