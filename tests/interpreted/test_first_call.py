"""The first call, which launches every sub-kernel several times to measure, changes what one launch changes."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy
import pytest
import torch
import triton
import triton.language as tl
from triton.runtime.jit import TensorWrapper
from triton.tools.tensor_descriptor import TensorDescriptor

from mkexplorer.multikernel import MultiKernelError, multi_kernel, sub_kernel

from . import accumulating as kernels
from . import kernels as more

BLOCK = 16
N = 12


class Pair(NamedTuple):
    x: Any
    acc: Any


class Foreign(TensorWrapper):  # type: ignore[misc]  # Triton has no types here
    """Somebody's own kind of tensor: nobody else knows how to copy it."""


def ramp(count: int = N) -> torch.Tensor:
    return torch.arange(count, dtype=torch.float32)


def call(first: Any, second: Any, *arguments: Any, **options: Any) -> Any:
    function = multi_kernel(first, second, name="accumulate", **options)
    function[(1,)](*arguments, BLOCK=BLOCK)
    return function


@pytest.mark.parametrize("kernel", kernels.ALL, ids=lambda kernel: kernel.__name__)
def test_what_a_kernel_adds_to_is_added_to_once(kernel: Any) -> None:
    acc = torch.ones(BLOCK)
    call(kernel, kernels.plain, ramp(), acc, N)
    assert acc.tolist() == [*(ramp() + 1).tolist(), 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "pair", [lambda x, acc: (x, acc), Pair, lambda x, acc: (x, triton.reinterpret(acc.view(torch.int32), tl.float32))]
)
@pytest.mark.parametrize("mutated", [(), ("pair",)])
def test_tensors_in_a_tuple_are_added_to_once(pair: Any, mutated: tuple[str, ...]) -> None:
    acc = torch.ones(N)
    call(kernels.pair_first, kernels.pair_second, pair(ramp(), acc), N, mutated=mutated)
    assert torch.equal(acc, ramp() + 1)


@pytest.mark.parametrize(
    "constant",
    [lambda acc: acc, lambda acc: (1, acc), lambda acc: [acc], lambda acc: triton.reinterpret(acc, tl.int32)],
)
def test_a_tensor_is_no_constant_because_no_copy_could_take_its_place(constant: Any) -> None:
    counting = sub_kernel(kernels.plain, acc=constant(torch.ones(N)))
    with pytest.raises(MultiKernelError, match="plain gets acc as a constant, which is or holds a tensor") as raised:
        multi_kernel(kernels.plain, counting)
    assert "Pass acc with each call" in raised.value.advice


def test_a_scratch_tensor_is_an_argument_that_another_one_need_not_use() -> None:
    calls = torch.zeros(1, dtype=torch.int32)
    with pytest.raises(MultiKernelError, match="counting takes calls, which ignoring does not") as raised:
        multi_kernel(sub_kernel(more.ignoring, calls=None), more.counting)
    assert raised.value.advice.endswith("If it is a tensor, let ignoring take it too, which need not use it.")
    function, out = multi_kernel(more.ignoring, more.counting), torch.zeros(N)
    function[(1,)](ramp(), out, calls, N, 1, BLOCK=BLOCK)
    assert torch.equal(out, ramp() * 2)
    assert calls.item() <= 1


def test_a_reinterpreted_tensor_is_added_to_once() -> None:
    acc = torch.ones(N)
    bits = triton.reinterpret(acc.view(torch.int32), tl.float32)
    call(kernels.atomically, kernels.plain, ramp(), bits, N)
    assert torch.equal(acc, ramp() + 1)


def test_what_a_descriptor_describes_is_added_to_once() -> None:
    acc = torch.ones(BLOCK)
    there = TensorDescriptor.from_tensor(acc, [BLOCK])
    call(kernels.descriptor_first, kernels.descriptor_second, ramp(BLOCK), there, BLOCK)
    assert torch.equal(acc, ramp(BLOCK) + 1)


def test_what_cannot_be_copied_is_not_measured(caplog: pytest.LogCaptureFixture) -> None:
    acc = torch.ones(N)
    with caplog.at_level(logging.WARNING, "mkexplorer.multikernel"):
        function = call(kernels.atomically, kernels.plain, ramp(), Foreign(acc, tl.float32), N)
        function[(1,)](ramp(), Foreign(acc, tl.float32), N, BLOCK=BLOCK)
    assert torch.equal(acc, 2 * ramp() + 1)
    assert list(function.picks.values()) == ["atomically"]
    told = "not measured, as what a Foreign among the arguments holds cannot be copied"
    assert [told in record.getMessage() for record in caplog.records].count(True) == 1


# ------------------------------------------------------------------------------------------------ shared memory


def test_one_tensor_given_twice_is_added_to_itself_once() -> None:
    acc = ramp()
    call(kernels.helper_full, kernels.plain, acc, acc, N)
    assert torch.equal(acc, 2 * ramp())


def test_views_that_overlap_stay_connected() -> None:
    expected, buffer = ramp(3 * N), ramp(3 * N)
    kernels.running_sum[(1,)](expected[N : 2 * N], expected[N + 4 : 2 * N + 4], N, BLOCK=BLOCK)
    call(kernels.running_sum, kernels.running_sum, buffer[N : 2 * N], buffer[N + 4 : 2 * N + 4], N)
    assert torch.equal(buffer, expected)


def test_what_stands_before_a_view_is_there_for_the_kernel() -> None:
    buffer = torch.ones(2 * N)
    call(kernels.running_sum, kernels.running_sum_backwards, ramp(), buffer[N:], N)
    assert torch.equal(buffer[N:], 1 + ramp().cumsum(0))


def test_what_is_written_outside_of_a_view_is_written_once() -> None:
    buffer = torch.ones(N)
    call(kernels.before_it_first, kernels.before_it_second, ramp() + 5, buffer[1:], N)
    assert buffer.tolist() == [6.0] + [1.0] * (N - 1)


def test_what_is_expanded_to_no_stride_is_one_number() -> None:
    buffer = torch.ones(N)
    acc = torch.full((1,), 1.0)
    call(kernels.before_it_first, kernels.before_it_second, ramp() + 5, buffer[1:2].expand(N), N)
    assert buffer[0] == 6
    call(kernels.atomically, kernels.helper_full, (ramp(1) + 5).expand(N), acc.expand(N), 1)
    assert acc.item() == 6


def test_memory_that_two_storages_share_is_not_measured(caplog: pytest.LogCaptureFixture) -> None:
    array = numpy.arange(2 * N, dtype=numpy.float32)
    expected = torch.from_numpy(array.copy())
    kernels.running_sum[(1,)](expected[:N], expected[4 : 4 + N], N, BLOCK=BLOCK)
    with caplog.at_level(logging.WARNING, "mkexplorer.multikernel"):
        x, acc = torch.from_numpy(array[:N]), torch.from_numpy(array[4 : 4 + N])
        call(kernels.running_sum, kernels.running_sum, x, acc, N)
    assert numpy.array_equal(array, expected.numpy())
    assert "overlap without sharing a storage" in caplog.text


@pytest.mark.parametrize("order", [(kernels.not_noted, kernels.noted), (kernels.noted, kernels.not_noted)])
def test_what_only_one_sub_kernel_writes_is_left_to_the_choice(order: tuple[Any, Any]) -> None:
    note = torch.zeros(N)
    function = call(*order, ramp(), note, N)
    is_noted = list(function.picks.values()) == ["noted"]
    assert torch.equal(note, ramp() if is_noted else torch.zeros(N))
