"""The inline runner: a handler starts in its caller, and ends in the task that it saw from its
start.
"""

import asyncio

import anyio
import pytest

from durafix.engine.runtime.clock import SystemClock
from durafix.engine.runtime.handlers import Job
from durafix.engine.runtime.host import AsyncioHost
from durafix.engine.runtime.runners import InlineRunner


@pytest.mark.parametrize("turns", [0, 1, 5])
def test_a_handler_within_a_scope_can_be_stopped_at_any_turn(turns: int) -> None:
    """An engine that dies in the turn in which a handler began to wait (in ``send``, in a timeout)
    must not fail in its own end: the handler leaves its scope in its own task.
    """
    seen: list[str] = []

    async def handler() -> None:
        try:
            with anyio.move_on_after(60):
                await anyio.sleep(30)
        finally:
            seen.append("left")

    async def main() -> InlineRunner:
        crashes: list[BaseException] = []
        runner = InlineRunner(AsyncioHost(SystemClock(), crashes.append))
        await asyncio.sleep(0)
        runner.call(Job(handler, (), None, True), lambda job, error: seen.append("done"))
        for _ in range(turns):
            await asyncio.sleep(0)
        runner.stop()
        await asyncio.wait([runner.task], timeout=5)
        assert not crashes
        return runner

    runner = asyncio.run(main())
    assert seen == ["left"]
    assert runner.task.cancelled()
