"""Which two texts a selection is about, how they are read and named."""

from __future__ import annotations

import pytest

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import MultiKernel, SubKernel
from mkexplorer.tui.comparison import (
    METADATA,
    Subject,
    compare,
    default_pair,
    file_of,
    read,
    subject_text,
    with_config,
)
from mkexplorer.tui.selection import Selection
from mkexplorer.tui.source_tab import FIRST_NUMBER
from tests import builders
from tests.compiled_catalog import CompiledCatalog
from tests.fake_catalog import FakeCatalog, layer_norm, softmax

NORM, SOFTMAX = layer_norm(), softmax()
THREE = builders.multi_kernel("aten.sum", kernels=("triton_red_a_0", "triton_red_b_1", "triton_per_c_2"))
CATALOG = CompiledCatalog([NORM, SOFTMAX]).as_catalog


def pair_of(
    multi_kernel: MultiKernel,
    sub: int | None = None,
    mark: tuple[MultiKernel, SubKernel] | None = None,
    picked: int | None = None,
) -> tuple[str, str] | None:
    times = (1.0,) * len(multi_kernel.sub_kernels)
    catalog = FakeCatalog([multi_kernel], [builders.evidence(picked, *times)]).as_catalog
    chosen = multi_kernel.sub_kernels[sub] if sub is not None else None
    pair = default_pair(Selection(catalog, multi_kernel, chosen, mark))
    return None if pair is None else (pair[0].sub_kernel.name, pair[1].sub_kernel.name)


class TestDefaultPair:
    def test_a_multi_kernels_row_compares_its_first_two(self) -> None:
        assert pair_of(THREE, picked=2) == ("triton_red_a_0", "triton_red_b_1")

    @pytest.mark.parametrize("sub", [0, 1])
    def test_either_of_two_is_compared_with_its_sibling_in_the_order_of_the_wrapper(self, sub: int) -> None:
        assert pair_of(NORM, sub) == ("triton_red_fused_0", "triton_per_fused_1")

    def test_one_of_many_is_compared_with_the_picked_one(self) -> None:
        assert pair_of(THREE, sub=1, picked=2) == ("triton_red_b_1", "triton_per_c_2")
        assert pair_of(THREE, sub=2, picked=2) == ("triton_red_a_0", "triton_per_c_2")

    def test_a_mark_comes_before_all_that(self) -> None:
        mark = (SOFTMAX, SOFTMAX.sub_kernels[0])
        assert pair_of(THREE, sub=2, mark=mark) == ("triton_red_fused_0", "triton_per_c_2")

    def test_a_mark_is_compared_with_what_a_multi_kernels_row_shows(self) -> None:
        mark = (SOFTMAX, SOFTMAX.sub_kernels[0])
        assert pair_of(THREE, mark=mark, picked=2) == ("triton_red_fused_0", "triton_per_c_2")
        assert pair_of(THREE, mark=mark) == ("triton_red_fused_0", "triton_red_a_0")

    def test_the_marked_sub_kernel_itself_is_compared_as_if_there_were_no_mark(self) -> None:
        assert pair_of(NORM, sub=1, mark=(NORM, NORM.sub_kernels[1])) == ("triton_red_fused_0", "triton_per_fused_1")

    def test_a_single_sub_kernel_has_nothing_beside_it(self) -> None:
        assert pair_of(builders.multi_kernel("aten.sum", kernels=("triton_red_a_0",))) is None


class TestReading:
    def test_the_winner_stands_for_a_sub_kernel(self) -> None:
        subject = with_config(CATALOG, Subject(NORM, NORM.sub_kernels[0], "ttir"))
        assert subject.config is not None
        assert subject.config.hash == "WON"
        assert read(CATALOG, subject).lines[0] == "// ttir of WON"

    def test_a_sub_kernel_that_was_not_compiled_says_what_to_do(self) -> None:
        with pytest.raises(MkexplorerError, match="nothing compiled") as caught:
            with_config(CATALOG, Subject(NORM, NORM.sub_kernels[1], "ttir"))
        assert "TORCHINDUCTOR_CACHE_DIR" in caught.value.advice

    def test_metadata_is_a_text_like_the_stages(self) -> None:
        lines = read(CATALOG, Subject(NORM, NORM.sub_kernels[0], METADATA, CompiledCatalog.configurations[0])).lines
        assert "warps:                  8" in lines
        assert "won:                    no" in lines

    def test_a_text_knows_its_file(self) -> None:
        looped = NORM.sub_kernels[0]
        assert file_of(CATALOG, Subject(NORM, looped), 3) == ("0f/c0file.py", 3)
        assert file_of(CATALOG, Subject(NORM, looped, "ptx", CompiledCatalog.configurations[1]), 7) == (
            "triton/0/WON/k.ptx",
            7,
        )

    def test_a_source_without_a_file_of_its_own_stands_in_the_wrapper(self) -> None:
        class NoKernelFiles(CompiledCatalog):
            def kernel_path(self, sub_kernel: SubKernel) -> str | None:
                return None

        catalog = NoKernelFiles([NORM])
        wrapper = catalog.wrapper(NORM).origin.path
        assert file_of(catalog.as_catalog, Subject(NORM, NORM.sub_kernels[0]), FIRST_NUMBER) == (wrapper, 10)


class TestComparing:
    def test_temporaries_that_differ_by_name_only_are_evened_out_on_demand(self) -> None:
        left, right = (Subject(NORM, sub) for sub in NORM.sub_kernels)
        assert compare(CATALOG, left, right, False, lambda: False).totals.removed == 3
        assert compare(CATALOG, left, right, True, lambda: False).totals.removed == 1  # the kernel's name

    def test_line_numbers_stay_those_of_the_text_when_positions_are_left_out(self) -> None:
        class Positions(CompiledCatalog):
            def read_stage(self, config: object, stage: str) -> str:
                return ".loc 1 2 3\nret;\n"

        subject = Subject(NORM, NORM.sub_kernels[0], "ptx")
        document = compare(Positions([NORM]).as_catalog, subject, subject, True, lambda: False).document
        assert (document.left.lines, document.left_number(0)) == (("ret;",), 2)

    def test_the_same_can_be_had_as_a_patch(self) -> None:
        left, right = (Subject(NORM, sub) for sub in NORM.sub_kernels)
        patch = compare(CATALOG, left, right, True, lambda: False).patch()
        assert patch.startswith("--- 0 looped · triton_red_fused_0\n+++ 1 persistent · triton_per_fused_1\n@@ -1,3")


class TestNames:
    def test_siblings_are_called_by_index_and_kind(self) -> None:
        left, right = (Subject(NORM, sub) for sub in NORM.sub_kernels)
        assert subject_text(left, right) == "0 looped · triton_red_fused_0"

    def test_strangers_are_called_by_their_operation_too(self) -> None:
        left, right = Subject(NORM, NORM.sub_kernels[0]), Subject(SOFTMAX, SOFTMAX.sub_kernels[1])
        assert subject_text(left, right) == "layer_norm 4096×4096 bf16 · 0 looped · triton_red_fused_0"

    def test_what_tells_two_configurations_apart_comes_first(self) -> None:
        one, other = (Subject(NORM, NORM.sub_kernels[0], "ptx", config) for config in CompiledCatalog.configurations)
        assert subject_text(one, other).startswith("XBLOCK 1, 8 warps, 1 stage, 64 B shared · 0 looped · ptx")
