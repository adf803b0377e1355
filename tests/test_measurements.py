"""Measurements beside a pick: what is kept, what is not, and that the pick and its changes never notice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.measure.model import BenchResult, Device
from mkexplorer.picks import measurements, plans
from mkexplorer.picks.book import NotStarted, PickBook, open_book
from mkexplorer.picks.model import Action, History, PickFile, PickState, Who
from mkexplorer.picks.writing import Occasion
from mkexplorer.report.measured import of_result
from tests.fake_bencher import H100, bench_result, sub_result
from tests.pick_places import PlayedCache

PERSON = Occasion(Who.PERSON)


@pytest.fixture
def cache(tmp_path: Path) -> PlayedCache:
    return PlayedCache(tmp_path, "2.4.1")


@pytest.fixture
def book(cache: PlayedCache) -> PickBook:
    cache.write_pick(0, b"0")
    return cache.book()


def first_id(book: PickBook) -> str:
    return book.catalog.multi_kernels[0].id


def record_of(book: PickBook) -> PickFile:
    return book.of(book.catalog.multi_kernels[0]).file


def keep(book: PickBook, result: BenchResult | None = None) -> PickFile:
    """What was measured of the first multi-kernel."""
    record = book.of(book.catalog.multi_kernels[0])
    return measurements.store(book.catalog, record, result or bench_result(first_id(book), 31.1, 22.6), PERSON)


class TestKeeping:
    def test_the_evidence_is_all_but_the_single_samples(self, book: PickBook) -> None:
        result = bench_result(first_id(book), 31.1, 22.6, notes=("s0 = 4096",))
        (entry,) = keep(book, result).history.entries
        assert entry.measured == of_result(result, 0).measured
        assert entry.measured
        assert [each.cold for each in entry.measured.sub_kernels] == [each.cold for each in result.sub_kernels]
        assert all(each.samples_us == () for each in entry.measured.sub_kernels)
        assert (entry.machine.gpu, entry.machine.driver, entry.machine.torch) == (H100.gpu, H100.driver, H100.torch)

    def test_the_pick_stays_and_has_no_change(self, book: PickBook) -> None:
        before = record_of(book)
        after = keep(book)
        assert (after.held, after.pick) == (before.held, before.pick)
        (entry,) = after.history.entries
        assert (entry.action, entry.before, entry.after) == (Action.MEASURE, before.held, before.held)
        assert (after.history.changes, after.history.last, after.history.undoable) == ((), None, ())

    def test_a_pin_stays_a_pin_and_can_still_be_undone(self, book: PickBook) -> None:
        multi_kernel = book.catalog.multi_kernels[0]
        list(plans.carry_out(book.catalog, plans.pins(book, [(multi_kernel, 1)]).changes, PERSON))
        file = keep(book.reread())
        assert (file.pick.state, file.pick.index) == (PickState.PINNED, 1)
        (outcome,) = plans.carry_out(book.catalog, plans.last_undo(book.catalog).changes, PERSON)
        assert (outcome.now.pick.state, outcome.now.pick.index) == (PickState.PICKED, 0)

    def test_where_nothing_is_picked_it_is_kept_too(self, cache: PlayedCache) -> None:
        file = keep(cache.book())
        assert file.pick.state is PickState.NONE
        assert len(file.history.entries) == 1

    def test_what_a_program_chose_meanwhile_is_what_was_held(self, cache: PlayedCache, book: PickBook) -> None:
        cache.write_pick(0, b"1")
        (entry,) = keep(book).history.entries
        assert entry.before.content == b"1"

    def test_a_plan_from_before_is_out_of_date(self, book: PickBook) -> None:
        multi_kernel = book.catalog.multi_kernels[0]
        plan = plans.pins(book, [(multi_kernel, 1)])
        keep(book)
        (outcome,) = plans.carry_out(book.catalog, plan.changes, PERSON)
        assert outcome.error
        (outcome,) = plans.carry_out(book.catalog, plans.pins(book.reread(), [(multi_kernel, 1)]).changes, PERSON)
        assert outcome.error is None

    def test_without_an_outcome_it_happened_whatever_a_program_wrote_behind_it(
        self, cache: PlayedCache, book: PickBook
    ) -> None:
        keep(book)
        cache.write_pick(0, b"1")
        assert record_of(book.reread()).history.entries[0].happened


class TestWinners:
    def test_a_pin_carries_what_it_rests_on(self, book: PickBook) -> None:
        multi_kernel = book.catalog.multi_kernels[0]
        found = of_result(bench_result(first_id(book), 31.1, 22.6), 0)
        winner = plans.Winner(multi_kernel, 1, found.evidence, "audit", found.machine)
        list(plans.carry_out(book.catalog, plans.winners(book, [winner]).changes, PERSON))
        entry = record_of(book.reread()).history.last
        assert entry
        assert (entry.action, entry.measured, entry.why) == (Action.PIN, found.evidence, "audit")
        assert (entry.machine.gpu, entry.machine.user is None) == (H100.gpu, False)

    def test_of_two_that_share_a_file_the_first_counts(self, book: PickBook) -> None:
        multi_kernel = book.catalog.multi_kernels[0]
        found = of_result(bench_result(first_id(book), 31.1, 22.6), 0)
        both = [plans.Winner(multi_kernel, index, found.evidence) for index in (1, 0)]
        (change,) = plans.winners(book, both).changes
        assert change.after.content == b"1"


class TestDoubt:
    @pytest.mark.parametrize(
        ("result", "words"),
        [
            (bench_result("x", 31.1, 22.6, device=Device.INTERPRETER), "interpreter are no GPU times"),
            (
                bench_result("x", 31.1, 22.6, environment=replace(H100, contended="a process uses 80% of it")),
                "somebody else was using the GPU: a process uses 80% of it",
            ),
            (bench_result("x", subs=[sub_result(None, problem="out of memory")] * 2), "no sub-kernel has a time"),
        ],
    )
    def test_what_is_in_doubt_is_refused_with_the_reason(self, book: PickBook, result: BenchResult, words: str) -> None:
        with pytest.raises(MkexplorerError, match=words):
            keep(book, replace(result, multi_kernel_id=first_id(book)))
        assert record_of(book.reread()).history == History()

    def test_where_the_pick_file_must_not_be_touched_nothing_is_written_beside_it(
        self, cache: PlayedCache, book: PickBook
    ) -> None:
        path = cache.pick_file(0)
        path.rename(path.with_suffix(".real"))
        path.symlink_to(path.with_suffix(".real"))
        with pytest.raises(MkexplorerError, match="is a symbolic link"):
            keep(book)

    def test_where_its_place_is_not_known_the_reason_is_told(self, tmp_path: Path) -> None:
        """By the rule of torch 2.13 only that torch can tell, and none is here."""
        cache = PlayedCache(tmp_path / "new", "2.13.0")
        book = open_book(cache.catalog, NotStarted())
        with pytest.raises(MkexplorerError, match="no Python was to be started"):
            keep(book)
