"""Times the sub-kernels of a call on its own arguments, and chooses."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from mkexplorer.catalog.model import Resources
from mkexplorer.measure.model import ArgumentSource, SubKernelResult
from mkexplorer.measure.verdict import Judgement, Verdict, regret
from mkexplorer.multikernel.choosing import Choice, among_able, choose, is_out_of_memory
from mkexplorer.multikernel.clones import Clones, clone_overwritten
from mkexplorer.picks.model import Measured
from mkexplorer.race.racing import Contestant

from . import gpu
from .arguments import described

# The kinds of devices that the race has a stopwatch for.
_DEVICES = ("cuda", "hip")
_LONGEST_TEXT = 1000
# Measurements on one GPU would disturb each other; on two of them, one may wait for what the other is to send.
_one_at_a_time: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)


@dataclass(frozen=True)
class Trial:
    """A call: ``takes`` has, for each of ``kernels``, which of ``arguments`` it takes. ``keywords`` are passed on."""

    kernels: Sequence[Any]
    takes: Sequence[Sequence[int]]
    arguments: Sequence[Any]
    keywords: Mapping[str, Any]

    @property
    def device(self) -> int:
        return int(self.kernels[0].device_props.index or 0)

    def taken(self, index: int, arguments: Sequence[Any]) -> list[Any]:
        return [arguments[position] for position in self.takes[index]]


@dataclass(frozen=True)
class Measurement:
    """``measured`` is what evidence keeps of it."""

    choice: Choice
    measured: Measured
    wall_us: float

    @property
    def medians_ms(self) -> list[float]:
        """As torch's ``benchmark_sub_kernels`` answers; infinity for one that cannot run."""
        return [float("inf") if each is None else each.median_us / 1e3 for each in self.choice.times]


def can_race(kernels: Sequence[Any]) -> bool:
    return all(kernel.device_props.type in _DEVICES for kernel in kernels)


def measure(trial: Trial, old: int | None) -> Measurement:
    """Chooses among the kernels of ``trial``; ``old`` is the pick until now. Raises what all of them raise."""
    began = time.perf_counter()
    with _one_at_a_time[trial.device], _unrecorded(), gpu.on_stream(trial.device, trial.keywords.get("stream")):
        clones = _cloned(trial)
        contestants, problems = _prepared(trial, clones)
        if not contestants:
            raise problems[0]
        choice = _chosen(contestants, len(trial.kernels), old)
    choice = among_able(choice, problems)
    wall_us = (time.perf_counter() - began) * 1e6
    return Measurement(choice, _measured(trial, choice), wall_us)


def _chosen(contestants: Mapping[int, Contestant], count: int, old: int | None) -> Choice:
    runners = dict(enumerate(contestants))
    if len(runners) == 1:
        return Choice(runners[0], (None,) * count)
    rival = next((number for number, index in runners.items() if index == old), None)
    return choose(gpu.race_on_gpu(list(contestants.values()), rival), runners, count, old)


def _cloned(trial: Trial) -> Clones:
    """The arguments with copies of what any sub-kernel overwrites and reads."""
    mutated: set[int] = set()
    outputs: set[int] = set()
    for kernel, takes in zip(trial.kernels, trial.takes, strict=True):
        overwritten = {*kernel.mutated_arg_names, *kernel.reset_to_zero_arg_names}
        named = list(zip(kernel.fn.arg_names, takes, strict=False))
        mutated |= {position for name, position in named if name in overwritten}
        outputs |= {position for name, position in named if name.startswith(("out_ptr", "in_out_ptr"))}
    return clone_overwritten(trial.arguments, mutated, outputs)


def _prepared(trial: Trial, clones: Clones) -> tuple[dict[int, Contestant], dict[int, BaseException]]:
    """Each sub-kernel that runs, tuned and run once, by its index; why the others do not."""
    contestants: dict[int, Contestant] = {}
    problems: dict[int, BaseException] = {}
    for index, kernel in enumerate(trial.kernels):
        arguments = trial.taken(index, clones.arguments)
        if clones.restore is not None:
            clones.restore()
        try:
            kernel.run(*arguments, **trial.keywords)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            problems[index] = error.with_traceback(None)  # its frames hold tensors
        else:
            launch = partial(_launcher(kernel), *arguments, **trial.keywords)
            contestants[index] = Contestant(_name(kernel, index), launch, clones.restore)
    return contestants, problems


def _launcher(kernel: Any) -> Any:
    """What launches and does nothing else; C++ wrappers would have ``run`` keep the binary each time."""
    is_plain = len(kernel.launchers) == 1 and not getattr(kernel, "triton_interpret", False)
    return kernel.launchers[0] if is_plain else kernel.run


def _measured(trial: Trial, choice: Choice) -> Measured:
    results = tuple(_result(kernel, index, choice) for index, kernel in enumerate(trial.kernels))
    ruling, judgement = choice.ruling, None
    if ruling is not None:
        cost = regret(choice.times, ruling.best, choice.index)
        verdict = Verdict(ruling.verdict)
        judgement = Judgement(verdict, ruling.best, ruling.rival, ruling.ratio, ruling.low, ruling.high, cost)
    named = {position: name for name, position in zip(trial.kernels[0].fn.arg_names, trial.takes[0], strict=False)}
    return Measured(
        sub_kernels=results,
        judgement=judgement,
        source=ArgumentSource.RECORDED,
        notes=(choice.doubt,) if choice.doubt else (),
        arguments=described(trial.arguments, named),
    )


def _result(kernel: Any, index: int, choice: Choice) -> SubKernelResult:
    cold = choice.times[index] if choice.times else None
    problem = choice.problems.get(index)
    if problem is not None:
        return SubKernelResult(None, None, problem=f"{type(problem).__name__}: {problem}"[:_LONGEST_TEXT])
    launcher = kernel.launchers[0] if len(kernel.launchers) == 1 else None
    return SubKernelResult(cold, None, resources=_resources(launcher), configuration=_configuration(launcher))


def _resources(launcher: Any) -> Resources | None:
    names = ("n_regs", "n_spills", "shared")
    found = [getattr(launcher, name, None) for name in names]
    if not any(type(value) is int for value in found):
        return None
    return Resources(*(value if type(value) is int else None for value in found))


def _configuration(launcher: Any) -> tuple[tuple[str, int], ...]:
    config = getattr(launcher, "config", None)
    if config is None:
        return ()
    options = {**config.kwargs, "num_warps": config.num_warps, "num_stages": config.num_stages}
    return tuple((name, value) for name, value in options.items() if type(value) is int)


def _name(kernel: Any, index: int) -> str:
    return str(kernel.inductor_meta.get("kernel_name") or index)


def _unrecorded() -> AbstractContextManager[object]:
    """Keeps a mode that listens to kernels (torch 2.10 and later) from hearing of these launches."""
    try:
        from torch.utils._debug_mode import DebugMode
    except ImportError:
        return contextlib.nullcontext()
    quiet = getattr(DebugMode, "_benchmarking_inductor", contextlib.nullcontext)
    context: AbstractContextManager[object] = quiet()
    return context
