"""What a call of a multi-kernel costs after its choice, above the launcher that it leads to, as ratios of one run.

    python -m tests.benchmarks.bench_multi_kernel_call

Method: the launcher is a stub, a Python method with six arguments, a grid and a stream, that does nothing; so all that
is seen is what a multi-kernel adds. The bare launcher, the multi-kernels and torch's own `MultiKernelCall.run` (where
a torch with the argument index is installed) take turns of 20,000 calls; the median of 25 turns each counts, less an
empty loop. The launcher that takes four of six arguments is a sub-kernel's own above such a stub in the place of
Triton's function. "As one of Triton's" is `kernel[grid](…)` of Triton's interface above the same stub against the
front door's brackets; there, "by size" has a key of one size and three dtypes. The budget is 0.1 µs above the launcher,
and a tenth of what torch's adds.
"""

from __future__ import annotations

import importlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import triton

from mkexplorer.multikernel import Kernel, MultiKernelCall, config, multi_kernel
from mkexplorer.multikernel.meta import KernelMeta
from tests.stub_kernels import Stopwatch, StubKernel, run_module

CALLS, TURNS = 20_000, 25
BUDGET_US = 0.1
TENSORS = tuple(torch.empty(4) for _ in range(3))
ARGUMENTS = (*TENSORS, 4096, 1024, 0.5)
NAMES = "x w out rows columns eps"


class Launcher:
    name = "looped"

    def run(
        self, x: Any, w: Any, out: Any, rows: Any, columns: Any, eps: Any, grid: Any = None, stream: Any = None
    ) -> Any:
        return None


class Fewer:
    """As a function of `triton.jit`, under a sub-kernel of our own."""

    arg_names = ("x", "out", "rows", "columns")

    def run(self, x: Any, out: Any, rows: Any, columns: Any, grid: Any = None, warmup: Any = None) -> Any:
        return None


@triton.jit
def first(x, w, out, rows, columns, eps):  # type: ignore[no-untyped-def]
    pass


@triton.jit
def second(x, w, out, rows, columns, eps):  # type: ignore[no-untyped-def]
    pass


def launch_nothing(
    x: Any, w: Any, out: Any, rows: Any, columns: Any, eps: Any, grid: Any = None, warmup: Any = None
) -> Any:
    return None


def main() -> None:
    # Instead of Triton's own launcher, which would look for a GPU; the interface above it stays.
    first.run = second.run = launch_nothing
    config.measure = Stopwatch(looped=1.0, persistent=2.0, first=1.0, second=2.0)
    with tempfile.TemporaryDirectory() as folder:
        for title, bare, others in _cases(Path(folder)):
            times = _times([_nothing, bare, *others.values()])
            empty, launcher, *rest = times
            print(f"{title}: {launcher - empty:.3f} µs a call")
            for name, time_us in zip(others, rest, strict=True):
                above = time_us - launcher
                ratio = (time_us - empty) / (launcher - empty)
                within = "" if name.startswith("torch") else f"  budget {BUDGET_US} µs: {above <= BUDGET_US}"
                print(f"    {name:<44} {ratio:5.2f} × the launcher, {above:+.3f} µs{within}")


def _cases(folder: Path) -> list[tuple[str, Callable[[], None], dict[str, Callable[[], None]]]]:
    whole, fewer = Launcher(), Kernel(Fewer(), KernelMeta("looped"), own_grid=(1,))
    fewer.prepare((*TENSORS[:2], 4096, 1024), None)
    return [
        (
            "a launcher that takes all arguments",
            _loop(whole.run),
            {"multi-kernel": _loop(_settled(whole, NAMES, folder)), **_torchs(whole)},
        ),
        (
            "a launcher that takes four of six",
            _fewer_loop(fewer.run),
            {"multi-kernel": _loop(_settled(fewer, " ".join(Fewer.arg_names), folder))},
        ),
        (
            "as one of Triton's",
            _bracket_loop(first),
            {
                "front door": _bracket_loop(_front_door(folder)),
                "front door, by size": _bracket_loop(_front_door(folder, "rows")),
            },
        ),
    ]


def _settled(winner: Any, takes: str, folder: Path) -> Callable[..., Any]:
    source = run_module({"looped": takes, "persistent": NAMES})
    call = MultiKernelCall("multi_kernel_0", [winner, StubKernel("persistent")], source, folder)
    call.run(*ARGUMENTS, grid=(1,))
    assert call.picked == 0
    return call.run


def _front_door(folder: Path, *key: str) -> Any:
    function = multi_kernel(first, second, key=key, cache=folder)
    for _ in range(2):
        function[(4096,)](*ARGUMENTS)
    assert list(function.picks.values()) == ["first"]
    return function


def _torchs(winner: Any) -> dict[str, Callable[[], None]]:
    """Torch's multi-kernel, which is asked for its pick, its recording and its arguments with each call."""
    try:
        theirs = importlib.import_module("torch._inductor.codegen.multi_kernel").MultiKernelCall
        call = theirs.__new__(theirs)
    except (ImportError, AttributeError):
        return {}
    if not hasattr(theirs, "_get_filtered_args"):
        return {}
    call.multi_kernel_name, call.picked_kernel, call._recorded = "multi_kernel_0", 0, True
    call._kernels, call.arg_index = [winner, winner], {0: [slice(0, 6)], 1: [slice(0, 6)]}
    return {f"torch {torch.__version__}": _loop(call.run)}


def _nothing() -> None:
    for _ in range(CALLS):
        pass


def _loop(run: Callable[..., Any]) -> Callable[[], None]:
    x, w, out, rows, columns, eps = ARGUMENTS

    def calls() -> None:
        for _ in range(CALLS):
            run(x, w, out, rows, columns, eps, grid=None, stream=7)

    return calls


def _fewer_loop(run: Callable[..., Any]) -> Callable[[], None]:
    x, _, out, rows, columns, _ = ARGUMENTS

    def calls() -> None:
        for _ in range(CALLS):
            run(x, out, rows, columns, grid=None, stream=7)

    return calls


def _bracket_loop(function: Any) -> Callable[[], None]:
    x, w, out, rows, columns, eps = ARGUMENTS
    grid = (4096,)

    def calls() -> None:
        for _ in range(CALLS):
            function[grid](x, w, out, rows, columns, eps)

    return calls


def _times(loops: list[Callable[[], None]]) -> list[float]:
    """Microseconds a call, each loop in turn with the others."""
    taken: list[list[float]] = [[] for _ in loops]
    for _ in range(TURNS):
        for index, loop in enumerate(loops):
            began = time.perf_counter()
            loop()
            taken[index].append((time.perf_counter() - began) / CALLS * 1e6)
    return [statistics.median(each) for each in taken]


if __name__ == "__main__":
    main()
