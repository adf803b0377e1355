"""What is being measured, what waits, and what came of it: one snapshot that flows down to whoever shows it.

Multi-kernels go by their full ids here, which stay the same when the place is read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.measure.model import BenchResult, Progress, Stage
from mkexplorer.measure.queue import BenchEvent, Cancelled, Failed, Finished, Progressed, Started

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class BenchState:
    """``done`` and ``failed`` are those of the ``total`` that were asked for since there was last nothing to do.

    ``progress`` has the one that runs, and those whose result is not shown yet. ``results`` and ``failures`` are the
    last ones of this session; ``unkept`` says of which results there is no evidence beside the pick, and why.
    ``outlooks`` say what a measurement would be made on, as far as anybody looked.
    """

    running: str | None = None
    waiting: tuple[str, ...] = ()
    total: int = 0
    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    cancelled: int = 0
    progress: Mapping[str, Progress] = field(default_factory=dict)
    results: Mapping[str, BenchResult] = field(default_factory=dict)
    failures: Mapping[str, MkexplorerError] = field(default_factory=dict)
    unkept: Mapping[str, str] = field(default_factory=dict)
    outlooks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_idle(self) -> bool:
        return self.running is None and not self.waiting


def asked(state: BenchState, names: Sequence[str]) -> BenchState:
    """The state once ``names``, none of which is under way, were asked for."""
    if state.is_idle:
        state = replace(state, total=0, done=(), failed=(), cancelled=0)
    asked_again = set(names)
    failures = {name: error for name, error in state.failures.items() if name not in asked_again}
    return replace(state, total=state.total + len(names), waiting=(*state.waiting, *names), failures=failures)


def preferred(state: BenchState, names: Sequence[str]) -> BenchState:
    """The state once those of ``names`` that wait come before all others."""
    first = [name for name in names if name in state.waiting]
    return replace(state, waiting=(*first, *(name for name in state.waiting if name not in first)))


def after(state: BenchState, event: BenchEvent) -> BenchState:
    """The state once ``event`` has happened."""
    match event:
        case Started(name):
            begun = {**state.progress, name: Progress(Stage.STARTING)}
            return replace(state, running=name, waiting=_but(state.waiting, name), progress=begun)
        case Progressed(name, progress):
            return replace(state, progress={**state.progress, name: progress})
        case Finished(name):
            return replace(state, running=None, done=(*state.done, name))
        case Failed(name, error):
            return replace(
                state,
                running=None,
                failed=(*state.failed, name),
                progress=_without(state.progress, name),
                failures={**state.failures, name: error},
            )
        case Cancelled(name):
            return replace(
                state,
                running=None if name == state.running else state.running,
                waiting=_but(state.waiting, name),
                total=state.total - 1,
                cancelled=state.cancelled + 1,
                progress=_without(state.progress, name),
            )
    return state


def shown(state: BenchState, results: Mapping[str, BenchResult], unkept: Mapping[str, str]) -> BenchState:
    """The state once ``results`` are in the rows."""
    still_kept = {name: why for name, why in state.unkept.items() if name not in results}
    going_on = {name: each for name, each in state.progress.items() if name not in results or name == state.running}
    return replace(state, progress=going_on, results={**state.results, **results}, unkept={**still_kept, **unkept})


def _without(mapping: Mapping[str, _Value], name: str) -> Mapping[str, _Value]:
    return {key: value for key, value in mapping.items() if key != name}


def _but(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(each for each in names if each != name)
