"""The picks of a place as both faces have them: read, read again, and read without starting anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.picks import plans
from mkexplorer.picks.book import NotStarted, interpreter_for, machine_of, open_book, recorded_book
from mkexplorer.picks.interpreter import Interpreter
from mkexplorer.picks.model import Machine, PickState, Who
from mkexplorer.picks.writing import Occasion
from tests.pick_places import PlayedCache, played_python


@pytest.fixture
def cache(tmp_path: Path) -> PlayedCache:
    """Of torch 2.4, whose picks are found without a Python."""
    return PlayedCache(tmp_path / "cache", "2.4.1")


@pytest.fixture
def new(tmp_path: Path) -> PlayedCache:
    """Of torch 2.13, whose picks a Python has to find."""
    return PlayedCache(tmp_path / "new", "2.13.0")


def states(records: object) -> list[PickState]:
    assert isinstance(records, dict)
    return [record.pick.state for record in records.values()]


class TestABundle:
    def test_has_the_picks_that_it_records_with_what_recorded_them(self, sample: Catalog) -> None:
        book = open_book(sample, NotStarted())
        assert len(book.records) == 41
        for record in book.records.values():
            assert record.pick.state is PickState.PICKED
            assert record.pick.reason.startswith("recorded on the machine")
            assert (record.place_reason, record.when) == ("recorded in the bundle", None)

    def test_is_the_same_with_and_without_its_files(self, sample: Catalog) -> None:
        with_files, without = open_book(sample, NotStarted()), recorded_book(sample)
        assert {name: record.pick for name, record in with_files.records.items()} == {
            name: record.pick for name, record in without.records.items()
        }


class TestReadingAgain:
    def test_nothing_changed(self, cache: PlayedCache) -> None:
        cache.write_pick(0, b"1")
        book = cache.book()
        assert book.reread().records == book.records

    def test_what_torch_wrote_meanwhile(self, cache: PlayedCache) -> None:
        book = cache.book()
        assert states(book.records) == [PickState.NONE] * 4
        cache.write_pick(2, b"1")
        fresh = book.reread()
        assert fresh.records != book.records
        assert fresh.of(fresh.catalog.multi_kernels[2]).pick.index == 1

    def test_what_was_compiled_meanwhile_is_unknown_until_it_is_looked_for(
        self, new: PlayedCache, tmp_path: Path
    ) -> None:
        python = played_python(tmp_path / "python")
        wrapper = sorted(new.root.rglob("*.py"))[0]
        text = wrapper.read_text()
        wrapper.unlink()
        book = new.book(python)
        wrapper.write_text(text)
        fresh = book.reread(new.catalog)
        assert sorted(states(fresh.records)) == [*[PickState.NONE] * 3, PickState.UNKNOWN]
        unknown = next(each for each in fresh.records.values() if each.pick.state is PickState.UNKNOWN)
        assert unknown.place_reason == "where its pick file is has not been looked for yet"
        assert states(open_book(new.catalog, Interpreter(python)).records) == [PickState.NONE] * 4


class TestRemembering:
    def test_nothing_is_started_for_what_is_remembered(self, new: PlayedCache, tmp_path: Path) -> None:
        python = played_python(tmp_path / "python")
        first = open_book(new.catalog, NotStarted(python))
        assert states(first.records) == [PickState.UNKNOWN] * 4
        assert {record.place_reason for record in first.records.values()} == {
            "not remembered, and no Python was to be started to compute where it is"
        }
        found = new.book(python)
        assert open_book(new.catalog, NotStarted(python)).records == found.records

    def test_one_that_is_new_hides_none_of_the_others(self, new: PlayedCache, tmp_path: Path) -> None:
        python = played_python(tmp_path / "python")
        wrapper = sorted(new.root.rglob("*.py"))[0]
        text = wrapper.read_text()
        wrapper.unlink()
        new.book(python)
        wrapper.write_text(text)
        assert sorted(states(open_book(new.catalog, NotStarted(python)).records)) == [
            *[PickState.NONE] * 3,
            PickState.UNKNOWN,
        ]

    def test_versions_for_a_history_come_from_there(self, new: PlayedCache, tmp_path: Path) -> None:
        python = played_python(tmp_path / "python")
        assert machine_of(Interpreter(python)) == Machine()
        new.book(python)
        assert machine_of(Interpreter(python)) == Machine(torch="2.13.0", triton="3.9.0")


class TestWhoseCodeRuns:
    @pytest.mark.parametrize("python", [None, "/some/python"])
    def test_one_s_own(self, cache: PlayedCache, python: str | None) -> None:
        assert type(interpreter_for(cache.catalog, python)) is Interpreter

    def test_that_of_somebody_else_only_in_a_python_that_was_named(
        self, cache: PlayedCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if os.geteuid() == 0:
            os.chown(cache.root, 12345, -1)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: 54321)
        unnamed = interpreter_for(cache.catalog, None)
        with pytest.raises(MkexplorerError, match="which belongs to "):
            unnamed.hello()
        assert type(interpreter_for(cache.catalog, "/some/python")) is Interpreter


class TestChanging:
    def test_a_plan_changes_a_shared_file_once(self, cache: PlayedCache) -> None:
        files = [cache.write_pick(number, b"0") for number in range(4)]
        book = cache.book()
        plan = plans.clears(book, [*book.catalog.multi_kernels, book.catalog.multi_kernels[0]])
        assert len(plan.changes) == 4
        done = list(plans.carry_out(book.catalog, plan.changes, Occasion(Who.TOOL)))
        assert [each.now.pick.state for each in done] == [PickState.NONE] * 4
        assert not any(path.exists() for path in files)

    def test_what_changed_since_the_plan_is_left_alone(self, cache: PlayedCache) -> None:
        path = cache.write_pick(0, b"0")
        book = cache.book()
        plan = plans.pins(book, [(book.catalog.multi_kernels[0], 0)])
        path.write_bytes(b"1")
        (outcome,) = plans.carry_out(book.catalog, plan.changes, Occasion(Who.PERSON))
        assert outcome.error is not None
        assert "changed meanwhile" in outcome.error.message
        assert (outcome.now.pick.state, outcome.now.pick.index) == (PickState.PICKED, 1)
