"""Kernels that use something from around them, or differ in little."""

from __future__ import annotations

import math as mathematics
from typing import Any

import triton
import triton.language as tl
from triton.language import sum as tl_sum
from triton.language.extra import libdevice

from . import multikernel_kernels
from .multikernel_kernels import exp

LIMITS: tl.constexpr = (1, float("inf"))
SINGLE = tl.float32
TABLE = [1, 2]
power = exp


@triton.jit
def twice(x):
    return 2 * exp(x)


@triton.jit(do_not_specialize=["n"])
def borrower(x_ptr, n):
    x = tl.load(x_ptr + tl.arange(0, 8)).to(SINGLE)
    x = libdevice.rsqrt(twice(power(x))) + LIMITS[0] + tl_sum(x, axis=0) * mathematics.pi
    tl.store(x_ptr + tl.arange(0, 8), x)


@triton.jit
def plain(x_ptr, y_ptr):
    tl.store(y_ptr, tl.load(x_ptr))


@triton.jit
def evicting(x_ptr, y_ptr):
    tl.store(y_ptr, tl.load(x_ptr, eviction_policy="evict_first"))


@triton.jit
def with_default(x_ptr, EPS: tl.constexpr = 1e-5):
    tl.store(x_ptr, EPS)


@triton.jit
def uses_module(x_ptr):
    tl.store(x_ptr, multikernel_kernels.exp(1.0))


@triton.jit
def uses_list(x_ptr):
    tl.store(x_ptr, TABLE[0])


@triton.jit
def uses_nothing(x_ptr):
    tl.store(x_ptr, nowhere)  # type: ignore[name-defined]  # noqa: F821  # the point of it


def _uses_two() -> Any:
    @triton.jit
    def exp(x):
        return x

    @triton.jit
    def uses_two(x_ptr):
        tl.store(x_ptr, exp(twice(1.0)))

    return uses_two


uses_two = _uses_two()
