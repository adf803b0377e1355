"""Kernels so small that a launch of one costs its host more than the GPU; the second takes fewer arguments."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def tiny_whole(x, extra, out, count, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    value = tl.load(x + at, mask=at < count) + tl.load(extra + at, mask=at < count)
    tl.store(out + at, value, mask=at < count)


@triton.jit
def tiny_part(x, out, count, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at, mask=at < count), mask=at < count)
