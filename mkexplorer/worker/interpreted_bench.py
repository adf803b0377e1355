"""What the interpreter's `bench` does with loaded sub-kernels: runs them on the same arguments, compares, times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic, perf_counter
from typing import Any

from mkexplorer.race.host import HostStopwatch
from mkexplorer.race.racing import Contestant, Run

from . import agreement, tensors
from .configured import told

_SEED = 0
_PATIENCE_S = 30.0  # for one sub-kernel
_TIMING_S = 2.0  # for all of them together
_MOST_ROUNDS = 5
_OPTIONS = ("num_warps", "num_stages")


class SubKernel:
    """One of the request's; what is known of it grows, until a ``problem`` ends it."""

    def __init__(self, request: dict[str, Any], takes: Sequence[int]) -> None:
        self.request = request
        self.takes = takes
        self.kernel: Any = None
        self.configuration: dict[str, int] = {}
        self.launch: Any = None
        self.programs: list[tuple[int, int, int]] = []
        self.took_s = 0.0
        self.times_us: tuple[float, ...] = ()
        self.problem = ""


class InterpretedBench:
    """All sub-kernels share one set of arguments, which is put back as it was before each of them runs."""

    def __init__(
        self,
        specs: Sequence[tensors.Spec],
        subs: Sequence[SubKernel],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._specs = specs
        self._subs = subs
        self._tell = tell
        self.notes = ["interpreter, not a GPU time"]
        self._make_arguments(positive=False)

    def compare(self) -> list[agreement.Opinion]:
        """Runs each once, watched. Sub-kernels that cannot run get their ``problem``."""
        outputs = self._computed()
        if any(agreement.has_nan(each) for each in outputs.values()):
            self._make_arguments(positive=True)
            outputs = self._computed()
            self.notes.append(
                "all floating-point arguments are positive: with others there is no number in some output"
            )
        return agreement.opinions(len(self._subs), lambda index: outputs[index], sorted(outputs))

    def time(self) -> None:
        """A few rounds of those that run; the host's clock."""
        runnable = self._runnable()
        round_s = sum(sub.took_s for sub in runnable.values())
        if not runnable:
            return
        rounds = max(1, min(_MOST_ROUNDS, int(_TIMING_S / round_s)))
        contestants = {index: self._contestant(sub) for index, sub in runnable.items()}
        stopwatch = HostStopwatch()
        for number in range(rounds):
            order = list(contestants)[:: 1 if number % 2 == 0 else -1]
            timed = dict(zip(order, stopwatch.time([Run(contestants[index]) for index in order]).times_us))
            for index, time_us in timed.items():
                self._subs[index].times_us += (time_us,)
            new = [[timed[index]] if index in timed else [] for index in range(len(self._subs))]
            self._report("racing", None, number + 1, rounds, new)

    def _make_arguments(self, *, positive: bool) -> None:
        self._arguments = tensors.build(self._specs, "cpu", _SEED, positive=positive)
        for index in self._indices(tensors.OUTPUT):
            if self._arguments[index].dtype.is_floating_point and self._arguments[index].dtype.itemsize > 1:
                self._arguments[index].fill_(float("nan"))
        kept = self._indices(tensors.IN_OUT, tensors.SCRATCH)
        self._kept = {index: self._arguments[index].clone() for index in kept}
        for sub in self._runnable().values():
            self._make_launch(sub)
        self._choose_programs()

    def _indices(self, *roles: str) -> list[int]:
        tensor_specs = [(index, spec) for index, spec in enumerate(self._specs) if isinstance(spec, tensors.TensorSpec)]
        return [index for index, spec in tensor_specs if spec.role in roles]

    def _runnable(self) -> dict[int, SubKernel]:
        return {index: sub for index, sub in enumerate(self._subs) if not sub.problem}

    def _make_launch(self, sub: SubKernel) -> None:
        """Grid and arguments as torch itself has them when it interprets a kernel."""
        import triton

        from .interpreted_programs import Launch

        blocks = {name: size for name, size in sub.configuration.items() if name not in _OPTIONS}
        values = tuple(self._arguments[index] for index in sub.takes)
        kernel = sub.kernel
        try:
            passed, grid = kernel._interpret_args_grid(values, triton.Config(blocks))
            names = [name for name in kernel.fn.arg_names if name not in blocks]
            numels = {name: value for name, value in zip(names, values) if name.endswith("numel")}
            sub.launch = Launch(kernel.fn, passed, blocks, grid, kernel.inductor_meta["grid_type"], numels)
        except Exception as error:
            sub.problem = f"its grid is not known: {told(error)}"

    def _choose_programs(self) -> None:
        from .interpreted_programs import CannotInterpret, programs, steps

        least = steps([sub.launch for sub in self._runnable().values()])
        for sub in self._runnable().values():
            try:
                sub.programs = programs(sub.launch, least)
            except CannotInterpret as error:
                sub.problem = str(error)

    def _computed(self) -> dict[int, list[tuple[str, Any]]]:
        """By index of the sub-kernel, its outputs where any of them wrote; NaN or another mark where it did not."""
        runnable = self._runnable()
        written: dict[int, dict[int, tuple[Any, Any]]] = {}
        for done, (index, sub) in enumerate(runnable.items()):
            self._report("checking", index, done, len(runnable))
            found = self._written(sub)
            if not sub.problem:
                written[index] = found
        names = {index: spec.name for index, spec in enumerate(self._specs) if isinstance(spec, tensors.TensorSpec)}
        outputs: dict[int, list[tuple[str, Any]]] = {index: [] for index in written}
        for argument in self._indices(tensors.OUTPUT, tensors.IN_OUT):
            aligned = _aligned([each[argument] for each in written.values()])
            for index, values in zip(written, aligned):
                outputs[index].append((names[argument], values))
        return outputs

    def _written(self, sub: SubKernel) -> dict[int, tuple[Any, Any]]:
        """By output, the elements of its storage that were written, and what is there now."""
        from .interpreted_programs import CannotInterpret, Memory, run

        memory = Memory([self._arguments[index] for index in sub.takes if index in self._tensor_indices()])
        self._restore()
        began = perf_counter()
        try:
            run(sub.launch, sub.programs, monotonic() + _PATIENCE_S, memory)
        except CannotInterpret as error:
            sub.problem = str(error)[:500]
        sub.took_s = perf_counter() - began
        outputs = self._indices(tensors.OUTPUT, tensors.IN_OUT)
        places = {index: memory.written(self._arguments[index]) for index in outputs}
        return {index: (each, _elements(self._arguments[index], each)) for index, each in places.items()}

    def _tensor_indices(self) -> list[int]:
        return self._indices(tensors.INPUT, tensors.OUTPUT, tensors.IN_OUT, tensors.SCRATCH)

    def _contestant(self, sub: SubKernel) -> Contestant:
        from .interpreted_programs import run

        return Contestant(
            sub.request["name"],
            lambda: run(sub.launch, sub.programs, monotonic() + _PATIENCE_S, None),
            self._restore,
        )

    def _restore(self) -> None:
        for index, kept in self._kept.items():
            self._arguments[index].copy_(kept)

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
    import torch

    if dtype.is_floating_point or dtype.is_complex:
        return float("nan")
    limits = torch.iinfo(dtype)
    return float(limits.min if limits.min < 0 else limits.max)
