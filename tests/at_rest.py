"""When an app under test is at rest, where textual's `Pilot` guesses: it waits for 20 ms of hardly any processor time.

At rest: nothing is ready to run, nothing is due within a frame, and no thread is at work. A thread that only waits, for
a test or for a process, is not at work.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

FRAME_S = 1 / 60
# A thread is seen at work by the processor time of the process while the event loop does nothing.
LOOK_S = 0.004
WORK_S = 0.001


async def wait_for_rest(min_sleep: float = 0.0, max_sleep: float = 1.0) -> None:
    """In the place of textual's ``wait_for_idle``, after which the parameters are named."""
    loop: Any = asyncio.get_running_loop()
    end = loop.time() + max_sleep
    await asyncio.sleep(min_sleep)
    while loop.time() < end:
        worked_s = await _look(loop)
        if loop._ready or worked_s > WORK_S:
            continue
        due = _due_within_a_frame(loop)
        if not due:
            return
        await asyncio.sleep(max(due) - loop.time())


async def _look(loop: Any) -> float:
    """Let others run; the processor time that threads used meanwhile, in seconds."""
    executor = loop._default_executor
    if executor is None or len(executor._threads) <= executor._idle_semaphore._value:
        await asyncio.sleep(0)
        return 0.0
    before = time.process_time()
    await asyncio.sleep(LOOK_S)
    return time.process_time() - before


def _due_within_a_frame(loop: Any) -> list[float]:
    end = loop.time() + FRAME_S
    return [handle.when() for handle in loop._scheduled if not handle.cancelled() and handle.when() < end]
