"""Kernels of the front door's tests, in every form in which a user may give them."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def scale_looped(x, out, total, count, factor, BLOCK: tl.constexpr):
    """Scales, adds up into ``total`` what it was before; one program."""
    for start in range(0, count, BLOCK):
        at = start + tl.arange(0, BLOCK)
        tl.store(out + at, tl.load(x + at, mask=at < count) * factor, mask=at < count)
    tl.store(total, tl.load(total) + 1)


@triton.jit
def scale_persistent(x, out, total, count, factor, COUNT: tl.constexpr):
    at = tl.arange(0, COUNT)
    tl.store(out + at, tl.load(x + at, mask=at < count) * factor, mask=at < count)
    tl.store(total, tl.load(total) + 1)


@triton.jit
def scale_plain(x, out, count, factor, BLOCK: tl.constexpr):
    """Needs no total, and as many programs as blocks."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at, mask=at < count) * factor, mask=at < count)


@triton.jit
def scale_greedy(x, out, count, factor, unknown, BLOCK: tl.constexpr):
    tl.store(out, unknown)


@triton.jit
def scale_broken(x, out, total, count, factor):
    tl.static_assert(False, "cannot be compiled here")


by_power = triton.heuristics({"COUNT": lambda meta: triton.next_power_of_2(meta["count"])})(scale_persistent)

tuned = triton.autotune(
    [triton.Config({"BLOCK": 16}, num_warps=1), triton.Config({"BLOCK": 32}, num_warps=2)], key=["count"]
)(scale_looped)


@triton.jit
def add_blocks(x, out, count, BLOCK: tl.constexpr, EVEN: tl.constexpr):
    """Adds to ``out``; without a mask where the blocks are all full."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    if EVEN:
        tl.store(out + at, tl.load(out + at) + tl.load(x + at))
    else:
        tl.store(out + at, tl.load(out + at, mask=at < count) + tl.load(x + at, mask=at < count), mask=at < count)


add_blocks_evenly = triton.heuristics({"EVEN": lambda meta: meta["count"] % meta["BLOCK"] == 0})(add_blocks)


@triton.jit
def add_first(x, bias, out, count, COUNT: tl.constexpr):
    at = tl.arange(0, COUNT)
    value = tl.load(x + at, mask=at < count)
    if bias is not None:
        value += tl.load(bias + at, mask=at < count)
    tl.store(out + at, value, mask=at < count)


@triton.jit
def add_second(x, bias, out, count, COUNT: tl.constexpr):
    at = tl.arange(0, COUNT)
    value = tl.load(x + at, mask=at < count)
    if bias is not None:
        value = tl.load(bias + at, mask=at < count) + value
    tl.store(out + at, value, mask=at < count)


@triton.jit
def shift_first(x, by, out, count, COUNT: tl.constexpr):
    at = tl.arange(0, COUNT)
    value = tl.load(x + at, mask=at < count)
    if by is not None:
        value += by
    tl.store(out + at, value, mask=at < count)


@triton.jit
def shift_second(x, by, out, count, COUNT: tl.constexpr):
    at = tl.arange(0, COUNT)
    value = tl.load(x + at, mask=at < count)
    if by is not None:
        value = by + value
    tl.store(out + at, value, mask=at < count)


@triton.jit
def mark_looped(out, count, by=1.0, BLOCK: tl.constexpr = 16):
    """Writes what it was called with: ``by``, then the size of its block."""
    at = tl.arange(0, BLOCK)
    tl.store(out + at, by, mask=at < count)
    tl.store(out, BLOCK)


@triton.jit
def mark_persistent(out, count, by=1.0, BLOCK: tl.constexpr = 64):
    at = tl.arange(0, BLOCK)
    tl.store(out + at, by, mask=at < count)
    tl.store(out, BLOCK)


@triton.jit
def mark_whole(out, count, by=1, BLOCK: tl.constexpr = 64):
    at = tl.arange(0, BLOCK)
    tl.store(out + at, by, mask=at < count)
    tl.store(out, BLOCK)


@triton.jit
def mark_otherwise(out, count, by=5.0, BLOCK: tl.constexpr = 64):
    tl.store(out, by)


@triton.jit
def doubled(value):
    return value * 2


@triton.jit
def shifted(value):
    return value + 1


shifted_by_one = shifted


@triton.jit  # type: ignore[no-redef]  # two functions of one name are the point
def shifted(value):
    return value + 2


@triton.jit
def map_looped(x, out, count, F: tl.constexpr, BLOCK: tl.constexpr = 16):
    for start in range(0, count, BLOCK):
        at = start + tl.arange(0, BLOCK)
        tl.store(out + at, F(tl.load(x + at, mask=at < count)), mask=at < count)


@triton.jit
def map_persistent(x, out, count, F: tl.constexpr, BLOCK: tl.constexpr = 64):
    at = tl.arange(0, BLOCK)
    tl.store(out + at, F(tl.load(x + at, mask=at < count)), mask=at < count)


@triton.jit
def cast_looped(x, out, count, TYPE: tl.constexpr, BLOCK: tl.constexpr = 16):
    for start in range(0, count, BLOCK):
        at = start + tl.arange(0, BLOCK)
        tl.store(out + at, tl.load(x + at, mask=at < count).to(TYPE), mask=at < count)


@triton.jit
def cast_persistent(x, out, count, TYPE: tl.constexpr, BLOCK: tl.constexpr = 64):
    at = tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at, mask=at < count).to(TYPE), mask=at < count)


@triton.jit
def copy_looped(x, out, count, WAY: tl.constexpr, BLOCK: tl.constexpr = 16):
    """``WAY`` may be anything."""
    for start in range(0, count, BLOCK):
        at = start + tl.arange(0, BLOCK)
        tl.store(out + at, tl.load(x + at, mask=at < count), mask=at < count)


@triton.jit
def copy_persistent(x, out, count, WAY: tl.constexpr, BLOCK: tl.constexpr = 64):
    at = tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at, mask=at < count), mask=at < count)


@triton.jit
def ignoring(x, out, calls, count, unused, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at, mask=at < count) * 2, mask=at < count)


@triton.jit
def counting(x, out, calls, count, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.atomic_add(calls, 1)
    tl.store(out + at, tl.load(x + at, mask=at < count) * 2, mask=at < count)


@triton.jit
def double(x, double, stream0, multi_kernel_0, count, BLOCK: tl.constexpr):
    """Its parameters are called as itself, and as what a generated module defines."""
    at = tl.arange(0, BLOCK)
    added = tl.load(stream0 + at, mask=at < count) + tl.load(multi_kernel_0 + at, mask=at < count)
    tl.store(double + at, tl.load(x + at, mask=at < count) * 2 + added, mask=at < count)
