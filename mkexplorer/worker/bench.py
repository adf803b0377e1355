"""The `bench` job: a multi-kernel's sub-kernels tuned, compared and raced on the same arguments."""

from __future__ import annotations

import functools
import time
from typing import Any, Callable, NamedTuple, Sequence

from mkexplorer.race.racing import Contestant, Outcome, Settings, race

from . import agreement, argument_sources, buffers, stock, telemetry, tensors, tuning
from .agreement import Opinion
from .answers import results, ruling
from .buffers import Buffers
from .failures import JobFailed
from .gpu import CudaGpu, the_gpu
from .kernel_source import KernelSource, read_source
from .loaded import SubKernel, in_one_line, shelf

_SEED, _OTHER_SEED = 1, 2
_SETTINGS = Settings()
# The profiler now and then loses what it saw, and sees all of it the next time.
_TRIES = 2

Send = Callable[["dict[str, Any]"], None]


def bench(
    device: str,
    sub_kernels: list[dict[str, Any]],
    arguments: list[dict[str, Any]] | None,
    picked: int | None = None,
    with_stock: bool = False,
    memory_limit_bytes: int | None = None,
    tell: Send = lambda progress: None,
) -> dict[str, Any]:
    """As the protocol has it. Raises `JobFailed`, poisoned if the GPU's context is broken."""
    resolved = argument_sources.resolve(arguments, sub_kernels)
    if device == "interpreter":
        from .interpreting import interpret

        return interpret(sub_kernels, resolved, memory_limit_bytes, tell)
    gpu = the_gpu()
    try:
        gpu.limit_memory(memory_limit_bytes)
        return Bench(gpu, sub_kernels, resolved, picked, tell).run(with_stock, memory_limit_bytes)
    except (Exception, SystemExit) as error:
        message = str(error) if isinstance(error, JobFailed) else in_one_line(error)
        raise JobFailed(message, is_poisoned=gpu.is_broken()) from error
    finally:
        if not gpu.is_broken():
            gpu.release()


class _Checked(NamedTuple):
    """Buffers that are good to be raced on, and what the outputs in them told."""

    buffers: Buffers
    opinions: list[Opinion]


class Bench:
    """One measurement on a GPU."""

    def __init__(
        self,
        gpu: CudaGpu,
        requests: list[dict[str, Any]],
        arguments: argument_sources.Arguments,
        picked: int | None,
        send: Send,
    ) -> None:
        self._gpu = gpu
        self._requests = requests
        self._takes = arguments.takes
        self._how = arguments.how
        self._picked = picked
        self._send = send
        self._sources = [(_source(each), takes) for each, takes in zip(requests, self._takes)]
        self._specs = tensors.plan(arguments.told, self._sources)
        self._loaded: list[SubKernel] = []
        self._problems: list[str] = []
        self._notes: list[str] = []

    def run(self, with_stock: bool, memory_limit_bytes: int | None) -> dict[str, Any]:
        before = self._company()
        self._load(memory_limit_bytes)
        self._gpu.stopwatch()
        copy_gb_per_s = self._gpu.copy_gb_per_s()
        self._tune()
        began = time.perf_counter()
        checked = self._check()
        raced = self._who_races(checked.opinions)
        outcome = self._race(raced, checked.buffers) if raced else None
        environment = self._environment(before, outcome)
        wall_us = (time.perf_counter() - began) * 1e6
        stock_us = self._stock(checked.buffers) if with_stock else {}
        return {
            "device": "cuda",
            "arguments": self._how,
            "bytes_moved": tensors.bytes_moved(self._specs, self._sources),
            "sub_kernels": results(self._loaded, self._problems, checked.opinions, outcome, raced, stock_us),
            "ruling": ruling(outcome, raced, checked.opinions),
            "rounds": outcome.rounds if outcome else 0,
            "gpu_us": outcome.gpu_us if outcome else 0.0,
            "wall_us": wall_us,
            "environment": {**environment, "copy_gb_per_s": copy_gb_per_s},
            "notes": self._notes,
        }

    def _tell(self, stage: str, sub_kernel: int | None, done: int, total: int, times_us: Any = None) -> None:
        self._send({"stage": stage, "sub_kernel": sub_kernel, "done": done, "total": total, "times_us": times_us})

    def _load(self, memory_limit_bytes: int | None) -> None:
        buffers.check_room(self._specs, "GPU memory", memory_limit_bytes, self._gpu.free_bytes())
        self._loaded = shelf().get(self._requests, self._gpu, self._tell)
        self._problems = [each.problem for each in self._loaded]
        self._notes += [f"sub-kernel {index}: {each.note}" for index, each in enumerate(self._loaded) if each.note]

    def _runnable(self) -> list[int]:
        return [index for index, problem in enumerate(self._problems) if not problem]

    def _buffers(self, seed: int, *, positive: bool = False) -> Buffers:
        return Buffers(self._specs, self._gpu.device, seed, positive=positive)

    def _tune(self) -> None:
        """Every sub-kernel that has several configurations and has not been tuned before gets one of them."""
        undecided = [index for index in self._runnable() if self._loaded[index].launcher is None]
        made = self._buffers(_SEED) if undecided else None
        for done, index in enumerate(undecided):
            assert made
            self._tell("tuning", index, done, len(undecided))
            sub_kernel = self._loaded[index]
            working = [each for each in sub_kernel.launchers if self._works(index, made, each)]
            if not working:
                continue
            sub_kernel.launchers = working
            contestants = [self._contestant(index, made, each) for each in working]
            passed = made.passed(self._takes[index])
            made.restore()
            run_race = functools.partial(self._run_race, whose=f"configurations of sub-kernel {index} ")
            sub_kernel.choose(tuning.tuned(sub_kernel.kernel, working, contestants, passed, run_race))
            self._problems[index] = ""

    def _works(self, index: int, made: Buffers, launcher: Any = None) -> bool:
        """Launches it once; one that cannot be launched has a problem. Raises what breaks the GPU's context."""
        try:
            made.restore()
            self._contestant(index, made, launcher).launch()
            self._gpu.synchronize()
        except Exception as error:
            if self._gpu.is_broken():
                raise JobFailed(f"sub-kernel {index}, {self._loaded[index].name}: {in_one_line(error)}") from error
            self._problems[index] = in_one_line(error)
            return False
        return True

    def _check(self) -> _Checked:
        """Compares what the sub-kernels compute; if they differ, with other values once more."""
        self._tell("checking", None, 0, len(self._loaded))
        made = self._buffers(_SEED)
        for index in self._runnable():
            self._works(index, made)
        runnable = self._runnable()
        if not runnable:
            return _Checked(made, [Opinion(None)] * len(self._loaded))
        is_positive = agreement.has_nan(self._outputs(made, runnable[0]))
        if is_positive:
            del made  # there may be no room for both
            made = self._buffers(_SEED, positive=True)
            still = " even" if agreement.has_nan(self._outputs(made, runnable[0])) else ", so it ran"
            self._notes.append(f"normal values give NaN{still} with positive ones")
        opinions = self._opinions(made)
        if not any(each.agrees is False for each in opinions):
            return _Checked(made, opinions)
        noise = self._noise(made)
        del made
        made = self._buffers(_OTHER_SEED, positive=is_positive)
        again = self._opinions(made, noise)
        taken_back = [one.problem for one, other in zip(opinions, again) if one.problem and other.agrees]
        self._notes += [f"{problem}; with other values it did not" for problem in taken_back[:1]]
        return _Checked(made, [one if one.agrees else other for one, other in zip(opinions, again)])

    def _outputs(self, made: Buffers, index: int, launcher: Any = None) -> list[tuple[str, Any]]:
        """What a sub-kernel computes, of the arguments that all of them take."""
        made.forget_outputs()
        self._contestant(index, made, launcher).launch()
        self._gpu.synchronize()
        taken = [set(self._takes[each]) for each in self._runnable()]
        return made.outputs(sorted(set.intersection(*taken)))

    def _opinions(self, made: Buffers, noise: dict[str, float] | None = None) -> list[Opinion]:
        return agreement.opinions(len(self._loaded), lambda index: self._outputs(made, index), self._runnable(), noise)

    def _noise(self, made: Buffers) -> dict[str, float]:
        """How far two configurations of one sub-kernel, which only add in another order, are apart; {} of one each."""
        noise: dict[str, float] = {}
        for index in self._runnable():
            sub_kernel = self._loaded[index]
            for other in [each for each in sub_kernel.launchers if each is not sub_kernel.launcher][:1]:
                one = [(name, tensor.clone()) for name, tensor in self._outputs(made, index)]
                found = agreement.largest_differences(one, self._outputs(made, index, other))
                noise = {name: max(found[name], noise.get(name, 0.0)) for name in found}
        return noise

    def _who_races(self, opinions: list[Opinion]) -> list[int]:
        """Those that agree; all of them, for their times alone, where fewer than two do."""
        runnable = self._runnable()
        agreeing = [index for index in runnable if opinions[index].agrees]
        return agreeing if len(agreeing) > 1 else runnable

    def _race(self, raced: list[int], made: Buffers) -> Outcome:
        contestants = [self._contestant(index, made) for index in raced]
        picked = raced.index(self._picked) if self._picked in raced else None
        told = [0] * len(raced)

        def on_round(cold: Sequence[Sequence[float]]) -> None:
            times_us: list[list[float]] = [[] for _ in self._loaded]
            for place, index in enumerate(raced):
                times_us[index] = list(cold[place][told[place] :])
                # A race that begins anew has told these rounds already.
                told[place] = max(told[place], len(cold[place]))
            self._tell("racing", None, max(told), _SETTINGS.most_rounds, times_us)

        return self._run_race(contestants, _SETTINGS, picked, on_round)

    def _contestant(self, index: int, made: Buffers, launcher: Any = None) -> Contestant:
        sub_kernel = self._loaded[index]
        launch = sub_kernel.launch(self._gpu, made.passed(self._takes[index]), launcher)
        return Contestant(sub_kernel.name, launch, made.restorer())

    def _run_race(
        self,
        contestants: Sequence[Contestant],
        settings: Settings,
        picked: int | None = None,
        on_round: Callable[[Sequence[Sequence[float]]], object] = lambda cold: None,
        whose: str = "",
    ) -> Outcome:
        """With events, for this race alone, where the profiler misses something every time that it is tried."""
        missed = ""
        for _ in range(_TRIES):
            try:
                return race(contestants, self._gpu.stopwatch(), settings, picked, on_round)
            except RuntimeError as error:
                if self._gpu.is_broken() or not self._gpu.uses_profiler:
                    raise
                missed = in_one_line(error)
        self._notes.append(f"{whose}timed with events: {missed}")
        return race(contestants, self._gpu.events(), settings, picked, on_round)

    def _company(self) -> telemetry.Company:
        return self._gpu.monitor.company() if self._gpu.monitor else telemetry.Company()

    def _environment(self, before: telemetry.Company, outcome: Outcome | None) -> dict[str, Any]:
        monitor = self._gpu.monitor
        # Who came meanwhile computes now, or has disturbed launches.
        company = before._replace(busy=max(before.busy, self._company().busy))
        clock = outcome.clock_mhz if outcome else None
        launches = sum(map(len, outcome.cold + outcome.hot)) if outcome else 0
        return {
            **self._gpu.environment(),
            "sm_clock_mhz": clock or (monitor.sm_clock_mhz() if monitor else None),
            "throttled": monitor.throttled() if monitor else [],
            "contended": telemetry.contention(company, outcome.disturbed if outcome else 0, launches),
        }

    def _stock(self, made: Buffers) -> dict[int, float]:
        """Torch's own reading by sub-kernel; none where its benchmark fails."""
        runnable = self._runnable()
        takes = [self._takes[index] for index in runnable]
        kernels = [self._loaded[index].kernel for index in runnable]
        made.restore()
        try:
            times_us = stock.stock_times_us(kernels, made.passed(range(len(self._specs))), takes, self._gpu.stream())
        except Exception as error:
            if self._gpu.is_broken():
                raise
            self._notes.append(f"torch's own benchmark failed: {in_one_line(error)}")
            return {}
        return dict(zip(runnable, times_us))


def _source(request: dict[str, Any]) -> KernelSource:
    """One that cannot be read tells nothing; that it cannot be loaded either is told later."""
    try:
        return read_source(request["text"], request["name"])
    except ValueError:
        return KernelSource((), {}, frozenset(), frozenset(), frozenset(), {}, {})
