"""What all sessions of an engine share: one value that is handed down, so that nothing is
global.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anyio.abc import TaskGroup

from ..observe import Counters
from .application import Application
from .clock import Clock
from .gate import Gate
from .host import Host
from .network import Network
from .store import Store

if TYPE_CHECKING:
    from .loop import Driver


@dataclass(frozen=True)
class Services:
    """Clock, loop, network, journal, counters and the application of one engine; ``tasks`` ends
    with it.
    """

    clock: Clock
    host: Host
    network: Network
    tasks: TaskGroup
    gate: Gate
    store: Store
    counters: Counters
    application: Application
    spawn: Callable[..., None]
    """Run ``spawn(call, *args)`` as a task until the engine ends."""
    waiting: set[Driver] = field(default_factory=set)
    """Sessions with sends that wait for room."""
