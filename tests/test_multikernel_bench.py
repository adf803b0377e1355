"""What we generate is measured and compiled like what torch generates."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mkexplorer.catalog.catalog import open_catalog
from mkexplorer.catalog.definitions import taken_positions
from mkexplorer.catalog.model import Argument, ScalarArgument, TensorArgument
from mkexplorer.cli import main
from mkexplorer.measure.own_calls import with_call
from mkexplorer.measure.requests import bench_request
from mkexplorer.multikernel import kernel as definition
from mkexplorer.multikernel.codegen import Call, GeneratedModule, Tensor
from mkexplorer.multikernel.kernel import ArgumentKind, MultiKernel, SubKernelSpec
from mkexplorer.multikernel.modules import write_module
from mkexplorer.multikernel.sources import kernel_text, run_module_text
from mkexplorer.worker import own_kernels
from mkexplorer.worker.kernel_source import read_source
from mkexplorer.worker.tensors import SCRATCH, TensorSpec, plan

from .multikernel_kernels import TYPES, softmax, softmax_sub_kernels

NUMBERS = {"row_stride": 128, "n_rows": 8, "n_cols": 100}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    device = {"type": "cuda", "cc": 90}
    multi_kernel = softmax(device=device)
    tensors = tuple(Tensor(name, "float32", (8, 100), (128, 1)) for name in ("x_ptr", "out_ptr"))
    write_module(GeneratedModule((Call(multi_kernel, NUMBERS),), tensors, outputs=("out_ptr",)), tmp_path)
    return tmp_path


def test_it_is_compared_in_tritons_interpreter(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (multi_kernel,) = open_catalog(cache).multi_kernels
    main(["bench", multi_kernel.id, "--place", str(cache), "--device", "interpreter", "--quiet"])
    told = capsys.readouterr().out
    assert "all sub-kernels compute the same · arguments: the call in the wrapper" in told


def test_it_is_compiled_for_a_gpu_that_is_not_there(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (multi_kernel,) = open_catalog(cache).multi_kernels
    place = ["--place", str(cache), "--resources", "--target", "cuda:90:32", "--json"]
    assert main(["show", multi_kernel.id, *place]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["resources"]["registers"] > 0 for each in told["sub_kernels"]] == [True, True], told


def test_each_sub_kernel_gets_its_own_arguments(tmp_path: Path) -> None:
    x, y = definition.Argument("x", ArgumentKind.IN, "*fp32"), definition.Argument("y", ArgumentKind.OUT, "*fp32")
    sources = {name: f"@triton.jit\ndef {name}(\n    a,  # first\n    b,\n):\n    pass\n" for name in ("all", "some")}
    renamed = (
        definition.Argument("b", ArgumentKind.OUT, "*fp32", "y"),
        definition.Argument("a", ArgumentKind.IN, "*fp32", "x"),
    )
    multi_kernel = MultiKernel(
        (SubKernelSpec("all", sources["all"], (x, y)), SubKernelSpec("some", sources["some"], renamed))
    )
    assert taken_positions(run_module_text(multi_kernel)) == [(0, 1), (1, 0)]
    tensors = tuple(Tensor(name, "float32", (8,)) for name in ("x", "y"))
    write_module(GeneratedModule((Call(multi_kernel),), tensors), tmp_path)
    catalog = open_catalog(tmp_path)
    request = bench_request(catalog, catalog.multi_kernels[0])
    assert [kernel.takes for kernel in request.kernels] == [(0, 1), (1, 0)]


def test_the_source_tells_which_arguments_are_passed_and_which_hold_zeros() -> None:
    looped, _ = softmax_sub_kernels()
    assert read_source(kernel_text(looped), "softmax_looped").parameters == tuple(TYPES)
    text = (
        "@d(inductor_meta={'reset_to_zero_arg_names': ['locks']}, triton_meta={'signature': {'locks': '*i32', 'EPS': \
'constexpr'}})\ndef kernel(locks, EPS):\n    pass\n"
    )
    source = read_source(text, "kernel")
    assert source.parameters == ("locks",)
    told = [{"kind": "tensor", "name": "locks", "dtype": "int32", "shape": [4], "stride": [1]}]
    (spec,) = plan(told, [(source, (0,))])
    assert isinstance(spec, TensorSpec)
    assert spec.role == SCRATCH


@pytest.mark.parametrize(("block", "blocks"), [(32, 4), (64, 2)])
def test_the_grid_of_a_configuration_is_in_terms_of_the_arguments(block: int, blocks: int) -> None:
    grid = own_kernels._grid(["cdiv(n, BLOCK)", "next_power_of_2(rows)"], {"BLOCK": block, "num_warps": 4})
    assert grid["config"] == {"BLOCK": block}
    assert [eval(axis, {"n": 100, "rows": 5}) for axis in grid["python"]] == [blocks, 8, 1]


def test_constants_are_in_every_configuration_and_the_winner_on_file_is_alone(tmp_path: Path) -> None:
    file = tmp_path / "kernel.py"
    metas = {"constants": {"EPS": 1e-5}}, {"configs": [{"BLOCK": 32, "num_warps": 1}, {"BLOCK": 64, "num_warps": 2}]}
    small, large = ({"num_stages": 3, "EPS": 1e-5, "num_warps": n, "BLOCK": 32 * n} for n in (1, 2))
    assert own_kernels._configs(*metas, str(file)) == [small, large]
    file.with_suffix(".best_config").write_text('{"BLOCK": 64, "num_warps": 2, "num_stages": 3}')
    assert own_kernels._configs(*metas, str(file)) == [large]
    for broken in ("", "[]", '{"BLOCK": 128, "num_warps": 2}'):
        file.with_suffix(".best_config").write_text(broken)
        assert own_kernels._configs(*metas, str(file)) == [small, large]


def test_what_torch_cannot_launch_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="sets num_ctas"):
        own_kernels._configs({}, {"configs": [{"num_ctas": 2}]}, str(tmp_path / "kernel.py"))
    with pytest.raises(RuntimeError, match="does not tell the type of n"):
        own_kernels._triton_meta(["x", "n"], {"signature": {"x": "*fp32"}}, {}, ())


def test_the_call_tells_the_grid_and_what_is_divisible(tmp_path: Path) -> None:
    tensor = TensorArgument("x", "x", "torch.float32", (8,), (1,))
    numbers = [ScalarArgument("n", "n", value) for value in (100, 128, 2.5)]
    taken: list[Argument] = [tensor, replace(tensor, offset=1), replace(tensor, offset=4), *numbers]
    file = tmp_path / "kernel.py"
    file.write_text(with_call("def kernel(): pass\n\n", "grid('cdiv(n, BLOCK)', '2')", taken))
    assert file.read_text().startswith("def kernel(): pass\n# call: ")
    assert own_kernels._call(str(file)) == {"grid": ["cdiv(n, BLOCK)", "2"], "divisible_by_16": [0, 2, 4]}
    file.write_text(with_call("def kernel(): pass\n", "None", []))
    assert own_kernels._call(str(file)) == {"grid": None, "divisible_by_16": []}
    file.write_text("def kernel(): pass\n")
    assert own_kernels._call(str(file)) == {}


def test_divisible_arguments_are_told_to_the_compiler_where_they_stand() -> None:
    signature = {"x": "*fp32", "EPS": "constexpr", "n": "i32", "BLOCK": "constexpr"}
    meta = own_kernels._triton_meta(list(signature), {"signature": signature}, {"EPS": 0.5, "BLOCK": 64}, [0, 1])
    assert meta["configs"] == [{(0,): [["tt.divisibility", 16]], (2,): [["tt.divisibility", 16]]}]


def test_the_grid_of_the_call_counts_where_a_kernel_has_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = tuple(Tensor(name, "float32", (8, 100), (128, 1)) for name in ("x_ptr", "out_ptr"))
    for call in (Call(softmax(grid=()), NUMBERS, grid=("n_rows",)), Call(softmax(grid=()), NUMBERS)):
        write_module(GeneratedModule((call,), tensors), tmp_path)
    main(["bench", "--all", "--place", str(tmp_path), "--device", "interpreter", "--quiet"])
    told = capsys.readouterr().out
    assert told.count("all sub-kernels compute the same") == 1
    assert told.count("grid_that_no_file_tells") == 2
