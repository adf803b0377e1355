"""A measurement's answer, part by part, as the protocol has it."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, Mapping, Sequence

from mkexplorer.race.racing import Outcome

from . import tuning
from .agreement import Opinion
from .loaded import SubKernel


def results(
    loaded: Sequence[SubKernel],
    problems: Sequence[str],
    opinions: Sequence[Opinion],
    outcome: Outcome | None,
    raced: Sequence[int],
    stock_us: Mapping[int, float],
) -> list[dict[str, Any]]:
    """One per sub-kernel; ``raced`` are those that ``outcome`` has times of, in its order."""
    found = []
    for index, sub_kernel in enumerate(loaded):
        launcher = None if problems[index] else sub_kernel.launcher
        found.append(
            {
                **_times(outcome, raced.index(index) if outcome and index in raced else None),
                "stock_us": stock_us.get(index),
                "resources": _resources(launcher) if launcher else None,
                "configuration": tuning.as_dict(launcher.config) if launcher else {},
                "agrees": opinions[index].agrees,
                "problem": problems[index] or opinions[index].problem,
            }
        )
    return found


def _times(outcome: Outcome | None, place: int | None) -> dict[str, Any]:
    if outcome is None or place is None:
        return {"cold": None, "hot": None, "samples_us": []}
    cold, hot = outcome.cold_summaries[place], outcome.hot_summaries[place]
    return {
        "cold": asdict(cold) if cold else None,
        "hot": asdict(hot) if hot else None,
        "samples_us": list(outcome.cold[place]),
    }


def _resources(launcher: Any) -> dict[str, Any]:
    return {
        "registers": launcher.n_regs,
        "spills": launcher.n_spills,
        "shared_bytes": launcher.shared,
    }


def ruling(outcome: Outcome | None, raced: Sequence[int], opinions: Sequence[Opinion]) -> dict[str, Any] | None:
    """None where fewer than two agree: nobody can be recommended then."""
    if outcome is None or outcome.ruling is None or not all(opinions[index].agrees for index in raced):
        return None
    found = asdict(outcome.ruling)
    high = None if math.isinf(found["high"]) else found["high"]  # JSON has no infinity
    return {**found, "best": raced[found["best"]], "rival": raced[found["rival"]], "high": high}
