"""A verdict says no more than the times do, and always the same whichever unit or order they come in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.model import Timing
from mkexplorer.measure.verdict import TIE_BAND, Judgement, Verdict, judge
from mkexplorer.report.rows import graph_rows
from tests.builders import timing


def judged(*timings: Timing | None, picked: int | None = None) -> Judgement:
    judgement = judge(timings, picked)
    assert judgement is not None
    return judgement


@st.composite
def some_timings(draw: st.DrawFn) -> Timing:
    median = draw(st.floats(0.5, 1e6))
    below, above = draw(st.floats(0, 0.5)), draw(st.floats(0, 0.5))
    return Timing(median, median * (1 - below), median * (1 + above), draw(st.integers(1, 1000)))


TIMINGS = st.lists(some_timings(), min_size=2, max_size=5)


def test_a_clear_gap_is_faster_and_the_pick_regrets_it() -> None:
    judgement = judged(timing(31.1), timing(22.6), picked=0)
    assert (judgement.verdict, judgement.best, judgement.rival) == (Verdict.FASTER, 1, 0)
    assert judgement.regret == pytest.approx(31.1 / 22.6 - 1)
    assert judgement.pick_is_slower
    assert 1.37 < judgement.low < judgement.ratio < judgement.high < 1.38


def test_a_good_pick_is_compared_with_the_runner_up_and_regrets_nothing() -> None:
    judgement = judged(timing(30.0), timing(20.0), timing(25.0), picked=1)
    assert (judgement.best, judgement.rival, judgement.regret) == (1, 2, 0.0)
    assert not judgement.pick_is_slower


def test_a_pick_that_is_neither_best_nor_second_is_what_the_best_is_compared_with() -> None:
    judgement = judged(timing(30.0), timing(20.0), timing(25.0), picked=0)
    assert (judgement.best, judgement.rival) == (1, 0)
    assert judgement.ratio == pytest.approx(1.5)


def test_equal_times_are_the_same_and_the_pick_stays_best() -> None:
    judgement = judged(timing(100.0), timing(100.0), picked=1)
    assert (judgement.verdict, judgement.best, judgement.regret) == (Verdict.SAME, 1, 0.0)


def test_a_gap_inside_the_tie_band_is_the_same_however_surely_it_is_there() -> None:
    judgement = judged(timing(1000.0, 0.1, n=10_000), timing(1005.0, 0.1, n=10_000))
    assert judgement.low > 1
    assert judgement.verdict is Verdict.SAME


def test_wide_quartiles_leave_it_unsure() -> None:
    assert judged(timing(10.0, 4.0), timing(10.5, 4.0)).verdict is Verdict.UNSURE


def test_two_steps_of_the_timer_prove_nothing() -> None:
    """All samples alike, on a lattice of 32 ns: the quartiles alone would be perfectly sure."""
    assert judged(timing(1.376, 0.0), timing(1.408, 0.0)).verdict is Verdict.UNSURE


def test_few_samples_prove_nothing() -> None:
    judgement = judged(timing(10.0, 0.0, n=5), timing(20.0, 0.0, n=40))
    assert (judgement.verdict, judgement.low, judgement.high) == (Verdict.UNSURE, 0.0, math.inf)


def test_more_comparisons_need_a_wider_interval() -> None:
    pair = judged(timing(10.0, 1.0), timing(11.0, 1.0))
    three = judged(timing(10.0, 1.0), timing(11.0, 1.0), timing(30.0, 1.0))
    assert three.low < pair.low < pair.high < three.high


def test_what_was_not_measured_is_left_out() -> None:
    judgement = judged(None, timing(20.0), timing(10.0), picked=0)
    assert (judgement.best, judgement.rival, judgement.regret) == (2, 1, None)


@pytest.mark.parametrize("broken", [Timing(0, 0, 0, 40), Timing(math.nan, 1, 2, 40), Timing(5, 6, 4, 40), None])
def test_one_usable_time_is_no_race(broken: Timing | None) -> None:
    assert judge([timing(10.0), broken], 0) is None


@given(TIMINGS, st.integers(0, 4))
def test_the_interval_holds_the_ratio_and_the_verdict_follows_from_it(timings: list[Timing], picked: int) -> None:
    judgement = judge(timings, picked)
    assert judgement is not None
    assert judgement.low <= judgement.ratio <= judgement.high
    assert judgement.ratio >= 1
    assert (judgement.verdict is Verdict.FASTER) == (judgement.low > 1 + TIE_BAND)
    assert timings[judgement.best].median_us == min(each.median_us for each in timings)


@given(st.lists(some_timings(), min_size=2, max_size=5, unique_by=lambda each: each.median_us))
def test_order_does_not_matter(timings: list[Timing]) -> None:
    forward, backward = judged(*timings), judged(*reversed(timings))
    assert (forward.verdict, forward.ratio, forward.low) == (backward.verdict, backward.ratio, backward.low)


@given(TIMINGS, st.integers(0, 4))
def test_regret_is_never_negative_and_zero_only_for_a_best_pick(timings: list[Timing], picked: int) -> None:
    regret = judged(*timings, picked=picked).regret
    if picked >= len(timings):
        assert regret is None
    else:
        assert regret is not None
        assert (regret == 0) == (timings[picked].median_us == min(each.median_us for each in timings))


def test_the_picks_of_a_real_run(sample: Catalog) -> None:
    """Torch's picks of 41 multi-kernels on an H100, judged by 40 device times of each sub-kernel."""
    judgements = [row.judgement for graph in graph_rows(sample) for row in graph.rows]
    regrets = [each.regret for each in judgements if each is not None and each.regret is not None]
    assert len(regrets) == 41
    assert sum(regret > 0.03 for regret in regrets) == 12
    assert max(regrets) == pytest.approx(0.40, abs=0.005)
    # One of the twelve is two steps of the timer at 1.4 µs: not sure.
    assert sum(each is not None and each.pick_is_slower for each in judgements) == 11
