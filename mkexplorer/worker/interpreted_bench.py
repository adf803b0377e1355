"""What the interpreter's `bench` does with loaded sub-kernels: runs them on the same arguments, compares, times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic, perf_counter
from typing import Any

from mkexplorer.race.host import HostStopwatch
from mkexplorer.race.racing import Contestant, Run

from . import agreement, tensors
from .buffers import Buffers
from .configured import Configured, told

_SEED = 20_240_817
_PATIENCE_S = 30.0  # for one sub-kernel
_TIMING_S = 2.0  # for all of them together
_MOST_ROUNDS = 5


class Interpreted:
    """One sub-kernel; what is known of it grows, until a ``problem`` ends it."""

    def __init__(self, name: str, takes: Sequence[int]) -> None:
        self.name = name
        self.takes = takes
        self.configured: Configured | None = None
        self.launch: Any = None
        self.programs: list[tuple[int, int, int]] = []
        self.took_s = 0.0
        self.times_us: list[float] = []
        self.problem = ""


class InterpretedBench:
    """All sub-kernels share one set of arguments, which is put back as it was before each of them runs."""

    def __init__(
        self,
        specs: Sequence[tensors.Spec],
        sub_kernels: Sequence[Interpreted],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._specs = specs
        self._sub_kernels = sub_kernels
        self._tell = tell
        self.notes = ["interpreter, not a GPU time"]

    def compare(self) -> list[agreement.Opinion]:
        """Runs each once, watched. Sub-kernels that cannot run get their ``problem``."""
        self._prepare(positive=False)
        outputs = self._outputs()
        if any(agreement.has_nan(each) for each in outputs.values()):
            self._prepare(positive=True)
            outputs = self._outputs()
            still = " even" if any(agreement.has_nan(each) for each in outputs.values()) else ", so it ran"
            self.notes.append(f"normal values give NaN{still} with positive ones")
        return agreement.opinions(len(self._sub_kernels), lambda index: outputs[index], sorted(outputs))

    def time(self) -> None:
        """A few rounds of those that run, in alternating order, by the host's clock."""
        runnable = self._runnable()
        if not runnable:
            return
        rounds = max(1, min(_MOST_ROUNDS, int(_TIMING_S / sum(each.took_s for each in runnable.values()))))
        contestants = {index: self._contestant(each) for index, each in runnable.items()}
        stopwatch = HostStopwatch()
        for number in range(rounds):
            order = list(contestants)[:: 1 if number % 2 == 0 else -1]
            new: list[list[float]] = [[] for _ in self._sub_kernels]
            for index, time_us in zip(order, stopwatch.time([Run(contestants[index]) for index in order]).times_us):
                new[index].append(time_us)
                self._sub_kernels[index].times_us.append(time_us)
            self._report("racing", None, number + 1, rounds, new)

    def _prepare(self, *, positive: bool) -> None:
        self._buffers = Buffers(self._specs, "cpu", _SEED, positive=positive)
        for each in self._runnable().values():
            self._make_launch(each)
        self._choose_programs()

    def _runnable(self) -> dict[int, Interpreted]:
        return {index: each for index, each in enumerate(self._sub_kernels) if not each.problem}

    def _make_launch(self, sub_kernel: Interpreted) -> None:
        """Grid and arguments as torch itself has them when it interprets a kernel."""
        import triton

        from .interpreted_programs import Launch

        assert sub_kernel.configured
        kernel, blocks = sub_kernel.configured.kernel, sub_kernel.configured.blocks
        values = tuple(self._buffers.passed(sub_kernel.takes))
        try:
            passed, grid = kernel._interpret_args_grid(values, triton.Config(blocks))
            names = [name for name in kernel.fn.arg_names if name not in blocks]
            numels = {name: value for name, value in zip(names, values) if name.endswith("numel")}
            sub_kernel.launch = Launch(kernel.fn, passed, blocks, grid, kernel.inductor_meta["grid_type"], numels)
        except Exception as error:
            sub_kernel.problem = f"its grid is not known: {told(error)}"

    def _choose_programs(self) -> None:
        from .interpreted_programs import CannotInterpret, programs, steps

        least = steps([each.launch for each in self._runnable().values()])
        for each in self._runnable().values():
            try:
                each.programs = programs(each.launch, least)
            except CannotInterpret as error:
                each.problem = str(error)

    def _outputs(self) -> dict[int, list[tuple[str, Any]]]:
        """By index of the sub-kernel, all outputs at the places where any of them wrote."""
        runnable = self._runnable()
        written: dict[int, dict[int, tuple[Any, Any]]] = {}
        for done, (index, each) in enumerate(runnable.items()):
            self._report("checking", index, done, len(runnable))
            found = self._written(each)
            if not each.problem:
                written[index] = found
        outputs: dict[int, list[tuple[str, Any]]] = {index: [] for index in written}
        for argument, name in self._written_arguments().items():
            aligned = _aligned([each[argument] for each in written.values()])
            for index, values in zip(written, aligned):
                outputs[index].append((name, values))
        return outputs

    def _written_arguments(self) -> dict[int, str]:
        """Names of outputs by index, all of them and not only those that one sub-kernel takes."""
        return {
            index: spec.name
            for index, spec in enumerate(self._specs)
            if isinstance(spec, tensors.TensorSpec) and spec.role in (tensors.OUTPUT, tensors.IN_OUT)
        }

    def _written(self, sub_kernel: Interpreted) -> dict[int, tuple[Any, Any]]:
        """By output, the elements of its memory that were written, and what is there now."""
        from .interpreted_programs import CannotInterpret, Memory, run

        memory = Memory([value for value in sub_kernel.launch.arguments if hasattr(value, "untyped_storage")])
        self._buffers.restore()
        began = perf_counter()
        try:
            run(sub_kernel.launch, sub_kernel.programs, monotonic() + _PATIENCE_S, memory)
        except CannotInterpret as error:
            sub_kernel.problem = str(error)
        sub_kernel.took_s = perf_counter() - began
        outputs = dict(zip(self._written_arguments(), self._buffers.passed(list(self._written_arguments()))))
        places = {index: memory.written(output) for index, output in outputs.items()}
        return {index: (each, _elements(outputs[index], each)) for index, each in places.items()}

    def _contestant(self, sub_kernel: Interpreted) -> Contestant:
        from .interpreted_programs import run

        return Contestant(
            sub_kernel.name,
            lambda: run(sub_kernel.launch, sub_kernel.programs, monotonic() + _PATIENCE_S, None),
            self._buffers.restore,
        )

    def _report(
        self, stage: str, index: int | None, done: int, total: int, times_us: list[list[float]] | None = None
    ) -> None:
        self._tell({"stage": stage, "sub_kernel": index, "done": done, "total": total, "times_us": times_us})


def _elements(tensor: Any, places: Any) -> Any:
    """A copy of some elements of a tensor's storage; as bits, because not every dtype can be gathered."""
    import torch

    bits = getattr(torch, f"int{8 * tensor.dtype.itemsize}")
    storage = torch.empty(0, dtype=bits).set_(tensor.untyped_storage())
    return storage[places].view(tensor.dtype)


def _aligned(written: Sequence[tuple[Any, Any]]) -> list[Any]:
    """Values at all the places where any sub-kernel wrote; those that one left out stand out."""
    import torch

    if not written:
        return []
    everywhere = torch.unique(torch.cat([places for places, _ in written]))
    found = []
    for places, values in written:
        if len(places) == len(everywhere):
            found.append(values)
            continue
        dtype = torch.int8 if values.dtype is torch.bool else values.dtype
        full = torch.full((len(everywhere),), _mark(dtype)).to(dtype)
        full[torch.searchsorted(everywhere, places)] = values.to(dtype)
        found.append(full)
    return found


def _mark(dtype: Any) -> float:
    """What no kernel computes."""
    import torch

    if dtype.is_floating_point or dtype.is_complex:
        return float("nan")
    limits = torch.iinfo(dtype)
    return float(limits.min if limits.min < 0 else limits.max)
