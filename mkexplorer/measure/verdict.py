"""Which sub-kernel is the fastest, how sure that is, and what the pick costs.

It judges from summaries (median, quartiles, number of samples), which is all that a bundle or a record keeps.

**The interval.** For samples that are roughly normal around their median, the standard error of the median is
``sqrt(pi / 2) * sigma / sqrt(n)`` with ``sigma = (q3 - q1) / 1.349``, that is ``0.929 * (q3 - q1) / sqrt(n)``.
Device timers count in steps, and a median on a lattice is no better known than the lattice: ``step**2 / 12`` is added
to each variance. The logarithm of the ratio of two medians then has the root of the sum of both squared relative
errors as its own error, and the interval is ``ratio * exp(±z * error)``; with more than two sub-kernels ``z`` is
widened (Bonferroni) so that the best can be compared with every other one at 95% together.

**Its limits.** In simulations (normal, lognormal and one-sided noise of 2%, gaps of 0 and 5%) the interval held the
true ratio in 94 to 96% of the cases with 40 samples each, in 92% with 10. The samples of the two sub-kernels are
taken as independent: a clock that drifted between one and the other is not in any quartile, so the interval of kernels
that were timed one after the other is too narrow; that is what the tie band is for, and why a race times in turns and
judges pairs. Below six samples no interval of a median reaches 95% at all: then it is unbounded and the verdict UNSURE.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mkexplorer.catalog.model import Timing

TIE_BAND = 0.01
"""Ratios within 1 ± this are no difference worth a change of kernel."""

TIMER_STEP_US = 0.032
"""The step of the device timers behind recorded times (CUPTI on an H100)."""

_MEDIAN_ERROR_PER_IQR = 0.929
_FEWEST_SAMPLES = 6
_Z_95 = 1.959964


class Verdict(StrEnum):
    """What is known of the best against ``Judgement.rival``."""

    FASTER = "FASTER"
    SAME = "SAME"
    UNSURE = "UNSURE"


@dataclass(frozen=True, slots=True)
class Judgement:
    """``best`` has the lowest median; ``rival`` is the pick, or the runner-up where the pick is the best (or unknown).

    ``ratio`` is median of the rival ÷ median of the best (never below 1), ``low`` and ``high`` its 95% interval.
    ``regret`` is median of the picked ÷ median of the best - 1, None where the pick or its time is not known.
    """

    verdict: Verdict
    best: int
    rival: int
    ratio: float
    low: float
    high: float
    regret: float | None

    @property
    def pick_is_slower(self) -> bool:
        """Another sub-kernel is surely faster than the pick."""
        return self.verdict is Verdict.FASTER and bool(self.regret)


def judge(timings: Sequence[Timing | None], picked: int | None) -> Judgement | None:
    """Judge the sub-kernels' times, given in index order; None where fewer than two of them have a usable time."""
    known = {index: timing for index, timing in enumerate(timings) if timing is not None and _usable(timing)}
    if len(known) < 2:
        return None
    best, runner_up = sorted(known, key=lambda index: known[index].median_us)[:2]
    has_pick = picked in known
    if picked is not None and has_pick and known[picked].median_us == known[best].median_us and picked != best:
        best, runner_up = picked, best  # a tie to the last digit is not held against the pick
    rival = picked if picked is not None and has_pick and picked != best else runner_up
    ratio = known[rival].median_us / known[best].median_us
    low, high = _interval(known[best], known[rival], comparisons=len(known) - 1)
    cost = regret(timings, best, picked) if has_pick else None
    return Judgement(_verdict(low, high), best, rival, ratio, low, high, cost)


def regret(timings: Sequence[Timing | None], best: int, picked: int | None) -> float | None:
    """What the pick costs against the best; None where the pick or a time is not known, never less than nothing."""
    if picked is None or not 0 <= picked < len(timings):
        return None
    own, least = timings[picked], timings[best]
    return None if own is None or least is None else max(0.0, own.median_us / least.median_us - 1)


def _usable(timing: Timing) -> bool:
    ordered = 0 < timing.q1_us <= timing.median_us <= timing.q3_us < math.inf
    return ordered and timing.n > 0


def _verdict(low: float, high: float) -> Verdict:
    if low > 1 + TIE_BAND:
        return Verdict.FASTER
    if low >= 1 - TIE_BAND and high <= 1 + TIE_BAND:
        return Verdict.SAME
    return Verdict.UNSURE


def _interval(best: Timing, rival: Timing, comparisons: int) -> tuple[float, float]:
    if min(best.n, rival.n) < _FEWEST_SAMPLES:
        return 0.0, math.inf
    ratio = rival.median_us / best.median_us
    error = math.hypot(_relative_error(best), _relative_error(rival))
    reach = math.exp(min(_z(comparisons) * error, 700.0))  # exp(710) overflows
    return ratio / reach, ratio * reach


def _relative_error(timing: Timing) -> float:
    spread = _MEDIAN_ERROR_PER_IQR * (timing.q3_us - timing.q1_us) / math.sqrt(timing.n)
    return math.hypot(spread, TIMER_STEP_US / math.sqrt(12)) / timing.median_us


def _z(comparisons: int) -> float:
    if comparisons == 1:
        return _Z_95
    from statistics import NormalDist  # 15 ms of imports, for the rare multi-kernel of three or more

    return NormalDist().inv_cdf(1 - 0.025 / comparisons)
