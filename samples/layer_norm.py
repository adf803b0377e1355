"""Layer norm of each row, with the mean and the deviation that its backward pass needs.

python -m samples.layer_norm [--cache DIR]
"""

import torch
import triton
import triton.language as tl

from mkexplorer.multikernel import multi_kernel

from .running import Sample, main

EPS = 1e-5


@triton.autotune(
    [triton.Config({"BLOCK": 1024}, num_warps=4), triton.Config({"BLOCK": 4096}, num_warps=16)],
    key=[],
)
@triton.jit
def layer_norm_looped(x, weight, bias, out, means, deviations, rows, columns, eps, BLOCK: tl.constexpr):
    """Reads each row three times: for its mean, its variance, and to normalise it."""
    number = tl.program_id(0)
    row = number.to(tl.int64) * columns
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        total += tl.load(x + row + at, mask=at < columns, other=0.0).to(tl.float32)
    mean = tl.sum(total, 0) / columns
    squares = tl.zeros([BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(x + row + at, mask=at < columns, other=0.0).to(tl.float32)
        squares += tl.where(at < columns, (value - mean) * (value - mean), 0.0)
    inverse = 1 / tl.sqrt(tl.sum(squares, 0) / columns + eps)
    tl.store(means + number, mean)
    tl.store(deviations + number, inverse)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(x + row + at, mask=at < columns).to(tl.float32)
        scale = tl.load(weight + at, mask=at < columns).to(tl.float32)
        shift = tl.load(bias + at, mask=at < columns).to(tl.float32)
        tl.store(out + row + at, (value - mean) * inverse * scale + shift, mask=at < columns)


@triton.autotune([triton.Config({}, num_warps=warps) for warps in (4, 16)], key=[])
@triton.heuristics({"COLUMNS": lambda meta: triton.next_power_of_2(meta["columns"])})
@triton.jit
def layer_norm_persistent(x, weight, bias, out, means, deviations, rows, columns, eps, COLUMNS: tl.constexpr):
    """Keeps its row in registers."""
    number = tl.program_id(0)
    row = number.to(tl.int64) * columns
    at = tl.arange(0, COLUMNS)
    value = tl.load(x + row + at, mask=at < columns, other=0.0).to(tl.float32)
    scale = tl.load(weight + at, mask=at < columns).to(tl.float32)
    shift = tl.load(bias + at, mask=at < columns).to(tl.float32)
    mean = tl.sum(value, 0) / columns
    centred = tl.where(at < columns, value - mean, 0.0)
    inverse = 1 / tl.sqrt(tl.sum(centred * centred, 0) / columns + eps)
    tl.store(means + number, mean)
    tl.store(deviations + number, inverse)
    tl.store(out + row + at, centred * inverse * scale + shift, mask=at < columns)


layer_norm_kernel = multi_kernel(layer_norm_looped, layer_norm_persistent, key=["rows", "columns"], name="layer_norm")


def layer_norm(x, weight, bias):
    """The result, and by row the mean and the inverse of the deviation."""
    rows, columns = x.shape
    out = torch.empty_like(x)
    means, deviations = torch.empty(2, rows, device=x.device)
    layer_norm_kernel[(rows,)](x, weight, bias, out, means, deviations, rows, columns, EPS)
    return out, means, deviations


def make(rows, columns, **options):
    return tuple(torch.randn(*shape, **options) for shape in ((rows, columns), (columns,), (columns,)))


def in_torch(x, weight, bias):
    out, means, deviations = torch.native_layer_norm(x, x.shape[1:], weight, bias, EPS)
    return out, means.flatten(), deviations.flatten()


sample = Sample(
    layer_norm_kernel,
    make=make,
    run=layer_norm,
    in_torch=in_torch,
    sizes=(
        ((16384, 512), torch.bfloat16),
        ((4096, 1024), torch.float32),
        ((512, 1024), torch.bfloat16),
        ((8192, 1536), torch.bfloat16),
        ((64, 4096), torch.bfloat16),
        ((4096, 4096), torch.bfloat16),
        ((2048, 3000), torch.float32),
        ((1024, 16384), torch.bfloat16),
    ),
    small=(5, 300),
)

if __name__ == "__main__":
    main(sample, __doc__)
