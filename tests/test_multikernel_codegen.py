"""The modules that multi-kernels are generated into."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

import pytest

from mkexplorer.catalog.definitions import code_hash
from mkexplorer.multikernel.codegen import Call, GeneratedModule, Tensor, wrapper_text
from mkexplorer.multikernel.errors import DefinitionError
from mkexplorer.multikernel.kernel import (
    Argument,
    ArgumentKind,
    MultiKernel,
    Range,
    RangeKind,
    SubKernelSpec,
    Workspace,
)
from mkexplorer.multikernel.sources import kernel_text, run_module_text
from mkexplorer.multikernel.state import MultiKernelState

from .multikernel_kernels import softmax

NUMBERS = {"row_stride": 128, "n_rows": 8, "n_cols": 100}
INPUTS = (Tensor("x_ptr", "float32", (8, 100), (128, 1)),)
ALLOCATED = (Tensor("out_ptr", "float32", (8, 100), (128, 1)),)


def module(*calls: Call, **others: object) -> GeneratedModule:
    made = calls or (Call(softmax(), NUMBERS),)
    return replace(GeneratedModule(made, INPUTS, ALLOCATED, ("out_ptr",)), **others)  # type: ignore[arg-type]


def body(text: str) -> list[str]:
    """The lines of `call`, without indentation."""
    return [line.strip() for line in text.partition("def call(args):\n")[2].partition("\n\n")[0].split("\n")]


def spec(name: str, *arguments: Argument, **others: object) -> SubKernelSpec:
    source = f"@triton.jit\ndef {name}({', '.join(each.name for each in arguments)}):\n    pass\n"
    return SubKernelSpec(name, source, arguments, **others)  # type: ignore[arg-type]


def test_the_run_module_has_the_form_of_torch_2_4() -> None:
    looped = spec(
        "looped",
        Argument("in_ptr0", ArgumentKind.IN),
        Argument("out_ptr1", ArgumentKind.OUT),
        Argument("xnumel", ArgumentKind.NUMEL),
        Argument("rnumel", ArgumentKind.NUMEL),
        ranges=(Range("xnumel"), Range("rnumel", RangeKind.REDUCED)),
    )
    persistent = spec(
        "persistent",
        Argument("xnumel", ArgumentKind.NUMEL),
        Argument("out_ptr1", ArgumentKind.OUT),
        ranges=(Range("xnumel"), Range("rnumel", RangeKind.NOT_REDUCED)),
    )
    hashes = [code_hash(kernel_text(each)) for each in (looped, persistent)]
    assert (
        run_module_text(MultiKernel((looped, persistent), sizes="x 8"))
        == f"""\
# subkernel0 code hash: {hashes[0]}
# subkernel1 code hash: {hashes[1]}
# sizes: x 8
ARGUMENTS = ('in_ptr0', 'out_ptr1', 'xnumel', 'rnumel')
TAKES = ((0, 1, 2, 3), (2, 1))


def run(multi_kernel_call, in_ptr0, out_ptr1, xnumel, rnumel, grid, stream):
    def call0(need_clone_args=False):
        args = [in_ptr0, out_ptr1]
        if need_clone_args:
            args, _ = multi_kernel_call.kernels[0].clone_args(*args)
        return multi_kernel_call.kernels[0].run(*args, xnumel, rnumel, grid=grid, stream=stream)

    def call1(need_clone_args=False):
        args = [xnumel, out_ptr1]
        if need_clone_args:
            args, _ = multi_kernel_call.kernels[1].clone_args(*args)
        return multi_kernel_call.kernels[1].run(*args, grid=grid, stream=stream)

    return multi_kernel_call.run_with_argless_kernels([call0, call1])
"""
    )


def test_a_changed_sub_kernel_changes_the_key() -> None:
    multi_kernel = softmax()
    looped, persistent = multi_kernel.sub_kernels
    evicting = replace(looped, source=looped.source.replace("other=", 'eviction_policy="evict_first", other='))
    texts = {
        run_module_text(each)
        for each in (
            multi_kernel,
            MultiKernel((evicting, persistent)),
            MultiKernel((persistent, looped)),
            MultiKernel((looped, replace(persistent, configs=((("num_warps", 8),),)))),
            replace(multi_kernel, sizes="x 8"),
        )
    }
    assert len({code_hash(text) for text in texts}) == 5


def test_a_kernel_that_is_tuned_for_other_sizes_has_another_text() -> None:
    one = softmax().sub_kernels[0]
    assert "'sizes': 'n_cols 4096'" in kernel_text(replace(one, sizes="n_cols 4096"))
    assert "'sizes'" not in kernel_text(one)


def test_the_same_sub_kernels_are_one_multi_kernel() -> None:
    state = MultiKernelState()
    looped, persistent = softmax().sub_kernels
    assert state.define(MultiKernel((looped, persistent))) == "multi_kernel_0"
    assert state.define(MultiKernel((persistent, looped))) == "multi_kernel_1"
    assert state.define(softmax()) == "multi_kernel_0"
    evicting = replace(looped, source=looped.source.replace("other=", 'eviction_policy="evict_first", other='))
    assert state.define(MultiKernel((evicting, persistent))) == "multi_kernel_2"
    assert [name for name, _ in state.defined] == ["multi_kernel_0", "multi_kernel_1", "multi_kernel_2"]


def test_sub_kernels_of_the_same_name_are_told_apart() -> None:
    state = MultiKernelState()
    looped, _ = softmax().sub_kernels
    other = replace(looped, grid=("n_rows", "2"))
    third = replace(looped, grid=("n_rows", "3"))
    names = [state.sub_kernel_name(each) for each in (looped, other, looped, third, other)]
    assert names == ["softmax_looped", "softmax_looped_1", "softmax_looped", "softmax_looped_2", "softmax_looped_1"]


def test_the_module_is_python_and_calls_with_grid_and_stream() -> None:
    text = wrapper_text(module(Call(softmax(), NUMBERS, grid=("n_rows",))))
    assert ast.parse(text)
    assert body(text) == [
        "x_ptr, = args",
        "args.clear()",
        "assert_size_stride(x_ptr, (8, 100), (128, 1))",
        "with torch.cuda.device(0):",
        "stream0 = get_raw_stream(0)",
        "out_ptr = empty_strided_cuda((8, 100), (128, 1), torch.float32)",
        "multi_kernel_0.run(x_ptr, out_ptr, 128, 8, 100, grid=grid('n_rows'), stream=stream0)",
        "return (out_ptr,)",
    ]


def test_no_line_is_long_but_that_with_the_signature_which_torch_too_writes_on_one() -> None:
    lines = [line for line in wrapper_text(module()).split("\n") if len(line) > 120]
    assert all("'signature'" in line for line in lines)


def test_the_cpu_has_no_stream() -> None:
    text = wrapper_text(module(device="cpu"))
    assert body(text)[-2] == "multi_kernel_0.run(x_ptr, out_ptr, 128, 8, 100, grid=None, stream=None)"
    assert "get_raw_stream" not in text


def test_sub_kernels_and_multi_kernels_are_defined_once() -> None:
    second = Call(softmax(), NUMBERS, {"x_ptr": "out_ptr", "out_ptr": "again"})
    again = Tensor("again", "float32", (8, 100), (128, 1))
    text = wrapper_text(module(Call(softmax(), NUMBERS), second, allocated=(*ALLOCATED, again)))
    assert text.count(" = async_compile.triton(") == 2
    assert text.count(" = async_compile.multi_kernel(") == 1
    assert [line for line in body(text) if ".run(" in line] == [
        "multi_kernel_0.run(x_ptr, out_ptr, 128, 8, 100, grid=None, stream=stream0)",
        "multi_kernel_0.run(out_ptr, again, 128, 8, 100, grid=None, stream=stream0)",
    ]


def test_finite_values_are_asserted_once_of_what_a_call_reads() -> None:
    arguments = (
        Argument("in_ptr0", ArgumentKind.IN, value="x"),
        Argument("in_ptr1", ArgumentKind.IN, value="x"),
        Argument("in_out_ptr0", ArgumentKind.IN_OUT, value="mean"),
        Argument("out_ptr0", ArgumentKind.OUT, value="y"),
    )
    multi_kernel = MultiKernel((spec("one", *arguments), spec("two", *arguments)))
    tensors = tuple(Tensor(name, "float32", (8,)) for name in ("x", "mean", "y"))
    generated = GeneratedModule((Call(multi_kernel),) * 2, tensors, asserts_finite=True)
    asserted = [
        line.partition(",")[0] for line in body(wrapper_text(generated)) if line.startswith(("assert not", "multi"))
    ]
    once = [
        "assert not x.isnan().any().item()",
        "assert not x.isinf().any().item()",
        "assert not mean.isnan().any().item()",
        "assert not mean.isinf().any().item()",
        "multi_kernel_0.run(x",
    ]
    assert asserted == once * 2
    assert "isnan" not in wrapper_text(replace(generated, asserts_finite=False))


def test_dropped_buffers_are_not_allocated() -> None:
    x, y = Argument("x", ArgumentKind.IN), Argument("y", ArgumentKind.OUT)
    dropping = {"removed_buffers": frozenset({"scratch"})}
    multi_kernel = MultiKernel((spec("one", x, y, **dropping), spec("two", x, y, **dropping)))
    tensors = {name: Tensor(name, "float32", (8,)) for name in ("x", "y", "scratch")}
    generated = GeneratedModule((Call(multi_kernel),), (tensors["x"],), (tensors["scratch"], tensors["y"]), ("y",))
    assert "scratch" not in wrapper_text(generated).partition("def call(")[2]
    keeping = MultiKernel((spec("one", x, y, **dropping), spec("three", x, y, Argument("scratch", ArgumentKind.OUT))))
    kept = wrapper_text(replace(generated, calls=(Call(keeping),)))
    assert "scratch = empty_strided_cuda((8, ), (1, ), torch.float32)" in kept
    with pytest.raises(DefinitionError, match="multi_kernel_1 takes scratch, which every sub-kernel of multi_kernel_0"):
        wrapper_text(replace(generated, calls=(Call(multi_kernel), Call(keeping))))


def test_an_updated_buffer_takes_over_the_memory() -> None:
    update = {"inplace_updates": frozenset({("buf1", "buf0")})}
    argument = Argument("in_out_ptr0", ArgumentKind.IN_OUT, value="buf1")
    multi_kernel = MultiKernel((spec("one", argument, **update), spec("two", argument, **update)))
    buf0, buf1 = (Tensor(name, "float32", (8,)) for name in ("buf0", "buf1"))
    lines = body(wrapper_text(GeneratedModule((Call(multi_kernel),), (buf0,), (buf1,), ("buf1",), device="cpu")))
    assert lines[-3:] == [
        "buf1 = buf0; del buf0  # reuse",
        "multi_kernel_0.run(buf1, grid=None, stream=None)",
        "return (buf1,)",
    ]


def test_workspaces_are_made_zeroed_and_let_go() -> None:
    argument = Argument("ws_ptr", ArgumentKind.WORKSPACE, "*u8")
    small = spec("small", argument, workspaces=(Workspace("ws_ptr", 64, is_zeroed=True),))
    large = spec("large", argument, workspaces=(Workspace("ws_ptr", 4096),))
    lines = body(wrapper_text(GeneratedModule((Call(MultiKernel((small, large))),), (), device="cpu")))
    assert lines[-5:-1] == [
        "ws_ptr = empty_strided_cpu((4096, ), (1, ), torch.uint8)",
        "ws_ptr.zero_()",
        "multi_kernel_0.run(ws_ptr, grid=None, stream=None)",
        "del ws_ptr",
    ]
    assert "'reset_to_zero_arg_names': ['ws_ptr']" in kernel_text(small)


@pytest.mark.parametrize(
    ("number", "written"),
    [(float("-inf"), "float('-inf')"), (float("nan"), "float('nan')"), (2.5, "2.5"), (None, "None")],
)
def test_a_number_is_written_as_python_reads_it(number: float | None, written: str) -> None:
    arguments = (Argument("x", ArgumentKind.IN), Argument("fill", ArgumentKind.NUMBER))
    multi_kernel = MultiKernel((spec("one", *arguments), spec("two", *arguments)))
    tensors = (Tensor("x", "float32", (8,)),)
    text = wrapper_text(GeneratedModule((Call(multi_kernel, {"fill": number}),), tensors, device="cpu"))
    assert f"multi_kernel_0.run(x, {written}, grid=None, stream=None)" in body(text)


@pytest.mark.parametrize("name", ["scale", "other", "multi_kernel_0", "stream0"])
def test_a_tensor_hides_nothing_that_the_module_uses(name: str) -> None:
    """Also where the name that it would get next is another tensor's, and where it is given back."""
    taken, free = Argument(name, ArgumentKind.IN_OUT), Argument(f"{name}_", ArgumentKind.IN)
    multi_kernel = MultiKernel((spec("scale", taken, free), spec("other", taken, free)))
    tensors = tuple(Tensor(each.name, "float32", (8,)) for each in (taken, free))
    generated = GeneratedModule((Call(multi_kernel),), tensors, outputs=(name,))
    text = wrapper_text(generated)
    lines = body(text)
    assert lines[0] == f"{name}__, {name}_ = args"
    assert f"assert_size_stride({name}__, (8, ), (1, ))" in lines
    assert lines[-2:] == [
        f"multi_kernel_0.run({name}__, {name}_, grid=None, stream=stream0)",
        f"return ({name}__,)",
    ]
    assert f"return [{name}__, {name}_]" in text


def test_a_buffer_or_a_workspace_hides_no_kernel() -> None:
    x, y = Argument("x", ArgumentKind.IN, value="buf0"), Argument("y", ArgumentKind.OUT, value="buf1")
    scratch = Argument("ws_ptr", ArgumentKind.WORKSPACE, "*u8", value="two")
    sub_kernels = [spec(name, x, y, scratch, workspaces=(Workspace("two", 64),)) for name in ("one", "two")]
    call = Call(MultiKernel(tuple(sub_kernels)), variables={"buf1": "one"})
    generated = GeneratedModule(
        (call,), (Tensor("buf0", "float32", (8,)),), (Tensor("one", "float32", (8,)),), ("one",)
    )
    assert body(wrapper_text(generated))[-5:] == [
        "one_ = empty_strided_cuda((8, ), (1, ), torch.float32)",
        "two_ = empty_strided_cuda((64, ), (1, ), torch.uint8)",
        "multi_kernel_0.run(buf0, one_, two_, grid=None, stream=stream0)",
        "del two_",
        "return (one_,)",
    ]


@pytest.mark.parametrize("name", ["call", "grid", "torch", "globals", "multi_kernel_0"])
def test_a_kernel_hides_nothing_that_the_module_uses(name: str) -> None:
    x = Argument("x", ArgumentKind.IN)
    multi_kernel = MultiKernel((spec(name, x), spec("other", x)))
    text = wrapper_text(GeneratedModule((Call(multi_kernel, grid=("1",)),), (Tensor("x", "float32", (8,)),)))
    assert f"\n{name}_1 = async_compile.triton('{name}', " in text
    assert f"    {name}_1, other,\n" in text
    assert f"\n{name} = async_compile.triton(" not in text


def test_a_missing_number_is_named() -> None:
    with pytest.raises(DefinitionError, match="the call of multi_kernel_0 gives no number for n_cols"):
        wrapper_text(module(Call(softmax(), {"row_stride": 1, "n_rows": 1})))


@pytest.mark.parametrize("name", ["torch", "grid", "x y", "class", "call"])
def test_a_tensor_has_a_name_of_its_own(name: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(f"a tensor cannot be called {name!r}")):
        module(inputs=(Tensor(name, "float32", (8,)),))
    with pytest.raises(DefinitionError, match="two tensors of the module are called x_ptr"):
        module(allocated=INPUTS)


def test_free_text_cannot_leave_its_comment() -> None:
    hostile = replace(softmax(), operation="soft]max\nimport os", sizes="x '''\n8\\")
    text = wrapper_text(module(Call(hostile, NUMBERS)))
    assert "Original ATen: [softmax import os]\n" in text
    assert "# sizes: x 8\n" in text
