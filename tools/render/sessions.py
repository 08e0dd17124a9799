"""The state of a session as named values: what sessions and replay show. It reads no journal."""

from __future__ import annotations

from typing import Any

from ...engine.session.state import State

COLUMNS = (
    "session", "name", "link", "logon", "next_out", "next_in", "epoch", "gap", "pending",
)  # fmt: skip


def state_row(number: int, name: str, state: State) -> dict[str, Any]:
    """Numbers are the next ones; ``gap`` is the range that is waited for, None without one."""
    return {
        "session": number,
        "name": name,
        "role": state.settings.role if state.settings else None,
        "link": state.link,
        "logon": state.logon,
        "peer": state.peer or None,
        "epoch": state.epoch,
        "next_out": state.next_out,
        "next_in": state.next_in,
        "reserved_through": state.reserved,
        "gap": [state.next_in, state.gap_end] if state.gap != "none" else None,
        "queued": len(state.queue),
        "pending": len(state.pending),
    }
