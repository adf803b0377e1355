"""From Triton functions to what is written down of them."""

from __future__ import annotations

import importlib
import math
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import triton
import triton.language as tl

from mkexplorer.catalog.model import Kind
from mkexplorer.multikernel.errors import DefinitionError
from mkexplorer.multikernel.from_triton import sub_kernel
from mkexplorer.multikernel.kernel import Argument, ArgumentKind, Range, RangeKind, Workspace
from mkexplorer.multikernel.sources import kernel_text

from . import multikernel_kernels
from . import multikernel_variants as variants
from .multikernel_kernels import TYPES, looped_with, softmax_looped, softmax_persistent, softmax_sub_kernels


def kinds(kernel: Any, **said: Any) -> dict[str, ArgumentKind]:
    return {argument.name: argument.kind for argument in sub_kernel(kernel, **said).arguments}


def test_parameters_are_told_apart_by_what_the_source_does_with_them() -> None:
    found = kinds(softmax_persistent, constants={"RBLOCK": 128}, numels=("n_rows", "n_cols"))
    assert found == {
        "x_ptr": ArgumentKind.IN,
        "out_ptr": ArgumentKind.OUT,
        "row_stride": ArgumentKind.NUMBER,
        "n_rows": ArgumentKind.NUMEL,
        "n_cols": ArgumentKind.NUMEL,
    }


def test_what_the_caller_says_holds() -> None:
    said: dict[str, Any] = {"constants": {"RBLOCK": 128}, "in_outs": ("out_ptr",), "values": {"n_cols": "rnumel"}}
    found = sub_kernel(softmax_persistent, numels=("rnumel",), workspaces=(Workspace("x_ptr", 64),), **said)
    by_name = {argument.name: argument for argument in found.arguments}
    assert by_name["out_ptr"].kind is ArgumentKind.IN_OUT
    assert by_name["x_ptr"].kind is ArgumentKind.WORKSPACE
    assert by_name["n_cols"] == Argument("n_cols", ArgumentKind.NUMEL, value="rnumel")
    assert found.ranges == (Range("rnumel"),)


def test_a_numel_that_the_kernel_has_no_parameter_for_is_not_passed() -> None:
    said: dict[str, Any] = {"numels": ("n_rows", "n_cols"), "reduces": ("n_cols",), "size_hints": {"n_cols": 128}}
    found = sub_kernel(softmax_persistent, constants={"RBLOCK": 128, "n_cols": 100}, **said)
    assert found.ranges == (Range("n_rows"), Range("n_cols", RangeKind.NOT_REDUCED, 128))
    assert "n_cols" not in [argument.name for argument in found.arguments]


@pytest.mark.parametrize(
    ("kernel", "constants", "kind"),
    [
        (softmax_looped, {"BLOCK": 64}, Kind.LOOPED),
        (softmax_persistent, {"RBLOCK": 128}, Kind.PERSISTENT),
        (variants.plain, {}, Kind.OTHER),
    ],
)
def test_the_kind_follows_from_the_name(kernel: Any, constants: dict[str, int], kind: Kind) -> None:
    assert sub_kernel(kernel, constants=constants).kind is kind
    assert sub_kernel(kernel, constants=constants, kind="template").kind is Kind.TEMPLATE


def test_configurations_are_tritons_or_mappings_and_come_with_an_autotuner() -> None:
    config = triton.Config({"BLOCK": 64}, num_warps=8, num_stages=2)
    expected = ((("BLOCK", 64), ("num_warps", 8), ("num_stages", 2)),)
    assert sub_kernel(softmax_looped, configs=[config]).configs == expected
    tuned = triton.autotune(configs=[config], key=["n_cols"], restore_value=["out_ptr"])(softmax_looped)
    found = sub_kernel(tuned, dtypes=TYPES)
    assert found.configs == expected
    assert found.mutated == ("out_ptr",)


def test_constexprs_with_a_default_are_constants() -> None:
    assert dict(sub_kernel(variants.with_default).constants) == {"EPS": 1e-5}
    assert dict(sub_kernel(variants.with_default, constants={"EPS": 1e-6}).constants) == {"EPS": 1e-6}
    assert sub_kernel(variants.with_default, configs=[{"EPS": 1}]).constants == ()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "softmax_looped has the constexpr BLOCK, which neither the constants nor the configurations set"),
        ({"constants": {"BLOK": 64}}, "softmax_looped has no parameter BLOK, which the constants set"),
        ({"configs": [{"BLOK": 64}]}, "softmax_looped has no parameter BLOK, which a configuration sets"),
        ({"configs": [{"BLOCK": 64}, {"num_warps": 4}]}, "a configuration of softmax_looped sets no BLOCK"),
        (
            {"configs": [{"BLOCK": 64}], "constants": {"BLOCK": 64}},
            "BLOCK of softmax_looped is set by the constants and",
        ),
        ({"configs": [{"BLOCK": 64}], "outputs": ["y_ptr"]}, "softmax_looped has no parameter y_ptr"),
        ({"configs": [{"BLOCK": 64}], "grid": ["open(1)"]}, "the grid's expression 'open(1)'"),
        (
            {"configs": [triton.Config({"BLOCK": 64}, pre_hook=print)]},
            "a configuration of softmax_looped has the pre_hook",
        ),
    ],
)
def test_what_does_not_fit_is_named(said: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=f"^{re.escape(message)}"):
        sub_kernel(softmax_looped, **said)


def test_heuristics_have_to_be_computed_first() -> None:
    kernel = triton.heuristics({"BLOCK": lambda arguments: 64})(softmax_looped)
    with pytest.raises(DefinitionError, match="softmax_looped has @triton.heuristics, which computes BLOCK"):
        sub_kernel(kernel)


def test_what_is_no_kernel_is_told() -> None:
    with pytest.raises(DefinitionError, match="is no Triton kernel"):
        sub_kernel(3)


def test_helpers_constants_and_imports_come_along() -> None:
    text = kernel_text(sub_kernel(variants.borrower))
    for line in (
        "import triton.language as tl",
        "import math as mathematics",
        "from triton.language.extra import libdevice",
        "from triton.language.standard import sum as tl_sum",
        "LOG2E = tl.constexpr(1.4426950408889634)",
        "LIMITS: tl.constexpr = (1, float('inf'))",
        "SINGLE = tl.float32",
    ):
        assert f"\n{line}\n" in f"\n{text}", text
    assert text.count("def exp(x):") == 1
    assert text.index("def exp(x):") < text.index("def twice(x):") < text.index("@triton_heuristics")
    assert "@triton.jit(do_not_specialize=['n'])\ndef borrower(" in text
    assert "power = exp\n" in text
    compile(text, "kernel.py", "exec")


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (
            variants.uses_module,
            "uses_module uses the module tests.multikernel_kernels, which a file of its own cannot do",
        ),
        (variants.uses_list, "uses_list uses TABLE, a list, which cannot be written into a file"),
        (variants.uses_nothing, "uses_nothing uses nowhere, which is not defined where uses_nothing is"),
        (variants.uses_two, "uses_two and its helpers mean different things by exp"),
    ],
)
def test_what_cannot_be_written_down_is_named(kernel: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=f"^{re.escape(message)}"):
        sub_kernel(kernel)


def test_a_kernel_in_a_function_brings_what_is_around_it() -> None:
    text = kernel_text(sub_kernel(looped_with(7)))
    assert "WIDTH = tl.constexpr(7)\n" in text
    assert text.endswith("def nested(x_ptr):\n    tl.store(x_ptr, WIDTH)\n")


def test_any_difference_changes_the_source() -> None:
    texts = {
        kernel_text(sub_kernel(kernel)).replace("evicting", "plain") for kernel in (variants.plain, variants.evicting)
    }
    sizes = {kernel_text(softmax_sub_kernels(size_hints={"n_cols": size})[0]) for size in (64, 128)}
    devices = {kernel_text(softmax_sub_kernels(device={"type": "cuda", "cc": cc})[0]) for cc in (80, 90)}
    types = {kernel_text(softmax_sub_kernels(dtypes={**TYPES, "x_ptr": kind})[0]) for kind in ("*fp16", "*fp32")}
    assert [len(each) for each in (texts, sizes, devices, types)] == [2, 2, 2, 2]


def test_infinite_constants_stay_python() -> None:
    text = kernel_text(sub_kernel(variants.with_default, constants={"EPS": math.inf}))
    assert "'constants': {'EPS': float('inf')}" in text


def test_a_kernel_without_a_file_is_told() -> None:
    scope: dict[str, Any] = {"tl": tl}
    exec("def made(x_ptr):\n    tl.store(x_ptr, 1)", scope)
    with pytest.raises(DefinitionError, match="the source of made cannot be found"):
        sub_kernel(SimpleNamespace(fn=scope["made"]))


ADDS = """import triton
import triton.language as tl


@triton.jit
def taken(x):
    return tl.load(x)


@triton.jit
def add(x, acc):
    tl.store(acc, tl.load(acc) + taken(x))
"""


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The kernels of a file that may then be edited."""
    (tmp_path / "edited_kernels.py").write_text(ADDS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "edited_kernels", raising=False)
    importlib.invalidate_caches()
    return importlib.import_module("edited_kernels")


def edit(module: Any, text: str) -> None:
    Path(module.__file__).write_text(text)
    os.utime(module.__file__, (1, 1))


NEW = {
    "the kernel": ADDS.replace("tl.load(acc) + ", ""),
    "lines above": ADDS.replace("\n\n", "\n# new\n\n"),
    "half of it saved": "def (",
}


@pytest.mark.parametrize("now", [*NEW.values(), ADDS.replace("tl.load(x)", "0")], ids=[*NEW, "its helper"])
def test_what_counts_is_the_source_that_triton_compiles_and_not_what_was_edited_since(loaded: Any, now: str) -> None:
    before = sub_kernel(loaded.add)
    edit(loaded, now)
    assert sub_kernel(loaded.add) == before
    assert before.mutated == ("acc",)


@pytest.mark.parametrize("now", NEW.values(), ids=NEW)
def test_where_triton_has_kept_no_source_the_files_counts_while_it_is_the_functions(loaded: Any, now: str) -> None:
    interpreted = SimpleNamespace(fn=loaded.add.fn)
    assert sub_kernel(interpreted).mutated == ("acc",)
    edit(loaded, now)
    with pytest.raises(DefinitionError, match="one that says something else by now"):
        sub_kernel(interpreted)


def test_the_tests_kernels_are_what_they_claim() -> None:
    assert multikernel_kernels.softmax().parameters == ("x_ptr", "out_ptr", "row_stride", "n_rows", "n_cols")
