"""A race with a stopwatch whose times are known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import pytest

from mkexplorer.race.host import HostStopwatch
from mkexplorer.race.racing import Contestant, Run, Settings, Timed, race


class ScriptedStopwatch:
    """Gives each contestant its own times in turn, and remembers what it was asked to run."""

    systematic_us = 0.0

    def __init__(self, *times_us: Sequence[float], gpu_us_per_run: float = 50.0) -> None:
        self._times = [cycle(times) for times in times_us]
        self._rough = [times[0] for times in times_us]
        self._gpu_us_per_run = gpu_us_per_run
        self.batches: list[list[tuple[str, bool]]] = []

    def rough_us(self, contestant: Contestant) -> float:
        return self._rough[int(contestant.name)]

    def time(self, runs: Sequence[Run]) -> Timed:
        self.batches.append([(run.contestant.name, run.is_hot) for run in runs])
        times = tuple(next(self._times[int(run.contestant.name)]) for run in runs)
        return Timed(times, self._gpu_us_per_run * len(runs), clock_mhz=1980.0 - len(self.batches), disturbed=1)


def contestants(number: int) -> list[Contestant]:
    return [Contestant(str(index), lambda: None) for index in range(number)]


def test_a_clear_gap_ends_after_the_first_block() -> None:
    stopwatch = ScriptedStopwatch([10.0], [12.0])
    outcome = race(contestants(2), stopwatch)
    assert len(stopwatch.batches) == 1
    assert outcome.rounds == Settings().first_rounds
    assert outcome.ruling is not None
    assert (outcome.ruling.verdict, outcome.ruling.best) == ("FASTER", 0)


def test_every_round_runs_all_in_the_reverse_order_of_the_last_one() -> None:
    stopwatch = ScriptedStopwatch([10.0], [12.0], [13.0])
    race(contestants(3), stopwatch)
    cold = [name for name, is_hot in stopwatch.batches[0] if not is_hot]
    rounds = [cold[start : start + 3] for start in range(0, len(cold), 3)]
    assert rounds[:4] == [["0", "1", "2"], ["2", "1", "0"], ["0", "1", "2"], ["2", "1", "0"]]


def test_warm_up_rounds_are_not_counted() -> None:
    settings = Settings(warm_rounds=2, first_rounds=10)
    stopwatch = ScriptedStopwatch([99.0, 99.0, *[10.0] * 50], [99.0, 99.0, *[12.0] * 50])
    outcome = race(contestants(2), stopwatch, settings)
    assert outcome.cold == ((10.0,) * 10, (12.0,) * 10)


def test_times_with_a_warm_cache_are_kept_apart() -> None:
    stopwatch = ScriptedStopwatch([10.0], [12.0])
    outcome = race(contestants(2), stopwatch)
    assert outcome.hot == ((10.0,) * 8, (12.0,) * 8)
    assert [is_hot for _, is_hot in stopwatch.batches[0]] == [False] * 36 + [True] * 16


def test_a_close_race_goes_on_until_its_budget_is_spent() -> None:
    stopwatch = ScriptedStopwatch([10.0, 10.4], [10.4, 10.0])
    outcome = race(contestants(2), stopwatch, Settings(gpu_budget_us=6_000.0))
    assert outcome.ruling is not None
    assert outcome.ruling.verdict == "UNSURE"
    assert len(stopwatch.batches) > 1
    assert outcome.gpu_us <= 6_000.0 + 50.0 * 2 * 24


def test_a_close_race_ends_with_its_most_rounds() -> None:
    outcome = race(contestants(2), ScriptedStopwatch([10.0, 10.4], [10.4, 10.0]), Settings(gpu_budget_us=1e9))
    assert outcome.rounds == Settings().most_rounds


@pytest.mark.parametrize(("number", "rounds"), [(2, 8), (3, 9), (4, 10)])
def test_slow_kernels_run_no_more_often_than_an_interval_needs(number: int, rounds: int) -> None:
    slow_us = 50_000.0
    stopwatch = ScriptedStopwatch(*([slow_us * factor] for factor in range(1, number + 1)), gpu_us_per_run=slow_us)
    outcome = race(contestants(number), stopwatch)
    assert outcome.rounds == rounds
    assert outcome.ruling is not None
    assert outcome.ruling.verdict == "FASTER"


def test_whoever_watches_sees_all_times_so_far() -> None:
    seen: list[int] = []
    race(contestants(2), ScriptedStopwatch([10.0, 10.4], [10.4, 10.0]), on_round=lambda cold: seen.append(len(cold[0])))
    assert seen == [16, 40, 64]


def test_the_outcome_tells_the_lowest_clock_and_all_disturbances() -> None:
    outcome = race(contestants(2), ScriptedStopwatch([10.0, 10.4], [10.4, 10.0]))
    assert outcome.clock_mhz == 1977.0
    assert outcome.disturbed == 3


def test_the_host_counts_the_launch_and_not_what_restores() -> None:
    now = 0.0
    log: list[str] = []

    def spend(seconds: float, what: str) -> None:
        nonlocal now
        now += seconds
        log.append(what)

    contestant = Contestant("0", lambda: spend(1e-5, "launch"), lambda: spend(1.0, "restore"))
    timed = HostStopwatch(clock=lambda: now).time([Run(contestant)])
    assert log == ["restore", "launch"]
    assert timed.times_us[0] == pytest.approx(10.0)
