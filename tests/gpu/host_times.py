"""What calls cost the host, and torch's own multi-kernel to compare with."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import torch

BATCHES, CALLS = 1200, 50


def torchs_call(kernel: Any, index: int) -> Callable[..., Any]:
    """Torch's multi-kernel after its choice, leading to the same launcher."""
    from torch._inductor.codegen.multi_kernel import MultiKernelCall

    call = MultiKernelCall.__new__(MultiKernelCall)
    call.multi_kernel_name, call.picked_kernel, call._recorded = "multi_kernel_0", index, True
    call._kernels = [kernel, kernel]
    call.arg_index = {0: [slice(0, 4)], 1: [slice(0, 1), slice(2, 4)]}
    run: Callable[..., Any] = call.run
    return run


def host_loop(run: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]) -> Callable[[], None]:
    def calls() -> None:
        for _ in range(CALLS):
            run(*arguments, **named)

    return calls


def attribute_loop(holder: Any, arguments: Sequence[Any], named: Mapping[str, Any]) -> Callable[[], None]:
    """As generated code calls: ``run`` is looked up in every call."""

    def calls() -> None:
        for _ in range(CALLS):
            holder.run(*arguments, **named)

    return calls


def bracket_loop(function: Any, arguments: Sequence[Any], named: Mapping[str, Any]) -> Callable[[], None]:
    """As a kernel of Triton is launched."""

    def calls() -> None:
        for _ in range(CALLS):
            function[(1,)](*arguments, **named)

    return calls


def host_times(loops: Sequence[Callable[[], None]]) -> list[list[float]]:
    """Microseconds a call of each batch, by loop; in turns, forth and back, each with nothing left on the GPU."""
    times: list[list[float]] = [[] for _ in loops]
    gc.collect()
    gc.disable()
    try:
        for batch in range(BATCHES):
            for index in range(len(loops))[:: 1 if batch % 2 else -1]:
                torch.cuda.synchronize()
                began = time.perf_counter()
                loops[index]()
                times[index].append((time.perf_counter() - began) / CALLS * 1e6)
    finally:
        gc.enable()
    torch.cuda.synchronize()
    return times


def above(times: Sequence[float], reference: Sequence[float]) -> float:
    """By how many us a call takes longer: what slows a processor down for a while slows both of a pair down."""
    return median(one - other for one, other in zip(times, reference, strict=True))
