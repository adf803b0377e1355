"""Cross-entropy of each row, and a running mean of it by row that is read and overwritten.

python -m samples.cross_entropy [--cache DIR]
"""

import torch
import triton
import triton.language as tl

from mkexplorer.multikernel import multi_kernel, sub_kernel

from .running import Sample, main, semaphores

MOMENTUM = 0.1
SPLITS = 16


@triton.autotune(
    [triton.Config({"BLOCK": 1024}, num_warps=4), triton.Config({"BLOCK": 4096}, num_warps=16)],
    key=[],
)
@triton.jit
def cross_entropy_looped(
    logits, targets, losses, running_in, running_out, rows, classes, momentum, BLOCK: tl.constexpr
):
    """Reads its row once, in pieces."""
    row = tl.program_id(0)
    begin = row.to(tl.int64) * classes
    largest = tl.full([BLOCK], -1e30, tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, classes, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(logits + begin + at, mask=at < classes, other=float("-inf")).to(tl.float32)
        larger = tl.maximum(largest, value)
        total = total * tl.exp(largest - larger) + tl.exp(value - larger)
        largest = larger
    top = tl.max(largest, 0)
    whole = top + tl.log(tl.sum(total * tl.exp(largest - top), 0))
    target = tl.load(targets + row)
    tl.device_assert((target >= 0) & (target < classes))
    loss = whole - tl.load(logits + begin + target).to(tl.float32)
    before = tl.load(running_in + row)
    tl.store(losses + row, loss)
    tl.store(running_out + row, before + momentum * (loss - before))


@triton.autotune([triton.Config({}, num_warps=warps) for warps in (8, 16)], key=[])
@triton.heuristics({"CLASSES": lambda meta: triton.next_power_of_2(meta["classes"])})
@triton.jit
def cross_entropy_persistent(
    logits, targets, losses, running_in, running_out, rows, classes, momentum, CLASSES: tl.constexpr
):
    """Keeps its row in registers."""
    row = tl.program_id(0)
    begin = row.to(tl.int64) * classes
    at = tl.arange(0, CLASSES)
    value = tl.load(logits + begin + at, mask=at < classes, other=float("-inf")).to(tl.float32)
    top = tl.max(value, 0)
    whole = top + tl.log(tl.sum(tl.exp(value - top), 0))
    target = tl.load(targets + row)
    tl.device_assert((target >= 0) & (target < classes))
    loss = whole - tl.load(logits + begin + target).to(tl.float32)
    before = tl.load(running_in + row)
    tl.store(losses + row, loss)
    tl.store(running_out + row, before + momentum * (loss - before))


@triton.jit
def cross_entropy_cooperative(
    logits, targets, losses, running_in, running_out, workspace, semaphores, rows, classes, momentum,
    SPLITS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Several programs share a row: for few rows of many classes. Who comes last puts their parts together."""
    row = tl.program_id(0)
    part = tl.program_id(1)
    begin = row.to(tl.int64) * classes
    each = tl.cdiv(classes, SPLITS)
    last = tl.minimum((part + 1) * each, classes)
    largest = tl.full([BLOCK], -1e30, tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(part * each, last, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(logits + begin + at, mask=at < last, other=float("-inf")).to(tl.float32)
        larger = tl.maximum(largest, value)
        total = total * tl.exp(largest - larger) + tl.exp(value - larger)
        largest = larger
    top = tl.max(largest, 0)
    tl.store(workspace + (row * SPLITS + part) * 2, top)
    tl.store(workspace + (row * SPLITS + part) * 2 + 1, tl.sum(total * tl.exp(largest - top), 0))
    tl.debug_barrier()
    if tl.atomic_add(semaphores + row, 1) == SPLITS - 1:
        tl.store(semaphores + row, 0)
        parts = (row * SPLITS + tl.arange(0, SPLITS)) * 2
        tops = tl.load(workspace + parts, cache_modifier=".cg")
        sums = tl.load(workspace + parts + 1, cache_modifier=".cg")
        highest = tl.max(tops, 0)
        whole = highest + tl.log(tl.sum(sums * tl.exp(tops - highest), 0))
        target = tl.load(targets + row)
        tl.device_assert((target >= 0) & (target < classes))
        loss = whole - tl.load(logits + begin + target).to(tl.float32)
        before = tl.load(running_in + row)
        tl.store(losses + row, loss)
        tl.store(running_out + row, before + momentum * (loss - before))


cross_entropy_kernel = multi_kernel(
    cross_entropy_looped,
    cross_entropy_persistent,
    sub_kernel(
        cross_entropy_cooperative,
        grid=lambda meta: (meta["rows"], meta["SPLITS"]),
        SPLITS=SPLITS,
        BLOCK=2048,
        num_warps=8,
    ),
    key=["rows", "classes"],
    name="cross_entropy",
)


def cross_entropy(logits, targets, running):
    """The loss of each row. ``running`` is updated in place: it is passed twice, to be read and to be written."""
    rows, classes = logits.shape
    losses = torch.empty(rows, device=logits.device)
    workspace = torch.empty(rows * SPLITS * 2, device=logits.device)
    counters = semaphores(rows, str(logits.device))
    cross_entropy_kernel[(rows,)](
        logits, targets, losses, running, running, workspace, counters, rows, classes, MOMENTUM
    )
    return losses, running


def make(rows, classes, *, dtype, device):
    logits = torch.randn(rows, classes, dtype=dtype, device=device)
    return logits, torch.randint(classes, (rows,), device=device), torch.rand(rows, device=device)


def in_torch(logits, targets, running):
    exact = logits if logits.dtype == torch.float64 else logits.float()
    losses = torch.nn.functional.cross_entropy(exact, targets, reduction="none")
    return losses, torch.lerp(running, losses, MOMENTUM)


sample = Sample(
    cross_entropy_kernel,
    make=make,
    run=cross_entropy,
    in_torch=in_torch,
    sizes=(
        ((8192, 512), torch.float32),
        ((4096, 1000), torch.float32),
        ((1024, 8192), torch.bfloat16),
        ((16, 32768), torch.bfloat16),
        ((128, 32768), torch.bfloat16),
        ((2048, 32000), torch.bfloat16),
        ((16, 50257), torch.bfloat16),
        ((1024, 50257), torch.bfloat16),
    ),
    small=(5, 300),
)

if __name__ == "__main__":
    main(sample, __doc__)
