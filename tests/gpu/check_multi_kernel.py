"""Multi-kernels of our own on a GPU: what they choose, how fast, and what a call costs after that.

``PYTHONPATH=.:widgets python -m tests.gpu.check_multi_kernel [PART…]``, where torch and triton are, in a checkout.
Prints a line for each check and ends with 1 if one fails. Everything happens in temporary folders. The parts:

choices     softmax in 42 shapes and types, right against PyTorch; the choice beside the profiler's best
overhead    a call above the chosen sub-kernel's own launcher, and beside torch's `MultiKernelCall.run`
graph       a first call that is recorded into a CUDA graph, and a graph after the choice
confirm     a size near a known one: started from its choice, confirmed while the GPU rests
threads     twenty first calls at once, each on a stream of its own
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import triton
from torch.profiler import ProfilerActivity, profile

from mkexplorer.multikernel import MultiKernelCall, MultiKernelFunction, config, multi_kernel, sub_kernel
from mkexplorer.multikernel.measuring import machine_of, measure
from tests.multikernel_kernels import softmax_looped, softmax_persistent

ROWS_AND_COLUMNS = [
    *((rows, columns) for rows in (1, 64, 4096) for columns in (64, 257, 1000, 4096, 16384, 50257)),
    (32768, 512),
    (32768, 1024),
    (128, 65536),
]
DTYPES = (torch.float32, torch.bfloat16)
GAP = 0.03
ROUNDS = 40
BUDGET_US, CHOOSING_MS = 0.1, 25.0


class Checks:
    def __init__(self) -> None:
        self.failed = 0

    def check(self, what: str, holds: bool, detail: object = "") -> None:
        self.failed += not holds
        print(f"{'ok  ' if holds else 'FAIL'}  {what:74} {detail}", flush=True)


def softmax(folder: Path, **options: Any) -> MultiKernelFunction:
    return multi_kernel(
        sub_kernel(softmax_looped, BLOCK=2048, num_warps=8),
        sub_kernel(softmax_persistent, RBLOCK=lambda meta: triton.next_power_of_2(meta["n_cols"]), num_warps=8),
        name="softmax",
        cache=folder,
        **options,
    )


def arguments(rows: int, columns: int, dtype: torch.dtype = torch.float32) -> tuple[Any, ...]:
    x = torch.randn(rows, columns, device="cuda", dtype=dtype)
    return x, torch.empty_like(x), x.stride(0), rows, columns


def is_right(x: torch.Tensor, out: torch.Tensor) -> bool:
    reference = torch.softmax(x.double(), 1)
    tolerance = 1e-5 if x.dtype is torch.float32 else 1e-2
    return bool(((out.double() - reference).abs() <= tolerance * reference.abs() + 1e-7).all())


class Measurements:
    """Stands before the race and notes how long each took, and in which thread it was."""

    def __init__(self) -> None:
        self.taken_ms: list[float] = []
        self.threads: list[int] = []

    def __call__(self, *given: Any) -> Any:
        torch.cuda.current_stream().synchronize()
        began = time.perf_counter()
        outcome = measure(*given)
        self.taken_ms.append((time.perf_counter() - began) * 1e3)
        self.threads.append(threading.get_ident())
        return outcome

    def watching(self) -> Any:
        return patch("mkexplorer.multikernel.trial.measure", self)


def the_call(function: MultiKernelFunction) -> MultiKernelCall:
    (entry,) = function._entries.values()
    return entry.call


def check_choices(checks: Checks, folder: Path) -> None:
    measurements = Measurements()
    wrong, clear, right = [], 0, True
    cases = [(rows, columns, dtype) for rows, columns in ROWS_AND_COLUMNS for dtype in DTYPES]
    for number, (rows, columns, dtype) in enumerate(cases):
        given = arguments(rows, columns, dtype)
        function = softmax(folder / str(number))
        with measurements.watching():
            function[(rows,)](*given)
        right = right and is_right(*given[:2])
        call = the_call(function)
        cold = device_times([partial(kernel.run, *given, grid=(rows,)) for kernel in call.kernels])
        gap = max(cold) / min(cold) - 1
        clear += gap >= GAP
        if gap >= GAP and cold.index(min(cold)) != call.picked:
            wrong.append(f"{rows}x{columns} {dtype}: {cold}")
        print(f"      {rows:>6} x {columns:<7} {str(dtype):15} {cold[0]:9.2f} {cold[1]:9.2f} us  picked {call.picked}")
    checks.check("choices: all right against PyTorch", right)
    checks.check(f"choices: the profiler's best in all {clear} cases with a gap of 3%", not wrong, "; ".join(wrong))
    median_ms = statistics.median(measurements.taken_ms)
    checks.check(f"choices: {CHOOSING_MS:.0f} ms at the median", median_ms <= CHOOSING_MS, f"{median_ms:.1f} ms")


def device_times(launches: Sequence[Callable[[], Any]]) -> list[float]:
    """Cold medians in microseconds by the profiler, taken in turns; each launch is one kernel called ``softmax_…``."""
    cache = torch.empty(torch.cuda.get_device_properties(0).L2_cache_size // 4, dtype=torch.int32, device="cuda")
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
        for _ in range(ROUNDS):
            for launch in launches:
                cache.zero_()
                launch()
        torch.cuda.synchronize()
    events = sorted(profiler.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    times_us = [event.duration_ns() / 1e3 for event in events if event.name().startswith("softmax_")]
    assert len(times_us) == ROUNDS * len(launches), f"{len(times_us)} kernels"
    return [statistics.median(times_us[index :: len(launches)]) for index in range(len(launches))]


def check_overhead(checks: Checks, folder: Path) -> None:
    given = arguments(16, 256)
    function = softmax(folder)
    function[(16,)](*given)
    call = the_call(function)
    assert call.picked is not None
    kernel = call.kernels[call.picked]
    bare = kernel.run
    user = (softmax_looped, softmax_persistent)[call.picked]
    constants = {"BLOCK": 2048} if call.picked == 0 else {"RBLOCK": 256}
    times = host_us(
        lambda: bare(*given, grid=(16,)),
        lambda: call.run(*given, grid=(16,)),
        lambda: function[(16,)](*given),
        lambda: user[(16,)](*given, **constants, num_warps=8),
        *torchs(bare, given),
    )
    above = times[1] - times[0]
    checks.check("overhead: the call above its launcher", above <= BUDGET_US, f"{above:+.3f} us")
    both = f"{times[2]:.2f} and {times[3]:.2f} us"
    checks.check("overhead: the front door above Triton's own brackets", times[2] - times[3] <= BUDGET_US, both)
    if len(times) > 4:
        theirs = times[4] - times[0]
        checks.check("overhead: at most a tenth of torch's", above <= theirs / 10, f"{above:+.3f} and {theirs:+.3f} us")


def torchs(run: Callable[..., Any], given: tuple[Any, ...]) -> list[Callable[[], Any]]:
    from torch._inductor.codegen.multi_kernel import MultiKernelCall

    if not hasattr(MultiKernelCall, "_get_filtered_args"):
        return []
    kernel = type("Kernel", (), {"run": staticmethod(run)})()
    call = MultiKernelCall.__new__(MultiKernelCall)
    call.multi_kernel_name, call.picked_kernel, call._recorded = "multi_kernel_0", 0, True
    call._kernels, call.arg_index = [kernel, kernel], {0: [slice(0, len(given))]}
    return [lambda: call.run(*given, grid=(16,))]


def host_us(*calls: Callable[[], Any]) -> list[float]:
    """What each costs the host, in turns; the GPU is waited for between turns, so that no queue is ever full."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(40):
        for index, call in enumerate(calls):
            torch.cuda.synchronize()
            began = time.perf_counter()
            for _ in range(500):
                call()
            taken[index].append((time.perf_counter() - began) / 500 * 1e6)
    return [statistics.median(each) for each in taken]


def check_graph(checks: Checks, folder: Path) -> None:
    given = arguments(64, 1000)
    for kernel in (softmax_looped, softmax_persistent):  # compiled before, for nothing can be loaded while recording
        size = {"BLOCK": 2048} if kernel is softmax_looped else {"RBLOCK": 1024}
        kernel[(64,)](*given, **size, num_warps=8)
    function = softmax(folder)
    for state in ("before", "after"):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            function[(64,)](*given)
        given[1].zero_()
        graph.replay()
        torch.cuda.synchronize()
        checks.check(f"graph: recorded {state} the choice, it replays right", is_right(*given[:2]))
        function[(64,)](*given)
    checks.check("graph: the first call outside has chosen", function.picks[()] is not None, function)


def check_confirm(checks: Checks, folder: Path) -> None:
    function, measurements = softmax(folder, key=["n_cols"]), Measurements()
    with measurements.watching():
        function[(256,)](*arguments(256, 4096))
        for _ in range(10):
            function[(256,)](*arguments(256, 8000))
        call = function._entries[(8192, "float32", "float32")].call
        checks.check("confirm: a near size starts without measuring", len(measurements.threads) == 1)
        until = time.monotonic() + 20
        while call.is_provisional and time.monotonic() < until:
            time.sleep(0.05)
    others = [thread for thread in measurements.threads[1:] if thread != threading.get_ident()]
    checks.check("confirm: while the GPU rests it is confirmed", not call.is_provisional, function)
    checks.check("confirm: in a thread of its own, once", len(others) == len(measurements.threads) - 1 == 1)
    checks.check("confirm: and kept", call.pick_path.exists())
    given = arguments(256, 8000)
    function[(256,)](*given)
    checks.check("confirm: later calls are right", is_right(*given[:2]))


def check_threads(checks: Checks, folder: Path) -> None:
    function, measurements = softmax(folder), Measurements()
    given = [arguments(64, 1000) for _ in range(20)]
    torch.cuda.synchronize()
    barrier = threading.Barrier(20)

    def launch(number: int) -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            barrier.wait()
            function[(64,)](*given[number])

    with measurements.watching(), ThreadPoolExecutor(20) as threads:
        list(threads.map(launch, range(20)))
    torch.cuda.synchronize()
    count = len(measurements.threads)
    checks.check("threads: twenty at once measure once", count == 1, count)
    checks.check("threads: all results are right", all(is_right(*each[:2]) for each in given))


PARTS = {
    "choices": check_choices,
    "overhead": check_overhead,
    "graph": check_graph,
    "confirm": check_confirm,
    "threads": check_threads,
}


def main() -> int:
    os.environ.pop("MKEXPLORER_SUB_KERNEL", None)
    assert config.measure is None
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, triton {triton.__version__}")
    print(f"evidence: {machine_of('cuda:0')}")
    checks = Checks()
    for part in sys.argv[1:] or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[part](checks, Path(folder))
    return int(checks.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
