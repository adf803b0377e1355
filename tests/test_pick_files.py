"""A pick file is what torch's run time would make of it, whatever stands there."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mkexplorer.catalog.bundle import BundleStore
from mkexplorer.picks import files
from mkexplorer.picks.files import evidence_paths, read_histories, read_pick, read_pick_file
from mkexplorer.picks.model import Pick, PickState
from tests.pick_cache import PATH, PickCache

AS_TORCH_WRITES_IT = st.integers(0, 9).map(lambda index: str(index).encode())
NEAR_A_NUMBER = st.text("0123456789+-_ \t\n\r\x0b\x0c\x1c\u00a0\u0661\uff11.eExX\0\ufeff", max_size=6).map(str.encode)


@pytest.fixture
def cache(tmp_path: Path) -> PickCache:
    return PickCache(tmp_path)


def as_torch_loads_it(path: Path, count: int) -> int | str:
    """``MultiKernelCall.load_cache``: the index, or the error that ends the program."""
    try:
        with path.open(encoding="utf-8") as file:
            picked = int(file.read())
            assert picked >= 0
            assert picked < count
            return picked
    except (ValueError, AssertionError) as error:
        return "ValueError" if isinstance(error, ValueError) else "AssertionError"


class TestContent:
    @pytest.mark.parametrize("content", [b"1", b"1\n", b" 1 ", b"+1", b"0_1", b"01", "\uff11".encode(), b"\t1\r\n"])
    def test_what_int_takes_is_a_pick(self, cache: PickCache, content: bytes) -> None:
        cache.file.write_bytes(content)
        assert read_pick(cache.store, PATH, 2) == Pick(PickState.PICKED, 1, PATH)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "is empty: a program that loads it ends with ValueError"),
            (b"x", "holds 'x', no number"),
            (b"1.0", "holds '1.0', no number"),
            (b"\xff", "holds '\N{REPLACEMENT CHARACTER}', no number"),
            (b"1 2", "ends with ValueError"),
            (b"7", "says '7' of 2 sub-kernels: a program that loads it ends with AssertionError"),
            (b"-1", "ends with AssertionError"),
            (b"x" * 5000, "holds 'xxxxxxxxxxxxxxxxxxxxxxxx'…"),
            (b"9" * 5000, "ends with ValueError"),
        ],
    )
    def test_what_ends_a_program_is_invalid(self, cache: PickCache, content: bytes, words: str) -> None:
        cache.file.write_bytes(content)
        pick = read_pick(cache.store, PATH, 2)
        assert (pick.state, pick.index) == (PickState.INVALID, None)
        assert words in pick.reason

    @settings(max_examples=1000, deadline=None)
    @given(st.one_of(st.binary(max_size=40), AS_TORCH_WRITES_IT, NEAR_A_NUMBER), st.integers(1, 4))
    @example(b"\xef\xbb\xbf1", 2)
    @example(b"1\0", 2)
    @example(b"-0", 1)
    def test_any_bytes_get_the_verdict_of_the_run_time(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes, count: int
    ) -> None:
        cache = PickCache(tmp_path_factory.getbasetemp() / "any", content)
        expected = as_torch_loads_it(cache.file, count)
        pick = read_pick(cache.store, PATH, count)
        if isinstance(expected, int):
            assert (pick.state, pick.index) == (PickState.PICKED, expected)
        else:
            assert pick.state is PickState.INVALID
            assert expected in pick.reason

    def test_without_a_count_every_index_is_in_range(self, cache: PickCache) -> None:
        cache.file.write_bytes(b"7")
        assert read_pick(cache.store, PATH, None).index == 7


class TestWhatStandsThere:
    def test_nothing(self, cache: PickCache) -> None:
        cache.file.unlink()
        assert cache.read().pick == Pick(PickState.NONE, path=PATH)

    def test_not_even_the_folder(self, cache: PickCache) -> None:
        shutil.rmtree(cache.shelf)
        assert cache.read().pick.state is PickState.NONE

    def test_a_directory(self, cache: PickCache) -> None:
        cache.file.unlink()
        cache.file.mkdir()
        found = cache.read()
        assert found.pick.state is PickState.INVALID
        assert "IsADirectoryError" in found.pick.reason
        assert found.obstacle

    def test_a_socket(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cache = PickCache(tmp_path, None)
        monkeypatch.chdir(cache.shelf)  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(cache.file.name[:100])
            os.rename(cache.file.name[:100], cache.file)
        assert cache.read().pick.state is PickState.INVALID

    def test_a_fifo_does_not_block(self, cache: PickCache) -> None:
        cache.file.unlink()
        os.mkfifo(cache.file)
        found = cache.read()
        assert found.pick.state is PickState.INVALID
        assert "no ordinary file" in found.obstacle

    def test_an_unreadable_file(self, cache: PickCache, monkeypatch: pytest.MonkeyPatch) -> None:
        really = os.open

        def refused(path: str, flags: int, mode: int = 0o777, **more: int) -> int:
            if path == str(cache.file):
                raise PermissionError(13, "Permission denied", path)
            return really(path, flags, mode, **more)

        monkeypatch.setattr(os, "open", refused)
        found = cache.read()
        assert found.pick.state is PickState.INVALID
        assert "Permission denied" in found.pick.reason
        assert found.obstacle

    def test_a_link_inside_the_cache_is_followed_and_never_replaced(self, cache: PickCache) -> None:
        cache.file.rename(cache.root / "elsewhere")
        cache.file.symlink_to("../elsewhere")
        found = cache.read()
        assert (found.pick.state, found.pick.index) == (PickState.PICKED, 0)
        assert "symbolic link" in found.obstacle

    def test_a_link_out_of_the_cache_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "outside").write_bytes(b"1")
        cache = PickCache(tmp_path / "cache", None)
        cache.file.symlink_to(tmp_path / "outside")
        found = cache.read()
        assert found.pick.state is PickState.UNKNOWN
        assert "leads out of the place" in found.pick.reason

    @pytest.mark.parametrize("target", ["nothing", "/nothing/there", "itself"])
    def test_a_link_to_nothing_is_no_pick_to_torch(self, cache: PickCache, target: str) -> None:
        cache.file.unlink()
        cache.file.symlink_to(cache.file if target == "itself" else target)
        found = cache.read()
        assert found.pick.state is PickState.NONE
        assert not cache.file.exists()
        assert "symbolic link" in found.obstacle

    def test_a_linked_folder(self, cache: PickCache) -> None:
        cache.shelf.rename(cache.root / "real")
        cache.shelf.symlink_to("real")
        found = cache.read()
        assert found.pick.index == 0
        assert "symbolic link" in found.obstacle

    def test_a_file_of_somebody_else(self, cache: PickCache, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
        found = cache.read()
        assert found.pick.index == 0
        assert "belongs to the user" in found.obstacle
        assert "this is 54321" in found.obstacle

    def test_a_file_that_no_history_could_keep(self, cache: PickCache) -> None:
        cache.file.write_bytes(b" " * files.MOST_BYTES + b"1")
        found = cache.read()
        assert found.pick.index == 1
        assert "larger than 64 KiB" in found.obstacle

    def test_a_file_beyond_all_reason(self, cache: PickCache) -> None:
        with cache.file.open("wb") as file:
            file.truncate(1 << 40)
        assert cache.read().pick.state is PickState.UNKNOWN


class TestBundles:
    @pytest.fixture
    def store(self, tmp_path: Path) -> BundleStore:
        with zipfile.ZipFile(tmp_path / "some.mkx", "w") as bundle:
            bundle.writestr("manifest.json", "{}")
            bundle.writestr(PATH, b"1")
        return BundleStore(str(tmp_path / "some.mkx"))

    def test_a_pick_in_a_bundle_is_read_and_never_changed(self, store: BundleStore) -> None:
        found = read_pick_file(store, PATH, 2)
        assert (found.pick.state, found.pick.index) == (PickState.PICKED, 1)
        assert "bundle is never changed" in found.obstacle

    def test_no_pick_in_a_bundle(self, store: BundleStore) -> None:
        assert read_pick(store, "dk/other.picked_kernel", 2).state is PickState.NONE


class TestPinnedOrPicked:
    def test_what_a_person_pinned_says_so(self, cache: PickCache) -> None:
        cache.pin(1, why="faster on the H200")
        pick = cache.read().pick
        assert (pick.state, pick.index) == (PickState.PINNED, 1)
        assert pick.reason.startswith("pinned by ")
        assert pick.reason.endswith(": faster on the H200")

    def test_what_the_run_time_wrote_over_a_pin_is_its_own(self, cache: PickCache) -> None:
        cache.pin(1)
        cache.file.write_bytes(b"0")
        pick = cache.read().pick
        assert (pick.state, pick.index) == (PickState.PICKED, 0)
        assert pick.reason.startswith("Something else wrote the file after 1 was pinned")

    def test_a_pin_that_was_deleted_by_hand(self, cache: PickCache) -> None:
        cache.pin(1)
        cache.file.unlink()
        pick = cache.read().pick
        assert pick.state is PickState.NONE
        assert pick.reason.startswith("The file was deleted by something else after it was pinned")

    def test_what_the_run_time_picks_after_a_clear_is_picked(self, cache: PickCache) -> None:
        cache.pin(1)
        cache.clear()
        assert cache.read().pick.state is PickState.NONE
        assert cache.read().pick.reason.startswith("cleared by ")
        cache.file.write_bytes(b"1")
        assert cache.read().pick == Pick(PickState.PICKED, 1, PATH)

    def test_histories_are_found_without_knowing_any_multi_kernel(self, cache: PickCache) -> None:
        assert list(read_histories(cache.store)) == []
        cache.pin(1)
        (found,) = read_histories(cache.store)
        assert found.pick.index == 1
        assert [entry.after.content for entry in found.history.entries] == [b"1"]
        cache.file.unlink()
        assert list(evidence_paths(cache.store)) == [PATH]


ODD_CONTENTS = [b"0", b"1", b"1\n", b" 1 ", b"+1", b"-0", b"0_1", b"01", b"\t1\r\n", "\uff11".encode(), b"\xc2\xa01"]
ODD_CONTENTS += [
    b"9" * 5000,
    b"",
    b" ",
    b"x",
    b"1.0",
    b"7",
    b"-1",
    b"1 2",
    b"_1",
    b"0x1",
    b"1\0",
    b"\xff",
    b"\xef\xbb\xbf1",
]


def test_the_installed_torch_agrees(tmp_path: Path) -> None:
    caches = [PickCache(tmp_path / str(number), content) for number, content in enumerate(ODD_CONTENTS)]
    caches += [PickCache(tmp_path / name, None) for name in ("none", "dangling", "directory", "linked")]
    caches[-3].file.symlink_to("nothing")
    caches[-2].file.mkdir()
    (caches[-1].root / "real").write_bytes(b"1")
    caches[-1].file.symlink_to("../real")
    program = [sys.executable, str(Path(__file__).with_name("torch_loads_picks.py")), "2"]
    done = subprocess.run(
        [*program, *(str(cache.file) for cache in caches)], capture_output=True, text=True, check=True
    )
    for cache, torchs in zip(caches, json.loads(done.stdout), strict=True):
        pick = cache.read().pick
        if isinstance(torchs, str):
            assert pick.state is PickState.INVALID
            assert torchs in pick.reason
        else:
            assert pick.index == torchs
            assert pick.state is (PickState.NONE if torchs is None else PickState.PICKED)
