"""Multi-kernels that scale numbers, and a check of what they did, for the front door's tests."""

from __future__ import annotations

from typing import Any

import torch
import triton

from mkexplorer.multikernel import multi_kernel, sub_kernel

from . import kernels

X = torch.arange(50, dtype=torch.float32)


def scale(**options: Any) -> Any:
    return multi_kernel(sub_kernel(kernels.scale_looped, BLOCK=16), kernels.by_power, name="scale", **options)


def check(function: Any, *, count: int = 50, times_launched: int = 1) -> None:
    """Launches, and finds that the result is right and that nothing was launched on our tensors to measure."""
    x = torch.arange(count, dtype=torch.float32)
    out, total = torch.zeros(count), torch.zeros(1)
    for _ in range(times_launched):
        function[(1,)](x, out, total, count, 3.0)
    assert torch.equal(out, x * 3)
    assert total.item() == times_launched


def sizes(function: Any) -> dict[int, str]:
    return {bucket[0]: name for bucket, name in function.picks.items()}


def computed(block: int, grid: int = 1) -> Any:
    return sub_kernel(kernels.scale_looped, BLOCK=lambda meta: block, grid=lambda meta: (grid,))


def pruned(**by: Any) -> Any:
    configs = [triton.Config({"BLOCK": block}) for block in (16, 32, 64)]
    return triton.autotune(configs, key=["count"], prune_configs_by=by)(kernels.scale_looped)
