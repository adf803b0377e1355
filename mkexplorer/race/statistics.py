"""What paired times say of two kernels, however often one looks at them.

In each round every kernel runs once, so that a clock that drifts hits all of them alike; what is judged is the
logarithm of the ratio of two times of one round. Of these only the signs are used, which assumes nothing of how the
noise is distributed: where the median of the ratios is at most ``m``, each ratio is above ``m`` with a probability of
at most one half, and the mixture of likelihood ratios in `evidence_above` grows beyond ``1 / alpha`` at any time in a
race with a probability of at most ``alpha`` (Ville's inequality). So a race may look after every round and stop as
soon as it knows enough; an interval that is inverted from the same test holds at all times together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Sequence

FASTER, SAME, UNSURE = "FASTER", "SAME", "UNSURE"
TIE_BAND = 0.01
_INTERVAL_ALPHA = 0.05


@dataclass(frozen=True)
class Summary:
    """Median and quartiles in microseconds of ``n`` samples."""

    median_us: float
    q1_us: float
    q3_us: float
    n: int


@dataclass(frozen=True)
class Ruling:
    """``best`` has the lowest median; ``rival`` is the pick, or the runner-up where the pick is the best or not known.

    ``ratio`` is the median of time of the rival ÷ time of the best over the rounds, ``low`` and ``high`` its 95%
    interval, 0 and infinity where there are too few rounds for one.
    """

    verdict: str
    best: int
    rival: int
    ratio: float
    low: float
    high: float


def summary(samples_us: Sequence[float]) -> Summary | None:
    """None of no samples."""
    if not samples_us:
        return None
    ordered = sorted(samples_us)
    return Summary(_quantile(ordered, 0.5), _quantile(ordered, 0.25), _quantile(ordered, 0.75), len(ordered))


def evidence_above(above: int, of: int) -> float:
    """How many times likelier ``above`` of ``of`` signs are under some probability beyond one half than under a half.

    The mean over all such probabilities, equally weighted: ``2 ** (of + 1)`` times the integral of
    ``p**above * (1 - p)**(of - above)`` from one half to one.
    """
    tail = sum(math.comb(of + 1, k) for k in range(above + 1))  # the incomplete beta function, in whole numbers
    return tail / ((of + 1) * math.comb(of, above))


@lru_cache(maxsize=None)
def fewest_above(of: int, alpha: float) -> int | None:
    """The lowest count of signs above, among ``of``, that is evidence at ``alpha``; None where not even all are."""
    found = None
    for above in range(of, of // 2, -1):
        if evidence_above(above, of) < 1 / alpha:
            break
        found = above
    return found


def median_interval(values: Sequence[float], alpha: float) -> tuple[float, float]:
    """Where the median lies, wrong at any time in a growing sequence with a probability of at most ``alpha``."""
    count = fewest_above(len(values), alpha / 2)
    if count is None:
        return -math.inf, math.inf
    ordered = sorted(values)
    return ordered[len(values) - count], ordered[count - 1]


def fewest_rounds(kernels: int) -> int:
    """After how many rounds of so many kernels `rule` has an interval at all."""
    rounds = 1
    while fewest_above(rounds, _INTERVAL_ALPHA / max(kernels - 1, 1) / 2) is None:
        rounds += 1
    return rounds


def log_ratios(rival_us: Sequence[float], best_us: Sequence[float]) -> Sequence[float]:
    """One per round that both ran in."""
    return [math.log(rival / best) for rival, best in zip(rival_us, best_us)]


def rule(cold_us: Sequence[Sequence[float]], picked: int | None = None, systematic_us: float = 0.0) -> Ruling | None:
    """Judge the times of each kernel, one per round; None where fewer than two have any.

    ``systematic_us`` is by how much the difference of two times may be wrong however often they are taken.
    """
    medians = {index: _quantile(sorted(times), 0.5) for index, times in enumerate(cold_us) if times}
    if len(medians) < 2:
        return None
    # A tie to the last digit is not held against the pick, else not against the first.
    best, runner_up = sorted(medians, key=lambda index: (medians[index], index != picked, index))[:2]
    rival = picked if picked in medians and picked != best else runner_up
    assert rival is not None
    ratios = log_ratios(cold_us[rival], cold_us[best])
    low, high = median_interval(ratios, _INTERVAL_ALPHA / (len(medians) - 1))
    low -= systematic_us / medians[rival]
    high += systematic_us / medians[best]
    bounds = math.exp(low) if low > -math.inf else 0.0, math.exp(high) if high < math.inf else math.inf
    return Ruling(_verdict(*bounds), best, rival, math.exp(_quantile(sorted(ratios), 0.5)), *bounds)


def is_decided(cold_us: Sequence[Sequence[float]], alpha: float, systematic_us: float = 0.0) -> bool:
    """Whether the lowest median is known to beat every other one by more than the tie band, or to be within it."""
    medians = {index: _quantile(sorted(times), 0.5) for index, times in enumerate(cold_us) if times}
    if len(medians) < 2:
        return True
    best = min(medians, key=lambda index: medians[index])
    for other in medians:
        if other == best:
            continue
        ratios = log_ratios(cold_us[other], cold_us[best])
        low, high = median_interval(ratios, 2 * alpha / (len(medians) - 1))
        low -= systematic_us / medians[other]
        high += systematic_us / medians[best]
        if low <= math.log1p(TIE_BAND) and not (low >= math.log1p(-TIE_BAND) and high <= math.log1p(TIE_BAND)):
            return False
    return True


def _verdict(low: float, high: float) -> str:
    if low > 1 + TIE_BAND:
        return FASTER
    if low >= 1 - TIE_BAND and high <= 1 + TIE_BAND:
        return SAME
    return UNSURE


def _quantile(ordered: Sequence[float], at: float) -> float:
    """Between the two nearest samples; ``ordered`` is not empty."""
    place = at * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
