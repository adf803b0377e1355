"""What is to be measured, as the catalog knows it: kernels, arguments, sizes, recorded configurations, consent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.catalog.definitions import code_hash, parameters_of
from mkexplorer.catalog.model import ScalarArgument, TensorArgument
from mkexplorer.measure.consent import consent_needed
from mkexplorer.measure.errors import BenchError
from mkexplorer.measure.model import ArgumentSource, BenchRequest
from mkexplorer.measure.requests import bench_request, kernels_under_test

from .conftest import DATA, recorded_wrappers

SOFTMAX = DATA / "wrappers" / "torch-2.13.0" / "softmax.py"
OLD_SOFTMAX = DATA / "wrappers" / "torch-2.4.1" / "softmax.py"
RUN = "multi_kernel_0.run(x_1, buf2, 4096, 2048, stream=raw_stream0)"
Written = Callable[..., Catalog]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Opens a wrapper in which each of some texts is replaced."""

    def write(path: Path, *changes: tuple[str, str]) -> Catalog:
        text = path.read_text()
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (tmp_path / path.name).write_text(text)
        return open_catalog(tmp_path / path.name)

    return write


def only_request(catalog: Catalog, **options: object) -> BenchRequest:
    (multi_kernel,) = catalog.multi_kernels
    return bench_request(catalog, multi_kernel, **options)  # type: ignore[arg-type]  # whatever a test asks for


def shapes(request: BenchRequest) -> list[object]:
    assert request.arguments is not None
    return [each.shape if isinstance(each, TensorArgument) else each.value for each in request.arguments]


def test_what_a_program_recorded_goes_before_the_wrapper(written: Written) -> None:
    recorded = (
        TensorArgument("in_ptr0", "", "float32", (100, 2048), (2048, 1)),
        TensorArgument("out_ptr2", "", "float32", (100, 2048), (2048, 1)),
        ScalarArgument("xnumel", "", 100),
        ScalarArgument("r0_numel", "", 2048),
    )
    catalog = written(SOFTMAX)
    request = only_request(catalog, recorded=recorded)
    assert (request.source, request.arguments) == (ArgumentSource.RECORDED, recorded)
    assert only_request(catalog, recorded=recorded[:3]).source is ArgumentSource.CALL
    assert only_request(catalog, recorded=()).source is ArgumentSource.CALL


class TestKernels:
    @pytest.mark.parametrize("path", recorded_wrappers(), ids=lambda path: f"{path.parent.name}-{path.stem}")
    def test_of_every_release_take_what_the_call_passes(self, path: Path) -> None:
        catalog = open_catalog(path)
        for multi_kernel in catalog.multi_kernels:
            request = bench_request(catalog, multi_kernel, picked=1)
            assert request.source is ArgumentSource.CALL
            assert request.picked == 1
            for kernel in request.kernels:
                assert len(kernel.takes) == len(parameters_of(kernel.text))
                assert f"def {kernel.name}(" in kernel.text
                assert kernel.key == code_hash(kernel.text)

    def test_that_torch_generates_now_do_too(self, fresh_wrappers: Path) -> None:
        for path in sorted(fresh_wrappers.glob("*.py")):
            catalog = open_catalog(path)
            for multi_kernel in catalog.multi_kernels:
                request = bench_request(catalog, multi_kernel)
                assert request.arguments is not None
                assert all(len(kernel.takes) == len(parameters_of(kernel.text)) for kernel in request.kernels)

    def test_take_the_slices_that_are_written(self, written: Written) -> None:
        catalog = written(
            SOFTMAX,
            ("0: [slice(0, 4, None)]", "0: [slice(0, 1, None), slice(2, 5, None)]"),
            ("1: [slice(0, 4, None)]", "1: [slice(1, 5, None)]"),
            (RUN, "multi_kernel_0.run(x_1, x_1, buf2, 4096, 2048, stream=raw_stream0)"),
        )
        assert [kernel.takes for kernel in only_request(catalog).kernels] == [(0, 2, 3, 4), (1, 2, 3, 4)]

    def test_of_old_releases_take_arguments_by_name(self, written: Written) -> None:
        catalog = written(
            OLD_SOFTMAX,
            ("(multi_kernel_call, in_ptr0, out_ptr2, xnumel", "(multi_kernel_call, in_ptr0, in_ptr1, out_ptr2, xnumel"),
            ("multi_kernel_0.run(x_1, buf2, 4096", "multi_kernel_0.run(x_1, x_1, buf2, 4096"),
        )
        assert [kernel.takes for kernel in only_request(catalog).kernels] == [(0, 2, 3, 4), (0, 2, 3, 4)]

    def test_are_enough_to_compile_them(self) -> None:
        catalog = open_catalog(SOFTMAX)
        kernels = kernels_under_test(catalog, catalog.multi_kernels[0])
        assert [kernel.text for kernel in kernels] == [kernel.text for kernel in only_request(catalog).kernels]

    def test_that_somebody_edited_in_the_cache_count_as_edited(self, tmp_path: Path) -> None:
        catalog = open_catalog(SOFTMAX)
        kernel = only_request(catalog).kernels[0]
        for folder, name, text in (
            (catalog.wrappers[0].key[1:3], catalog.wrappers[0].key, SOFTMAX.read_text()),
            (kernel.key[1:3], kernel.key, kernel.text.replace("2048", "2049")),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{name}.py").write_text(text)
        edited = only_request(open_catalog(tmp_path)).kernels[0]
        assert edited.key == kernel.key
        assert "2049" in edited.text


class TestArguments:
    def test_are_those_of_the_call(self) -> None:
        request = only_request(open_catalog(SOFTMAX))
        assert request.arguments is not None
        first, *_, last = request.arguments
        assert isinstance(first, TensorArgument)
        assert (first.dtype, first.shape, first.stride, first.offset) == ("torch.float32", (4096, 2048), (2048, 1), 0)
        assert isinstance(last, ScalarArgument)
        assert last.value == 2048
        assert request.notes == ()

    def test_that_the_wrapper_does_not_tell_are_left_to_the_worker(self, written: Written) -> None:
        request = only_request(written(SOFTMAX, (RUN, RUN.replace("x_1", "unknown"))))
        assert (request.arguments, request.source) == (None, ArgumentSource.GET_ARGS)

    def test_are_those_of_the_first_call_that_tells_all(self, written: Written) -> None:
        other = RUN.replace("x_1", "unknown")
        request = only_request(written(SOFTMAX, (RUN, f"{other}\n            {RUN}")))
        assert shapes(request) == [(4096, 2048), (4096, 2048), 4096, 2048]

    def test_of_calls_that_differ_are_told(self, written: Written) -> None:
        catalog = written(SOFTMAX, (RUN, f"{RUN}\n            {RUN.replace('4096', '128')}"))
        (note,) = only_request(catalog).notes
        assert note.startswith("called 2 times with different arguments; these are those of line ")


class TestSizes:
    DYNAMIC = (
        ("assert_size_stride(x_1, (4096, 2048)", "assert_size_stride(x_1, (s0, 2048)"),
        ("buf2 = empty_strided_cuda((4096, 2048)", "buf2 = empty_strided_cuda((s0, 2048)"),
        (RUN, RUN.replace("4096", "s0")),
    )
    UNTOLD = ("x_1 = rand_strided(", "x_1 = anything(")

    def test_are_those_that_were_asked_for(self, written: Written) -> None:
        request = only_request(written(SOFTMAX, *self.DYNAMIC), sizes={"s0": 300, "s1": 5})
        assert shapes(request) == [(300, 2048), (300, 2048), 300, 2048]
        assert request.notes == ("s0 = 300, as asked",)

    def test_else_those_of_the_compilation(self, written: Written) -> None:
        request = only_request(written(SOFTMAX, *self.DYNAMIC))
        assert shapes(request) == [(4096, 2048), (4096, 2048), 4096, 2048]
        assert request.notes == ("s0 = 4096, as compiled",)

    def test_else_the_largest_that_the_size_hints_allow(self, written: Written) -> None:
        request = only_request(written(SOFTMAX, *self.DYNAMIC, self.UNTOLD))
        assert shapes(request) == [(4096, 2048), (4096, 2048), 4096, 2048]
        assert request.notes == ("s0 = 4096, the most its size hints allow",)

    def test_of_expressions_are_solved(self, written: Written) -> None:
        dynamic = [(before, after.replace("s0", "3*s0")) for before, after in self.DYNAMIC]
        request = only_request(written(SOFTMAX, *dynamic, self.UNTOLD))
        assert shapes(request) == [(4095, 2048), (4095, 2048), 4095, 2048]
        assert request.notes == ("s0 = 1365, the most its size hints allow",)

    def test_that_nothing_tells_are_named_with_what_to_do(self, written: Written) -> None:
        dynamic = [(before, after.replace("s0", "s0*s1")) for before, after in self.DYNAMIC]
        with pytest.raises(BenchError, match="size s0 of its arguments is not known") as caught:
            only_request(written(SOFTMAX, *dynamic, self.UNTOLD))
        assert "--size s0=4096" in caught.value.advice

    @pytest.mark.parametrize("size", [-1, 2**41])
    def test_that_cannot_be_are_refused(self, written: Written, size: int) -> None:
        with pytest.raises(BenchError, match="'s0' would be"):
            only_request(written(SOFTMAX, *self.DYNAMIC), sizes={"s0": size})


class TestConfigurations:
    def test_of_a_bundle_are_those_that_it_records(self, sample: Catalog) -> None:
        request = bench_request(sample, sample.find("cmzexxx"))
        assert request.kernels[0].configuration == {"XBLOCK": 1, "R0_BLOCK": 2048, "num_warps": 16, "num_stages": 1}
        (name,) = request.kernels[0].best_configs
        assert name.endswith(".best_config")
        assert "R0_BLOCK" in request.kernels[0].best_configs[name]

    def test_that_nothing_records_are_none(self) -> None:
        request = only_request(open_catalog(SOFTMAX))
        assert [kernel.configuration for kernel in request.kernels] == [None, None]
        assert [dict(kernel.best_configs) for kernel in request.kernels] == [{}, {}]

    def test_every_multi_kernel_of_the_sample_can_be_asked_for(self, sample: Catalog) -> None:
        for multi_kernel in sample.multi_kernels:
            request = bench_request(sample, multi_kernel)
            assert request.source is ArgumentSource.CALL
            assert request.multi_kernel_id == multi_kernel.id


class TestConsent:
    def test_is_needed_for_a_bundle(self, sent_bundle: Path) -> None:
        assert "is a bundle" in consent_needed(open_catalog(sent_bundle))

    def test_is_not_needed_for_the_sample_which_came_with_mkexplorer(self, sample: Catalog) -> None:
        assert consent_needed(sample) == ""

    def test_is_not_needed_for_ones_own_cache(self) -> None:
        assert consent_needed(open_catalog(SOFTMAX)) == ""

    def test_is_needed_for_what_belongs_to_somebody_else(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = shutil.copy(SOFTMAX, tmp_path)
        os.chown(path, 12345, -1) if os.geteuid() == 0 else monkeypatch.setattr(os, "geteuid", lambda: 54321)
        assert "belongs to " in consent_needed(open_catalog(path))
