"""The race itself: who runs when, when enough is known, and what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Protocol, Sequence

from .statistics import Ruling, Summary, fewest_rounds, is_decided, rule, summary

# A sample costs the GPU this beside the kernel itself: clearing its cache, and the gaps between launches.
_OVERHEAD_US = 80.0
# Some to warm the cache, and the one that is timed.
LAUNCHES_OF_A_HOT_RUN = 4


@dataclass(frozen=True)
class Contestant:
    """One kernel, ready to run.

    ``launch`` launches it once on the current stream and never waits for it; ``restore`` is queued before every
    launch that is timed, outside the timed part, and puts back what the last launch overwrote.
    """

    name: str
    launch: Callable[[], object]
    restore: Callable[[], object] | None = None


@dataclass(frozen=True)
class Settings:
    """``alpha``: with which probability a race may stop at a wrong answer. ``gpu_budget_us`` ends an undecided one.

    The ``first_rounds`` are timed at once, because asking for times costs more than taking them; of a kernel so slow
    that they exceed the budget, as few as there is an interval of.
    """

    alpha: float = 0.01
    warm_rounds: int = 2
    first_rounds: int = 16
    next_rounds: int = 24
    most_rounds: int = 64
    hot_rounds: int = 8
    gpu_budget_us: float = 25_000.0


IN_A_PROGRAM = Settings(first_rounds=12, next_rounds=18, most_rounds=48, hot_rounds=0)
"""For a program that waits to know which one is faster, and gains little from one that is hardly so."""


@dataclass(frozen=True)
class Run:
    """One launch to time, with the GPU's cache cleared before, or warm from a launch of the same kernel."""

    contestant: Contestant
    is_hot: bool = False


@dataclass(frozen=True)
class Timed:
    """The times of some runs, in their order. ``gpu_us`` is how long the GPU was held for all of it.

    ``disturbed`` counts what looks like another process on the GPU: pauses in a full queue, and times far off.
    """

    times_us: tuple[float, ...]
    gpu_us: float
    clock_mhz: float | None = None
    disturbed: int = 0


class Stopwatch(Protocol):
    """``systematic_us``: by how much the difference of two of its times may be wrong, however often they are taken."""

    systematic_us: float

    def rough_us(self, contestant: Contestant) -> float:
        """Runs it twice, untimed by anything that must be right."""
        ...

    def time(self, runs: Sequence[Run]) -> Timed: ...


@dataclass(frozen=True)
class Outcome:
    """Times in microseconds by contestant and round. ``clock_mhz`` is the lowest that was seen."""

    cold: tuple[tuple[float, ...], ...]
    hot: tuple[tuple[float, ...], ...]
    ruling: Ruling | None
    rounds: int
    gpu_us: float
    clock_mhz: float | None
    disturbed: int

    @property
    def cold_summaries(self) -> tuple[Summary | None, ...]:
        return tuple(summary(times) for times in self.cold)

    @property
    def hot_summaries(self) -> tuple[Summary | None, ...]:
        return tuple(summary(times) for times in self.hot)


def race(
    contestants: Sequence[Contestant],
    stopwatch: Stopwatch,
    settings: Settings = Settings(),  # noqa: B008  # frozen
    picked: int | None = None,
    on_round: Callable[[Sequence[Sequence[float]]], object] = lambda cold: None,
) -> Outcome:
    """Time the contestants in turns, in alternating order, until it is known which is faster or the budget is spent.

    ``on_round`` is given all cold times so far whenever new ones are there. ``picked`` only chooses the rival.
    """
    cold: list[list[float]] = [[] for _ in contestants]
    hot: list[list[float]] = [[] for _ in contestants]
    round_us = sum(stopwatch.rough_us(each) + _OVERHEAD_US for each in contestants)
    rounds = _affordable(round_us, settings.gpu_budget_us, fewest_rounds(len(contestants)), settings.first_rounds)
    spare_us = settings.gpu_budget_us - rounds * round_us
    hot_rounds = _affordable(LAUNCHES_OF_A_HOT_RUN * round_us, spare_us, settings.warm_rounds, settings.hot_rounds)
    orders = _orders(len(contestants), settings.warm_rounds + rounds)
    hot_orders = _orders(len(contestants), hot_rounds)
    runs = [Run(contestants[index]) for order in orders for index in order]
    timed = stopwatch.time(runs + [Run(contestants[index], is_hot=True) for order in hot_orders for index in order])
    warm_runs = settings.warm_rounds * len(contestants)
    _deal(timed.times_us[warm_runs : len(runs)], orders[settings.warm_rounds :], cold)
    _deal(timed.times_us[len(runs) :], hot_orders, hot)
    on_round(cold)
    clocks, gpu_us, disturbed = [timed.clock_mhz], timed.gpu_us, timed.disturbed
    while not is_decided(cold, settings.alpha, stopwatch.systematic_us):
        rounds = len(cold[0])
        affordable = int((settings.gpu_budget_us - gpu_us) / round_us)
        more = min(settings.next_rounds, settings.most_rounds - rounds, affordable)
        if more <= 0:
            break
        orders = _orders(len(contestants), more, first=rounds)
        timed = stopwatch.time([Run(contestants[index]) for order in orders for index in order])
        _deal(timed.times_us, orders, cold)
        on_round(cold)
        clocks.append(timed.clock_mhz)
        gpu_us += timed.gpu_us
        disturbed += timed.disturbed
    return Outcome(
        cold=tuple(tuple(times) for times in cold),
        hot=tuple(tuple(times) for times in hot),
        ruling=rule(cold, picked, stopwatch.systematic_us),
        rounds=len(cold[0]) if cold else 0,
        gpu_us=gpu_us,
        clock_mhz=min((clock for clock in clocks if clock is not None), default=None),
        disturbed=disturbed,
    )


def _affordable(round_us: float, budget_us: float, fewest: int, most: int) -> int:
    return max(fewest, min(most, int(budget_us / max(round_us, 1e-3))))


def _orders(contestants: int, rounds: int, first: int = 0) -> list[Sequence[int]]:
    """Every contestant once per round, forth and back: whoever runs second runs with a warmer chip."""
    forth = range(contestants)
    return [forth if number % 2 == 0 else forth[::-1] for number in range(first, first + rounds)]


def _deal(times_us: Sequence[float], orders: Sequence[Sequence[int]], into: list[list[float]]) -> None:
    places = [index for order in orders for index in order]
    for index, time_us in zip(places, times_us):
        into[index].append(time_us)
