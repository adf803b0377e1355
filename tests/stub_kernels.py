"""Multi-kernels of plain Python functions, and a race that is told its times: for tests without Triton or a GPU."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mkexplorer.multikernel.call import MultiKernelCall
from mkexplorer.multikernel.environment import Measure
from mkexplorer.multikernel.kernel import Argument, ArgumentKind, MultiKernel, SubKernelSpec
from mkexplorer.multikernel.sources import run_module_text
from mkexplorer.race.racing import Contestant, Outcome
from mkexplorer.race.statistics import FASTER, SAME, rule

ROUNDS = 12


class StubKernel:
    """``work`` is done with each launch; ``launches`` counts them, also those to measure."""

    def __init__(
        self,
        name: str,
        work: Callable[..., object] = lambda *arguments: None,
        mutated: Sequence[int] = (),
        outputs: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.mutated_positions = frozenset(mutated)
        self.output_positions = frozenset(outputs)
        self.launches = 0
        self.calls: list[tuple[Any, ...]] = []
        self._work = work
        self._lock = threading.Lock()

    def run(self, *arguments: Any, grid: Any = None, stream: Any = None) -> str:
        with self._lock:
            self.launches += 1
            self.calls.append(arguments)
        self._work(*arguments)
        return self.name


class Stopwatch:
    """Stands for the race: the times in microseconds are known by name. ``races`` tells who ran, and the old pick."""

    def __init__(self, **times_us: float) -> None:
        self.times_us = times_us
        self.races: list[tuple[list[str], int | None]] = []
        self.disturbed = 0
        self._lock = threading.Lock()

    def __call__(self, contestants: Sequence[Contestant], old: int | None) -> Outcome:
        with self._lock:
            self.races.append(([each.name for each in contestants], old))
        cold = tuple((self.times_us[each.name],) * ROUNDS for each in contestants)
        for each in contestants:
            if each.restore is not None:
                each.restore()
            each.launch()
        return Outcome(cold, tuple(() for _ in cold), rule(cold, old), ROUNDS, 100.0, None, self.disturbed)


def run_module(kernels: Mapping[str, str], sizes: str = "") -> str:
    """The run module of sub-kernels that take these arguments: ``{'looped': 'x out n', 'persistent': 'x out'}``."""
    specs = tuple(
        SubKernelSpec(
            name,
            f"@triton.jit\ndef {name}({', '.join(arguments.split())}):\n    pass\n",
            tuple(Argument(each, ArgumentKind.NUMBER) for each in arguments.split()),
        )
        for name, arguments in kernels.items()
    )
    return run_module_text(MultiKernel(specs, sizes=sizes))


def two(cache: Path, *kernels: Any, arguments: str = "x out", **options: Any) -> MultiKernelCall:
    """A multi-kernel of ``kernels``, by default a looped and a persistent one, that all take ``arguments``."""
    used = kernels or (StubKernel("looped"), StubKernel("persistent"))
    names = [getattr(each, "name", f"future{index}") for index, each in enumerate(used)]
    return MultiKernelCall("multi_kernel_0", used, run_module(dict.fromkeys(names, arguments)), cache, **options)


__all__ = ["FASTER", "SAME", "Measure", "StubKernel", "Stopwatch", "run_module", "two"]
