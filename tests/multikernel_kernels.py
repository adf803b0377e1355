"""Triton kernels that the tests of the multi-kernel system make sub-kernels of."""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from mkexplorer.multikernel.from_triton import sub_kernel
from mkexplorer.multikernel.kernel import MultiKernel, SubKernelSpec

LOG2E = tl.constexpr(1.4426950408889634)
TYPES = {"x_ptr": "*fp32", "out_ptr": "*fp32", "row_stride": "i32", "n_rows": "i32", "n_cols": "i32"}


@triton.jit
def exp(x):
    return tl.exp2(x * LOG2E)


@triton.jit
def softmax_looped(
    x_ptr,
    out_ptr,  # written only
    row_stride,
    n_rows,
    n_cols,
    BLOCK: tl.constexpr,
):
    """One row a program, in blocks: its "docstring" has quotes, and a \\ too."""
    row = tl.program_id(0)
    largest = float("-inf")
    total = 0.0
    for start in range(0, n_cols, BLOCK):
        cols = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row * row_stride + cols, mask=cols < n_cols, other=float("-inf"))
        higher = tl.maximum(largest, tl.max(x, axis=0))
        total = total * exp(largest - higher) + tl.sum(exp(x - higher), axis=0)
        largest = higher
    for start in range(0, n_cols, BLOCK):
        cols = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row * row_stride + cols, mask=cols < n_cols, other=float("-inf"))
        tl.store(out_ptr + row * row_stride + cols, exp(x - largest) / total, mask=cols < n_cols)


@triton.jit
def softmax_persistent(x_ptr, out_ptr, row_stride, n_rows, n_cols, RBLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, RBLOCK)
    x = tl.load(x_ptr + row * row_stride + cols, mask=cols < n_cols, other=float("-inf"))
    e = exp(x - tl.max(x, axis=0))
    tl.store(out_ptr + row * row_stride + cols, e / tl.sum(e, axis=0), mask=cols < n_cols)


def softmax_sub_kernels(**others: Any) -> tuple[SubKernelSpec, SubKernelSpec]:
    said: dict[str, Any] = {
        "dtypes": TYPES,
        "numels": ("n_rows", "n_cols"),
        "reduces": ("n_cols",),
        "size_hints": {"n_rows": 8, "n_cols": 128},
        "grid": ("n_rows",),
        **others,
    }
    looped = sub_kernel(softmax_looped, configs=[{"BLOCK": 32, "num_warps": 1}, {"BLOCK": 64, "num_warps": 2}], **said)
    return looped, sub_kernel(softmax_persistent, constants={"RBLOCK": 128}, **said)


def softmax(**others: Any) -> MultiKernel:
    return MultiKernel(softmax_sub_kernels(**others), operation="softmax")


def looped_with(width: int) -> Any:
    WIDTH = tl.constexpr(width)

    @triton.jit
    def nested(x_ptr):
        tl.store(x_ptr, WIDTH)

    return nested
