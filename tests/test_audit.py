"""The audit: which picks are wrong, what they cost, what is pinned instead, and how a share is written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.measure.model import BenchResult
from mkexplorer.report.audit import Audit, audit, counts_text, limit_of, percent_text, winners
from mkexplorer.report.rows import GraphRow, MultiKernelRow
from tests.builders import multi_kernel
from tests.fake_bencher import H100, bench_result, sub_result
from tests.test_measured import row

SLOW = bench_result("", 31.1, 22.6)
A_LITTLE = bench_result("", 20.6, 20.0)
FAST = bench_result("", 22.6, 31.1)
UNSURE = bench_result("", 20.0, 20.0, subs=[sub_result(20.3, n=5), sub_result(20.0, n=5)])
WRONG_PICK = bench_result("", subs=[sub_result(22.6, agrees=False, problem="differs by 0.5"), sub_result(31.1)])
WRONG_OTHER = bench_result("", subs=[sub_result(31.1), sub_result(22.6, agrees=False)])
CONTENDED = replace(SLOW, environment=replace(H100, contended="a process uses 80% of it"))


def judged(*results: BenchResult | None, picked: int | None = 0, limit: float = 0.05) -> Audit:
    """Each multi-kernel has a pick file of its own."""
    rows = (
        in_file(f"{number}/x.picked_kernel", row(picked, result, of=multi_kernel("aten.sum", name=name)))
        for number, result in enumerate(results)
        for name in [f"multi_kernel_{number}"]
    )
    return audit((GraphRow("k", "graph 0", tuple(rows)),), limit)


def in_file(path: str, row: MultiKernelRow) -> MultiKernelRow:
    return replace(row, record=replace(row.record, file=replace(row.record.file, path=path)))


def names(found: Audit) -> list[str]:
    return [each.row.multi_kernel.name for each in found.rows]


class TestJudging:
    def test_the_costliest_comes_first(self) -> None:
        assert names(judged(FAST, A_LITTLE, SLOW)) == ["multi_kernel_2", "multi_kernel_1", "multi_kernel_0"]

    @pytest.mark.parametrize(
        ("result", "is_bad"),
        [(SLOW, True), (A_LITTLE, False), (FAST, False), (UNSURE, False), (None, False), (WRONG_PICK, True)],
    )
    def test_bad_is_what_is_surely_above_the_limit_or_wrong(self, result: BenchResult | None, is_bad: bool) -> None:
        assert [each.is_bad for each in judged(result).rows] == [is_bad]

    def test_the_limit_counts(self) -> None:
        assert [judged(A_LITTLE, limit=limit).rows[0].is_bad for limit in (0.0, 0.029, 0.031)] == [True, True, False]

    def test_what_is_not_picked_is_not_judged(self) -> None:
        assert judged(SLOW, picked=None).rows == ()

    def test_the_total_is_what_all_picks_cost_together(self) -> None:
        found = judged(SLOW, FAST)
        assert found.loss_us == pytest.approx(8.5)
        assert found.regret == pytest.approx(8.5 / (22.6 + 22.6))
        assert judged(FAST).regret == 0
        assert judged(None).regret is None

    def test_unjudged_is_what_nothing_is_known_of(self) -> None:
        """A pick that is right where the other sub-kernel computes something else has nothing to be compared with."""
        assert (judged(None, FAST).unjudged, judged(WRONG_OTHER, WRONG_PICK).unjudged) == (1, 0)

    def test_it_is_summed_up_in_words(self) -> None:
        everything = judged(SLOW, A_LITTLE, FAST, UNSURE, None, WRONG_PICK)
        assert counts_text(everything) == (
            "6 picks: 2 slower than they could be, 1 by more than 5%, 1 computing something else, "
            "1 not sure, 1 without a verdict"
        )
        assert counts_text(judged(None, None)) == "2 picks: 2 without a verdict"
        assert counts_text(judged(FAST)) == "1 pick: none is surely too slow"


class TestWinners:
    def test_what_is_surely_faster_is_pinned_with_its_evidence(self) -> None:
        (winner,) = winners(judged(SLOW, FAST, UNSURE))
        assert (winner.multi_kernel.name, winner.index) == ("multi_kernel_0", 1)
        assert winner.why.startswith("audit: persistent is 1.38× faster than looped")
        assert winner.measured.judgement
        assert winner.machine
        assert winner.machine.gpu == H100.gpu

    def test_below_the_limit_too(self) -> None:
        assert len(winners(judged(A_LITTLE))) == 1

    @pytest.mark.parametrize("result", [CONTENDED, WRONG_PICK, WRONG_OTHER, None])
    def test_nothing_in_doubt_is_pinned(self, result: BenchResult | None) -> None:
        assert winners(judged(result)) == ()

    def test_what_shares_a_pick_file_is_pinned_where_all_want_the_same(self) -> None:
        assert [winner.index for winner in winners(sharing_a_file(SLOW, UNSURE, A_LITTLE))] == [1, 1]

    def test_what_shares_a_pick_file_and_wants_different_ones_is_left(self) -> None:
        assert winners(sharing_a_file(SLOW, FAST)) == ()


def sharing_a_file(*results: BenchResult) -> Audit:
    rows = (in_file("ab/x.picked_kernel", each.row) for each in judged(*results).rows)
    return audit((GraphRow("k", "graph 0", tuple(rows)),))


class TestShares:
    @pytest.mark.parametrize(
        ("text", "share"), [("5%", 0.05), ("0.05", 0.05), (" 2.5 % ", 0.025), ("0", 0), ("0%", 0), ("150%", 1.5)]
    )
    def test_both_ways_of_writing_one(self, text: str, share: float) -> None:
        assert limit_of(text) == pytest.approx(share)

    @pytest.mark.parametrize("text", ["5", "1", "-5%", "five", "", "%", "5%%", "nan", "inf", "nan%", "5 percent"])
    def test_what_may_mean_another_is_refused(self, text: str) -> None:
        with pytest.raises(MkexplorerError, match="is no share") as caught:
            limit_of(text)
        assert caught.value.advice == "Write it like 5% or 0.05."

    @pytest.mark.parametrize(("share", "text"), [(0.05, "5%"), (0.0394, "3.94%"), (0.0, "0%")])
    def test_a_share_is_shown_in_percent(self, share: float, text: str) -> None:
        assert percent_text(share) == text
