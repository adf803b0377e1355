"""Compiles for an H100 that is not there, and counts launches instead of making them. Run by a test, as a program."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler.compiler import CompiledKernel

from mkexplorer.multikernel import config, multi_kernel, sub_kernel
from tests.multikernel_kernels import softmax_looped, softmax_persistent
from tests.stub_kernels import Stopwatch

launches: Counter[str] = Counter()


class Driver:
    """What Triton asks of a GPU before it launches."""

    def get_current_target(self) -> Any:
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


def count_launches(kernel: Any) -> None:
    kernel.module = kernel.function = 1
    warps = kernel.metadata.num_warps
    kernel._run = lambda *_: launches.update([f"{kernel.name}, {warps} warps"])


def main(cache: str) -> None:
    triton.runtime.driver.set_active(Driver())
    CompiledKernel._init_handles = count_launches
    config.measure = Stopwatch(
        **{"softmax_looped": 2.0, "softmax_persistent": 3.0, "softmax_looped#0": 2.0, "softmax_looped#1": 1.0}
    )
    configs = [triton.Config({"BLOCK": 1024}, num_warps=4), triton.Config({"BLOCK": 2048}, num_warps=8)]
    softmax = multi_kernel(
        triton.autotune(configs, key=[])(softmax_looped),
        sub_kernel(softmax_persistent, RBLOCK=lambda meta: triton.next_power_of_2(meta["n_cols"]), num_warps=2),
        cache=cache,
    )
    x = torch.randn(4, 1000)
    compiled = softmax.warmup(torch.float32, torch.float32, 1000, 4, 1000, grid=(4,))
    softmax[(4,)](x, torch.empty_like(x), 1000, 4, 1000)
    before = dict(launches)
    for _ in range(100):
        softmax[lambda meta: (meta["n_rows"],)](x, torch.empty_like(x), 1000, 4, 1000)
    later = {name: count - before.get(name, 0) for name, count in launches.items() if count > before.get(name, 0)}
    print(json.dumps({"compiled": [each.metadata.num_warps for each in compiled], "before": before, "later": later}))


if __name__ == "__main__":
    main(sys.argv[1])
