"""What a first call of a multi-kernel chose and among whom, and what the device took for each of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile

from mkexplorer.multikernel import call as call_module
from mkexplorer.multikernel import trial, tuning
from mkexplorer.multikernel.measuring import measure
from mkexplorer.multikernel.trial import find_fastest
from mkexplorer.race.racing import Contestant, Outcome
from samples.running import Sample, error, expected

DEVICE = "cuda"
ROUNDS = 40


# ------------------------------------------------------------------------------------------------ device times


def device_times(runs: Sequence[Contestant]) -> list[float]:
    """Medians in us of all that the device does for each run, taken in turns, each with a cold L2."""
    size = 3 * torch.cuda.get_device_properties(0).L2_cache_size
    cache = torch.empty(size // 4, dtype=torch.int32, device=DEVICE)
    order = [index for turn in range(ROUNDS) for index in range(len(runs))[:: 1 if turn % 2 else -1]]
    for run in runs:
        _queue(run, cache)
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
        for index in order:
            _queue(runs[index], cache)
        torch.cuda.synchronize()
    spans = sorted(
        (event.start_ns(), event.duration_ns(), event.name())
        for event in profiler.profiler.kineto_results.events()
        if "cuda" in str(event.device_type()).lower() and event.duration_ns() > 0
    )
    marks = [number for number, (_, _, name) in enumerate(spans) if "spin_kernel" in name]
    if len(marks) != 2 * len(order):
        raise RuntimeError(f"the profiler saw {len(marks)} of {2 * len(order)} marks")
    times: list[list[float]] = [[] for _ in runs]
    for index, begin, end in zip(order, marks[::2], marks[1::2], strict=True):
        times[index].append(sum(duration for _, duration, _ in spans[begin + 1 : end]) / 1e3)
    return [median(each) for each in times]


def _queue(run: Contestant, cache: torch.Tensor) -> None:
    if run.restore is not None:
        run.restore()
    cache.zero_()
    torch.cuda._sleep(1)
    run.launch()
    torch.cuda._sleep(1)


# ------------------------------------------------------------------------------------------------ what was chosen


@dataclass
class Choosing:
    """One first call: how long its choice took, among whom, and what each sub-kernel computes."""

    kernels: Sequence[Any]
    arguments: Sequence[Any]
    parts: Sequence[tuple[Sequence[Any], Any]]
    computed: list[Sequence[Any]]
    picked: int
    choosing_ms: float
    contestants: Sequence[Contestant]
    raced_us: list[float | None]


@dataclass
class Watch:
    """In which ``threads`` sub-kernels raced, and how often configurations were ``tuned``."""

    threads: list[int] = field(default_factory=list)
    tuned: int = 0
    contestants: Sequence[Contestant] = ()
    choices: list[Choosing] = field(default_factory=list)


@contextmanager
def watched() -> Iterator[Watch]:
    """Counts measurements."""
    watch = Watch()

    def compare(contestants: Sequence[Contestant], old: int | None, device: str) -> Outcome:
        watch.threads.append(threading.get_ident())
        watch.contestants = contestants
        return measure(contestants, old, device)

    def tune(contestants: Sequence[Contestant], old: int | None, device: str) -> Outcome:
        watch.tuned += 1
        return measure(contestants, old, device)

    with patch.object(trial, "measure", compare), patch.object(tuning, "measure", tune):
        yield watch


@contextmanager
def watched_choices() -> Iterator[Watch]:
    """Runs each sub-kernel on copies of all arguments before the choice, so that all is compiled and tuned then."""

    def find(label: str, kernels: Sequence[Any], module: Any, call: Any, old: int | None) -> Any:
        computed: list[Sequence[Any]] = []
        for index, kernel in enumerate(kernels):
            copies = copied(call.arguments)
            own, grid = trial.parts_of(module, len(kernels), trial.Call(copies, call.grid, call.stream))[index]
            kernel.run(*own, grid=grid)
            computed.append(copies)
        torch.cuda.synchronize()
        watch.contestants = ()
        began = time.perf_counter()
        choice = find_fastest(label, kernels, module, call, old)
        torch.cuda.synchronize()
        taken_ms = (time.perf_counter() - began) * 1e3
        raced_us = [timing.median_us if timing else None for timing in choice.times]
        parts = trial.parts_of(module, len(kernels), call)
        watch.choices.append(
            Choosing(
                kernels, call.arguments, parts, computed, choice.index, taken_ms, list(watch.contestants), raced_us
            )
        )
        return choice

    with watched() as watch, patch.object(call_module, "find_fastest", find):
        yield watch


def copied(arguments: Sequence[Any]) -> list[Any]:
    """What is passed twice stays one tensor."""
    copies = {id(each): each.clone() for each in arguments if isinstance(each, torch.Tensor)}
    return [copies.get(id(each), each) for each in arguments]


def measured(sample: Sample, size: Sequence[int], dtype: torch.dtype) -> tuple[Choosing, list[float], Sequence[Any]]:
    """A choice for this size, the error of each sub-kernel, the chosen one's behind them, and the arguments."""
    with watched_choices() as watch:
        for _ in range(2):
            torch.manual_seed(0)
            arguments = sample.make(*size, dtype=dtype, device=DEVICE)
            reference = expected(sample, arguments)
            outputs = sample.run(*arguments)
            if watch.choices:
                break
            sample.multi_kernel.confirm()  # it began with the choice of a size nearby
    if not watch.choices:
        raise RuntimeError(f"nothing was measured, {sample.multi_kernel!r}")
    chosen = watch.choices[-1]
    places = [next(i for i, each in enumerate(chosen.arguments) if each is output) for output in outputs]
    of_each = [tuple(copies[place] for place in places) for copies in chosen.computed]
    errors = [error(sample, found, reference) for found in (*of_each, outputs)]
    chosen.computed.clear()
    return chosen, errors, arguments
