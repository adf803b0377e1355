"""What we generate is opened like what torch generates."""

from __future__ import annotations

from pathlib import Path

import pytest

from mkexplorer.catalog.catalog import open_catalog
from mkexplorer.catalog.model import Kind, ScalarArgument, TensorArgument
from mkexplorer.cli import main
from mkexplorer.multikernel.codegen import Call, GeneratedModule, Tensor
from mkexplorer.multikernel.kernel import Argument, ArgumentKind, MultiKernel, SubKernelSpec
from mkexplorer.multikernel.modules import PICK_ENDING, key_of, path_of, write_module
from mkexplorer.multikernel.sources import kernel_text, run_module_text

from .multikernel_kernels import softmax
from .test_import_hygiene import FACE_LIBRARIES, loaded_after

DEVICE = {"type": "cuda", "cc": 90}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    multi_kernel = softmax(device=DEVICE)
    numbers = {"row_stride": 128, "n_rows": 8, "n_cols": 100}
    tensors = tuple(Tensor(name, "float32", (8, 100), (128, 1)) for name in ("x_ptr", "out_ptr"))
    write_module(
        GeneratedModule((Call(multi_kernel, numbers, grid=("n_rows",)),), tensors, outputs=("out_ptr",)), tmp_path
    )
    return tmp_path


def test_the_same_parser_reads_it(cache: Path) -> None:
    catalog = open_catalog(cache)
    assert catalog.diagnostics == ()
    (wrapper,) = catalog.wrappers
    assert wrapper.written_by == "mkexplorer.multikernel"
    (multi_kernel,) = wrapper.multi_kernels
    assert multi_kernel.operations == ("softmax",)
    assert [each.kind for each in multi_kernel.sub_kernels] == [Kind.LOOPED, Kind.PERSISTENT]
    (call,) = multi_kernel.calls
    assert call.grid == "grid('n_rows')"
    assert call.stream == "stream0"
    x, out, *numbers = call.arguments
    for tensor, name in ((x, "x_ptr"), (out, "out_ptr")):
        assert isinstance(tensor, TensorArgument)
        assert (tensor.name, tensor.dtype, tensor.shape, tensor.stride) == (name, "torch.float32", (8, 100), (128, 1))
    assert [each.value for each in numbers if isinstance(each, ScalarArgument)] == [128, 8, 100]


@pytest.mark.parametrize("number", ["-inf", "inf", "nan"])
def test_what_is_no_finite_number_is_read_as_it_is_written(
    number: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = Argument("x", ArgumentKind.IN, "*fp32"), Argument("fill", ArgumentKind.NUMBER, "fp32")
    ways = tuple(SubKernelSpec(name, f"@triton.jit\ndef {name}(x, fill):\n    pass\n", arguments) for name in "ab")
    call = Call(MultiKernel(ways), {"fill": float(number)})
    write_module(GeneratedModule((call,), (Tensor("x", "float32", (8,)),)), tmp_path)
    catalog = open_catalog(tmp_path)
    assert catalog.diagnostics == ()
    (found,) = catalog.multi_kernels
    x, fill = found.calls[0].arguments
    assert isinstance(x, TensorArgument)
    written = f"float('{number}')"
    assert fill == ScalarArgument("fill", written, written)
    for command in (["list", str(tmp_path)], ["show", found.id, "--place", str(tmp_path)]):
        assert main(command) == 0
    assert written in capsys.readouterr().out


def test_the_files_of_sub_kernels_are_found(cache: Path) -> None:
    catalog = open_catalog(cache)
    (multi_kernel,) = catalog.multi_kernels
    for sub_kernel, spec in zip(multi_kernel.sub_kernels, softmax(device=DEVICE).sub_kernels, strict=True):
        assert sub_kernel.kernel_file == path_of(key_of(kernel_text(spec)), cache).name
        assert (cache / str(catalog.kernel_path(sub_kernel))).is_file()


def test_the_decorator_tells_the_details(cache: Path) -> None:
    catalog = open_catalog(cache)
    (multi_kernel,) = catalog.multi_kernels
    metadata = catalog.metadata(multi_kernel, multi_kernel.sub_kernels[0])
    assert metadata.decorator == "reduction"
    assert metadata.size_hints == (("x", 8), ("r0_", 128))
    assert dict(metadata.signature)["x_ptr"] == "*fp32"
    assert dict(metadata.device) == {"type": "cuda", "cc": 90}
    assert ("kernel_name", "softmax_looped") in metadata.other


def test_its_pick_is_found_without_any_interpreter(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = path_of(key_of(run_module_text(softmax(device=DEVICE))), cache, PICK_ENDING)
    path.write_text("1")
    assert main(["list", str(cache), "--no-python"]) == 0
    listed = capsys.readouterr().out
    assert "softmax" in listed
    assert "8×100" in listed
    assert "picked 1" in listed
    (multi_kernel,) = open_catalog(cache).multi_kernels
    assert main(["pin", multi_kernel.id, "looped", "--place", str(cache), "--no-python", "--yes"]) == 0
    assert path.read_text() == "0"


def test_importing_the_package_needs_no_torch() -> None:
    statement = "import mkexplorer.multikernel as m; dir(m); m.GeneratedModule; m.MultiKernel; m.freeze; m.write_module"
    assert not loaded_after(statement) & FACE_LIBRARIES


def test_a_name_that_is_not_there_is_told() -> None:
    import mkexplorer.multikernel

    with pytest.raises(AttributeError, match="has no attribute 'defrost'"):
        mkexplorer.multikernel.defrost  # noqa: B018
