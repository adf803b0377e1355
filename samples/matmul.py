"""A matrix product: a program for each tile of the result, or several that share the sum for a tile (split-K).

python -m samples.matmul [--cache DIR]
"""

import torch
import triton
import triton.language as tl

from mkexplorer.multikernel import multi_kernel, sub_kernel

from .running import Sample, main, semaphores

SPLITS = 8
SMALLEST_TILE = 64


@triton.autotune(
    [
        triton.Config({"BLOCK_M": 64, "BLOCK_N": 64, "BLOCK_K": 64}, num_warps=4, num_stages=4),
        triton.Config({"BLOCK_M": 128, "BLOCK_N": 128, "BLOCK_K": 64}, num_warps=8, num_stages=3),
    ],
    key=[],
)
@triton.jit
def matmul_looped(a, b, out, m, n, k, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr):
    """A tile of the result for each program."""
    tiles = tl.cdiv(n, BLOCK_N)
    row = (tl.program_id(0) // tiles) * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]
    column = (tl.program_id(0) % tiles) * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
    total = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for start in range(0, k, BLOCK_K):
        inner = start + tl.arange(0, BLOCK_K)
        left = tl.load(a + row * k + inner[None, :], mask=(row < m) & (inner[None, :] < k), other=0.0)
        right = tl.load(b + inner[:, None] * n + column, mask=(inner[:, None] < k) & (column < n), other=0.0)
        total = tl.dot(left, right, total)
    tl.store(out + row * n + column, total, mask=(row < m) & (column < n))


@triton.jit
def matmul_split_k(
    a, b, out, workspace, semaphores, m, n, k,
    SPLITS: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """A part of the sum for each program: for small results of long sums. Who comes last adds the parts up."""
    tile = tl.program_id(0)
    part = tl.program_id(1)
    tiles = tl.cdiv(n, BLOCK_N)
    row = (tile // tiles) * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]
    column = (tile % tiles) * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
    inside = (row < m) & (column < n)
    each = tl.cdiv(k, SPLITS * BLOCK_K) * BLOCK_K
    total = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for start in range(part * each, tl.minimum((part + 1) * each, k), BLOCK_K):
        inner = start + tl.arange(0, BLOCK_K)
        left = tl.load(a + row * k + inner[None, :], mask=(row < m) & (inner[None, :] < k), other=0.0)
        right = tl.load(b + inner[:, None] * n + column, mask=(inner[:, None] < k) & (column < n), other=0.0)
        total = tl.dot(left, right, total)
    tl.store(workspace + part * m * n + row * n + column, total, mask=inside)
    tl.debug_barrier()
    if tl.atomic_add(semaphores + tile, 1) == SPLITS - 1:
        tl.store(semaphores + tile, 0)
        whole = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
        for other in range(SPLITS):
            place = workspace + other * m * n + row * n + column
            whole += tl.load(place, mask=inside, other=0.0, cache_modifier=".cg")
        tl.store(out + row * n + column, whole, mask=inside)


matmul_kernel = multi_kernel(
    sub_kernel(
        matmul_looped,
        grid=lambda meta: (triton.cdiv(meta["m"], meta["BLOCK_M"]) * triton.cdiv(meta["n"], meta["BLOCK_N"]),),
    ),
    sub_kernel(
        matmul_split_k,
        kind="cooperative",
        grid=lambda meta: (
            triton.cdiv(meta["m"], meta["BLOCK_M"]) * triton.cdiv(meta["n"], meta["BLOCK_N"]),
            meta["SPLITS"],
        ),
        SPLITS=SPLITS,
        BLOCK_M=64,
        BLOCK_N=64,
        BLOCK_K=64,
        num_warps=4,
        num_stages=4,
    ),
    key=["m", "n", "k"],
    name="matmul",
)


def matmul(a, b):
    """Of contiguous matrices."""
    (m, k), n = a.shape, b.shape[1]
    out = torch.empty(m, n, dtype=a.dtype, device=a.device)
    workspace = torch.empty(SPLITS, m, n, device=a.device)
    counters = semaphores(triton.cdiv(m, SMALLEST_TILE) * triton.cdiv(n, SMALLEST_TILE), str(a.device))
    matmul_kernel(a, b, out, workspace, counters, m, n, k)
    return (out,)


sample = Sample(
    matmul_kernel,
    make=lambda m, n, k, **options: (torch.randn(m, k, **options), torch.randn(k, n, **options)),
    run=matmul,
    in_torch=lambda a, b: (a @ b,),
    sizes=(
        ((64, 64, 16384), torch.float16),
        ((128, 128, 8192), torch.float16),
        ((256, 256, 4096), torch.float16),
        ((512, 512, 4096), torch.float16),
        ((64, 4096, 4096), torch.float16),
        ((1024, 1024, 1024), torch.float16),
        ((2048, 2048, 2048), torch.float16),
    ),
    small=(70, 40, 1100),
)

if __name__ == "__main__":
    main(sample, __doc__)
