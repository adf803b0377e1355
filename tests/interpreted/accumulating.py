"""Kernels that all do ``acc += x``, each in a way that makes it hard to tell from the source that they write to it."""

from __future__ import annotations

import triton
import triton.language
import triton.language as language
import triton.language as tl
from triton.language import store as put


@triton.jit
def plain(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(acc + at, tl.load(acc + at, mask=at < n) + tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def keywords_in_any_order(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    old = tl.load(mask=at < n, pointer=acc + at)
    tl.store(mask=at < n, value=old + tl.load(x + at, mask=at < n), pointer=acc + at)


# Helpers that are called as functions of Triton are.


@triton.jit
def full(to, x, at, n):
    tl.store(to + at, tl.load(to + at, mask=at < n) + tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def load(to, x, at, n):
    full(to, x, at, n)


@triton.jit
def scatter(x, at, n, to):
    full(to, x, at, n)


@triton.jit
def where(x, at, n, to):
    return to + at


@triton.jit
def helper_full(x, acc, n, BLOCK: tl.constexpr):
    full(acc, x, tl.arange(0, BLOCK), n)


@triton.jit
def helper_load(x, acc, n, BLOCK: tl.constexpr):
    load(acc, x, tl.arange(0, BLOCK), n)


@triton.jit
def helper_scatter(x, acc, n, BLOCK: tl.constexpr):
    scatter(x, tl.arange(0, BLOCK), n, to=acc)


@triton.jit
def helper_where(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    there = where(x, at, n, acc)
    tl.store(there, tl.load(there, mask=at < n) + tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def helper_as_constant(x, acc, n, BLOCK: tl.constexpr, ADD: tl.constexpr = full):
    ADD(acc, x, tl.arange(0, BLOCK), n)


# Other names for Triton's own functions.


@triton.jit
def imported_by_name(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    put(acc + at, tl.load(acc + at, mask=at < n) + tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def written_out(x, acc, n, BLOCK: tl.constexpr):
    at = language.arange(0, BLOCK)
    value = language.load(acc + at, mask=at < n) + language.load(x + at, mask=at < n)
    triton.language.store(acc + at, value, mask=at < n)


# Addresses whose beginning is hidden.


@triton.jit
def number_of(x, at, n):
    return tl.load(x + at, mask=at < n, other=0).to(tl.int64) * 0 + at


@triton.jit
def offset_first(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    there = at + acc
    tl.store(there, tl.load(there, mask=at < n) + tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def offset_of_a_helper(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    there = number_of(x, at, n) + acc
    tl.store(there, tl.load(there, mask=at < n) + tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def either_of_two(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    there = tl.where(at < 0, x + at, acc + at)
    tl.store(there, tl.load(there, mask=at < n) + tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def step_by_step(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    there = acc
    there += at
    tl.store(there, tl.load(there, mask=at < n) + tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def out_of_a_tuple(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    both = (x, acc)
    tl.store(both[1] + at, tl.load(both[1] + at, mask=at < n) + tl.load(both[0] + at, mask=at < n), mask=at < n)


@triton.jit
def as_a_number(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    there = (acc.to(tl.int64) + at * 4).to(tl.pointer_type(tl.float32))
    tl.store(there, tl.load(there, mask=at < n) + tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def as_bits(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    there = (acc.to(tl.int64) | 0).to(tl.pointer_type(tl.float32)) + at
    tl.store(there, tl.load(there, mask=at < n) + tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def atomically(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.atomic_add(val=tl.load(x + at, mask=at < n), mask=at < n, pointer=acc + at)


@triton.jit
def by_blocks(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    there = tl.make_block_ptr(shape=(n,), base=acc, strides=(1,), offsets=(0,), block_shape=(BLOCK,), order=(0,))
    old = tl.load(there, boundary_check=(0,))
    tl.store(there, old + tl.load(x + at, mask=at < n), boundary_check=(0,))


@triton.jit
def by_descriptor(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    there = tl.make_tensor_descriptor(acc, shape=[n], strides=[1], block_shape=[BLOCK])
    there.store([0], there.load([0]) + tl.load(x + at, mask=at < n))


ALL = (
    keywords_in_any_order,
    helper_full,
    helper_load,
    helper_scatter,
    helper_where,
    helper_as_constant,
    imported_by_name,
    written_out,
    offset_first,
    offset_of_a_helper,
    either_of_two,
    step_by_step,
    out_of_a_tuple,
    as_a_number,
    as_bits,
    atomically,
    by_blocks,
    by_descriptor,
)

# Arguments that hold more than one tensor, or a tensor in something else.


@triton.jit
def pair_first(pair, n, BLOCK: tl.constexpr):
    plain(pair[0], pair[1], n, BLOCK)


@triton.jit
def pair_second(pair, n, BLOCK: tl.constexpr):
    full(pair[1], pair[0], tl.arange(0, BLOCK), n)


@triton.jit
def descriptor_first(x, there, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    there.store([0], there.load([0]) + tl.load(x + at, mask=at < n))


@triton.jit
def descriptor_second(x, there, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    there.store([0], tl.load(x + at, mask=at < n) + there.load([0]))


# They go on from what stands before the tensor that they get.


@triton.jit
def running_sum(x, acc, n, BLOCK: tl.constexpr):
    for at in range(0, n):
        tl.store(acc + at, tl.load(acc + at - 1) + tl.load(x + at))


@triton.jit
def running_sum_backwards(x, acc, n, BLOCK: tl.constexpr):
    before = tl.load(acc - 1)
    for at in range(0, n):
        before += tl.load(x + at)
        tl.store(acc + at, before)


@triton.jit
def before_it_first(x, acc, n, BLOCK: tl.constexpr):
    tl.store(acc - 1, tl.load(acc - 1) + tl.load(x))


@triton.jit
def before_it_second(x, acc, n, BLOCK: tl.constexpr):
    tl.store(acc - 1, tl.load(x) + tl.load(acc - 1))


# One of the two needs scratch memory, or leaves a note that the other one does not.


@triton.jit
def noted(x, acc, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(acc + at, tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def not_noted(x, acc, n, BLOCK: tl.constexpr):
    tl.static_assert(BLOCK > 0)
