"""Who wrote a cache: where a pick lies tells only if the same torch and triton compute it that wrote it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mkexplorer.catalog import open_catalog
from mkexplorer.picks.interpreter import KernelFile, Part
from mkexplorer.picks.places import find_places
from tests.conftest import DATA
from tests.make_places import unpack_sample
from tests.pick_places import TORCH_2_4, fill_cache, never_run
from tests.stub_interpreter import (
    H100,
    NEWEST,
    Stub,
    by_id,
    part_of,
    paths,
    paths_computed,
    place_pick,
    reasons,
    unlike,
)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The cache of an H100, its picks included."""
    return unpack_sample(tmp_path / "recorded")


@pytest.fixture
def few(tmp_path: Path) -> Path:
    return never_run(tmp_path / "few")


class TestWhoWroteTheCache:
    def test_another_torch_by_the_form_of_its_wrappers(self, recorded: Path) -> None:
        """Nothing is run, not even where that torch would compute the same key."""
        stub = Stub(NEWEST)
        (reason,) = reasons(open_catalog(recorded), stub)
        assert stub.asked == []
        assert reason == (
            "this cache was written with torch 2.10 or 2.11 and triton 3.6.0, but /h100/python has torch 2.13.0 "
            "and triton 3.9.0; run with --python and the Python that wrote it"
        )

    def test_another_triton_by_what_it_compiled(self, recorded: Path) -> None:
        (reason,) = reasons(open_catalog(recorded), Stub(replace(H100, triton="3.7.0"), unlike))
        assert reason.startswith(
            "this cache was written with triton 3.6.0, but /h100/python has torch 2.11.0+cu130 and"
        )

    def test_another_triton_though_it_compiled_nothing(self, few: Path) -> None:
        (reason,) = reasons(open_catalog(few), Stub(NEWEST, unlike))
        assert reason.startswith("this cache was written with another build of triton, but")

    def test_another_triton_though_the_kernels_do_not_name_theirs(self, recorded: Path) -> None:
        """As where the code generator could not ask the driver."""
        (reason,) = reasons(open_catalog(recorded), Stub(replace(H100, triton="3.7.0")))
        assert reason.startswith("this cache was written with triton 3.6.0, but")

    def test_another_python_of_the_same_versions_is_no_objection(self, recorded: Path) -> None:
        """Triton's hash of itself covers its binaries, which differ between Pythons; keys do not depend on them."""
        catalog = open_catalog(recorded)
        pick = paths_computed(catalog, unlike)[catalog.multi_kernels[0].id]
        place_pick(recorded, pick)
        assert by_id(find_places(catalog, Stub(H100, unlike)))[catalog.multi_kernels[0].id].path == pick

    def test_another_torch_by_where_it_kept_tuning_results(self, recorded: Path) -> None:
        """Where there are such results for a multi-kernel, and none under this torch's name for them."""
        for path in recorded.rglob("*.picked_kernel"):
            path.unlink()
        found = by_id(find_places(open_catalog(recorded), Stub()))
        unknown = [place for place in found.values() if place.path is None]
        assert 0 < len(unknown) < 41
        assert all("written with another build of torch" in place.reason for place in unknown)

    def test_this_torch_by_where_it_kept_tuning_results(self, recorded: Path) -> None:
        for path in recorded.rglob("*.picked_kernel"):
            path.unlink()
        tuned = next(recorded.rglob("*.best_config"))

        def part(kernel: KernelFile) -> Part:
            return part_of(kernel, best_config=tuned.name if kernel.key[1:3] == tuned.parent.name else None)

        place_pick(recorded, "aa/caaaa.picked_kernel")
        found = by_id(find_places(open_catalog(recorded), Stub(H100, part)))
        # Proven for one multi-kernel, so those without any evidence are this torch's too.
        assert sum(place.path is not None for place in found.values()) > 1

    def test_nobody_known_where_all_picks_lie_elsewhere(self, few: Path) -> None:
        place_pick(few, "aa/caaaa.picked_kernel")
        (reason,) = reasons(open_catalog(few), Stub(NEWEST))
        assert "another torch or triton: none of its 1 picks is where these keep it" in reason

    def test_one_pick_where_it_is_computed_proves_the_rest(self, few: Path) -> None:
        catalog = open_catalog(few)
        expected = paths_computed(catalog)
        place_pick(few, "aa/caaaa.picked_kernel")
        place_pick(few, expected[catalog.multi_kernels[2].id])
        assert paths(catalog, Stub(NEWEST)) == expected

    def test_anything_in_the_place_of_a_pick_proves_it(self, few: Path) -> None:
        catalog = open_catalog(few)
        expected = paths_computed(catalog)
        place_pick(few, "aa/caaaa.picked_kernel")
        (few / str(expected[catalog.multi_kernels[0].id])).mkdir(parents=True)
        assert paths(catalog, Stub(NEWEST)) == expected

    def test_a_cache_without_picks_is_anybody_s(self, few: Path) -> None:
        catalog = open_catalog(few)
        assert paths(catalog, Stub(NEWEST)) == paths_computed(catalog)

    def test_picks_of_torch_2_4_say_nothing_about_the_others(self, few: Path) -> None:
        fill_cache(few, DATA / "wrappers" / "torch-2.4.1")
        place_pick(few, TORCH_2_4[0])
        assert all(paths(open_catalog(few), Stub(NEWEST)).values())
