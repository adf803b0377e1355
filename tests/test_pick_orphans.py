"""Pick files that are nobody's, told only where every other one's owner is known."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mkexplorer.catalog import open_catalog
from mkexplorer.catalog.definitions import code_hash
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.picks.orphans import find_leftovers, find_orphans, pick_paths
from mkexplorer.picks.writing import remove_leftover
from tests.conftest import DATA
from tests.pick_cache import NAME, PATH, PickCache

OWNED = "ab/cab.picked_kernel"


@pytest.fixture
def cache(tmp_path: Path) -> PickCache:
    """A cache of one wrapper with one multi-kernel, whose pick is `OWNED`, and a pick of nobody's at `PATH`."""
    cache = PickCache(tmp_path)
    wrapper = DATA / "wrappers" / "torch-2.13.0" / "softmax.py"
    key = code_hash(wrapper.read_text())
    (tmp_path / key[1:3]).mkdir()
    shutil.copy(wrapper, tmp_path / key[1:3] / f"{key}.py")
    (tmp_path / "ab").mkdir()
    (tmp_path / OWNED).write_bytes(b"0")
    return cache


def orphans(place: Path, path: str | None = OWNED) -> tuple[str, ...]:
    catalog = open_catalog(place)
    (multi_kernel,) = catalog.multi_kernels
    return find_orphans(catalog, {multi_kernel.id: path})


def test_what_belongs_to_no_multi_kernel(cache: PickCache) -> None:
    assert pick_paths(cache.store) == (OWNED, PATH)
    assert orphans(cache.root) == (PATH,)


def test_evidence_and_leftovers_are_no_picks(cache: PickCache) -> None:
    cache.pin(1)
    (cache.shelf / f".{NAME}.mkexplorer-new").write_bytes(b"1")
    assert orphans(cache.root) == (PATH,)
    assert find_leftovers(cache.store) == (PATH,)
    remove_leftover(cache.store, PATH)
    assert find_leftovers(cache.store) == ()
    assert cache.read().pick.index == 1


def test_not_while_a_place_is_unknown(cache: PickCache) -> None:
    with pytest.raises(MkexplorerError, match="those of 1 multi-kernels are not known") as caught:
        orphans(cache.root, None)
    assert "--python" in caught.value.advice


def test_not_while_a_wrapper_cannot_be_read_whole(cache: PickCache) -> None:
    text = (DATA / "wrappers" / "torch-2.13.0" / "layernorm.py").read_text()
    cut = text.index("async_compile.multi_kernel(") + 40
    (cache.root / "ab" / f"cab{'z' * 49}.py").write_text(text[:cut])
    with pytest.raises(MkexplorerError, match="could not be read"):
        orphans(cache.root)


def test_not_from_a_catalog_that_is_out_of_date(cache: PickCache) -> None:
    catalog = open_catalog(cache.root)
    shutil.copy(DATA / "wrappers" / "torch-2.13.0" / "layernorm.py", cache.root / "ab" / f"cab{'n' * 49}.py")
    with pytest.raises(MkexplorerError, match="has changed since it was opened"):
        find_orphans(catalog, {catalog.multi_kernels[0].id: OWNED})


def test_only_a_whole_cache_tells(cache: PickCache) -> None:
    (wrapper,) = cache.root.glob("*/*.py")
    with pytest.raises(MkexplorerError, match="only a whole cache directory"):
        orphans(wrapper)
