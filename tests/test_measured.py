"""The newest knowledge of a multi-kernel: which of several measurements counts, and what it says of the pick of now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mkexplorer.catalog.model import Evidence, MultiKernel
from mkexplorer.measure.model import BenchResult, Device, SubKernelResult
from mkexplorer.measure.verdict import Judgement, Verdict
from mkexplorer.picks import measurements
from mkexplorer.picks.book import PickRecord
from mkexplorer.picks.changes import full_id
from mkexplorer.picks.model import Action, Entry, Held, History, Measured, Pick, PickFile, PickState, Who
from mkexplorer.report.measured import Knowledge, newest
from mkexplorer.report.rows import (
    GraphRow,
    MultiKernelRow,
    Order,
    count,
    loss_text,
    multi_kernel_row,
    sort_rows,
)
from tests.builders import evidence, multi_kernel
from tests.fake_bencher import H100, bench_result, sub_result

NORM = multi_kernel("aten.native_layer_norm")
TRIPLE = multi_kernel("aten.sum", kernels=("red_0", "per_1", "per_2"))
WRONG = [sub_result(31.1), sub_result(22.6, agrees=False, problem="differs by 0.5")]


def record(index: int | None, *results: BenchResult, of: MultiKernel = NORM) -> PickRecord:
    """A pick with a history of these measurements."""
    state = PickState.PICKED if index is not None else PickState.NONE
    held = Held(str(index).encode() if index is not None else None, state)
    entries = tuple(
        Entry(
            id=str(number),
            batch="b",
            when=f"2026-01-{number + 1:02}T12:00:00.000000Z",
            who=Who.PERSON,
            action=Action.MEASURE,
            multi_kernel=full_id(of),
            before=held,
            after=held,
            measured=measurements.measured_of(result),
            machine=replace(measurements.machine_of(result), user="me", host="node7"),
        )
        for number, result in enumerate(results)
    )
    return PickRecord(PickFile("ab/cab.picked_kernel", held, Pick(state, index), History(entries)))


def row(
    picked: int | None = 0,
    result: BenchResult | None = None,
    recorded: Evidence | None = None,
    *history: BenchResult,
    of: MultiKernel = NORM,
) -> MultiKernelRow:
    return multi_kernel_row(of, recorded, record(picked, *history, of=of), result)


def times(found: MultiKernelRow) -> list[float | None]:
    return [sub.time_us for sub in found.sub_kernels]


class TestWhichCounts:
    def test_this_session_before_the_history_before_the_place(self) -> None:
        recorded, before = evidence(0, 10.0, 10.0), bench_result(NORM.id, 20.0, 20.0)
        now = bench_result(NORM.id, 30.0, 30.0)
        assert times(row(0, now, recorded, before)) == [30.0, 30.0]
        assert times(row(0, None, recorded, before)) == [20.0, 20.0]
        assert times(row(0, None, recorded)) == [10.0, 10.0]
        assert row(0).measurement is None

    def test_of_a_history_the_newest(self) -> None:
        assert times(row(0, None, None, bench_result("", 1.0, 1.0), bench_result("", 2.0, 2.0))) == [2.0, 2.0]

    def test_of_a_shared_history_its_own_before_that_of_the_other_graph(self) -> None:
        own = record(0, bench_result("", 1.0, 1.0)).file
        other = multi_kernel("aten.native_layer_norm", key="cother2" + "b" * 45)
        found = record(0, bench_result("", 2.0, 2.0), of=other).file
        shared = PickRecord(replace(own, history=History((*own.history.entries, *found.history.entries))))
        assert times(multi_kernel_row(NORM, None, shared)) == [1.0, 1.0]
        assert times(multi_kernel_row(other, None, shared)) == [2.0, 2.0]
        recompiled = multi_kernel("aten.native_layer_norm", key="cnewest" + "c" * 45)
        assert times(multi_kernel_row(recompiled, None, shared)) == [2.0, 2.0]

    def test_what_is_about_another_number_of_sub_kernels_is_of_something_else(self) -> None:
        three = bench_result("", 1.0, 2.0, 3.0)
        assert row(0, three, evidence(0, 1.0, 2.0, 3.0), three).measurement is None

    def test_what_failed_hides_nothing(self) -> None:
        failed = bench_result(NORM.id, subs=[sub_result(None, agrees=None, problem="out of memory")] * 2)
        assert times(row(0, failed, evidence(0, 10.0, 10.0))) == [10.0, 10.0]

    def test_it_tells_who_measured_when(self) -> None:
        found = row(0, None, None, bench_result("", 2.0, 2.0)).measurement
        assert found
        assert (found.knowledge, found.who, found.when) == (
            Knowledge.HISTORY,
            "me@node7",
            "2026-01-01T12:00:00.000000Z",
        )
        assert (found.machine.gpu, found.measured.copy_gb_per_s) == (H100.gpu, H100.copy_gb_per_s)


class TestTheInterpreter:
    RAN = bench_result(NORM.id, subs=[sub_result(3e6), sub_result(4e6)], device=Device.INTERPRETER)
    FOUND_WRONG = bench_result(NORM.id, subs=WRONG, device=Device.INTERPRETER)

    def test_its_times_are_none_of_a_gpu(self) -> None:
        found = row(0, self.RAN)
        assert times(found) == [None, None]
        assert (found.judgement, str(found.mark)) == (None, "")

    def test_it_hides_no_times_of_a_gpu(self) -> None:
        assert times(row(0, self.RAN, evidence(0, 31.1, 22.6))) == [31.1, 22.6]

    def test_but_what_it_found_wrong_is_wrong(self) -> None:
        found = row(0, self.FOUND_WRONG, evidence(0, 31.1, 22.6))
        assert times(found) == [31.1, 22.6]
        assert (str(found.mark), found.winner, found.judgement) == ("✗ disagrees", None, None)


class TestTheVerdict:
    RACED = Judgement(Verdict.FASTER, 1, 0, 1.376, 1.35, 1.39, 0.376)

    def raced(self, judgement: Judgement | None = None, *medians: float) -> BenchResult:
        return replace(bench_result(NORM.id, *medians or (31.1, 22.6)), judgement=judgement or self.RACED)

    def test_of_a_race_is_taken_as_it_is(self) -> None:
        found = row(0, self.raced()).judgement
        assert found
        assert found == replace(self.RACED, regret=found.regret)
        assert found.regret == pytest.approx(31.1 / 22.6 - 1)

    def test_of_an_earlier_race_too(self) -> None:
        found = row(0, None, None, self.raced(replace(self.RACED, verdict=Verdict.UNSURE))).judgement
        assert found
        assert (found.verdict, found.low) == (Verdict.UNSURE, 1.35)

    def test_is_about_the_pick_as_it_is_now(self) -> None:
        found = row(1, self.raced())
        assert found.judgement
        assert (found.judgement.regret, str(found.mark), found.loss_us, found.winner) == (0, "✓ fastest", 0, None)
        nothing = row(None, self.raced())
        assert nothing.judgement
        assert (nothing.judgement.regret, str(nothing.mark), nothing.winner) == (None, "– no pick", 1)

    def test_a_race_that_never_met_the_pick_of_now_says_nothing_of_it(self) -> None:
        """2 was picked and 1 beat it; now 0 is pinned, and only the quartiles can tell."""
        raced = replace(
            bench_result("", 30.0, 20.0, 25.0), judgement=Judgement(Verdict.FASTER, 1, 2, 1.25, 1.2, 1.3, 0)
        )
        found = row(0, raced, of=TRIPLE).judgement
        assert found
        assert (found.best, found.rival, found.ratio) == (1, 0, 1.5)

    def test_nor_that_the_pick_of_now_beats_one_that_it_never_met(self) -> None:
        """1 beat the pick of then, 0. Pinned, it must be compared with 2, the next best."""
        raced = replace(
            bench_result("", 30.0, 20.0, 20.01), judgement=Judgement(Verdict.FASTER, 1, 0, 1.5, 1.4, 1.6, 0.5)
        )
        found = row(1, raced, of=TRIPLE)
        assert found.judgement
        assert (found.judgement.rival, str(found.mark)) == (2, "= SAME")

    def test_where_a_race_came_to_none_there_is_none(self) -> None:
        assert row(0, replace(bench_result(NORM.id, 31.1, 22.6), judgement=None)).judgement is None

    def test_of_times_without_a_race_comes_from_their_quartiles(self) -> None:
        old = replace(bench_result("", 31.1, 22.6), judgement=None)
        entry = record(0, old).file.history.entries[0]
        assert entry.measured
        subs = tuple(SubKernelResult(each.cold, None) for each in entry.measured.sub_kernels)
        before_races = replace(entry, measured=Measured(subs))
        file = replace(record(0).file, history=History((before_races,)))
        found = newest(NORM, None, PickRecord(file))
        assert found
        assert found.judgement
        assert found.judgement.verdict is Verdict.FASTER


class TestDisagreement:
    def test_what_disagrees_is_never_the_fastest(self) -> None:
        found = row(0, bench_result(NORM.id, subs=WRONG))
        assert [sub.note for sub in found.sub_kernels] == ["● picked", "✗ disagrees"]
        assert (str(found.mark), found.winner, found.loss_us) == ("✗ disagrees", None, 0)

    def test_the_others_are_compared_without_it(self) -> None:
        subs = [sub_result(30.0), sub_result(10.0, agrees=False), sub_result(20.0)]
        found = row(0, bench_result("", subs=subs), of=TRIPLE)
        assert found.judgement
        assert (found.judgement.best, found.judgement.rival) == (2, 0)
        assert [sub.fastest for sub in found.sub_kernels] == [False, False, True]

    def test_a_pick_that_disagrees_has_no_regret(self) -> None:
        found = row(1, bench_result(NORM.id, subs=WRONG, picked=1))
        assert (found.judgement, [sub.note for sub in found.sub_kernels]) == (None, ["", "● picked ✗ disagrees"])


class TestLoss:
    def test_is_what_the_pick_takes_longer_at_all_its_calls(self) -> None:
        twice = replace(NORM, calls=NORM.calls * 2)
        found = row(0, bench_result(NORM.id, 31.1, 22.6), of=twice)
        assert found.call_loss_us == pytest.approx(8.5)
        assert found.loss_us == pytest.approx(17.0)

    @pytest.mark.parametrize("medians", [(22.6, 31.1), (22.6, 22.601)])
    def test_is_nothing_unless_another_one_is_surely_faster(self, medians: tuple[float, ...]) -> None:
        assert row(0, bench_result(NORM.id, *medians)).loss_us == 0

    def test_of_what_is_never_called_is_nothing(self) -> None:
        assert row(0, bench_result(NORM.id, 31.1, 22.6), of=replace(NORM, calls=())).loss_us == 0

    def test_adds_up_in_a_graph_and_in_all(self) -> None:
        graph = GraphRow("k", "graph 0", (row(0, bench_result(NORM.id, 31.1, 22.6)),) * 2)
        assert graph.loss_us == pytest.approx(17.0)
        assert loss_text(graph.loss_us) == "loses 17.0 µs per run"
        assert count((graph, graph)).loss_us == pytest.approx(34.0)
        assert loss_text(0.0) == ""

    def test_sorts_the_list(self) -> None:
        rows = tuple(row(0, bench_result(NORM.id, 20.0 + more, 20.0)) for more in (1, 9, 5))
        (graph,) = sort_rows((GraphRow("k", "graph 0", rows),), Order.LOSS)
        assert [round(each.loss_us) for each in graph.rows] == [9, 5, 1]
