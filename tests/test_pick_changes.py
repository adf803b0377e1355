"""Pin, clear and undo: what is planned, what it does to the file, and what the history then tells."""

from __future__ import annotations

import fcntl
import os
import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import MultiKernelKind
from mkexplorer.picks.changes import last_batch, one_per_file, plan_clear, plan_pin, plan_undo
from mkexplorer.picks.files import read_pick_file, unknown_pick_file
from mkexplorer.picks.model import Action, Machine, PickFile, PickState, Who
from mkexplorer.picks.writing import Occasion, apply_change, apply_changes
from tests import builders
from tests.pick_cache import NAME, PATH, PickCache


@pytest.fixture
def cache(tmp_path: Path) -> PickCache:
    return PickCache(tmp_path)


class TestPin:
    def test_the_file_holds_what_torch_would_write(self, cache: PickCache) -> None:
        cache.pin(1)
        assert cache.content() == b"1"
        assert cache.names == [NAME, f"{NAME}.json"]

    def test_where_there_was_no_pick_nor_a_folder_for_it(self, tmp_path: Path) -> None:
        cache = PickCache(tmp_path, None)
        cache.shelf.rmdir()
        cache.pin(1)
        assert cache.read().pick.state is PickState.PINNED

    def test_what_the_run_time_had_picked_can_be_pinned(self, cache: PickCache) -> None:
        cache.pin(0)
        assert (cache.content(), cache.read().pick.state) == (b"0", PickState.PINNED)

    def test_an_invalid_file_is_replaced(self, cache: PickCache) -> None:
        cache.file.write_bytes(b"\xff")
        cache.pin(1)
        assert cache.read().pick.state is PickState.PINNED
        cache.undo()
        assert cache.content() == b"\xff"

    def test_what_is_pinned_needs_no_change(self, cache: PickCache) -> None:
        cache.pin(1)
        assert plan_pin(cache.multi_kernel, cache.read(), 1) is None
        assert plan_pin(cache.multi_kernel, cache.read(), 0) is not None

    @pytest.mark.parametrize("index", [-1, 2])
    def test_there_must_be_such_a_sub_kernel(self, cache: PickCache, index: int) -> None:
        with pytest.raises(MkexplorerError, match=f"has no sub-kernel {index}"):
            plan_pin(cache.multi_kernel, cache.read(), index)

    def test_a_template_has_no_pick_file(self, cache: PickCache) -> None:
        template = replace(cache.multi_kernel, kind=MultiKernelKind.SIZE_HINT)
        with pytest.raises(MkexplorerError, match="has no pick file"):
            plan_pin(template, unknown_pick_file(""), 0)

    def test_an_unknown_place_is_refused_with_its_reason(self, cache: PickCache) -> None:
        unknown = unknown_pick_file("this cache was written with triton 3.6.0")
        assert unknown.pick.state is PickState.UNKNOWN
        with pytest.raises(MkexplorerError, match=r"triton 3\.6\.0"):
            plan_pin(cache.multi_kernel, unknown, 0)
        with pytest.raises(MkexplorerError, match=r"triton 3\.6\.0"):
            plan_clear(cache.multi_kernel, unknown)

    @pytest.mark.parametrize("mode", [0o600, 0o664])
    def test_who_may_read_the_file_stays(self, cache: PickCache, mode: int) -> None:
        cache.file.chmod(mode)
        cache.pin(1)
        assert stat.S_IMODE(cache.file.stat().st_mode) == mode

    def test_it_needs_no_more_than_the_plan_and_the_place(self, cache: PickCache) -> None:
        change = plan_pin(cache.multi_kernel, cache.read(), 1, why="for a test")
        assert change is not None
        machine = Machine(gpu="NVIDIA H100", torch="2.11.0")
        apply_change(cache.store, change, Occasion(Who.TOOL, machine, batch="b1"))
        (entry,) = cache.read().history.entries
        assert (entry.who, entry.batch, entry.why, entry.action) == (Who.TOOL, "b1", "for a test", Action.PIN)
        assert (entry.before.content, entry.before.state) == (b"0", PickState.PICKED)
        assert (entry.machine.gpu, entry.machine.torch) == ("NVIDIA H100", "2.11.0")
        assert entry.machine.host
        assert entry.machine.user
        assert entry.multi_kernel == f"{builders.KEY}/multi_kernel_0"


class TestClear:
    def test_the_file_goes_and_its_history_stays(self, cache: PickCache) -> None:
        cache.clear()
        assert cache.content() is None
        assert cache.names == [f"{NAME}.json"]
        assert cache.read().history.entries[0].before.content == b"0"

    def test_where_there_is_no_pick_nothing_is_to_be_done(self, cache: PickCache) -> None:
        cache.file.unlink()
        assert plan_clear(cache.multi_kernel, cache.read()) is None

    def test_an_orphan_has_no_multi_kernel(self, cache: PickCache) -> None:
        change = plan_clear(None, cache.read())
        cache.apply(change)
        assert cache.content() is None
        assert cache.read().history.entries[0].multi_kernel == ""


class TestUndo:
    def test_a_pin_gives_way_to_what_was_picked(self, cache: PickCache) -> None:
        cache.pin(1)
        cache.undo()
        pick = cache.read().pick
        assert (pick.state, pick.index) == (PickState.PICKED, 0)
        assert pick.reason.startswith("put back by ")

    def test_a_first_pin_gives_way_to_nothing(self, tmp_path: Path) -> None:
        cache = PickCache(tmp_path, None)
        cache.pin(1)
        cache.undo()
        assert cache.content() is None

    def test_a_cleared_pin_is_a_pin_again_whatever_was_picked_since(self, cache: PickCache) -> None:
        cache.pin(1)
        cache.clear()
        cache.file.write_bytes(b"0")
        cache.undo()
        pick = cache.read().pick
        assert (pick.state, pick.index) == (PickState.PINNED, 1)
        assert cache.read().history.entries[-1].before.content == b"0"

    def test_again_and_again_it_walks_into_the_past_and_then_ends(self, cache: PickCache) -> None:
        cache.pin(1)
        cache.clear()
        cache.pin(0)
        seen = []
        while plan_undo(cache.read()):
            cache.undo()
            seen.append(cache.content())
        assert seen == [None, b"1", b"0"]

    def test_a_change_after_an_undo_is_the_next_to_be_undone(self, cache: PickCache) -> None:
        cache.pin(1)
        cache.undo()
        cache.clear()
        cache.undo()
        assert cache.content() == b"0"
        assert plan_undo(cache.read()) is None

    def test_a_never_changed_pick_has_nothing_to_undo(self, cache: PickCache) -> None:
        assert plan_undo(cache.read()) is None


class TestMany:
    def test_undo_is_about_all_that_the_last_command_changed(self, tmp_path: Path) -> None:
        cache = PickCache(tmp_path)
        other = f"dk/cdk{'q' * 49}.picked_kernel"
        (tmp_path / other).write_bytes(b"1")
        paths = (PATH, other)

        def read() -> list[PickFile]:
            return [read_pick_file(cache.store, path, 2) for path in paths]

        cache.pin(1)
        clear_all = [change for file in read() if (change := plan_clear(cache.multi_kernel, file))]
        assert [error for _, error in apply_changes(cache.store, clear_all, Occasion(Who.PERSON))] == [None, None]
        assert {file.path for file in last_batch(read())} == set(paths)
        undo_all = [change for file in last_batch(read()) if (change := plan_undo(file))]
        assert [error for _, error in apply_changes(cache.store, undo_all, Occasion(Who.PERSON))] == [None, None]
        assert [file.pick.state for file in read()] == [PickState.PINNED, PickState.PICKED]
        assert [file.path for file in last_batch(read())] == [PATH]
        assert last_batch([]) == ()

    def test_one_failure_stops_no_other(self, cache: PickCache) -> None:
        change = plan_pin(cache.multi_kernel, cache.read(), 1)
        assert change is not None
        lost = replace(change, path=f"zz/{NAME}", action=Action.CLEAR, after=replace(change.after, content=None))
        (_, error), (_, none) = apply_changes(cache.store, [lost, change], Occasion(Who.PERSON))
        assert error is not None
        assert "No such file or directory" in error.message
        assert none is None
        assert cache.content() == b"1"

    def test_multi_kernels_that_share_a_file_make_one_change(self, cache: PickCache) -> None:
        twin = builders.multi_kernel(name="multi_kernel_1")
        changes = [plan_pin(each, cache.read(), 1) for each in (cache.multi_kernel, twin)]
        assert one_per_file(filter(None, changes)) == (changes[0],)

    def test_multi_kernels_that_share_a_file_cannot_differ(self, cache: PickCache) -> None:
        changes = [plan_pin(cache.multi_kernel, cache.read(), index) for index in (0, 1)]
        with pytest.raises(MkexplorerError, match="share dk/"):
            one_per_file(filter(None, changes))


class TestRefusals:
    """Whatever stands in the way: a message that says what, and the pick as it was."""

    def refused(self, cache: PickCache, words: str) -> None:
        """A pin that was planned before anything stood in the way."""
        change = plan_pin(cache.multi_kernel, PickCache(cache.root / "plan").read(), 1)
        assert change is not None
        before = os.lstat(cache.file) if os.path.lexists(cache.file) else None
        with pytest.raises(MkexplorerError, match=words) as caught:
            apply_change(cache.store, change, Occasion(Who.PERSON))
        assert caught.value.advice
        assert (os.lstat(cache.file) if os.path.lexists(cache.file) else None) == before
        assert not [name for name in cache.names if name.endswith(".mkexplorer-new")]

    def test_the_pick_changed_since_the_plan(self, cache: PickCache) -> None:
        cache.file.write_bytes(b"1")
        self.refused(cache, "changed meanwhile")

    def test_the_history_changed_since_the_plan(self, cache: PickCache) -> None:
        cache.pin(1)
        cache.undo()
        self.refused(cache, "changed meanwhile")

    def test_a_refused_change_leaves_no_empty_history(self, cache: PickCache) -> None:
        cache.file.write_bytes(b"1")
        self.refused(cache, "changed meanwhile")
        assert cache.names == [NAME]

    def test_a_link(self, cache: PickCache) -> None:
        cache.file.rename(cache.shelf / "real")
        cache.file.symlink_to("real")
        self.refused(cache, "a link stands in its way")
        assert (cache.shelf / "real").read_bytes() == b"0"

    def test_a_linked_folder(self, cache: PickCache) -> None:
        cache.shelf.rename(cache.root / "real")
        cache.shelf.symlink_to("real")
        self.refused(cache, "dk: Not a directory|a link stands in its way")

    def test_a_directory(self, cache: PickCache) -> None:
        cache.file.unlink()
        cache.file.mkdir()
        self.refused(cache, "no ordinary file")

    def test_a_file_of_somebody_else(self, cache: PickCache, monkeypatch: pytest.MonkeyPatch) -> None:
        change = plan_pin(cache.multi_kernel, cache.read(), 1)
        assert change is not None
        cache.evidence.touch()
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
        with pytest.raises(MkexplorerError, match="belongs to the user"):
            apply_change(cache.store, change, Occasion(Who.PERSON))
        assert cache.content() == b"0"

    def test_the_place_of_the_history_is_taken(self, cache: PickCache) -> None:
        cache.evidence.mkdir()
        self.refused(cache, re.escape(f"{NAME}.json: Is a directory"))

    def test_a_linked_history(self, cache: PickCache) -> None:
        (cache.root / "elsewhere").touch()
        cache.evidence.symlink_to("../elsewhere")
        self.refused(cache, r"json: a link stands in its way")
        assert (cache.root / "elsewhere").read_bytes() == b""

    def test_the_cache_has_vanished(self, cache: PickCache) -> None:
        change = plan_pin(cache.multi_kernel, cache.read(), 1)
        assert change is not None
        store = cache.store
        cache.root.rename(cache.root.with_name("gone"))
        with pytest.raises(MkexplorerError, match="No such file or directory") as caught:
            apply_change(store, change, Occasion(Who.PERSON))
        assert "cleared meanwhile" in caught.value.advice

    @pytest.mark.parametrize("path", ["../x.picked_kernel", "dk/../x.picked_kernel", "/etc/x.picked_kernel", "dk/x"])
    def test_what_is_no_pick_file_of_a_cache(self, cache: PickCache, path: str) -> None:
        change = plan_pin(cache.multi_kernel, cache.read(), 1)
        assert change is not None
        with pytest.raises(MkexplorerError, match="is not where a cache keeps a pick file"):
            apply_change(cache.store, replace(change, path=path), Occasion(Who.PERSON))

    def test_another_mkexplorer_hangs(self, cache: PickCache, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mkexplorer.picks.writing._LOCK_SECONDS", 0.05)
        with cache.evidence.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.refused(cache, "another mkexplorer has been changing this pick")
        cache.pin(1)

    def test_a_history_that_is_removed_while_its_lock_is_awaited(
        self, cache: PickCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        really = fcntl.flock

        def late(descriptor: int, operation: int) -> None:
            monkeypatch.undo()
            cache.evidence.unlink()
            really(descriptor, operation)

        change = cache.plan("pin")
        monkeypatch.setattr(fcntl, "flock", late)
        cache.apply(change)
        assert cache.read().pick.state is PickState.PINNED

    def test_a_program_that_writes_at_the_same_moment_is_told_of(
        self, cache: PickCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        really = os.replace

        def beaten(new: str, old: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
            really(new, old, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            cache.file.write_bytes(b"0")

        change = plan_pin(cache.multi_kernel, cache.read(), 1)
        assert change is not None
        monkeypatch.setattr(os, "replace", beaten)
        with pytest.raises(MkexplorerError, match="something else has written it since"):
            apply_change(cache.store, change, Occasion(Who.PERSON))
        assert cache.read().history.entries[0].happened
        assert cache.read().pick.state is PickState.PICKED
