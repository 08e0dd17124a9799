"""What recovery says about one journal of the demo: verified, and replayed from zero."""

from __future__ import annotations

from ...engine.session.fold import EngineFold
from ...journal.disk import Disk
from ...recovery.replay import replay
from ...recovery.verify import verify
from .report import Checked


def check(disk: Disk, root: str) -> Checked:
    """Verdicts of verify and replay, and their findings in words; ``clean`` twice is all well."""
    verified = verify(disk, root)
    replayed = replay(disk, root, EngineFold())
    found = [f"verify: {one}" for one in verified.findings if one.severity != "note"]
    found += [f"replay: {one}" for one in replayed.findings if one.severity != "note"]
    # One session a side. The ledger derives the same numbers without the session core.
    (state,) = replayed.state.sessions.values()
    return Checked(
        numbers=(state.next_out, state.next_in),
        verify=verified.verdict,
        replay=replayed.verdict,
        findings=found,
        hashes=replayed.hashes,
        steps=replayed.reruns,
    )
