"""Second passes: direct calls of the winners."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from mkexplorer.multikernel.codegen import Call, GeneratedModule, Tensor, wrapper_text
from mkexplorer.multikernel.errors import DefinitionError, MissingChoice
from mkexplorer.multikernel.freezing import freeze, frozen_text
from mkexplorer.multikernel.kernel import Argument, ArgumentKind, MultiKernel, SubKernelSpec
from mkexplorer.multikernel.modules import PICK_ENDING, key_of, path_of, write_module
from mkexplorer.multikernel.sources import run_module_text

from .conftest import DATA
from .multikernel_kernels import softmax

NUMBERS = {"row_stride": 128, "n_rows": 8, "n_cols": 100}


def spec(name: str, *arguments: Argument) -> SubKernelSpec:
    source = f"@triton.jit\ndef {name}({', '.join(each.name for each in arguments)}):\n    pass\n"
    return SubKernelSpec(name, source, arguments)


def two_calls() -> GeneratedModule:
    """A softmax, and a kernel of which one way takes fewer arguments, in another order."""
    x, y = Argument("x", ArgumentKind.IN, value="x_ptr"), Argument("y", ArgumentKind.OUT, value="out_ptr")
    factor = Argument("factor", ArgumentKind.NUMBER)
    scale = MultiKernel((spec("scale_all", x, factor, y), spec("scale_some", y, x)))
    tensors = tuple(Tensor(name, "float32", (8, 128)) for name in ("x_ptr", "out_ptr"))
    return GeneratedModule(
        (Call(softmax(), NUMBERS), Call(scale, {"factor": 2.5})), tensors, outputs=("out_ptr",), device="cpu"
    )


def calls(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if ".run(" in line and "return " not in line]


def test_each_winner_is_called_directly_with_what_it_takes() -> None:
    text = frozen_text(wrapper_text(two_calls()), {"multi_kernel_0": 1, "multi_kernel_1": "scale_some"})
    assert ast.parse(text)
    assert calls(text) == [
        "softmax_persistent.run(x_ptr, out_ptr, 128, 8, 100, grid=None, stream=None)",
        "scale_some.run(out_ptr, x_ptr, grid=None, stream=None)",
    ]
    assert text.startswith(
        "# Second pass: multi_kernel_0 is softmax_persistent.\n# Second pass: multi_kernel_1 is scale_some.\n"
    )


def test_losers_and_dispatch_are_gone() -> None:
    text = frozen_text(wrapper_text(two_calls()), {"multi_kernel_0": 0, "multi_kernel_1": 0})
    assert re.findall(r"^(\w+) = async_compile\.(\w+)\(", text, re.MULTILINE) == [
        ("softmax_looped", "triton"),
        ("scale_all", "triton"),
    ]
    assert "persistent" not in text
    assert text.count("# kernel path: ") == 2
    assert "\n\n\n\n" not in text


def test_a_sub_kernel_that_wins_elsewhere_stays() -> None:
    first = softmax()
    turned = MultiKernel(first.sub_kernels[::-1])
    tensors = tuple(Tensor(name, "float32", (8, 128)) for name in ("x_ptr", "out_ptr"))
    text = wrapper_text(GeneratedModule((Call(first, NUMBERS), Call(turned, NUMBERS)), tensors))
    frozen = frozen_text(text, {"multi_kernel_0": 0, "multi_kernel_1": 0})
    assert [call.partition(".")[0] for call in calls(frozen)] == ["softmax_looped", "softmax_persistent"]


def test_a_missing_choice_is_named() -> None:
    with pytest.raises(MissingChoice, match=r"^multi_kernel_1 \(scale_all, scale_some\) has no chosen sub-kernel\b"):
        frozen_text(wrapper_text(two_calls()), {"multi_kernel_0": 0})


@pytest.mark.parametrize("choice", [2, -1, "softmax"])
def test_a_choice_is_a_sub_kernel(choice: int | str) -> None:
    with pytest.raises(DefinitionError, match=f"multi_kernel_0 has no sub-kernel {choice!r}") as raised:
        frozen_text(wrapper_text(two_calls()), {"multi_kernel_0": choice, "multi_kernel_1": 0})
    assert raised.value.advice == "It has 0 softmax_looped, 1 softmax_persistent."


def test_what_torch_2_4_generated_has_the_same_shape() -> None:
    text = (DATA / "wrappers" / "torch-2.4.1" / "layernorm.py").read_text()
    (call,) = calls(frozen_text(text, {"multi_kernel_0": 1}))
    assert call == "triton_red_fused_1.run(x_1, w_1, b_1, buf3, 4096, 4096, grid=grid(4096), stream=stream0)"


@pytest.mark.parametrize("text", ["x = 1\n", "def (\n", "multi_kernel_0 = async_compile.multi_kernel('m', [a, b])\n"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError, match="the module "):
        frozen_text(text, {})


def test_the_picks_of_the_cache_count(tmp_path: Path) -> None:
    path = write_module(two_calls(), tmp_path)
    with pytest.raises(MissingChoice, match="multi_kernel_0"):
        freeze(path)
    for call, index in zip(two_calls().calls, (1, 0), strict=True):
        path_of(key_of(run_module_text(call.multi_kernel)), tmp_path, PICK_ENDING).write_text(str(index))
    frozen = freeze(path)
    assert frozen.__file__
    assert Path(frozen.__file__).is_relative_to(tmp_path)
    assert [call.partition(".")[0] for call in calls(Path(frozen.__file__).read_text())] == [
        "softmax_persistent",
        "scale_all",
    ]
    other = freeze(path, {"multi_kernel_1": 1})
    assert other.__file__ != frozen.__file__


def test_an_invalid_pick_is_told(tmp_path: Path) -> None:
    path = write_module(two_calls(), tmp_path)
    path_of(key_of(run_module_text(softmax())), tmp_path, PICK_ENDING).write_text("7")
    with pytest.raises(DefinitionError, match="the pick of multi_kernel_0 is invalid: The file says '7' of 2"):
        freeze(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="is no file"):
        freeze(tmp_path / "c.py")
