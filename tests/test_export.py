"""A bundle holds what its multi-kernels need, and opens as the cache did that it came from."""

from __future__ import annotations

import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from mkexplorer.catalog.bundle import BundleStore
from mkexplorer.catalog.catalog import Catalog, open_catalog
from mkexplorer.catalog.errors import MkexplorerError, PlaceError
from mkexplorer.catalog.export import export_bundle
from mkexplorer.catalog.places import sample_path
from mkexplorer.catalog.store import FolderStore

from .make_places import log_of, unpack_sample


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_sample(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.mkx"


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_a_cache_exports_to_what_the_sample_holds_but_for_recorded_facts(cache: Path, output: Path) -> None:
    export_bundle(open_catalog(cache), output)
    expected = members(sample_path())
    found = members(output)
    assert sorted(found) == sorted(expected.keys() - {"record.json"})
    assert all(found[name] == expected[name] for name in found.keys() - {"manifest.json"})


def test_a_bundle_holds_the_same_multi_kernels_as_its_place(cache: Path, output: Path) -> None:
    place = open_catalog(cache)
    export_bundle(place, output)
    bundle = open_catalog(output)
    assert bundle.multi_kernels == place.multi_kernels
    subs = [sub for each in bundle.multi_kernels for sub in each.sub_kernels]
    assert [bundle.configs(sub) for sub in subs] == [place.configs(sub) for sub in subs]


def test_facts_of_a_bundle_are_carried_over(sample: Catalog, output: Path) -> None:
    export_bundle(sample, output)
    assert open_catalog(output).manifest == sample.manifest


def test_of_a_cache_the_version_of_triton_is_known(cache: Path, output: Path) -> None:
    export_bundle(open_catalog(cache), output)
    manifest = open_catalog(output).manifest
    assert manifest is not None
    assert (manifest.triton, manifest.torch, manifest.gpu) == ("3.6.0", None, None)


def test_only_the_chosen_ones_and_what_they_need(sample: Catalog, output: Path) -> None:
    chosen = sample.multi_kernels[0]
    export_bundle(sample, output, [chosen])
    bundle = open_catalog(output)
    evidence = bundle.evidence(chosen)
    assert evidence == sample.evidence(chosen)
    assert evidence is not None
    names = set(members(output))
    assert {name for name in names if name.endswith(".picked_kernel")} == {evidence.pick_path}
    assert {name for name in names if name.endswith(".py")} == {
        f"{file[1:3]}/{file}" for file in (f"{chosen.wrapper_key}.py", *(sub.kernel_file for sub in chosen.sub_kernels))
    }
    folders = {config.folder for sub in chosen.sub_kernels for config in sample.configs(sub)}
    assert {name.rpartition("/")[0] for name in names if name.startswith("triton/")} == folders


def test_a_bundle_lists_only_what_was_chosen_of_a_wrapper_with_more(sample: Catalog, output: Path) -> None:
    wrapper = next(wrapper for wrapper in sample.wrappers if len(wrapper.multi_kernels) > 2)
    chosen = wrapper.multi_kernels[1]
    export_bundle(sample, output, [chosen])
    bundle = open_catalog(output)
    assert bundle.multi_kernels == (chosen,)
    assert bundle.find(chosen.id) == chosen


def test_where_a_pick_is_not_known_all_picks_come_along(cache: Path, output: Path) -> None:
    catalog = open_catalog(cache)
    export_bundle(catalog, output, catalog.multi_kernels[:1])
    assert len([name for name in members(output) if name.endswith(".picked_kernel")]) == 41


def test_wrappers_out_of_a_log_stand_where_a_cache_keeps_them(sample: Catalog, tmp_path: Path, output: Path) -> None:
    text = sample.wrapper_text(sample.wrappers[0])
    (tmp_path / "run.log").write_text(log_of(text))
    export_bundle(open_catalog(tmp_path / "run.log"), output)
    key = sample.wrappers[0].key
    assert members(output)[f"{key[1:3]}/{key}.py"] == text.encode()


def test_the_same_input_gives_the_same_bytes(sample: Catalog, output: Path, tmp_path: Path) -> None:
    export_bundle(sample, output, sample.multi_kernels[:2])
    export_bundle(sample, tmp_path / "again.mkx", sample.multi_kernels[:2])
    assert output.read_bytes() == (tmp_path / "again.mkx").read_bytes()


def test_a_bundle_can_be_exported_over_itself(sample: Catalog, output: Path) -> None:
    export_bundle(sample, output, sample.multi_kernels[:2])
    opened = open_catalog(output)
    export_bundle(opened, output, opened.multi_kernels[:1])
    assert len(members(output)) < len(list(opened.store.files()))


def test_others_may_read_the_bundle_as_the_umask_lets_them(sample: Catalog, output: Path) -> None:
    before = os.umask(0o027)
    try:
        export_bundle(sample, output, sample.multi_kernels[:1])
    finally:
        os.umask(before)
    assert output.stat().st_mode & 0o777 == 0o640


def test_an_export_that_fails_leaves_what_was_there(cache: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(store: FolderStore, path: str, *, limit: int = 0) -> bytes:
        raise PlaceError(f"{path}: gone")

    catalog = open_catalog(cache)
    output.write_text("precious")
    monkeypatch.setattr(FolderStore, "read_bytes", unreadable)
    with pytest.raises(PlaceError, match="gone"):
        export_bundle(catalog, output)
    assert output.read_text() == "precious"
    assert list(output.parent.iterdir()) == [output]


def test_a_folder_that_is_not_there_is_told(sample: Catalog, tmp_path: Path) -> None:
    with pytest.raises(MkexplorerError, match=r"none/out\.mkx: No such file or directory"):
        export_bundle(sample, tmp_path / "none" / "out.mkx", sample.multi_kernels[:1])


def test_what_is_no_file_is_not_replaced(sample: Catalog, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for place in ("pipe", "link", "new/"):
        with pytest.raises(MkexplorerError, match=f"{place}: is not a file"):
            export_bundle(sample, f"{tmp_path}/{place}", sample.multi_kernels[:1])
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]


@pytest.mark.parametrize("place", ["", ".", "..", "/", "a\0b"])
def test_what_can_be_no_file_is_told(sample: Catalog, place: str) -> None:
    with pytest.raises(MkexplorerError) as caught:
        export_bundle(sample, place, sample.multi_kernels[:1])
    assert caught.value.advice == "Name another file with -o."


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_file_is_written(sample: Catalog, tmp_path: Path, there: bool) -> None:
    (tmp_path / "real").mkdir()
    if there:
        (tmp_path / "real" / "out.mkx").write_text("before")
    (tmp_path / "link.mkx").symlink_to("real/out.mkx")
    export_bundle(sample, tmp_path / "link.mkx", sample.multi_kernels[:1])
    assert (tmp_path / "link.mkx").is_symlink()
    assert len(open_catalog(tmp_path / "real" / "out.mkx").multi_kernels) == 1


def test_nothing_to_export_is_told(tmp_path: Path, output: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MkexplorerError, match="holds no multi-kernel to export"):
        export_bundle(open_catalog(tmp_path / "empty"), output)
    assert not output.exists()


def test_a_recorded_pick_path_cannot_reach_outside(cache: Path, output: Path) -> None:
    (cache.parent / "secret").write_text("secret")
    catalog = open_catalog(sample_path())
    chosen = catalog.multi_kernels[0]
    evidence = catalog.evidence(chosen)
    assert evidence is not None
    assert catalog.manifest is not None
    key = (chosen.wrapper_key, chosen.name)
    hostile = replace(catalog.manifest, evidence={key: replace(evidence, pick_path="../secret")})
    place = replace(open_catalog(cache), manifest=hostile)  # as if the folder had recorded facts
    export_bundle(place, output, [chosen])
    assert not [name for name in BundleStore(str(output)).files() if "secret" in name.path]
