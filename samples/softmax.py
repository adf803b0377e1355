"""Softmax of each row: in pieces, a whole row at once, or several rows at once.

python -m samples.softmax [--cache DIR]
"""

import torch
import triton
import triton.language as tl

from mkexplorer.multikernel import multi_kernel, sub_kernel

from .running import Sample, main

WARPS = [triton.Config({}, num_warps=warps) for warps in (8, 16)]


@triton.autotune(
    [triton.Config({"BLOCK": 1024}, num_warps=4), triton.Config({"BLOCK": 4096}, num_warps=16)],
    key=[],
)
@triton.jit
def softmax_looped(x, out, rows, columns, BLOCK: tl.constexpr):
    """Reads each row twice; needs no more registers than a piece of it takes."""
    row = tl.program_id(0).to(tl.int64) * columns
    largest = tl.full([BLOCK], -1e30, tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(x + row + at, mask=at < columns, other=float("-inf")).to(tl.float32)
        larger = tl.maximum(largest, value)
        total = total * tl.exp(largest - larger) + tl.exp(value - larger)
        largest = larger
    top = tl.max(largest, 0)
    whole = tl.sum(total * tl.exp(largest - top), 0)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(x + row + at, mask=at < columns).to(tl.float32)
        tl.store(out + row + at, tl.exp(value - top) / whole, mask=at < columns)


@triton.autotune(WARPS, key=[])
@triton.heuristics({"COLUMNS": lambda meta: triton.next_power_of_2(meta["columns"])})
@triton.jit
def softmax_persistent(x, out, rows, columns, COLUMNS: tl.constexpr):
    """Keeps its row in registers."""
    row = tl.program_id(0).to(tl.int64) * columns
    at = tl.arange(0, COLUMNS)
    value = tl.load(x + row + at, mask=at < columns, other=float("-inf")).to(tl.float32)
    power = tl.exp(value - tl.max(value, 0))
    tl.store(out + row + at, power / tl.sum(power, 0), mask=at < columns)


@triton.heuristics(
    {
        "COLUMNS": lambda meta: triton.next_power_of_2(meta["columns"]),
        "ROWS": lambda meta: max(1, 4096 // triton.next_power_of_2(meta["columns"])),
    }
)
@triton.jit
def softmax_persistent_rows(x, out, rows, columns, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """As many short rows as make up a long one."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.arange(0, COLUMNS)[None, :]
    mask = (row < rows) & (column < columns)
    value = tl.load(x + row * columns + column, mask=mask, other=0.0).to(tl.float32)
    value = tl.where(column < columns, value, float("-inf"))
    power = tl.exp(value - tl.max(value, 1)[:, None])
    tl.store(out + row * columns + column, power / tl.sum(power, 1)[:, None], mask=mask)


softmax_kernel = multi_kernel(
    softmax_looped,
    softmax_persistent,
    sub_kernel(softmax_persistent_rows, grid=lambda meta: (triton.cdiv(meta["rows"], meta["ROWS"]),), num_warps=8),
    key=["rows", "columns"],
    name="softmax",
)


def softmax(x):
    """Of a contiguous matrix."""
    rows, columns = x.shape
    out = torch.empty_like(x)
    softmax_kernel[(rows,)](x, out, rows, columns)
    return (out,)


sample = Sample(
    softmax_kernel,
    make=lambda rows, columns, **options: (torch.randn(rows, columns, **options),),
    run=softmax,
    in_torch=lambda x: (torch.softmax(x, -1),),
    sizes=(
        ((4096, 256), torch.bfloat16),
        ((65536, 256), torch.bfloat16),
        ((4096, 1000), torch.float32),
        ((8192, 1024), torch.float32),
        ((64, 4096), torch.bfloat16),
        ((2048, 4096), torch.bfloat16),
        ((1024, 12288), torch.bfloat16),
        ((4096, 32768), torch.bfloat16),
    ),
    small=(5, 300),
)

if __name__ == "__main__":
    main(sample, __doc__)
