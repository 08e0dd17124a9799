"""The driver of a session, where no other test looks."""

import anyio
import pytest

from durafix.engine.session.inputs import LinkDown
from durafix.engine.testing import Machine, MemoryNetwork, configs

from .kit import Exchange, Recorder

pytestmark = pytest.mark.anyio


async def test_a_session_that_ended_is_not_logged_on_from_its_step_on() -> None:
    """Else ``wait_logged_on`` and ``send`` in a loop would spin until the end is on disk."""
    network = MemoryNetwork()
    theirs, ours = configs()
    async with anyio.create_task_group() as tasks:
        seller = Machine(tasks, theirs, Exchange, network)
        buyer = Machine(tasks, ours, Recorder, network)
        await seller.start()
        session = (await buyer.start()).sessions["BUYER->SELLER"]
        await session.wait_logged_on()
        session._driver.command(LinkDown("cut"))
        assert not session.is_logged_on
        tasks.cancel_scope.cancel()
