"""Sub-kernels in Triton's interpreter, on no GPU: what is said of their outputs, and what a wrong one can do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mkexplorer.catalog import open_catalog
from mkexplorer.catalog.catalog import Catalog
from mkexplorer.measure.bencher import Bencher
from mkexplorer.measure.errors import BenchError
from mkexplorer.measure.model import ArgumentSource, BenchRequest, BenchResult, Device, Progress, Stage
from mkexplorer.measure.requests import bench_request

SOFTMAX = "c56mkil"  # 4096×1024 float32
QUANTISED = "ceeshms"  # an RMS norm with bfloat16 in, int8 and a scale out, which is stored in place
LOSS = "cr4tace"  # a cross entropy, whose first multi-kernel reads logits
SPLIT = "c2sctfc"  # a softmax of few long rows, in two steps


@pytest.fixture(scope="module")
def bencher() -> Iterator[Bencher]:
    with Bencher(device=Device.INTERPRETER) as running:
        yield running


def request_of(catalog: Catalog, start: str) -> BenchRequest:
    return bench_request(catalog, next(each for each in catalog.multi_kernels if each.id.startswith(start)))


def edited(request: BenchRequest, old: str, new: str, index: int = 1) -> BenchRequest:
    """With another text of one sub-kernel."""
    kernel = request.kernels[index]
    assert old in kernel.text
    changed = replace(kernel, text=kernel.text.replace(old, new))
    return replace(request, kernels=(*request.kernels[:index], changed, *request.kernels[index + 1 :]))


def agreements(result: BenchResult) -> list[bool | None]:
    return [each.agrees for each in result.sub_kernels]


class TestOutputs:
    @pytest.mark.parametrize("start", [SOFTMAX, QUANTISED, LOSS, SPLIT])
    def test_sub_kernels_of_the_sample_agree(self, bencher: Bencher, sample: Catalog, start: str) -> None:
        result = bencher.bench(request_of(sample, start))
        assert agreements(result) == [True, True]
        assert [each.problem for each in result.sub_kernels] == ["", ""]

    def test_programs_that_wait_for_each_other_run_too(self, bencher: Bencher, fresh_wrappers: Path) -> None:
        catalog = open_catalog(fresh_wrappers / "softmax_cooperative.py")
        result = bencher.bench(bench_request(catalog, catalog.multi_kernels[0]))
        assert agreements(result) == [True] * 4

    def test_a_scan_runs_too(self, bencher: Bencher, fresh_wrappers: Path) -> None:
        catalog = open_catalog(fresh_wrappers / "running_sum.py")
        assert agreements(bencher.bench(bench_request(catalog, catalog.multi_kernels[0]))) == [True, True]

    def test_what_no_wrapper_tells_is_estimated(self, bencher: Bencher, sample: Catalog) -> None:
        result = bencher.bench(replace(request_of(sample, SOFTMAX), arguments=None))
        assert result.source is ArgumentSource.ESTIMATED
        assert agreements(result) == [True, True]

    def test_another_reduction_is_seen(self, bencher: Bencher, sample: Catalog) -> None:
        result = bencher.bench(edited(request_of(sample, SOFTMAX), "tl.sum(", "triton_helpers.max2("))
        assert agreements(result) == [False, False]
        assert "differs" in result.sub_kernels[1].problem

    def test_elements_that_are_left_out_are_seen(self, bencher: Bencher, sample: Catalog) -> None:
        store = "tl.store(out_ptr2 + (r0_1 + 1024*x0), tmp13, "
        result = bencher.bench(edited(request_of(sample, SOFTMAX), f"{store}None)", f"{store}xindex < xnumel - 1)"))
        assert agreements(result) == [False, False]


class TestTimes:
    def test_are_the_hosts_and_give_no_verdict(self, bencher: Bencher, sample: Catalog) -> None:
        seen: list[Progress] = []
        result = bencher.bench(request_of(sample, SOFTMAX), seen.append)
        assert result.device is Device.INTERPRETER
        assert result.judgement is None
        assert "interpreter, not a GPU time" in result.notes
        assert all(each.cold and each.cold.median_us > 0 and not each.hot for each in result.sub_kernels)
        assert [stage for stage in Stage if stage in {each.stage for each in seen}] == [
            Stage.STARTING,
            Stage.LOADING,
            Stage.CHECKING,
            Stage.RACING,
        ]
        assert seen[-1].samples_us == tuple(each.samples_us for each in result.sub_kernels)


def test_arguments_that_need_too_much_memory_are_refused(sample: Catalog) -> None:
    with (
        Bencher(device=Device.INTERPRETER, memory_limit_bytes=2**20) as bencher,
        pytest.raises(BenchError, match=r"[\d.]+ MiB of memory, and 1\.0 MiB are allowed"),
    ):
        bencher.bench(request_of(sample, SOFTMAX))


class TestWrongKernels:
    @pytest.mark.parametrize(
        ("old", "new", "problem"),
        [
            ("tl.load(in_ptr0 + (", "tl.load(in_ptr0 - 1 + (", "reads .* outside"),
            ("tl.store(out_ptr2 + (", "tl.store(out_ptr2 - 1 + (", "writes .* outside"),
            ("tmp7 = ", "tl.device_assert(tmp6 > 0, 'must be positive'); tmp7 = ", "must be positive"),
            ("tmp7 = ", "tmp7 = tl.no_such_thing + ", "no_such_thing"),
            ("tmp7 = libdevice.exp(", "tmp7 = libdevice.sad(", "libdevice.sad has no substitute"),
            ("@triton.jit", "@print\n@triton.jit", "NoneType"),
        ],
    )
    def test_cost_themselves_only(self, bencher: Bencher, sample: Catalog, old: str, new: str, problem: str) -> None:
        result = bencher.bench(edited(request_of(sample, SOFTMAX), old, new))
        assert re.search(problem, result.sub_kernels[1].problem)
        assert result.sub_kernels[1].cold is None
        assert result.sub_kernels[0].problem == ""
        assert result.sub_kernels[0].cold
        assert agreements(result) == [None, None]
