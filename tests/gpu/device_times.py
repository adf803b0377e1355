"""Device times by torch's profiler alone, beside what mkexplorer measured: nothing of its races is used here.

``python device_times.py JOBS TIMES`` with PYTHONPATH of a checkout. JOBS is a JSON list of the jobs that a worker was
asked for, each with the ``configuration`` of its sub-kernels filled in; TIMES is written: for each job
``[[cold medians], [hot medians]]`` in microseconds, or a text that says what went wrong.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch._inductor.codecache import PyCodeCache
from torch.profiler import ProfilerActivity, profile

from mkexplorer.worker.kernel_source import read_source
from mkexplorer.worker.tensors import build, plan

ROUNDS = 40
_PREFIXES = ("triton_red_", "triton_per_")


def launchers_of(job: dict[str, Any], folder: Path) -> list[Callable[[], object]]:
    kernels = job["sub_kernels"]
    sources = [(read_source(each["text"], each["name"]), each["takes"]) for each in kernels]
    arguments = build(plan(job["arguments"], sources), torch.device("cuda"), seed=1)
    stream = torch.cuda.current_stream().cuda_stream
    found: list[Callable[[], object]] = []
    for kernel in kernels:
        path = folder / f"{kernel['key']}.py"
        path.write_text(kernel["text"])
        autotuner = getattr(PyCodeCache.load_by_key_path(kernel["key"], str(path)), kernel["name"])
        chosen = [config for config in autotuner.configs if is_meant(config, kernel["configuration"])]
        autotuner.configs = chosen[:1] or autotuner.configs[:1]
        autotuner.precompile()
        passed = [arguments[index] for index in kernel["takes"]]
        found.append(partial(autotuner.launchers[0], *passed, stream=stream))
    return found


def is_meant(config: Any, configuration: dict[str, int]) -> bool:
    own = {**config.kwargs, "num_warps": config.num_warps, "num_stages": config.num_stages}
    return all(own.get(name) == value for name, value in configuration.items() if name in own)


def device_times(launches: list[Callable[[], object]], cache: torch.Tensor) -> list[list[float]]:
    """Cold and hot medians, taken in turns."""
    for launch in launches:
        launch()
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
        for _ in range(ROUNDS):
            for launch in launches:
                cache.zero_()
                launch()
        for _ in range(ROUNDS):
            for launch in launches:
                launch()
                launch()
        torch.cuda.synchronize()
    events = sorted(profiler.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    times_us = [event.duration_ns() / 1e3 for event in events if event.name().startswith(_PREFIXES)]
    count, cold = len(launches), len(launches) * ROUNDS
    assert len(times_us) == 3 * cold, f"{len(times_us)} kernels in {3 * cold} launches"
    hot = times_us[cold + 1 :: 2]
    return [
        [median(times_us[index:cold:count]) for index in range(count)],
        [median(hot[i::count]) for i in range(count)],
    ]


def main(jobs: str, times: str) -> None:
    cache = torch.empty(torch.cuda.get_device_properties(0).L2_cache_size // 4, dtype=torch.int32, device="cuda")
    answers: list[object] = []
    for job in json.loads(Path(jobs).read_text()):
        with tempfile.TemporaryDirectory() as folder:
            try:
                answers.append(device_times(launchers_of(job, Path(folder)), cache))
            except Exception as error:
                answers.append(f"{type(error).__name__}: {error}")
    Path(times).write_text(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
