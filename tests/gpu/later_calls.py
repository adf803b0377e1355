"""Calls that cannot measure: those that CUDA records into a graph, and those near a known size, measured while idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import triton

from mkexplorer.multikernel import MultiKernelFunction, multi_kernel, sub_kernel
from tests.gpu.first_calls import watched
from tests.multikernel_kernels import softmax_looped, softmax_persistent

Check = Callable[..., object]


def softmax(folder: Path, **options: Any) -> MultiKernelFunction:
    return multi_kernel(
        sub_kernel(softmax_looped, BLOCK=2048, num_warps=8),
        sub_kernel(softmax_persistent, RBLOCK=lambda meta: triton.next_power_of_2(meta["n_cols"]), num_warps=8),
        name="softmax",
        cache=folder,
        **options,
    )


def arguments(rows: int, columns: int) -> tuple[Any, ...]:
    x = torch.randn(rows, columns, device="cuda")
    return x, torch.empty_like(x), x.stride(0), rows, columns


def is_right(x: torch.Tensor, out: torch.Tensor) -> bool:
    return bool(torch.allclose(out.double(), torch.softmax(x.double(), 1), rtol=1e-5, atol=1e-7))


def check_graph(check: Check, folder: Path) -> None:
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
        check(f"graph: recorded {state} the choice, it replays right", is_right(*given[:2]))
        function[(64,)](*given)
    check("graph: the first call outside has chosen", function.picks[()] is not None, function)


def check_confirm(check: Check, folder: Path) -> None:
    function = softmax(folder, key=["n_cols"])
    with watched() as watch:
        function[(256,)](*arguments(256, 4096))
        for _ in range(10):
            function[(256,)](*arguments(256, 8000))
        call = function._entries[(8192, "float32", "float32")].call
        check("confirm: a near size starts without measuring", len(watch.threads) == 1)
        until = time.monotonic() + 10
        while call.is_provisional and time.monotonic() < until:
            time.sleep(0.05)
    others = [thread for thread in watch.threads[1:] if thread != threading.get_ident()]
    check("confirm: while the GPU rests it is confirmed", not call.is_provisional, function)
    check("confirm: in a thread of its own, once", len(others) == len(watch.threads) - 1 == 1)
    check("confirm: and kept", call.pick_path.exists())
    given = arguments(256, 8000)
    function[(256,)](*given)
    check("confirm: later calls are right", is_right(*given[:2]))
