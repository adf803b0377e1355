"""How a call's arguments are read from the statements around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.catalog.arguments import Variables, call_site, find_calls
from mkexplorer.catalog.hints import Hints, benchmark_part
from mkexplorer.catalog.layouts import item_size, split_arguments
from mkexplorer.catalog.model import Argument, ScalarArgument, TensorArgument


def arguments(body: str, *, signature: dict[str, str] | None = None, around: str = "") -> tuple[Argument, ...]:
    """The arguments of the last call of ``mk`` in a function with this body."""
    text = "def call(args):\n" + "".join(f"    {line}\n" for line in body.splitlines()) + around
    call = find_calls(text, 1, ["mk"], Variables())[-1]
    names = tuple(signature or ())
    return call_site(call, names, signature or {}, Hints(text, benchmark_part(text, 0))).arguments


def tensor(body: str, *, signature: dict[str, str] | None = None, around: str = "") -> TensorArgument:
    argument = arguments(body, signature=signature, around=around)[0]
    assert isinstance(argument, TensorArgument)
    return argument


class TestTensors:
    @pytest.mark.parametrize(
        "allocation",
        [
            "empty_strided_cuda((4, 8), (8, 1), torch.float16)",
            "empty_strided((4, 8), (8, 1), device='xpu', dtype=torch.float16)",
            "torch.empty_strided((4, 8), (8, 1), device='cuda', dtype=torch.float16)",
            "tracked_empty_strided((4, 8), (8, 1), dtype=torch.float16, device='cuda', name='buf0')",
            "empty_strided_cuda((4, 16), (16, 1), torch.float16).as_strided((4, 8), (8, 1))",
            "generate_example_value((4, 8), (8, 1), 'cuda:0', torch.float16, 0, (4, 8))",
            "generate_example_value([4, 8], [8, 1], 'cuda:0', torch.float16, 0)",
            "alloc_from_pool(pool0, 0, torch.float16, (4, 8), (8, 1))",
        ],
    )
    def test_every_way_to_allocate(self, allocation: str) -> None:
        found = tensor(f"buf0 = {allocation}\nmk.run(buf0, 4, stream=stream0)")

        assert (found.dtype, found.shape, found.stride) == ("torch.float16", (4, 8), (8, 1))

    def test_a_reused_buffer_keeps_its_layout_under_the_new_name(self) -> None:
        found = tensor(
            "buf0 = empty_strided_cuda((4, ), (1, ), torch.int64)\nbuf1 = buf0; del buf0  # reuse\nmk.run(buf1)"
        )

        assert (found.dtype, found.shape) == ("torch.int64", (4,))

    def test_a_name_means_what_it_last_was(self) -> None:
        found = tensor(
            "buf0 = empty_strided_cuda((4, ), (1, ), torch.int64)\n"
            "buf1 = buf0; del buf0  # reuse\n"
            "buf0 = empty_strided_cuda((9, ), (1, ), torch.bool)\n"
            "mk.run(buf1, buf0)"
        )

        assert found.shape == (4,)

    def test_a_view_has_its_own_layout_and_the_dtype_of_what_it_views(self) -> None:
        found = tensor(
            "buf0 = empty_strided_cuda((8, 512, 64), (32768, 64, 1), torch.bfloat16)\n"
            "mk.run(reinterpret_tensor(buf0, (4096, 64), (64, 1), 128))"
        )

        assert (found.dtype, found.shape, found.stride, found.offset) == ("torch.bfloat16", (4096, 64), (64, 1), 128)

    def test_a_view_of_a_view_stands_where_both_offsets_lead(self) -> None:
        found = tensor(
            "buf5 = reinterpret_tensor(buf6, (256, 8), (8, 1), 1024)  # alias\n"
            "mk.run(reinterpret_tensor(buf5, (128, 8), (8, 1), 64))",
            signature={"in_ptr0": "*fp32"},
        )

        assert found.offset == 1088

    def test_a_symbolic_offset_is_added_as_text(self) -> None:
        found = tensor(
            "buf5 = reinterpret_tensor(buf6, (s0, 8), (8, 1), 8*s1)\n"
            "mk.run(reinterpret_tensor(buf5, (8, ), (1, ), 64))",
            signature={"in_ptr0": "*fp32"},
        )

        assert found.offset == "8*s1 + 64"

    def test_a_piece_of_a_pool_stands_at_its_bytes(self) -> None:
        found = tensor("buf4 = alloc_from_pool(pool2, 4194304, torch.float32, (256, ), (1, ))\nmk.run(buf4)")

        assert found.offset == 1048576

    def test_an_input_that_is_copied_where_it_is_misaligned_stays_what_it_was(self) -> None:
        found = tensor(
            "x_1, = args\nassert_size_stride(x_1, (s30, 2048), (2048, 1), 'input')\nx_1 = copy_if_misaligned(x_1)\n"
            "mk.run(x_1, 4)",
            signature={"in_ptr0": "*fp32", "xnumel": "i32"},
        )

        assert (found.dtype, found.shape) == ("torch.float32", ("s30", 2048))

    def test_what_a_pointer_receives_is_a_tensor_whatever_is_known_of_it(self) -> None:
        found = tensor("x = 4096\nmk.run(x)", signature={"in_ptr0": "*fp32"})

        assert (found.dtype, found.shape) == ("torch.float32", None)

    def test_the_sizes_of_the_benchmark_part_are_hints_and_do_not_count(self) -> None:
        around = "\ndef get_args():\n    x = rand_strided((512, ), (1, ), device='cuda:0', dtype=torch.float32)\n"
        found = tensor("x, = args\nmk.run(x)", signature={"in_ptr0": "*fp32"}, around=around)

        assert found.shape is None

    def test_a_graph_fragment_tells_symbolic_sizes(self) -> None:
        around = '\n#   %x : Tensor "f32[s30, 2048][2048, 1]cuda:0" = PlaceHolder[target=x]\n'
        found = tensor("x, = args\nmk.run(x)", signature={"in_ptr0": "*fp32"}, around=around)

        assert found.shape == ("s30", 2048)

    def test_a_view_of_a_view_with_another_dtype(self) -> None:
        found = tensor(
            "buf0 = empty_strided_cuda((8, 8), (8, 1), torch.float32)\n"
            "buf1 = reinterpret_tensor(aten.view.dtype(buf0, torch.int32), (64, ), (1, ), 0); del buf0  # reuse\n"
            "mk.run(buf1)"
        )

        assert (found.dtype, found.shape) == ("torch.int32", (64,))

    def test_a_view_of_something_unknown_still_has_its_own_layout(self) -> None:
        found = tensor("mk.run(reinterpret_tensor(buf7, (4, ), (1, ), 0))", signature={"in_ptr0": "*i8"})

        assert (found.dtype, found.shape) == ("torch.int8", (4,))

    def test_a_checked_output_of_a_fallback_has_the_checked_layout(self) -> None:
        found = tensor(
            "buf0 = torch.ops.aten.sort.stable(x)\n"
            "buf1 = buf0[0]\n"
            "assert_size_stride(buf1, (4, 8), (8, 1), 'torch.ops.aten.sort.stable')\n"
            "mk.run(buf1, 4)",
            signature={"in_ptr0": "*fp16", "xnumel": "i32"},
        )

        assert (found.dtype, found.shape) == ("torch.float16", (4, 8))

    def test_a_check_does_not_forget_the_dtype(self) -> None:
        found = tensor(
            "buf0 = empty_strided_cuda((4, ), (1, ), torch.uint8)\nassert_size_stride(buf0, (4, ), (1, ))\nmk.run(buf0)"
        )

        assert found.dtype == "torch.uint8"

    def test_symbolic_sizes_stay_as_written(self) -> None:
        found = tensor("buf0 = empty_strided_cuda((s0, 4*(s1 // 2)), (4*(s1 // 2), 1), torch.float32)\nmk.run(buf0)")

        assert found.shape == ("s0", "4*(s1 // 2)")
        assert found.stride == ("4*(s1 // 2)", 1)

    def test_a_scalar_tensor_has_no_sizes(self) -> None:
        assert tensor("buf0 = empty_strided_cuda((), (), torch.float32)\nmk.run(buf0)").shape == ()

    def test_the_dtype_of_an_input_is_what_the_kernel_takes(self) -> None:
        found = tensor("assert_size_stride(x, (4, ), (1, ))\nmk.run(x)", signature={"in_ptr0": "*fp8e4nv"})

        assert found.dtype == "torch.float8_e4m3fn"
        assert found.origin == "assert_size_stride, dtype from the kernel's signature"

    def test_or_stands_in_the_benchmark_part(self) -> None:
        around = "\ndef get_args():\n    x = rand_strided((4, ), (1, ), device='cuda:0', dtype=torch.float64)\n"
        found = tensor("x, = args\nassert_size_stride(x, (4, ), (1, ))\nmk.run(x)", around=around)

        assert found.dtype == "torch.float64"
        assert found.origin == "assert_size_stride, dtype from rand_strided"

    def test_or_in_the_graph_fragment(self) -> None:
        around = '\n#   %x : Tensor "bf16[4][1]cuda:0" = PlaceHolder[target=x]\n'
        found = tensor("x, = args\nassert_size_stride(x, (4, ), (1, ))\nmk.run(x)", around=around)

        assert found.dtype == "torch.bfloat16"

    def test_a_partition_knows_the_buffers_of_the_others(self) -> None:
        body = "buf0, = args\nmk.run(buf0, 4)"
        around = (
            "\ndef call2(args):\n"
            "    buf0 = empty_strided_cuda((4, ), (1, ), torch.int8)\n"
            "    (buf9,) = self.partitions[0]([buf0])\n"
        )
        # The partition's function comes before the one that allocates.
        found = tensor(body, signature={"in_ptr0": "*i8", "xnumel": "i32"}, around=around)

        assert found.dtype == "torch.int8"

    def test_a_later_function_sees_buffers_that_an_earlier_one_made(self) -> None:
        text = (
            "def partition_0(args):\n"
            "    buf0 = empty_strided_cuda((4, ), (1, ), torch.int8)\n"
            "def partition_1(args):\n"
            "    buf0, = args\n"
            "    mk.run(buf0)\n"
        )
        call = find_calls(text, 1, ["mk"], Variables())[0]

        found = call_site(call, (), {}, Hints(text, len(text))).arguments[0]
        assert isinstance(found, TensorArgument)
        assert found.shape == (4,)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [
        ("torch.bool", 1),
        ("torch.bfloat16", 2),
        ("torch.float32", 4),
        ("torch.int64", 8),
        ("torch.float8_e4m3fn", 1),
        ("torch.complex64", 8),
        (None, None),
    ],
)
def test_sizes_of_elements(dtype: str | None, size: int | None) -> None:
    assert item_size(dtype) == size


class TestNumbers:
    def test_a_function_of_a_number_is_no_number(self) -> None:
        (argument,) = arguments("x_1 = made_of(4)\nmk.run(x_1)", signature={"scale": "fp32"})

        assert argument == ScalarArgument("scale", "x_1", "x_1")

    def test_numbers_are_numbers(self) -> None:
        assert [a.value for a in arguments("mk.run(4096, -1)") if isinstance(a, ScalarArgument)] == [4096, -1]

    def test_a_symbol_stays_a_symbol(self) -> None:
        (argument,) = arguments("s0 = arg0_1\nmk.run(s0)")

        assert argument == ScalarArgument("arg0", "s0", "s0")

    def test_a_computed_numel_is_given_as_computed(self) -> None:
        (argument,) = arguments("mk_xnumel = 4096*s0\nmk.run(mk_xnumel)")

        assert argument == ScalarArgument("arg0", "mk_xnumel", "4096*s0")

    def test_a_float_is_a_float(self) -> None:
        (argument,) = arguments("mk.run(0.5)", signature={"scale": "fp32"})

        assert argument == ScalarArgument("scale", "0.5", 0.5)


class TestSplitArguments:
    def test_splits_at_outer_commas_only(self) -> None:
        assert split_arguments("a, (b, c), f(d, [e, g]), h=(1, )") == ["a", "(b, c)", "f(d, [e, g])", "h=(1, )"]

    def test_nothing_gives_nothing(self) -> None:
        assert split_arguments("") == []

    @given(st.lists(st.from_regex(r"[a-z0-9*+]{1,8}", fullmatch=True), max_size=6))
    def test_undoes_a_join(self, parts: list[str]) -> None:
        assert split_arguments(", ".join(parts)) == parts

    @given(st.text("(),[]{}ab ", max_size=60))
    def test_any_text_splits_without_losing_a_letter(self, text: str) -> None:
        letters = [c for c in text if c in "ab"]

        assert [c for part in split_arguments(text) for c in part if c in "ab"] == letters
