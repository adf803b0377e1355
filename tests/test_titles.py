"""A multi-kernel is called what a person calls it."""

from __future__ import annotations

import pytest

from mkexplorer.report import titles
from tests.builders import multi_kernel, scalar, tensor


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        # As torch 2.11 wrote them on an H100.
        ("prims.prepare_softmax_online aten.sub aten.exp aten._softmax", "softmax"),
        ("aten.view aten._to_copy aten.mul aten.amax aten.sub aten.div aten._softmax", "softmax"),
        ("aten.view aten._softmax_backward_data aten.div", "softmax backward"),
        ("prims.prepare_softmax_online", "softmax stats"),
        ("prims.prepare_softmax_online aten.sub aten._log_softmax", "log_softmax"),
        ("aten.nll_loss_forward aten.sub aten._log_softmax", "cross_entropy"),
        ("aten.native_layer_norm", "layer_norm"),
        ("aten.view aten.add aten.native_layer_norm", "add + layer_norm"),
        ("aten.view aten.native_layer_norm_backward aten.add aten.native_layer_norm", "layer_norm backward + add"),
        ("aten._to_copy aten.pow aten.mean aten.add aten.rsqrt aten.mul", "rms_norm"),
        (
            "aten.pow aten.mean aten.add aten.rsqrt aten.mul aten.abs aten.amax aten.div aten.round",
            "rms_norm + quantize",
        ),
        ("aten.sum aten.add _inductor_test.realize", "sum + add"),
        ("aten.view aten.gelu_backward aten.gelu aten.sum", "gelu backward + sum"),
        # Others that Inductor fuses into reductions.
        ("aten.nll_loss_backward aten._log_softmax_backward_data", "cross_entropy backward"),
        ("aten._fused_rms_norm", "rms_norm"),
        ("aten.add.Tensor aten.mul.Tensor", "add + mul"),
        ("aten.native_dropout", "dropout"),
        ("aten.a aten.b aten.c aten.d aten.e", "a + b + c + 2 more"),
        # A mean that is subtracted makes it no root mean square.
        ("aten.mean aten.sub aten.pow aten.rsqrt", "mean + sub + pow + 1 more"),
        # Where data only moves, that is what it is called.
        ("aten.view aten.clone", "view + clone"),
    ],
)
def test_title_of_operations(operations: str, expected: str) -> None:
    assert titles.title(multi_kernel(*operations.split())) == expected


def test_without_operations_the_source_nodes_name_it() -> None:
    assert titles.title(multi_kernel(source_nodes=("softmax", "mul_1", "mul_2"))) == "softmax + mul"


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        ("triton_red_fused_native_layer_norm_0", "layer_norm"),
        ("model_triton_per_fused__softmax_12", "softmax"),
        ("triton_red_fused_0", "multi_kernel_0"),
        ("anything", "multi_kernel_0"),
    ],
)
def test_with_neither_the_kernel_names_it_and_its_own_name_comes_last(kernel: str, expected: str) -> None:
    assert titles.title(multi_kernel(kernels=(kernel,))) == expected


def test_the_principal_tensor_is_the_largest_and_the_first_of_equals() -> None:
    known = multi_kernel(
        arguments=(tensor(dtype="torch.float64"), tensor(64, 32, dtype="torch.bfloat16"), tensor(64, 32), scalar(64))
    )
    assert (titles.shape_text(known), titles.dtype_text(known)) == ("64×32", "bf16")
    assert titles.element_count(known) == 64 * 32


def test_symbolic_sizes_stay_symbolic_and_count_as_large() -> None:
    known = multi_kernel(arguments=(tensor(1 << 20), tensor("s0", "4*s1", 8)))
    assert titles.shape_text(known) == "s0×(4*s1)×8"


def test_a_tensor_without_sizes_is_a_scalar() -> None:
    assert titles.shape_text(multi_kernel(arguments=(tensor(),))) == "scalar"


def test_what_is_not_known_is_left_empty() -> None:
    nothing = multi_kernel()
    assert (titles.shape_text(nothing), titles.dtype_text(nothing), titles.element_count(nothing)) == ("", "", 0)
    assert titles.dtype_text(multi_kernel(arguments=(tensor(4, dtype=None),))) == ""


@pytest.mark.parametrize(
    ("dtype", "short"),
    [("torch.bfloat16", "bf16"), ("torch.bool", "bool"), ("torch.float8_e4m3fn", "f8e4m3fn"), ("strange", "strange")],
)
def test_dtypes_are_short(dtype: str, short: str) -> None:
    assert titles.dtype_of(dtype) == short
