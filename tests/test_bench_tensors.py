"""The arguments of a measurement are laid out as the call has them, and hold what a program could pass."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
from mkexplorer.worker import tensors  # noqa: E402  torch may be missing
from mkexplorer.worker.kernel_source import KernelSource, read_source  # noqa: E402
from mkexplorer.worker.tensors import TensorSpec  # noqa: E402

HEAD = """
@triton_heuristics.reduction(
    size_hints={'x': 16, 'r0_': 64}, filename=__file__,
    triton_meta={'signature': {SIGNATURE}, 'device': DeviceProperties(type='cuda', index=0)},
    inductor_meta={'mutated_arg_names': MUTATED, 'kernel_name': 'kernel'},
)
@triton.jit
def kernel(PARAMETERS, XBLOCK : tl.constexpr):
    x0 = tl.program_id(0)
"""


def source(body: str, mutated: str = "[]", **types: str) -> KernelSource:
    head = HEAD.replace("{SIGNATURE}", repr(types)).replace("MUTATED", mutated).replace("PARAMETERS", ", ".join(types))
    return read_source(head + "".join(f"    {line.strip()}\n" for line in body.strip().splitlines()), "kernel")


def tensor(name: str, *shape: int, dtype: str = "float32", **more: Any) -> dict[str, Any]:
    return {"kind": "tensor", "name": name, "dtype": dtype, "shape": list(shape), "stride": None, "offset": 0, **more}


def number(name: str, value: float) -> dict[str, Any]:
    return {"kind": "number", "name": name, "value": value}


COPY = source(
    """
    tmp0 = tl.load(in_ptr0 + x0, None)
    tl.store(out_ptr0 + x0, tmp0, None)
    """,
    in_ptr0="*fp32",
    out_ptr0="*fp32",
    xnumel="i32",
)
GATHER = """
tmp0 = tl.load(in_ptr0 + x0, None)
tmp1 = tl.full([XBLOCK], 8192, tl.int32)
tmp2 = tmp0 + tmp1
tmp3 = tmp0 < 0
tmp4 = tl.where(tmp3, tmp2, tmp0)
tl.device_assert((0 <= tmp4) & (tmp4 < BOUND), "index out of bounds: 0 <= tmp4 < BOUND")
tmp5 = tl.load(in_ptr1 + (tmp4), None)
tl.store(out_ptr0 + x0, tmp5, None)
"""
GATHER_TYPES = {"in_ptr0": "*i64", "in_ptr1": "*fp32", "out_ptr0": "*fp32", "xnumel": "i32", "ks0": "i64"}


class TestSource:
    def test_tells_what_is_passed_read_and_written(self) -> None:
        assert COPY.parameters == ("in_ptr0", "out_ptr0", "xnumel")
        assert COPY.read == frozenset({"in_ptr0"})
        assert COPY.written == frozenset({"out_ptr0"})
        assert COPY.types["in_ptr0"] == "*fp32"
        assert COPY.bounds == {}

    def test_an_index_is_bounded_by_its_assert(self) -> None:
        assert source(GATHER.replace("BOUND", "8192"), **GATHER_TYPES).bounds == {"in_ptr0": ("8192",)}

    def test_a_masked_assert_counts_too(self) -> None:
        masked = GATHER.replace("(0 <= tmp4) & (tmp4 < BOUND)", "((0 <= tmp4) & (tmp4 < 77)) | ~(xmask)")
        assert source(masked, **GATHER_TYPES).bounds == {"in_ptr0": ("77",)}

    def test_a_symbolic_bound_keeps_its_name(self) -> None:
        assert source(GATHER.replace("BOUND", "2*ks0"), **GATHER_TYPES).bounds == {"in_ptr0": ("(2*ks0)",)}

    def test_an_index_that_is_computed_with_has_no_sure_bound(self) -> None:
        computed = GATHER.replace("tmp4 = tl.where(tmp3, tmp2, tmp0)", "tmp4 = tmp0 * 16")
        assert source(computed.replace("BOUND", "8192"), **GATHER_TYPES).bounds == {"in_ptr0": ()}

    def test_an_index_without_an_assert_has_no_sure_bound(self) -> None:
        body = "\n".join(line for line in GATHER.splitlines() if "assert" not in line)
        assert source(body, **GATHER_TYPES).bounds == {"in_ptr0": ()}

    def test_two_bounds_are_both_kept(self) -> None:
        body = GATHER.replace("BOUND", "8192") + 'tl.device_assert(tmp0 < 4096, "too large")\n'
        assert source(body, **GATHER_TYPES).bounds == {"in_ptr0": ("4096", "8192")}

    def test_a_workspace_behind_another_name_is_found(self) -> None:
        found = source(
            """
            tmp2_ws = (ws_ptr + 0).to(tl.pointer_type(tl.float32))
            tl.store(tmp2_ws + x0, x0, None)
            """,
            ws_ptr="*u8",
            xnumel="i32",
        )
        assert found.written == {"ws_ptr"}

    def test_an_atomic_add_reads_and_writes(self) -> None:
        found = source("tl.atomic_add(out_ptr0 + x0, x0, None)", out_ptr0="*fp32", xnumel="i32")
        assert found.read == found.written == {"out_ptr0"}

    def test_a_missing_function_is_told(self) -> None:
        with pytest.raises(ValueError, match="defines no other"):
            read_source("x = 1", "other")

    @pytest.mark.parametrize(
        ("text", "value"), [("8192", 8192), ("(2*ks0)", 20), ("ks0//3", 3), ("1-ks0", -9), ("-1", -1)]
    )
    def test_bounds_are_computed(self, text: str, value: int) -> None:
        from mkexplorer.worker.kernel_source import value_of

        assert value_of(text, {"ks0": 10}) == value

    @pytest.mark.parametrize(
        "text", ["", "ks1", "ks0//0", "ks0**9", "f(1)", "1.5", "__import__('os')", "((", "1" * 999]
    )
    def test_anything_else_has_no_value(self, text: str) -> None:
        from mkexplorer.worker.kernel_source import value_of

        assert value_of(text, {"ks0": 10}) is None


def plan_one(argument: dict[str, Any], kernel: KernelSource, *more: dict[str, Any]) -> TensorSpec:
    arguments = [argument, *more]
    spec = tensors.plan(arguments, [(kernel, range(len(arguments)))])[0]
    assert isinstance(spec, TensorSpec)
    return spec


class TestPlan:
    def test_numbers_stay_what_they_are(self) -> None:
        specs = tensors.plan([tensor("a", 4), tensor("b", 4), number("xnumel", 4)], [(COPY, [0, 1, 2])])
        assert specs[2] == 4

    def test_roles_come_from_the_source(self) -> None:
        specs = tensors.plan([tensor("a", 4), tensor("b", 4), number("xnumel", 4)], [(COPY, [0, 1, 2])])
        assert [spec.role for spec in specs if isinstance(spec, TensorSpec)] == [tensors.INPUT, tensors.OUTPUT]

    def test_each_sub_kernel_takes_its_own_arguments(self) -> None:
        arguments = [tensor("a", 4), tensor("b", 4), tensor("c", 4), number("xnumel", 4)]
        specs = tensors.plan(arguments, [(COPY, [0, 1, 3]), (COPY, [2, 1, 3])])
        roles = [spec.role for spec in specs if isinstance(spec, TensorSpec)]
        assert roles == [tensors.INPUT, tensors.OUTPUT, tensors.INPUT]

    def test_what_is_read_and_written_over_must_be_restored(self) -> None:
        body = "tmp0 = tl.load(in_out_ptr0 + x0, None)\ntl.store(in_out_ptr0 + x0, tmp0 + 1, None)"
        kernel = source(body, "['in_out_ptr0']", in_out_ptr0="*fp32", xnumel="i32")
        assert plan_one(tensor("in_out_ptr0", 4), kernel).role == tensors.IN_OUT

    def test_an_in_out_that_is_only_written_is_an_output(self) -> None:
        kernel = source("tl.store(in_out_ptr0 + x0, x0, None)", "['in_out_ptr0']", in_out_ptr0="*fp32", xnumel="i32")
        assert plan_one(tensor("in_out_ptr0", 4), kernel).role == tensors.OUTPUT

    def test_workspaces_and_semaphores_are_scratch(self) -> None:
        kernel = source("tl.atomic_add(sem_ptr + x0, 1, None)", sem_ptr="*u32", xnumel="i32")
        assert plan_one(tensor("sem_ptr", 4, dtype="uint32"), kernel).role == tensors.SCRATCH

    def test_indices_are_below_the_least_bound_of_all_sub_kernels(self) -> None:
        arguments = [tensor("i", 4, dtype="int64"), tensor("a", 9), tensor("b", 4), number("xnumel", 4)]
        one = source(GATHER.replace("BOUND", "8192"), **GATHER_TYPES)
        other = source(GATHER.replace("BOUND", "ks0"), **GATHER_TYPES)
        arguments.append(number("ks0", 9))
        spec = tensors.plan(arguments, [(one, range(5)), (other, range(5))])[0]
        assert isinstance(spec, TensorSpec)
        assert spec.below == 9

    def test_an_index_of_unknown_bound_is_zero(self) -> None:
        kernel = source(GATHER.replace("BOUND", "ks7"), **GATHER_TYPES)
        assert plan_one(tensor("i", 4, dtype="int64"), kernel).below == 1


def built(spec: TensorSpec, **more: Any) -> Any:
    return tensors.build([spec], "cpu", 1, **more)[0]


class TestBuild:
    def test_layouts_are_those_of_the_call(self) -> None:
        made = built(TensorSpec("a", "float32", (3, 4), (8, 2), 6))
        assert (tuple(made.shape), made.stride()) == ((3, 4), (8, 2))
        # Four of these make 16 bytes: what is left of the offset keeps its alignment.
        assert made.storage_offset() == 2
        assert made.data_ptr() % 16 == 8

    def test_a_dimension_of_stride_0_repeats_one_element(self) -> None:
        spec = TensorSpec("a", "float32", (1000, 4), (0, 1))
        assert (spec.extent, spec.elements) == (4, 4)
        assert built(spec).untyped_storage().nbytes() == 16

    def test_overlapping_windows_share_their_elements(self) -> None:
        spec = TensorSpec("a", "float32", (100, 4), (1, 1))
        assert (spec.extent, spec.elements) == (103, 103)

    def test_empty_and_scalar_tensors_are_made(self) -> None:
        assert built(TensorSpec("a", "float32", (0, 4), (4, 1))).numel() == 0
        assert built(TensorSpec("a", "float32", (), ())).dim() == 0

    def test_floats_are_normal_and_the_same_for_a_seed(self) -> None:
        spec = TensorSpec("a", "bfloat16", (4096,), (1,))
        made = built(spec)
        assert abs(float(made.float().mean())) < 0.1
        assert abs(float(made.float().std()) - 1) < 0.1
        assert torch.equal(made, built(spec))

    def test_positive_floats_are_above_0(self) -> None:
        assert float(built(TensorSpec("a", "float32", (4096,), (1,)), positive=True).min()) > 0

    @pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "float64", "float16", "bool", "uint32", "int16"])
    def test_every_dtype_is_made(self, dtype: str) -> None:
        made = built(TensorSpec("a", dtype, (64,), (1,)))
        assert str(made.dtype) == f"torch.{dtype}"

    def test_indices_are_in_range(self) -> None:
        made = built(TensorSpec("a", "int64", (4096,), (1,), below=3))
        assert sorted(set(made.tolist())) == [0, 1, 2]
        assert set(built(TensorSpec("a", "int64", (4096,), (1,), below=1)).tolist()) == {0}
        assert int(built(TensorSpec("a", "uint8", (4096,), (1,), below=8192)).max()) <= 255

    def test_masks_are_mostly_true(self) -> None:
        assert 0.5 < float(built(TensorSpec("a", "bool", (4096,), (1,))).float().mean()) < 1

    def test_scratch_is_zero(self) -> None:
        assert not built(TensorSpec("ws_ptr", "uint8", (4096,), (1,), role=tensors.SCRATCH)).any()

    def test_the_memory_is_known_before(self) -> None:
        specs: list[tensors.Spec] = [
            TensorSpec("a", "float32", (3, 4), (8, 2), 6),
            5,
            TensorSpec("b", "bfloat16", (8,), (1,)),
        ]
        assert tensors.needed_bytes(specs) == 4 * (2 * 8 + 3 * 2 + 1 + 2) + 16


class TestBytesMoved:
    def test_each_argument_counts_once(self) -> None:
        arguments = [tensor("a", 64, 64), tensor("b", 64, 64), number("xnumel", 4096)]
        sources = [(COPY, [0, 1, 2])]
        assert tensors.bytes_moved(tensors.plan(arguments, sources), sources) == 2 * 4096 * 4

    def test_what_is_repeated_counts_once(self) -> None:
        arguments = [tensor("a", 64, 64, stride=[0, 1]), tensor("b", 64, 64), number("xnumel", 4096)]
        sources = [(COPY, [0, 1, 2])]
        assert tensors.bytes_moved(tensors.plan(arguments, sources), sources) == (64 + 4096) * 4

    def test_in_out_counts_twice_and_scratch_not_at_all(self) -> None:
        body = "tmp0 = tl.load(in_out_ptr0 + x0, None)\ntl.store(in_out_ptr0 + x0, tmp0, None)"
        sources = [(source(body, "['in_out_ptr0']", in_out_ptr0="*fp32", ws_ptr="*u8", xnumel="i32"), [0, 1, 2])]
        arguments = [tensor("in_out_ptr0", 64), tensor("ws_ptr", 64, dtype="uint8"), number("xnumel", 64)]
        assert tensors.bytes_moved(tensors.plan(arguments, sources), sources) == 2 * 64 * 4

    def test_a_gather_reads_no_more_than_it_has_points(self) -> None:
        sources = [(source(GATHER.replace("BOUND", "8192"), **GATHER_TYPES), [0, 1, 2, 3])]
        arguments = [tensor("i", 64, dtype="int64"), tensor("a", 64, 8192), tensor("b", 64), number("xnumel", 64)]
        assert tensors.bytes_moved(tensors.plan(arguments, sources), sources) == 64 * (8 + 4 + 4)
