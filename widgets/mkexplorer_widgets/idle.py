"""Long work on the event loop, in slices so short that no key waits for it.

Python threads would take turns of 5 ms with the event loop, and a key passes through several callbacks before it
is painted; slices with rests in between leave the loop to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from time import monotonic
from typing import TypeVar

Step = TypeVar("Step")

SLICE_S = 0.002
REST_S = 0.002


async def in_idle_slices(steps: Iterable[Step]) -> AsyncIterator[Step]:
    """The steps, one after another, with a rest whenever they have taken a slice's time. A step should be short."""
    await asyncio.sleep(0)
    end = monotonic() + SLICE_S
    for step in steps:
        yield step
        if monotonic() >= end:
            await asyncio.sleep(REST_S)
            end = monotonic() + SLICE_S
