"""What the decorator of a sub-kernel says, in every release's spelling."""

from __future__ import annotations

from pathlib import Path

import pytest

from mkexplorer.catalog.metadata import read_metadata
from mkexplorer.catalog.model import KernelMetadata

from .conftest import DATA, parse_file, recorded_wrappers


def metadata_of(path: Path, kind: str) -> KernelMetadata:
    (multi_kernel,) = parse_file(path).multi_kernels
    (sub_kernel,) = (s for s in multi_kernel.sub_kernels if s.kind.value == kind)
    lines = path.read_text().split("\n")
    return read_metadata("\n".join(lines[sub_kernel.source.first - 1 : sub_kernel.source.last]))


@pytest.mark.parametrize("path", recorded_wrappers(), ids=lambda path: f"{path.parent.name}-{path.stem}")
class TestEveryRelease:
    def test_reads_sizes_and_hint(self, path: Path) -> None:
        found = metadata_of(path, "looped")

        assert found.decorator == "reduction"
        assert found.reduction_hint == "INNER"
        assert [size for _, size in found.size_hints][-1] in (2048, 4096)
        assert len(found.size_hints) == 2

    def test_reads_signature_counts_and_device(self, path: Path) -> None:
        found = metadata_of(path, "looped")

        assert any(kind in ("*fp32", "*bf16") for _, kind in found.signature)
        assert found.loads is not None
        assert found.reductions is not None
        assert dict(found.device)["type"] == "cuda"
        assert dict(found.device)["cc"] in (90, "90")


def test_names_what_is_mutated() -> None:
    found = metadata_of(DATA / "wrappers" / "torch-2.13.0" / "scratch.py", "persistent")

    assert found.mutated == ("in_out_ptr0",)
    assert found.stores == 2


def test_old_size_hints_get_the_names_of_their_ranges() -> None:
    found = metadata_of(DATA / "wrappers" / "torch-2.4.1" / "softmax.py", "looped")

    assert found.size_hints == (("x", 4096), ("r", 2048))


@pytest.mark.parametrize("release", ["torch-2.4.1", "torch-2.13.0"])
def test_parameters_have_names_in_every_release(release: str) -> None:
    found = metadata_of(DATA / "wrappers" / release / "softmax.py", "looped")

    assert dict(found.signature)["in_ptr0"] == "*fp32"
    assert dict(found.signature)["xnumel"] == "i32"


def test_keeps_what_has_no_field_of_its_own() -> None:
    found = metadata_of(DATA / "wrappers" / "torch-2.13.0" / "softmax.py", "looped")

    assert dict(found.other)["kernel_name"] == "triton_red_fused_0"
    assert found.grid_type == "Grid1D"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "@triton_heuristics.reduction(\n",
        "@triton_heuristics.reduction(\n)]\n@triton.jit\ndef f(): pass\n",
        "@triton_heuristics.reduction(\n    size_hints=" + "[" * 5000 + "\n)\n@triton.jit\n",
        "@triton_heuristics.reduction(\n    size_hints=" + "9" * 5000 + "\n)\n@triton.jit\n",
        "@triton_heuristics.reduction(\n    triton_meta=__import__('os').abort()\n)\n@triton.jit\n",
    ],
)
def test_a_broken_or_hostile_decorator_tells_nothing_and_runs_nothing(source: str) -> None:
    found = read_metadata(source)

    assert found.signature == ()
    assert found.size_hints == ()
