"""What is copied so that a launch to measure leaves a program's tensors alone."""

from __future__ import annotations

from typing import NamedTuple
from unittest import mock

import pytest
import torch
from triton.runtime.jit import TensorWrapper
from triton.tools.tensor_descriptor import TensorDescriptor

from mkexplorer.multikernel.clones import (
    CannotCopy,
    clone_all,
    clone_overwritten,
    overwritten_bytes,
    surroundings,
    tensors_in,
)

numpy = pytest.importorskip("numpy")


class Pair(NamedTuple):
    x: torch.Tensor
    total: torch.Tensor


def test_only_what_is_mutated_is_copied() -> None:
    x, total = torch.ones(4), torch.zeros(4)
    clones = clone_overwritten([x, total, 7, None], mutated={1})
    assert clones.arguments[0] is x
    assert clones.arguments[2:] == (7, None)
    clones.arguments[1].fill_(5)
    assert total.tolist() == [0.0] * 4
    assert clones.restore is not None
    clones.restore()
    assert clones.arguments[1].tolist() == [0.0] * 4


def test_nothing_to_copy_is_nothing_to_restore() -> None:
    assert clone_overwritten([torch.ones(4)], mutated=()).restore is None
    assert clone_overwritten([torch.empty(0)], mutated={0}).restore is None


def test_a_view_of_a_copy_stays_a_view() -> None:
    base = torch.arange(12.0).reshape(3, 4)
    clones = clone_overwritten([base, base[1], base.T], mutated={1})
    whole, row, transposed = clones.arguments
    row.fill_(-1)
    assert whole[1].tolist() == [-1.0] * 4
    assert transposed[:, 1].tolist() == [-1.0] * 4
    assert torch.equal(base, torch.arange(12.0).reshape(3, 4))


def test_neighbours_in_one_storage_that_do_not_overlap_are_not_copied() -> None:
    pool = torch.zeros(64)
    first, second = pool[:32], pool[32:]
    clones = clone_overwritten([first, second], mutated={0})
    assert clones.arguments[1] is second
    assert clones.arguments[0].data_ptr() != first.data_ptr()


def test_overlapping_ones_stay_connected_through_a_third() -> None:
    pool = torch.zeros(64)
    clones = clone_overwritten([pool[:20], pool[40:60], pool[10:50]], mutated={0})
    clones.arguments[2].fill_(1)
    assert clones.arguments[0].sum() == 10
    assert clones.arguments[1].sum() == 10
    assert not pool.any()


@pytest.mark.parametrize("offset", [0, 1, 3, 4, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8, torch.bool])
def test_a_copy_is_aligned_as_its_original_is(offset: int, dtype: torch.dtype) -> None:
    tensor = torch.ones(32, dtype=dtype)[offset:]
    (copy,) = clone_overwritten([tensor], mutated={0}).arguments
    assert copy.data_ptr() % 16 == tensor.data_ptr() % 16
    assert torch.equal(copy, tensor)


def test_strides_and_dtypes_stay() -> None:
    tensor = torch.zeros(6, 8).T[::2]
    expanded = torch.ones(1, 5).expand(4, 5)
    copies = clone_overwritten([tensor, expanded], mutated={0, 1}).arguments
    assert [each.stride() for each in copies] == [tensor.stride(), expanded.stride()]
    assert [each.shape for each in copies] == [tensor.shape, expanded.shape]


def test_one_storage_seen_as_two_types_is_copied_once() -> None:
    numbers = torch.zeros(4)
    clones = clone_overwritten([numbers, numbers.view(torch.int32)], mutated={1})
    clones.arguments[1].fill_(1065353216)  # the bits of 1.0
    assert clones.arguments[0].tolist() == [1.0] * 4
    assert not numbers.any()


def test_an_output_is_copied_only_if_it_is_read_as_well() -> None:
    x, out = torch.ones(4), torch.empty(4)
    assert clone_overwritten([x, out], mutated=(), outputs={1}).arguments[1] is out
    assert clone_overwritten([x, x], mutated=(), outputs={1}).arguments[1] is not x
    assert clone_overwritten([out, out], mutated=(), outputs={0, 1}).arguments[1] is out


def test_parameters_and_inference_tensors_are_copied_too() -> None:
    parameter = torch.nn.Parameter(torch.ones(4))
    with torch.inference_mode():
        frozen = torch.ones(4)
        clones = clone_overwritten([frozen], mutated={0})
    assert not clone_overwritten([parameter], mutated={0}).arguments[0].requires_grad
    assert clones.restore is not None
    with torch.inference_mode():
        clones.restore()


def test_all_of_a_call_can_be_copied_and_its_size_told() -> None:
    x = torch.ones(4)
    assert overwritten_bytes([x, x, x[:2], 3]) == 16
    copies = clone_all([x, x[:2], 3]).arguments
    assert copies[0].data_ptr() == copies[1].data_ptr() != x.data_ptr()
    assert copies[2] == 3


def test_tensors_in_tuples_are_copied_and_the_tuples_keep_their_kind() -> None:
    x, total = torch.ones(4), torch.zeros(4)
    pair, nested, row = clone_overwritten([Pair(x, total), (7, (total, None)), total[1:]], mutated={1}).arguments
    assert isinstance(pair, Pair)
    assert pair.x is x
    assert nested[0] == 7
    row.fill_(5)
    assert pair.total.tolist() == nested[1][0].tolist() == [0.0, 5.0, 5.0, 5.0]
    assert not total.any()


def test_a_tuple_with_nothing_to_copy_stays_itself() -> None:
    pair = (torch.ones(4), 3)
    assert clone_overwritten([pair, torch.ones(4)], mutated={1}).arguments[0] is pair


def test_what_descriptors_and_reinterpreted_tensors_hold_is_copied() -> None:
    tensor = torch.zeros(16)
    descriptor = TensorDescriptor.from_tensor(tensor, [8])
    wrapper = TensorWrapper(tensor, "another type")
    clones = clone_overwritten([descriptor, wrapper], mutated={1})
    first, second = clones.arguments
    assert isinstance(first, TensorDescriptor)
    assert first.block_shape == [8]
    assert second.dtype == "another type"
    assert first.base.data_ptr() == second.data_ptr() == second.data.data_ptr() != tensor.data_ptr()
    assert [id(each) for each in tensors_in(descriptor)] == [id(tensor)]


@pytest.mark.parametrize("unknown", [object(), [torch.ones(4)], (1, {"x": torch.ones(4)}), torch.ones(4).to_sparse()])
def test_what_may_hold_memory_that_nobody_knows_is_refused(unknown: object) -> None:
    with pytest.raises(CannotCopy, match="cannot be copied"):
        clone_overwritten([torch.ones(4), unknown], mutated={0})
    assert clone_overwritten([torch.ones(4), unknown], mutated=()).restore is None
    assert overwritten_bytes([torch.ones(4), unknown]) == float("inf")


@pytest.mark.parametrize("known", [None, True, 7, 0.5, "text", numpy.int64(7), numpy.bool_(True), torch.float32, len])
def test_what_holds_no_memory_is_passed_on(known: object) -> None:
    assert clone_overwritten([torch.ones(4), known], mutated={0}).arguments[1] is known


def test_a_copy_may_hold_what_is_around_a_view() -> None:
    buffer = torch.arange(8.0)
    (copy,) = clone_overwritten([buffer[2:4]], mutated={0}, reach=surroundings).arguments
    assert torch.as_strided(copy, (8,), (1,), 0)[-8:].tolist() == buffer.tolist()
    assert overwritten_bytes([buffer[2:4]]) == 32


def test_of_a_large_pool_only_the_part_that_is_passed_is_copied() -> None:
    part = torch.empty(32 << 20, dtype=torch.uint8)[64:128]
    (copy,) = clone_overwritten([part], mutated={0}, reach=surroundings).arguments
    assert copy.untyped_storage().nbytes() < 1 << 10
    assert overwritten_bytes([part]) == 64


def test_two_storages_of_the_same_memory_cannot_be_copied_together() -> None:
    array = numpy.zeros(8, dtype=numpy.float32)
    with pytest.raises(CannotCopy, match="overlap without sharing a storage"):
        clone_overwritten([torch.from_numpy(array[:5]), torch.from_numpy(array[3:])], mutated={1})
    assert clone_overwritten([torch.from_numpy(array[:5]), torch.from_numpy(array[5:])], mutated={1}).restore


def test_a_lack_of_memory_is_told() -> None:
    with (
        mock.patch.object(torch.Tensor, "new_empty", side_effect=torch.OutOfMemoryError("CUDA out of memory")),
        pytest.raises(CannotCopy, match="out of memory for 16 more bytes"),
    ):
        clone_overwritten([torch.ones(4)], mutated={0})
