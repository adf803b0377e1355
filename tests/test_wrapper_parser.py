"""What the parser reads out of real wrappers of every release, and out of broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from mkexplorer.catalog.model import (
    CallSite,
    Kind,
    MultiKernel,
    MultiKernelKind,
    Origin,
    ScalarArgument,
    Span,
    TensorArgument,
    Wrapper,
)
from mkexplorer.catalog.wrapper_parser import parse_wrapper

from .conftest import DATA, parse_file, recorded_wrappers

PERSISTENT_FIRST = ("torch-2.4.1", "torch-2.5.1")
WRITTEN_BY = {
    "torch-2.4.1": "torch 2.3 or 2.4",
    "torch-2.5.1": "torch 2.5",
    "torch-2.6.0": "torch 2.6",
    "torch-2.7.1": "torch 2.7 or 2.8",
    "torch-2.9.1": "torch 2.9",
    "torch-2.13.0": "torch 2.12 or later",
}


def only(wrapper: Wrapper) -> MultiKernel:
    assert len(wrapper.multi_kernels) == 1
    return wrapper.multi_kernels[0]


def plain(call: CallSite) -> list[object]:
    """Arguments as (dtype, shape, stride) or the number."""
    return [
        argument.value if isinstance(argument, ScalarArgument) else (argument.dtype, argument.shape, argument.stride)
        for argument in call.arguments
    ]


EXPECTED_ARGUMENTS = {
    "softmax": [
        ("torch.float32", (4096, 2048), (2048, 1)),
        ("torch.float32", (4096, 2048), (2048, 1)),
        4096,
        2048,
    ],
    "layernorm": [
        ("torch.bfloat16", (4096, 4096), (4096, 1)),
        ("torch.bfloat16", (4096,), (1,)),
        ("torch.bfloat16", (4096,), (1,)),
        ("torch.bfloat16", (4096, 4096), (4096, 1)),
        4096,
        4096,
    ],
    "rmsnorm": [
        ("torch.bfloat16", (8192, 2048), (2048, 1)),
        ("torch.bfloat16", (2048,), (1,)),
        ("torch.bfloat16", (8192, 2048), (2048, 1)),
        8192,
        2048,
    ],
}


@pytest.mark.parametrize("path", recorded_wrappers(), ids=lambda path: f"{path.parent.name}-{path.stem}")
class TestRecordedWrappers:
    def test_sub_kernels_stand_in_the_order_that_a_pick_counts(self, path: Path) -> None:
        kinds = [sub_kernel.kind for sub_kernel in only(parse_file(path)).sub_kernels]

        expected = [Kind.LOOPED, Kind.PERSISTENT]
        assert kinds == (expected[::-1] if path.parent.name in PERSISTENT_FIRST else expected)

    def test_tells_which_release_wrote_it(self, path: Path) -> None:
        assert parse_file(path).written_by == WRITTEN_BY[path.parent.name]

    def test_nothing_is_reported_as_broken(self, path: Path) -> None:
        assert parse_file(path).diagnostics == ()

    def test_spans_cut_the_sources_out_of_the_text(self, path: Path) -> None:
        lines = path.read_text().split("\n")

        for sub_kernel in only(parse_file(path)).sub_kernels:
            source = lines[sub_kernel.source.first - 1 : sub_kernel.source.last]
            assert source[0] == "import triton"
            assert f"def {sub_kernel.name}(" in "\n".join(source)
            assert lines[sub_kernel.source.last].startswith("''', device_str=")

    def test_resolves_every_argument(self, path: Path) -> None:
        call = only(parse_file(path)).calls[0]

        if path.stem == "scratch":
            tensors = [a for a in call.arguments if isinstance(a, TensorArgument)]
            assert {(t.dtype, t.shape, t.stride) for t in tensors} == {("torch.float32", (1024, 2048), (2048, 1))}
        else:
            assert plain(call) == EXPECTED_ARGUMENTS[path.stem]

    def test_the_call_stands_where_it_says(self, path: Path) -> None:
        call = only(parse_file(path)).calls[0]

        assert "multi_kernel_0.run(" in path.read_text().split("\n")[call.line - 1]
        assert call.stream is not None


@pytest.mark.parametrize("release", ["torch-2.4.1", "torch-2.6.0", "torch-2.9.1", "torch-2.13.0"])
def test_the_definition_spans_from_its_first_to_its_last_line(release: str) -> None:
    path = DATA / "wrappers" / release / "softmax.py"
    definition = only(parse_file(path)).definition
    lines = path.read_text().split("\n")

    first, last = lines[definition.first - 1], lines[definition.last - 1]
    assert first.startswith(("arg_index = {", "multi_kernel_0 = async_compile.multi_kernel("))
    assert last.startswith((")", "])", "], arg_index"))


def test_old_releases_pass_the_grid_in_the_call() -> None:
    old = only(parse_file(DATA / "wrappers" / "torch-2.6.0" / "softmax.py")).calls[0]
    new = only(parse_file(DATA / "wrappers" / "torch-2.7.1" / "softmax.py")).calls[0]

    assert old.grid == "grid(4096)"
    assert new.grid is None


class TestFreshWrappers:
    """Wrappers that the installed torch generates while the tests run."""

    @pytest.mark.parametrize("case", ["softmax", "layernorm", "rmsnorm"])
    def test_reads_kinds_and_arguments(self, fresh_wrappers: Path, case: str) -> None:
        multi_kernel = only(parse_file(fresh_wrappers / f"{case}.py"))

        assert [s.kind for s in multi_kernel.sub_kernels] == [Kind.LOOPED, Kind.PERSISTENT]
        assert plain(multi_kernel.calls[0]) == EXPECTED_ARGUMENTS[case]

    def test_cooperative_reductions_bring_four_sub_kernels_and_a_workspace(self, fresh_wrappers: Path) -> None:
        multi_kernel = only(parse_file(fresh_wrappers / "softmax_cooperative.py"))

        kinds = [sub_kernel.kind for sub_kernel in multi_kernel.sub_kernels]
        assert kinds == [Kind.COOPERATIVE, Kind.LOOPED, Kind.COOPERATIVE, Kind.PERSISTENT]
        named = {a.name: a for a in multi_kernel.calls[0].arguments if isinstance(a, TensorArgument)}
        assert named["ws_ptr"].dtype == "torch.uint8"
        assert named["sem_ptr"].dtype == "torch.uint32"

    def test_symbolic_sizes_stay_symbolic(self, fresh_wrappers: Path) -> None:
        call = only(parse_file(fresh_wrappers / "softmax_dynamic.py")).calls[0]

        tensor, rows = call.arguments[0], call.arguments[-2]
        assert isinstance(tensor, TensorArgument)
        assert isinstance(rows, ScalarArgument)
        assert tensor.shape == (rows.value, 2048)
        assert isinstance(rows.value, str)

    def test_an_input_that_is_copied_if_misaligned_is_still_a_tensor(self, fresh_wrappers: Path) -> None:
        path = fresh_wrappers / "softmax.py"

        assert "x_1 = copy_if_misaligned(x_1)" in path.read_text()
        assert plain(only(parse_file(path)).calls[0]) == EXPECTED_ARGUMENTS["softmax"]

    def test_a_helper_function_in_the_source_is_not_the_kernel(self, fresh_wrappers: Path) -> None:
        path = fresh_wrappers / "running_sum.py"

        assert "def _triton_helper_fn" in path.read_text()
        names = [argument.name for argument in only(parse_file(path)).calls[0].arguments]
        assert names == ["in_ptr0", "out_ptr2", "xnumel", "r0_numel"]

    def test_a_kernel_with_a_benchmark_of_its_own_hides_no_call(self, fresh_wrappers: Path) -> None:
        path = fresh_wrappers / "benchmark_kernel.py"

        assert path.read_text().count("def get_args(") == 2
        assert plain(only(parse_file(path)).calls[0]) == EXPECTED_ARGUMENTS["softmax"]

    def test_pieces_of_a_planned_buffer_have_their_offsets(self, fresh_wrappers: Path) -> None:
        wrapper = parse_file(fresh_wrappers / "pools.py")

        tensors = [a for m in wrapper.multi_kernels for a in m.calls[0].arguments if isinstance(a, TensorArgument)]
        assert {t.shape for t in tensors} >= {(512, 2048), (256, 2048), (768, 2048)}
        assert 512 * 2048 in {t.offset for t in tensors}

    def test_each_partition_calls_the_multi_kernel_above_it(self, fresh_wrappers: Path) -> None:
        wrapper = parse_file(fresh_wrappers / "partitions.py")

        assert [m.name for m in wrapper.multi_kernels] == ["multi_kernel_0", "multi_kernel_0~2"]
        for multi_kernel in wrapper.multi_kernels:
            (call,) = multi_kernel.calls
            assert call.line > multi_kernel.definition.last
            shapes = [a.shape for a in call.arguments if isinstance(a, TensorArgument)]
            assert all(isinstance(shape[0], str) for shape in shapes if shape)
            assert None not in shapes
        assert "torch runs the last one" in wrapper.diagnostics[0].message


class TestOddWrappers:
    """Forms of torch 2.6 and 2.13 that are rare."""

    def test_a_graph_and_its_subgraphs_call_their_own(self) -> None:
        path = DATA / "odd" / "cond.py"
        lines = path.read_text().split("\n")

        graph, true_branch, false_branch = parse_file(path).multi_kernels
        assert [len(each.calls) for each in (graph, true_branch, false_branch)] == [1, 1, 1]
        assert "multi_kernel_0.run(arg0_1" in lines[graph.calls[0].line - 1]
        assert "multi_kernel_0.run(tg_x_1" in lines[true_branch.calls[0].line - 1]
        assert "multi_kernel_0.run(fg_x_1" in lines[false_branch.calls[0].line - 1]

    def test_comments_of_a_kernel_of_another_kind_are_not_the_next_one_s(self) -> None:
        multi_kernel = only(parse_file(DATA / "odd" / "another_kind_first.py"))

        assert multi_kernel.operations == ()
        assert multi_kernel.sub_kernels[0].kernel_file.startswith("clbpz5k")

    def test_calls_above_a_benchmark_inside_a_kernel_are_found(self) -> None:
        assert plain(only(parse_file(DATA / "odd" / "benchmark_kernel_2.6.py")).calls[0])[-2:] == [4096, 2048]


class TestSizeHintMultiKernels:
    TEXT = """\
# AOT ID: ['3_inference']
triton_tem_fused_mm_0 = async_compile.triton('triton_tem_fused_mm_0', '''
import triton

@triton_heuristics.template(
    num_stages=3,
    triton_meta={'signature': {'arg_A': '*bf16', 'arg_B': '*bf16', 'out_ptr0': '*bf16', 'ks0': 'i32'}},
)
@triton.jit
def triton_tem_fused_mm_0(arg_A, arg_B, out_ptr0, ks0):
    pass
''', device_str='cuda')
triton_tem_fused_mm_1 = async_compile.triton('triton_tem_fused_mm_1', '''
import triton

@triton_heuristics.template(
    num_stages=4,
)
@triton.jit
def triton_tem_fused_mm_1(arg_A, arg_B, out_ptr0, ks0):
    pass
''', device_str='cuda')

arg_index = {
    0: [slice(0, 4, None), slice(4, 7, None)],
    1: [slice(0, 4, None), slice(7, 10, None)],
}
multi_kernel_0 = async_compile.size_hint_multi_kernel('multi_kernel_0', {
    ((64, 2048), (2048, 2048), (64, 2048)): triton_tem_fused_mm_0,
    ((4096, 2048), (2048, 2048), (4096, 2048)): triton_tem_fused_mm_1,
}, arg_index=arg_index)

def call(args):
    arg0_1, arg1_1, arg2_1 = args
    s77 = arg0_1
    assert_size_stride(arg1_1, (s77, 2048), (2048, 1))
    assert_size_stride(arg2_1, (2048, 2048), (2048, 1))
    buf0 = empty_strided_cuda((s77, 2048), (2048, 1), torch.bfloat16)
    multi_kernel_0.run(arg1_1, arg2_1, buf0, s77, 16*((s77 + 127) // 128), 1, 1, 8*s77, 1, 1, stream=stream0)
"""

    def test_each_template_has_the_shapes_that_it_is_for(self) -> None:
        multi_kernel = only(parse_wrapper(self.TEXT, Origin("x.py")))

        assert multi_kernel.kind is MultiKernelKind.SIZE_HINT
        assert [(s.kind, s.size_key) for s in multi_kernel.sub_kernels] == [
            (Kind.TEMPLATE, "((64, 2048), (2048, 2048), (64, 2048))"),
            (Kind.TEMPLATE, "((4096, 2048), (2048, 2048), (4096, 2048))"),
        ]

    def test_grid_sizes_follow_the_arguments(self) -> None:
        call = only(parse_wrapper(self.TEXT, Origin("x.py"))).calls[0]

        assert [a.name for a in call.arguments[:4]] == ["arg_A", "arg_B", "out_ptr0", "ks0"]
        assert plain(call) == [
            ("torch.bfloat16", ("s77", 2048), (2048, 1)),
            ("torch.bfloat16", (2048, 2048), (2048, 1)),
            ("torch.bfloat16", ("s77", 2048), (2048, 1)),
            "s77",
            "16*((s77 + 127) // 128)",
            1,
            1,
            "8*s77",
            1,
            1,
        ]


class TestPlaceholderNames:
    def test_a_sub_kernel_is_called_by_its_variable_not_by_triton_(self) -> None:
        text = (DATA / "wrappers" / "torch-2.4.1" / "softmax.py").read_text()
        unnamed = text
        for sub_kernel in only(parse_wrapper(text, Origin("x.py"))).sub_kernels:
            unnamed = unnamed.replace(f"async_compile.triton('{sub_kernel.name}'", "async_compile.triton('triton_'")
            unnamed = unnamed.replace(f"def {sub_kernel.name}(", "def triton_(")

        named = [s.name for s in only(parse_wrapper(text, Origin("x.py"))).sub_kernels]
        assert [s.name for s in only(parse_wrapper(unnamed, Origin("x.py"))).sub_kernels] == named
        assert plain(only(parse_wrapper(unnamed, Origin("x.py"))).calls[0]) == EXPECTED_ARGUMENTS["softmax"]


class TestIdentity:
    def test_the_same_text_has_the_same_id_wherever_it_stands(self) -> None:
        text = (DATA / "wrappers" / "torch-2.9.1" / "softmax.py").read_text()

        ids = {
            only(parse_wrapper(text, origin)).id
            for origin in (Origin("output_code.py"), Origin("fxgraph/ab/entry", 0), Origin("moved/run.log", 4))
        }
        assert len(ids) == 1

    def test_a_file_of_a_cache_is_known_by_its_name(self) -> None:
        name = "c" + "a2" * 25 + "z"

        wrapper = parse_wrapper("edited by hand", Origin(f"a2/{name}.py"))
        assert wrapper.key == name


class TestBrokenWrappers:
    TEXT = (DATA / "wrappers" / "torch-2.13.0" / "softmax.py").read_text()

    def test_a_missing_sub_kernel_is_reported_with_its_line_and_the_rest_is_kept(self) -> None:
        multi_kernel = only(parse_wrapper(self.TEXT, Origin("x.py")))
        gone = multi_kernel.sub_kernels[1].name
        text = self.TEXT.replace(f"{gone} = async_compile.triton(", f"{gone} = something_else(")

        wrapper = parse_wrapper(text, Origin("x.py"))
        assert [s.kind for s in only(wrapper).sub_kernels] == [Kind.LOOPED, Kind.OTHER]
        assert only(wrapper).sub_kernels[1].source == Span(0, 0)
        assert plain(only(wrapper).calls[0]) == EXPECTED_ARGUMENTS["softmax"]
        problem = wrapper.diagnostics[0]
        assert gone in problem.message
        assert problem.line == only(wrapper).definition.first

    def test_a_file_cut_inside_a_source_is_reported(self) -> None:
        cut = self.TEXT[: self.TEXT.index("tl.store(")]

        wrapper = parse_wrapper(cut, Origin("x.py"))
        assert wrapper.multi_kernels == ()
        assert "breaks off" in wrapper.diagnostics[0].message

    def test_a_file_cut_behind_the_definition_keeps_the_multi_kernel(self) -> None:
        cut = self.TEXT[: self.TEXT.index("async_compile.wait(")]

        wrapper = parse_wrapper(cut, Origin("x.py"))
        assert only(wrapper).calls == ()
        assert "arguments are unknown" in wrapper.diagnostics[0].message

    def test_what_no_statement_tells_is_left_open(self) -> None:
        text = self.TEXT.replace("buf2 = empty_strided_cuda((4096, 2048), (2048, 1), torch.float32)", "buf2 = made()")

        argument = only(parse_wrapper(text, Origin("x.py"))).calls[0].arguments[1]
        assert isinstance(argument, TensorArgument)
        assert argument.shape is None
        assert argument.dtype == "torch.float32"
        assert "signature" in argument.origin
