"""Every sub-kernel of a multi-kernel on the same arguments: who can run at all, and who is the fastest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

from mkexplorer.race.racing import Contestant

from .choosing import Choice, among_able, choose, is_out_of_memory
from .clones import CannotCopy, Clones, clone_overwritten, surroundings
from .errors import MultiKernelError
from .measuring import device_of, measure
from .tuning import try_out

log = logging.getLogger("mkexplorer.multikernel")


@dataclass(frozen=True)
class Call:
    """One call of a multi-kernel: what it takes between the call object and the grid, and the rest."""

    arguments: Sequence[Any]
    grid: Any = None
    stream: object = None


def find_fastest(label: str, kernels: Sequence[Any], module: ModuleType, call: Call, old: int | None) -> Choice:
    """Launches on copies of what any sub-kernel overwrites. A sub-kernel that raises is left out, with a warning.

    Where that cannot be copied nothing is launched; the choice is the old one, else the first, and is not to be kept.
    Neither is one without a sub-kernel that may run the next time. Raises `MultiKernelError` where none can run, and
    what was raised where memory was out.
    """
    names = names_of(kernels)
    try:
        clones = _cloned(kernels, module, call)
    except CannotCopy as error:
        return Choice(_unmeasured(kernels, old), (None,) * len(kernels), doubt=f"it is not measured, as {error}")
    problems: dict[int, Exception] = {}
    able: dict[int, Contestant] = {}
    for index, (own, grid) in enumerate(parts_of(module, len(kernels), replace(call, arguments=clones.arguments))):
        try:
            able[index] = Contestant(names[index], _launch_of(kernels[index], own, grid, call.stream), clones.restore)
            try_out(able[index])
        except Exception as error:
            if is_out_of_memory(error):
                raise
            able.pop(index, None)
            problems[index] = error
            log.warning("%s: %s cannot run and is not used: %s", label, names[index], error)
    if not able:
        raise _nobody(label, names, problems) from problems[0]
    if len(able) == 1:
        return among_able(Choice(min(able), (None,) * len(kernels)), problems)
    runners = dict(enumerate(able))
    device = device_of_call(kernels, call.arguments)
    outcome = measure(list(able.values()), next((each for each in runners if runners[each] == old), None), device)
    configurations = tuple(getattr(kernel, "configuration", None) or {} for kernel in kernels)
    chosen = choose(outcome, runners, len(kernels), old)
    return among_able(replace(chosen, configurations=configurations), problems)


def parts_of(module: ModuleType, count: int, call: Call) -> list[tuple[tuple[Any, ...], Any]]:
    """What each sub-kernel is given of a call, and its grid, as the run module says it."""
    found: list[tuple[tuple[Any, ...], Any]] = module.run(
        _Asking(count), *call.arguments, grid=call.grid, stream=call.stream
    )
    return found


def device_of_call(kernels: Sequence[Any], arguments: Sequence[Any]) -> str:
    """As `device_of`; what Triton interprets runs on the CPU wherever its arguments are."""
    if any(getattr(kernel, "is_interpreted", False) for kernel in kernels):
        return "cpu"
    return device_of(arguments)


def names_of(kernels: Sequence[Any]) -> list[str]:
    """Of futures too."""
    return [str(getattr(kernel, "name", f"sub-kernel {index}")) for index, kernel in enumerate(kernels)]


class _Asking:
    """Stands for the call and its sub-kernels in the run module, and answers with what each would be given."""

    def __init__(self, count: int) -> None:
        self.kernels = [self] * count

    def run(self, *arguments: Any, grid: Any, stream: object) -> tuple[tuple[Any, ...], Any]:
        return arguments, grid

    def run_with_argless_kernels(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        return [call() for call in calls]


def _launch_of(kernel: Any, arguments: Sequence[Any], grid: Any, stream: object) -> Callable[[], Any]:
    """The launch alone: a `Kernel` has its configuration first."""
    if hasattr(kernel, "prepare"):
        kernel.prepare(arguments, grid)
    return partial(kernel.run, *arguments, grid=grid, stream=stream)


def _unmeasured(kernels: Sequence[Any], old: int | None) -> int:
    """The old pick, else the first of which nobody knows that it cannot run."""
    able = (index for index, kernel in enumerate(kernels) if not getattr(getattr(kernel, "meta", None), "problem", ""))
    return old if old is not None else next(able, 0)


def _cloned(kernels: Sequence[Any], module: ModuleType, call: Call) -> Clones:
    """What all of them write, and none reads, can be written to by all; what only some write is copied."""
    mutated = _positions(kernels, module, "mutated_positions")
    outputs = _positions(kernels, module, "output_positions")
    written = frozenset().union(*outputs)
    everywhere = written.intersection(*outputs)
    copied = (written - everywhere).union(*mutated)
    return clone_overwritten(call.arguments, copied, everywhere, surroundings)


def _positions(kernels: Sequence[Any], module: ModuleType, which: str) -> list[frozenset[int]]:
    """Those of the multi-kernel's arguments, for each sub-kernel."""
    return [
        frozenset(module.TAKES[index][position] for position in getattr(kernel, which, ()))
        for index, kernel in enumerate(kernels)
    ]


def _nobody(label: str, names: Sequence[str], problems: Mapping[int, Exception]) -> MultiKernelError:
    told = "; ".join(f"{names[index]}: {type(error).__name__}: {error}" for index, error in problems.items())
    return MultiKernelError(f"{label}: none of its sub-kernels can run: {told}")
