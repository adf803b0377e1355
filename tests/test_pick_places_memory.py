"""Where pick files are is remembered, until another torch, triton or Python may find them elsewhere."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mkexplorer.catalog import open_catalog
from mkexplorer.picks.interpreter import Identity
from mkexplorer.picks.places import find_places
from tests.pick_places import never_run
from tests.stub_interpreter import NEWEST, Stub, by_id, paths, paths_computed, place_pick


@pytest.fixture
def few(tmp_path: Path) -> Path:
    return never_run(tmp_path / "few")


class TestMemory:
    @pytest.fixture
    def torch_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "torch.py"
        path.write_text("")
        return path

    def identity(self, file: Path, torch_key: str = "aa") -> Identity:
        found = file.stat()
        return replace(NEWEST, torch_key=torch_key, files=((str(file), found.st_size, found.st_mtime_ns),))

    def test_spares_the_interpreter(self, few: Path, torch_file: Path) -> None:
        catalog = open_catalog(few)
        first = paths(catalog, Stub(self.identity(torch_file)))
        again = Stub(self.identity(torch_file))
        assert paths(catalog, again) == first
        assert again.started == 0

    def test_computes_only_what_is_new(self, few: Path, torch_file: Path) -> None:
        paths(open_catalog(few), Stub(self.identity(torch_file)))
        wrapper = next(few.rglob("c*.py"))
        wrapper.write_text(wrapper.read_text().replace("import triton\n", "import triton # new\n"))
        again = Stub(self.identity(torch_file))
        paths(open_catalog(few), again)
        assert len(again.asked) == 1

    def test_survives_a_reinstallation_of_the_same_torch(self, few: Path, torch_file: Path) -> None:
        paths(open_catalog(few), Stub(self.identity(torch_file)))
        os.utime(torch_file, ns=(1, 1))
        again = Stub(self.identity(torch_file))
        paths(open_catalog(few), again)
        assert (again.started, again.asked) == (1, [])

    def test_is_dropped_with_another_torch(self, few: Path, torch_file: Path) -> None:
        paths(open_catalog(few), Stub(self.identity(torch_file)))
        os.utime(torch_file, ns=(1, 1))
        again = Stub(self.identity(torch_file, torch_key="bb"))
        paths(open_catalog(few), again)
        assert len(again.asked) == 4

    def test_that_is_proven_wrong_stops_the_search(self, few: Path, torch_file: Path) -> None:
        """The files are the same, and yet the interpreter is another one by now: what it says is not mixed."""
        paths(open_catalog(few), Stub(self.identity(torch_file)))
        wrapper = next(few.rglob("c*.py"))
        wrapper.write_text(wrapper.read_text().replace("import triton\n", "import triton # new\n"))
        other = self.identity(torch_file, torch_key="bb")

        found = by_id(find_places(open_catalog(few), Stub(other)))
        assert any("now finds another torch or triton than before" in place.reason for place in found.values())
        again = Stub(other)
        assert all(paths(open_catalog(few), again).values())
        assert len(again.asked) == 4

    def test_that_is_damaged_counts_as_none(self, few: Path, torch_file: Path) -> None:
        first = paths(open_catalog(few), Stub(self.identity(torch_file)))
        (memory,) = Path(os.environ["XDG_CACHE_HOME"]).rglob("interpreter-*.json")
        for damage in (b"", b"{", b"[]", b'{"version": 1}', memory.read_bytes()[:-40]):
            memory.write_bytes(damage)
            assert paths(open_catalog(few), Stub(self.identity(torch_file))) == first

    def test_that_cannot_be_written_costs_only_time(
        self, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        assert all(paths(open_catalog(few), Stub(NEWEST)).values())

    def test_of_one_environment_is_not_another_s(
        self, few: Path, torch_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths(open_catalog(few), Stub(self.identity(torch_file)))
        monkeypatch.setenv("PYTHONPATH", "/another/torch")
        again = Stub(self.identity(torch_file))
        paths(open_catalog(few), again)
        assert len(again.asked) == 4

    def test_is_kept_when_the_search_is_broken_off(self, few: Path, torch_file: Path) -> None:
        place_pick(few, paths_computed(open_catalog(few))[open_catalog(few).multi_kernels[0].id])
        search = find_places(open_catalog(few), Stub(self.identity(torch_file)))
        next(search)
        search.close()  # type: ignore[attr-defined]  # it is a generator
        again = Stub(self.identity(torch_file))
        paths(open_catalog(few), again)
        assert len(again.asked) == 3
