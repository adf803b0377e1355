"""What may be said of paired times, in theory and of real ones that an H100 gave."""

from __future__ import annotations

import json
import math
import random
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.race.statistics import (
    FASTER,
    SAME,
    UNSURE,
    evidence_above,
    fewest_above,
    is_decided,
    median_interval,
    rule,
    summary,
)

_RACES = json.loads((Path(__file__).parent / "data" / "h100_races.json").read_text())
_TRACES: dict[str, list[list[float]]] = _RACES["traces"]
_AGAIN: dict[str, list[list[float]]] = _RACES["again"]


def _gap(times: list[list[float]]) -> float:
    medians = sorted(median(each) for each in times)
    return medians[1] / medians[0] - 1


def _true_best(times: list[list[float]]) -> int:
    return min((0, 1), key=lambda index: median(times[index]))


def test_a_summary_has_median_quartiles_and_count() -> None:
    found = summary([4.0, 1.0, 3.0, 2.0, 5.0])
    assert found is not None
    assert (found.median_us, found.q1_us, found.q3_us, found.n) == (3.0, 2.0, 4.0, 5)


def test_nothing_has_no_summary() -> None:
    assert summary([]) is None


def test_the_evidence_is_the_mean_of_the_likelihood_ratios() -> None:
    steps = 20_000
    for above, of in ((9, 9), (7, 10), (3, 10), (0, 4)):
        chances = [0.5 + (step + 0.5) / (2 * steps) for step in range(steps)]
        mean = sum((2 * p) ** above * (2 * (1 - p)) ** (of - above) for p in chances) / steps
        assert evidence_above(above, of) == pytest.approx(mean, rel=1e-6)


def test_nine_signs_alike_are_evidence_at_one_percent() -> None:
    assert fewest_above(8, 0.01) is None
    assert fewest_above(9, 0.01) == 9


@given(st.integers(1, 64), st.sampled_from([0.05, 0.01, 0.005]))
def test_more_signs_above_are_never_less_evidence(of: int, alpha: float) -> None:
    evidence = [evidence_above(above, of) for above in range(of + 1)]
    assert all(before < after for before, after in pairwise(evidence))
    fewest = fewest_above(of, alpha)
    assert (fewest is None) == (evidence[-1] < 1 / alpha)
    if fewest is not None:
        assert evidence[fewest] >= 1 / alpha > evidence[fewest - 1]


def test_looking_at_every_round_is_wrong_no_more_often_than_promised() -> None:
    """Fair coins, looked at up to 200 times each: a plain test at 5% would be fooled by four of ten."""
    chance, fooled, races = random.Random(4), 0, 1_000
    for _ in range(races):
        above = 0
        for of in range(1, 201):
            above += chance.random() < 0.5
            if evidence_above(above, of) >= 20:
                fooled += 1
                break
    assert 0 < fooled <= 0.05 * races


@given(st.lists(st.floats(-1, 1), min_size=8, max_size=60))
def test_the_interval_holds_the_median(values: list[float]) -> None:
    low, high = median_interval(values, 0.05)
    assert low <= median(values) <= high


def test_too_few_values_bound_nothing() -> None:
    assert median_interval([1.0] * 7, 0.05) == (-math.inf, math.inf)
    assert median_interval([1.0] * 8, 0.05) == (1.0, 1.0)


def test_a_clear_gap_is_faster_with_its_ratio() -> None:
    found = rule([[10.0] * 10, [12.0] * 10])
    assert found is not None
    assert (found.verdict, found.best, found.rival) == (FASTER, 0, 1)
    assert found.ratio == pytest.approx(1.2)
    assert found.low == pytest.approx(1.2) == found.high


def test_what_is_within_the_tie_band_is_the_same() -> None:
    found = rule([[10.0] * 10, [10.05] * 10])
    assert found is not None
    assert found.verdict == SAME


def test_the_rival_of_the_best_is_the_pick() -> None:
    found = rule([[10.0] * 10, [11.0] * 10, [12.0] * 10], picked=2)
    assert found is not None
    assert (found.best, found.rival) == (0, 2)


def test_the_rival_of_a_pick_that_is_the_best_is_the_runner_up() -> None:
    found = rule([[10.0] * 10, [11.0] * 10, [12.0] * 10], picked=0)
    assert found is not None
    assert (found.best, found.rival) == (0, 1)


def test_a_tie_to_the_last_digit_is_not_held_against_the_pick() -> None:
    found = rule([[10.0] * 10, [10.0] * 10], picked=1)
    assert found is not None
    assert found.best == 1


def test_what_a_stopwatch_may_be_wrong_by_is_no_difference() -> None:
    times = [[2.0] * 20, [2.2] * 20]
    exact, by_events = rule(times), rule(times, systematic_us=0.5)
    assert exact is not None
    assert by_events is not None
    assert (exact.verdict, by_events.verdict) == (FASTER, UNSURE)
    assert not is_decided(times, 0.01, systematic_us=0.5)


def test_one_kernel_alone_has_no_ruling() -> None:
    assert rule([[10.0], []]) is None
    assert is_decided([[10.0], []], 0.01)


def test_a_race_of_three_is_open_while_one_may_still_be_faster() -> None:
    slow, close = [20.0] * 12, [10.0 + 0.3 * (-1) ** number for number in range(12)]
    assert not is_decided([slow, close, [10.0] * 12], 0.01)
    assert is_decided([slow, [8.0] * 12, [10.0] * 12], 0.01)


@pytest.mark.parametrize("name", sorted(_TRACES))
def test_a_real_trace_is_judged_as_all_of_it_says(name: str) -> None:
    """Stopped as a race stops, in blocks; gaps from 3% must be named right, those below 1% must not be named."""
    times = _TRACES[name]
    for rounds in (10, 28, 46):
        seen = [each[:rounds] for each in times]
        if is_decided(seen, 0.01):
            break
    found = rule(seen)
    assert found is not None
    gap = _gap(times)
    if gap >= 0.03:
        assert (found.verdict, found.best) == (FASTER, _true_best(times))
    if gap < 0.01:
        assert found.verdict in (SAME, UNSURE)


def test_gaps_of_five_percent_end_after_the_first_block() -> None:
    wide = [times for times in _TRACES.values() if _gap(times) >= 0.05]
    assert len(wide) > 30
    assert sum(is_decided([each[:10] for each in times], 0.01) for times in wide) >= 0.95 * len(wide)


@pytest.mark.parametrize("name", sorted(_AGAIN))
def test_a_sub_kernel_is_not_faster_than_itself(name: str) -> None:
    found = rule(_AGAIN[name])
    assert found is not None
    assert found.verdict in (SAME, UNSURE)


def test_halves_of_one_trace_are_no_two_kernels() -> None:
    """Each real trace against itself, shuffled in 300 ways: no more than one race in a hundred may call one faster."""
    chance, wrong, races = random.Random(11), 0, 0
    for times in _TRACES.values():
        for each in times:
            for _ in range(4):
                one, other = chance.sample(each, len(each)), chance.sample(each, len(each))
                found = rule([one, other])
                assert found is not None
                wrong += found.verdict == FASTER
                races += 1
    assert races >= 300
    assert wrong <= races / 100
