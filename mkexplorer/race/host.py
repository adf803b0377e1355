"""A stopwatch of the host's own clock, for kernels that run on it: Triton's interpreter. Its times are no GPU times."""

from __future__ import annotations

from time import perf_counter
from typing import Callable, Sequence

from .racing import Contestant, Run, Timed

_US = 1e6


class HostStopwatch:
    """``clock`` counts seconds; tests give their own."""

    systematic_us = 0.0

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock

    def rough_us(self, contestant: Contestant) -> float:
        return self._time(contestant)

    def time(self, runs: Sequence[Run]) -> Timed:
        times_us: list[float] = [self._time(run.contestant) for run in runs]
        return Timed(tuple(times_us), sum(times_us))

    def _time(self, contestant: Contestant) -> float:
        if contestant.restore is not None:
            contestant.restore()
        began = self._clock()
        contestant.launch()
        return max((self._clock() - began) * _US, 1e-3)
