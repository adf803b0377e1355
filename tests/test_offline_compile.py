"""What sub-kernels take of a GPU that is not here, compiled by the installed torch and triton."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mkexplorer.catalog.catalog import Catalog
from mkexplorer.measure.bencher import Bencher
from mkexplorer.measure.errors import BenchError
from mkexplorer.measure.model import KernelUnderTest
from mkexplorer.measure.requests import kernels_under_test
from mkexplorer.worker.cubin import usage

SOFTMAX = "c56mkil"  # 4096×1024 float32


@pytest.fixture(scope="module")
def bencher() -> Iterator[Bencher]:
    with Bencher() as running:
        yield running


@pytest.fixture(scope="module")
def kernels(sample: Catalog) -> tuple[KernelUnderTest, ...]:
    return kernels_under_test(sample, next(each for each in sample.multi_kernels if each.id.startswith(SOFTMAX)))


def test_the_recorded_configuration_is_compiled(bencher: Bencher, kernels: tuple[KernelUnderTest, ...]) -> None:
    looped, persistent = bencher.resources(kernels, "sm_90")
    assert dict(looped.configuration) == {"XBLOCK": 2, "R0_BLOCK": 1024, "num_warps": 8, "num_stages": 1}
    assert dict(persistent.configuration) == {"XBLOCK": 1, "num_warps": 1, "num_stages": 1}
    for report in (looped, persistent):
        assert report.problem == ""
        assert report.resources
        assert 16 <= (report.resources.registers or 0) <= 255
        assert report.resources.spills == 0
        assert 0.0 < (report.occupancy or 0.0) <= 1.0
    assert looped.resources
    assert persistent.resources
    assert (looped.resources.shared_bytes or 0) > 0, "several warps meet in shared memory"
    assert persistent.resources.shared_bytes == 0


def test_without_a_record_the_first_configuration_is(bencher: Bencher, kernels: tuple[KernelUnderTest, ...]) -> None:
    unrecorded = [replace(each, configuration=None, best_configs={}) for each in kernels[1:]]
    (report,) = bencher.resources(unrecorded, "sm_90")
    assert {"XBLOCK", "num_warps", "num_stages"} == set(dict(report.configuration))
    assert report.resources


def test_what_does_not_fit_into_registers_is_counted(bencher: Bencher, kernels: tuple[KernelUnderTest, ...]) -> None:
    rows = {"XBLOCK": 16, "num_warps": 1, "num_stages": 1}
    (report,) = bencher.resources([replace(kernels[1], configuration=rows, best_configs={})], "sm_90")
    assert report.resources
    assert (report.resources.spills or 0) > 100


def test_another_target_is_compiled_for(bencher: Bencher, kernels: tuple[KernelUnderTest, ...]) -> None:
    (ampere,) = bencher.resources(kernels[:1], "sm_80")
    (amd,) = bencher.resources(kernels[:1], "gfx942")
    assert ampere.resources
    assert ampere.occupancy
    assert amd.resources
    assert amd.resources.registers
    assert amd.occupancy is None, "it is known of NVIDIA's only"


def test_one_that_cannot_be_compiled_costs_itself_only(bencher: Bencher, kernels: tuple[KernelUnderTest, ...]) -> None:
    wrong = replace(kernels[0], text=kernels[0].text.replace("tl.program_id(0)", "tl.no_such_thing"))
    broken, whole = bencher.resources([wrong, kernels[1]], "sm_90")
    assert "no_such_thing" in broken.problem
    assert broken.resources is None
    assert whole.resources


def test_an_unknown_target_is_told(bencher: Bencher, kernels: tuple[KernelUnderTest, ...]) -> None:
    with pytest.raises(BenchError, match="12"):
        bencher.resources(kernels, "sm_12")


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF\x02\x01" + bytes(20), b"\x7fELF\x02\x01" + bytes(100), b"PK\x03\x04"]
)
def test_what_is_no_compiled_kernel_is_told(content: bytes) -> None:
    with pytest.raises(ValueError, match="registers"):
        usage(content)
