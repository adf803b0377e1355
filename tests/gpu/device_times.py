"""Device times by torch's profiler alone, beside what mkexplorer measures in the same process on the same buffers.

Where buffers lie in a GPU's memory alone makes some kernels 20% slower, so another process would be another case.
``python device_times.py JOBS TIMES`` with PYTHONPATH of a checkout. JOBS is a JSON list of jobs for a worker; TIMES is
written: for each job ``{"result": the worker's, "cold": medians in us before and after it, "hot": …}``, or a text that
says what failed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from mkexplorer.race.racing import Contestant, Outcome
from mkexplorer.worker import argument_sources
from mkexplorer.worker.bench import Bench
from mkexplorer.worker.buffers import Buffers
from mkexplorer.worker.gpu import the_gpu

ROUNDS, HOT_ROUNDS, WARM = 40, 20, 3
_PREFIXES = ("triton_red_", "triton_per_")


class BesideTheProfiler(Bench):
    """Times the sub-kernels that raced once more, by the profiler."""

    times: list[tuple[list[float], list[float]]]
    beside_us: float

    def _race(self, raced: list[int], made: Buffers) -> Outcome:
        contestants = [self._contestant(index, made) for index in raced]
        began = time.perf_counter()
        before = device_times(contestants)
        raced_from = time.perf_counter()
        outcome = super()._race(raced, made)
        raced_to = time.perf_counter()
        self.times = [before, device_times(contestants)]
        self.beside_us = (time.perf_counter() - raced_to + raced_from - began) * 1e6
        return outcome


def device_times(contestants: list[Contestant]) -> tuple[list[float], list[float]]:
    """Cold and hot medians, taken in turns."""
    size = 3 * torch.cuda.get_device_properties(0).L2_cache_size
    cache = torch.empty(size // 4, dtype=torch.int32, device="cuda")

    def run(contestant: Contestant, before: Callable[[], object]) -> None:
        if contestant.restore is not None:
            contestant.restore()
        before()
        contestant.launch()

    def in_a_row(contestant: Contestant) -> None:
        """Three launches, a pause of a microsecond or two, and the one that counts."""
        for _ in range(WARM):
            run(contestant, nothing)
        run(contestant, lambda: torch.cuda._sleep(1))

    def nothing() -> None:
        pass

    for contestant in contestants:
        run(contestant, cache.zero_)
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
        for _ in range(ROUNDS):
            for contestant in contestants:
                run(contestant, cache.zero_)
        for _ in range(HOT_ROUNDS):
            for contestant in contestants:
                in_a_row(contestant)
        torch.cuda.synchronize()
    events = sorted(profiler.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    times_us = [event.duration_ns() / 1e3 for event in events if event.name().startswith(_PREFIXES)]
    count = len(contestants)
    launches = count * (ROUNDS + HOT_ROUNDS * (WARM + 1))
    assert len(times_us) == launches, f"{len(times_us)} kernels in {launches} launches"
    cold, hot = times_us[: count * ROUNDS], times_us[count * ROUNDS :][WARM :: WARM + 1]
    return [median(cold[index::count]) for index in range(count)], [median(hot[i::count]) for i in range(count)]


def measured(job: dict[str, Any]) -> dict[str, Any]:
    arguments = argument_sources.resolve(job["arguments"], job["sub_kernels"])
    bench = BesideTheProfiler(the_gpu(), job["sub_kernels"], arguments, job["picked"], lambda progress: None)
    result = bench.run(job["with_stock"], None)
    result["wall_us"] -= bench.beside_us
    return {"result": result, "cold": [cold for cold, _ in bench.times], "hot": [hot for _, hot in bench.times]}


def main(jobs: str, times: str) -> None:
    answers: list[object] = []
    for job in json.loads(Path(jobs).read_text()):
        try:
            answers.append(measured(job))
        except Exception as error:
            answers.append(f"{type(error).__name__}: {error}")
    Path(times).write_text(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
