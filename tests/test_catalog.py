"""A place as a whole: the recorded cache against its record, ids, copies, changes, and what is remembered."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.catalog import catalog as catalog_module
from mkexplorer.catalog.definitions import code_hash
from mkexplorer.catalog.errors import MkexplorerError, PlaceError, UnknownId
from mkexplorer.catalog.model import Argument, MultiKernel, Place, PlaceKind, ScalarArgument
from mkexplorer.catalog.places import sample_path

from .conftest import DATA

IR_STAGES = {"ttir", "ttgir", "llir", "ptx", "cubin"}


@pytest.fixture(scope="session")
def record() -> list[dict[str, Any]]:
    """What was true of each multi-kernel on the machine that compiled."""
    with zipfile.ZipFile(sample_path()) as bundle:
        found: list[dict[str, Any]] = json.loads(bundle.read("record.json"))["multi_kernels"]
    return found


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The recorded cache, unpacked where it was not compiled."""
    with zipfile.ZipFile(sample_path()) as bundle:
        bundle.extractall(tmp_path / "moved")
    return tmp_path / "moved"


def stem(path: str) -> str:
    return Path(path).stem


def of(catalog: Catalog, entry: dict[str, Any]) -> MultiKernel:
    return catalog.find(f"{stem(entry['wrapper'])}/{entry['name']}")


def as_recorded(argument: Argument) -> object:
    if isinstance(argument, ScalarArgument):
        return argument.value
    shape, stride = argument.shape, argument.stride
    assert shape is not None
    assert stride is not None
    return {"shape": list(shape), "stride": list(stride), "dtype": argument.dtype}


class TestRecordedCache:
    def test_has_41_multi_kernels_of_82_sub_kernels(self, sample: Catalog) -> None:
        assert len(sample.multi_kernels) == 41
        assert sum(len(each.sub_kernels) for each in sample.multi_kernels) == 82
        assert sample.diagnostics == ()

    def test_sub_kernels_stand_in_index_order(self, sample: Catalog, record: list[dict[str, Any]]) -> None:
        for entry in record:
            sub_kernels = of(sample, entry).sub_kernels
            assert [s.name for s in sub_kernels] == entry["subs"]
            assert [stem(s.kernel_file) for s in sub_kernels] == [stem(file) for file in entry["files"]]

    def test_every_call_argument_is_what_was_passed(self, sample: Catalog, record: list[dict[str, Any]]) -> None:
        for entry in record:
            assert [as_recorded(a) for a in of(sample, entry).calls[0].arguments] == entry["args"]

    def test_every_sub_kernel_has_its_ir(self, sample: Catalog) -> None:
        for multi_kernel in sample.multi_kernels:
            for sub_kernel in multi_kernel.sub_kernels:
                configs = sample.configs(sub_kernel)
                assert configs
                assert all({stage for stage, _ in config.stages} >= IR_STAGES for config in configs)

    def test_the_winner_is_the_recorded_one_or_not_recorded(
        self, sample: Catalog, record: list[dict[str, Any]]
    ) -> None:
        told = 0
        for entry in record:
            for sub_kernel, (picked, *_) in zip(of(sample, entry).sub_kernels, entry["picked_config"], strict=True):
                winners = [config for config in sample.configs(sub_kernel) if config.won]
                assert [config.hash for config in winners] in ([], [picked["hash"]])
                told += len(winners)
        assert told == 80

    def test_is_the_same_as_a_directory_that_was_moved(
        self, sample: Catalog, cache: Path, record: list[dict[str, Any]]
    ) -> None:
        moved = open_catalog(cache)

        assert moved.place == Place(str(cache), PlaceKind.CACHE)
        assert moved.multi_kernels == sample.multi_kernels
        sub_kernel = of(moved, record[0]).sub_kernels[0]
        path = moved.kernel_path(sub_kernel)
        assert path is not None
        assert (cache / path).is_file()
        assert not str(sub_kernel.recorded_path).startswith(str(cache))

    def test_graphs_come_in_the_order_of_their_compilation(self, sample: Catalog) -> None:
        numbers = [int(m.graph.aot_id.partition("_")[0]) for m in sample.multi_kernels if m.graph]
        assert numbers == sorted(numbers)
        phases = list(dict.fromkeys(m.graph.phase for m in sample.multi_kernels if m.graph and "18_" in m.graph.aot_id))
        assert phases == ["forward", "backward"]

    def test_source_is_the_file_that_torch_keeps(self, sample: Catalog) -> None:
        for multi_kernel in sample.multi_kernels[:5]:
            for sub_kernel in multi_kernel.sub_kernels:
                path = sample.kernel_path(sub_kernel)
                assert path is not None
                assert sample.source(multi_kernel, sub_kernel).strip() == sample.store.read_text(path).strip()

    def test_evidence_tells_timings_and_the_pick(self, sample: Catalog, record: list[dict[str, Any]]) -> None:
        for entry in record:
            evidence = sample.evidence(of(sample, entry))
            assert evidence is not None
            assert evidence.picked == entry["pick"]
            medians = [s.cold.median_us for s in evidence.sub_kernels if s.cold]
            assert medians == pytest.approx(entry["cupti_us_cold"], abs=1e-3)


class TestIds:
    def test_any_prefix_that_only_one_has_is_enough(self, sample: Catalog) -> None:
        multi_kernel = sample.multi_kernels[0]
        key = multi_kernel.wrapper_key

        for text in (multi_kernel.id, key[:4], f"{key}/multi_kernel_0", f" {key[:5]}/ "):
            assert sample.find(text) is multi_kernel

    def test_an_exact_name_wins_over_a_longer_one(self, sample: Catalog) -> None:
        many = next(w for w in sample.wrappers if len(w.multi_kernels) > 10)

        assert sample.find(f"{many.key[:7]}/multi_kernel_1").name == "multi_kernel_1"

    def test_an_ambiguous_prefix_names_those_that_it_fits(self, sample: Catalog) -> None:
        many = next(w for w in sample.wrappers if len(w.multi_kernels) > 10)

        with pytest.raises(UnknownId, match=rf"fits 11 multi-kernels: {many.key[:7]}/multi_kernel_0, .*…"):
            sample.find(many.key[:7])

    def test_an_unknown_id_says_where_ids_are_shown(self, sample: Catalog) -> None:
        with pytest.raises(UnknownId) as caught:
            sample.find("zzz")
        assert "mkexplorer list" in caught.value.advice

    def test_ids_grow_where_seven_letters_are_not_enough(self, tmp_path: Path) -> None:
        text = (DATA / "wrappers" / "torch-2.13.0" / "softmax.py").read_text()
        shelf = tmp_path / "aa"
        shelf.mkdir()
        for letter in "bcd":
            (shelf / f"caa{'2' * 6}{letter}{'7' * 42}.py").write_text(text)

        catalog = open_catalog(tmp_path)
        assert {m.id for m in catalog.multi_kernels} == {f"caa222222{letter}/multi_kernel_0" for letter in "bcd"}


class TestChangingPlaces:
    def test_refresh_finds_nothing_new_in_an_unchanged_place(self, cache: Path) -> None:
        catalog = open_catalog(cache)

        assert catalog.refresh() is catalog

    def test_refresh_reads_new_files_and_keeps_the_others(self, cache: Path) -> None:
        catalog = open_catalog(cache)
        name = "c" + "z" * 51
        (cache / "zz").mkdir(exist_ok=True)
        shutil.copy(DATA / "wrappers" / "torch-2.9.1" / "softmax.py", cache / "zz" / f"{name}.py")

        now = catalog.refresh()
        assert {m.wrapper_key for m in now.multi_kernels} - {m.wrapper_key for m in catalog.multi_kernels} == {name}
        kept = catalog.multi_kernels[0]
        assert now.find(kept.id) is kept

    def test_refresh_forgets_what_is_gone(self, cache: Path) -> None:
        catalog = open_catalog(cache)
        gone = catalog.wrapper(catalog.multi_kernels[0])
        (cache / gone.origin.path).unlink()

        assert gone.key not in {w.key for w in catalog.refresh().wrappers}
        with pytest.raises(PlaceError, match="no such file"):
            catalog.wrapper_text(gone)

    def test_an_unreadable_file_is_reported_and_the_rest_loads(self, cache: Path) -> None:
        broken = cache / "zz" / ("c" + "z" * 51 + ".py")
        broken.parent.mkdir(exist_ok=True)
        with broken.open("wb") as stream:
            stream.truncate(65 << 20)

        catalog = open_catalog(cache)
        assert len(catalog.multi_kernels) == 41
        (problem,) = catalog.diagnostics
        assert problem.path == f"zz/{broken.name}"
        assert "larger than" in problem.message

    def test_the_same_module_in_two_files_counts_once(self, cache: Path) -> None:
        wrapper = open_catalog(cache).wrappers[0]
        (cache / "fxgraph" / "ab" / "key").mkdir(parents=True)
        text = (cache / wrapper.origin.path).read_bytes()
        (cache / "fxgraph" / "ab" / "key" / "entry").write_bytes(pickle.dumps([text.decode()]))

        assert len(open_catalog(cache).multi_kernels) == 41

    def test_a_module_that_only_an_fx_graph_entry_holds_is_found(self, cache: Path) -> None:
        wrapper = open_catalog(cache).wrappers[0]
        (cache / "fxgraph" / "ab" / "key").mkdir(parents=True)
        path = cache / wrapper.origin.path
        (cache / "fxgraph" / "ab" / "key" / "entry").write_bytes(pickle.dumps([path.read_text()]))
        path.unlink()

        catalog = open_catalog(cache)
        (found,) = [w for w in catalog.wrappers if w.key == wrapper.key]
        assert found.origin.ordinal == 0
        assert catalog.source(found.multi_kernels[0], found.multi_kernels[0].sub_kernels[0]).startswith("import triton")


class TestRememberedPlaces:
    def test_an_unchanged_file_is_not_parsed_again(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = open_catalog(cache)

        def forbidden(*_: object) -> None:
            raise AssertionError("parsed again")

        monkeypatch.setattr(catalog_module, "read_wrappers", forbidden)
        assert open_catalog(cache).multi_kernels == first.multi_kernels

    def test_a_changed_file_is_parsed_again(self, cache: Path) -> None:
        wrapper = open_catalog(cache).wrappers[0]
        path = cache / wrapper.origin.path
        path.write_text(path.read_text().replace("multi_kernel_0", "multi_kernel_7"))

        (again,) = [w for w in open_catalog(cache).wrappers if w.key == wrapper.key]
        assert again.multi_kernels[0].name == "multi_kernel_7"

    def test_a_home_that_cannot_be_written_only_costs_time(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

        assert len(open_catalog(cache).multi_kernels) == 41


def test_a_damaged_manifest_is_told_when_the_bundle_is_opened(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.mkx", "w") as bundle:
        bundle.writestr("manifest.json", "{")

    with pytest.raises(PlaceError, match="manifest.json"):
        open_catalog(tmp_path / "bad.mkx")


def test_a_cpp_wrapper_module_and_its_fx_entry_are_one_on_the_lines_of_the_module(tmp_path: Path) -> None:
    python = (DATA / "wrappers" / "torch-2.13.0" / "softmax.py").read_text().replace('"""', '\\"\\"\\"')
    module = f'r"""\nCompile-time auto-tuning block: \n{python}\n"""\nimport torch\ncpp_wrapper_src = (r"""int""")\n'
    key = code_hash(module)
    entry = tmp_path / "fxgraph" / "ab" / "fab" / "content"
    entry.parent.mkdir(parents=True)
    entry.write_bytes(pickle.dumps({"source": module}))
    from_entry = open_catalog(tmp_path)
    (tmp_path / key[1:3]).mkdir()
    (tmp_path / key[1:3] / f"{key}.py").write_text(module)
    both = open_catalog(tmp_path)

    assert both.multi_kernels == from_entry.multi_kernels
    (multi_kernel,) = both.multi_kernels
    assert multi_kernel.wrapper_key == key
    assert both.wrapper(multi_kernel).origin.path == f"{key[1:3]}/{key}.py"
    lines = module.split("\n")
    assert lines[multi_kernel.definition.last - 1] == "], arg_index=arg_index)"
    assert ["multi_kernel_0.run(" in lines[call.line - 1] for call in multi_kernel.calls] == [True]


class TestStages:
    def test_every_text_stage_reads(self, sample: Catalog) -> None:
        config = sample.configs(sample.multi_kernels[0].sub_kernels[0])[0]

        assert "tt.func" in sample.read_stage(config, "ttir")
        assert "ttg." in sample.read_stage(config, "ttgir")
        assert "define" in sample.read_stage(config, "llir")
        assert ".visible .entry" in sample.read_stage(config, "ptx")

    def test_a_stage_that_is_not_there_names_those_that_are(self, sample: Catalog) -> None:
        config = sample.configs(sample.multi_kernels[0].sub_kernels[0])[0]

        with pytest.raises(MkexplorerError, match="holds no amdgcn") as caught:
            sample.read_stage(config, "amdgcn")
        assert "ttgir" in caught.value.advice


def test_the_default_place_is_torch_s(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", os.fspath(cache))

    assert open_catalog().place.path == str(cache)
