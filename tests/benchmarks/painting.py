"""The clock of the benchmarks that measure from a key to the frame that it causes.

It stops in ``App.post_display_hook``, which Textual calls when a frame has been written; the driver is a headless one
that is told not to be, so that frames are encoded as for a terminal. ``Pilot.press`` sleeps for longer than any of
this takes, so keys go in through the driver, as a terminal's do.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import Sequence
from time import perf_counter

from textual import events
from textual.app import App
from textual.driver import Driver
from textual.drivers.headless_driver import HeadlessDriver

FRAME_S = 0.03
"""Wait so long between keys: Textual paints at most 60 frames a second."""


class EncodingDriver(HeadlessDriver):
    """Takes frames as a terminal's driver does, and counts what it is given."""

    written = 0

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        self.written += len(data.encode("utf-8", "surrogatepass"))


class PaintClock(App[None]):
    """Mix into an app to time its frames."""

    encoder: EncodingDriver
    _painted: asyncio.Event
    _last_paint = 0.0
    _seen = 0

    def _build_driver(self, headless: bool, inline: bool, mouse: bool, size: tuple[int, int] | None) -> Driver:
        self._painted = asyncio.Event()
        self.encoder = EncodingDriver(self, size=size)
        return self.encoder

    def post_display_hook(self) -> None:
        if self.encoder.written > self._seen:
            self._seen = self.encoder.written
            self._last_paint = perf_counter()
            self._painted.set()

    async def key_to_paint(self, key: str) -> tuple[float, int]:
        """Press ``key``; return the milliseconds to its frame, and the frame's bytes."""
        self._painted.clear()
        before, began = self.encoder.written, perf_counter()
        self.encoder.process_message(events.Key(key, None))
        await asyncio.wait_for(self._painted.wait(), 10)
        taken = (self._last_paint - began) * 1000, self.encoder.written - before
        await asyncio.sleep(FRAME_S)
        return taken


def percentile_99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def say(line: str) -> None:
    print(line, file=sys.__stdout__, flush=True)  # a running app keeps what is printed to sys.stdout
