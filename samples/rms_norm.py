"""RMS norm of each row, quantised to eight bits with one scale for the row.

python -m samples.rms_norm [--cache DIR]
"""

import torch
import triton
import triton.language as tl

from mkexplorer.multikernel import multi_kernel

from .running import Sample, main

EPS = 1e-6


@triton.jit
def quantised(value, scale):
    """Rounded to the nearest of -127 to 127 steps of ``scale``."""
    steps = tl.floor(value / scale + 0.5)
    return tl.minimum(tl.maximum(steps, -127.0), 127.0).to(tl.int8)


@triton.autotune(
    [triton.Config({"BLOCK": 1024}, num_warps=4), triton.Config({"BLOCK": 4096}, num_warps=16)],
    key=[],
)
@triton.jit
def rms_norm_looped(x, weight, out, scales, rows, columns, eps, BLOCK: tl.constexpr):
    """Reads each row twice: for its norm and its largest value, then to quantise it."""
    number = tl.program_id(0)
    row = number.to(tl.int64) * columns
    squares = tl.zeros([BLOCK], tl.float32)
    largest = tl.zeros([BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(x + row + at, mask=at < columns, other=0.0).to(tl.float32)
        squares += value * value
        factor = tl.load(weight + at, mask=at < columns, other=0.0).to(tl.float32)
        largest = tl.maximum(largest, tl.abs(value * factor))
    inverse = 1 / tl.sqrt(tl.sum(squares, 0) / columns + eps)
    scale = tl.maximum(tl.max(largest, 0) * inverse / 127, 1e-30)
    tl.store(scales + number, scale)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(x + row + at, mask=at < columns, other=0.0).to(tl.float32)
        factor = tl.load(weight + at, mask=at < columns, other=0.0).to(tl.float32)
        tl.store(out + row + at, quantised(value * inverse * factor, scale), mask=at < columns)


@triton.autotune([triton.Config({}, num_warps=warps) for warps in (4, 16)], key=[])
@triton.heuristics({"COLUMNS": lambda meta: triton.next_power_of_2(meta["columns"])})
@triton.jit
def rms_norm_persistent(x, weight, out, scales, rows, columns, eps, COLUMNS: tl.constexpr):
    """Keeps its row in registers."""
    number = tl.program_id(0)
    row = number.to(tl.int64) * columns
    at = tl.arange(0, COLUMNS)
    value = tl.load(x + row + at, mask=at < columns, other=0.0).to(tl.float32)
    factor = tl.load(weight + at, mask=at < columns, other=0.0).to(tl.float32)
    inverse = 1 / tl.sqrt(tl.sum(value * value, 0) / columns + eps)
    normal = value * inverse * factor
    scale = tl.maximum(tl.max(tl.abs(normal), 0) / 127, 1e-30)
    tl.store(scales + number, scale)
    tl.store(out + row + at, quantised(normal, scale), mask=at < columns)


rms_norm_kernel = multi_kernel(rms_norm_looped, rms_norm_persistent, key=["rows", "columns"], name="rms_norm")


def rms_norm(x, weight):
    """Whole steps, and by row how large a step is."""
    rows, columns = x.shape
    out = torch.empty(rows, columns, dtype=torch.int8, device=x.device)
    scales = torch.empty(rows, device=x.device)
    rms_norm_kernel[(rows,)](x, weight, out, scales, rows, columns, EPS)
    return out, scales


def in_torch(x, weight):
    exact = x if x.dtype == torch.float64 else x.float()
    normal = exact * torch.rsqrt(exact.square().mean(-1, keepdim=True) + EPS) * weight
    scales = (normal.abs().amax(-1, keepdim=True) / 127).clamp_min(1e-30)
    return (normal / scales).round().clamp(-127, 127).to(torch.int8), scales.flatten()


sample = Sample(
    rms_norm_kernel,
    make=lambda rows, columns, **options: (torch.randn(rows, columns, **options), torch.randn(columns, **options)),
    run=rms_norm,
    in_torch=in_torch,
    sizes=(
        ((16384, 512), torch.bfloat16),
        ((4096, 1024), torch.bfloat16),
        ((64, 4096), torch.bfloat16),
        ((2048, 4096), torch.bfloat16),
        ((8192, 4096), torch.bfloat16),
        ((2048, 5120), torch.bfloat16),
        ((4096, 7168), torch.bfloat16),
        ((512, 16384), torch.bfloat16),
    ),
    small=(5, 300),
    # Where a value lies in the middle of two steps, either is right: one step in 127 is 8e-3 of the largest value.
    readable=lambda outputs: (outputs[0].double() * outputs[1].double()[:, None], outputs[1]),
)

if __name__ == "__main__":
    main(sample, __doc__)
