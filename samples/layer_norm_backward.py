"""The backward pass of layer norm: gradients of weight and bias are added to what is there, as autograd does.

python -m samples.layer_norm_backward [--cache DIR]
"""

import torch
import triton
import triton.language as tl

from mkexplorer.multikernel import multi_kernel, sub_kernel

from .running import Sample, main

EPS = 1e-5


@triton.autotune(
    [
        triton.Config({"ROWS": 8, "BLOCK": 256}, num_warps=4),
        triton.Config({"ROWS": 16, "BLOCK": 512}, num_warps=8),
    ],
    key=[],
)
@triton.jit
def layer_norm_backward_looped(
    x, gradient, weight, means, deviations, out, weight_grad, bias_grad, rows, columns,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Some rows piece by piece, twice: for two sums, then for the gradients."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    mean = tl.load(means + row, mask=row < rows, other=0.0)
    inverse = tl.load(deviations + row, mask=row < rows, other=0.0)
    plain = tl.zeros([ROWS, BLOCK], tl.float32)
    mixed = tl.zeros([ROWS, BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        column = start + tl.arange(0, BLOCK)[None, :]
        mask = (row < rows) & (column < columns)
        normal = (tl.load(x + row * columns + column, mask=mask, other=0.0).to(tl.float32) - mean) * inverse
        scale = tl.load(weight + column, mask=column < columns, other=0.0).to(tl.float32)
        scaled = tl.load(gradient + row * columns + column, mask=mask, other=0.0).to(tl.float32) * scale
        plain += scaled
        mixed += scaled * normal
    plain_mean = tl.sum(plain, 1)[:, None] / columns
    mixed_mean = tl.sum(mixed, 1)[:, None] / columns
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        column = at[None, :]
        mask = (row < rows) & (column < columns)
        normal = (tl.load(x + row * columns + column, mask=mask, other=0.0).to(tl.float32) - mean) * inverse
        scale = tl.load(weight + column, mask=column < columns, other=0.0).to(tl.float32)
        given = tl.load(gradient + row * columns + column, mask=mask, other=0.0).to(tl.float32)
        value = (given * scale - plain_mean - normal * mixed_mean) * inverse
        tl.store(out + row * columns + column, value, mask=mask)
        tl.atomic_add(weight_grad + at, tl.sum(given * normal, 0), mask=at < columns)
        tl.atomic_add(bias_grad + at, tl.sum(given, 0), mask=at < columns)


@triton.autotune([triton.Config({}, num_warps=warps) for warps in (4, 16)], key=[])
@triton.heuristics({"COLUMNS": lambda meta: triton.next_power_of_2(meta["columns"])})
@triton.jit
def layer_norm_backward_persistent(
    x, gradient, weight, means, deviations, out, weight_grad, bias_grad, rows, columns, COLUMNS: tl.constexpr
):
    """A fixed number of programs; each keeps its share of the sums over rows in registers."""
    at = tl.arange(0, COLUMNS)
    inside = at < columns
    scale = tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    weight_sum = tl.zeros([COLUMNS], tl.float32)
    bias_sum = tl.zeros([COLUMNS], tl.float32)
    for number in range(tl.program_id(0), rows, tl.num_programs(0)):
        row = tl.cast(number, tl.int64) * columns
        mean = tl.load(means + number)
        inverse = tl.load(deviations + number)
        value = tl.load(x + row + at, mask=inside, other=0.0).to(tl.float32)
        normal = tl.where(inside, (value - mean) * inverse, 0.0)
        given = tl.load(gradient + row + at, mask=inside, other=0.0).to(tl.float32)
        scaled = given * scale
        plain_mean = tl.sum(scaled, 0) / columns
        mixed_mean = tl.sum(scaled * normal, 0) / columns
        tl.store(out + row + at, (scaled - plain_mean - normal * mixed_mean) * inverse, mask=inside)
        weight_sum += given * normal
        bias_sum += given
    tl.atomic_add(weight_grad + at, weight_sum, mask=inside)
    tl.atomic_add(bias_grad + at, bias_sum, mask=inside)


layer_norm_backward_kernel = multi_kernel(
    sub_kernel(layer_norm_backward_looped, grid=lambda meta: (triton.cdiv(meta["rows"], meta["ROWS"]),)),
    sub_kernel(layer_norm_backward_persistent, grid=lambda meta: (min(meta["rows"], 256),)),
    key=["rows", "columns"],
    name="layer_norm_backward",
)


def layer_norm_backward(x, gradient, weight, means, deviations, weight_grad, bias_grad):
    """The gradient of x. Adds those of weight and bias to ``weight_grad`` and ``bias_grad``, which are float32."""
    rows, columns = x.shape
    out = torch.empty_like(x)
    layer_norm_backward_kernel(x, gradient, weight, means, deviations, out, weight_grad, bias_grad, rows, columns)
    return out, weight_grad, bias_grad


def make(rows, columns, *, dtype, device):
    x, gradient = torch.randn(2, rows, columns, dtype=dtype, device=device)
    weight = torch.randn(columns, dtype=dtype, device=device)
    weight_grad, bias_grad = torch.randn(2, columns, device=device)
    deviation, mean = torch.var_mean(x.float(), 1, correction=0)
    return x, gradient, weight, mean, torch.rsqrt(deviation + EPS), weight_grad, bias_grad


def in_torch(x, gradient, weight, means, deviations, weight_grad, bias_grad):
    out, of_weight, of_bias = torch.ops.aten.native_layer_norm_backward(
        gradient, x, x.shape[1:], means[:, None], deviations[:, None], weight, torch.zeros_like(weight), [True] * 3
    )
    return out, weight_grad + of_weight, bias_grad + of_bias


sample = Sample(
    layer_norm_backward_kernel,
    make=make,
    run=layer_norm_backward,
    in_torch=in_torch,
    sizes=(
        ((16384, 512), torch.bfloat16),
        ((4096, 1024), torch.float32),
        ((512, 1024), torch.bfloat16),
        ((8192, 1536), torch.bfloat16),
        ((64, 4096), torch.bfloat16),
        ((4096, 4096), torch.bfloat16),
        ((1024, 8192), torch.bfloat16),
    ),
    small=(10, 300),
)

if __name__ == "__main__":
    main(sample, __doc__)
