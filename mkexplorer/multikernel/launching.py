"""One sub-kernel, ready to launch: a kernel of Triton with its constants and with one of its configurations."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from .binding import Launch, Passed, takes_all, triton_launcher
from .clones import CannotCopy, Clones, clone_overwritten, surroundings
from .errors import MultiKernelError
from .grids import compile_grid
from .measuring import device_of, is_capturing
from .meta import KernelMeta
from .tuning import fastest_config, remember_config, remembered_config

log = logging.getLogger("mkexplorer.multikernel")

# Triton's interpreter replaces parts of triton.language while a kernel runs: two threads at once end with its errors.
# It calls grids and hooks meanwhile, which may launch something themselves.
_interpreter = threading.RLock()

Grid = Sequence[int] | Callable[[Mapping[str, Any]], Sequence[int]]


class Kernel:
    """``function`` is what `triton.jit` made of a function, `triton.heuristics` and `triton.autotune` around it or not.

    Its configurations are tuned at the first launch, or when `prepare` is called, and the winner is remembered in the
    ``best_config_file``. After that ``run`` is the launcher itself. Until then a call that CUDA records into a graph
    launches the first configuration, which that graph keeps; the first call outside tunes after all.

    ``own_grid``, or the grid that ``meta`` tells, holds for all its launches; without either, each call gives one.
    """

    def __init__(
        self, function: Any, meta: KernelMeta, best_config_file: Path | None = None, own_grid: Grid | None = None
    ) -> None:
        self.function = function
        self.meta = meta
        self.own_grid = own_grid if own_grid is not None else compile_grid(meta.grid) if meta.grid else None
        self.best_config_file = best_config_file
        self.configuration: Mapping[str, int] | None = None
        self._suggested: int | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.meta.name

    @cached_property
    def is_interpreted(self) -> bool:
        """Whether Triton's interpreter runs it, on the CPU."""
        return type(self._layers[-1]).__name__ == "InterpretedFunction"

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """The parameters that a call passes: those that are neither constants nor in the configurations."""
        given = {*self.meta.constants, *(name for config in self.meta.configs for name in config)}
        return tuple(name for name in self.function.arg_names if name not in given)

    @property
    def mutated_positions(self) -> frozenset[int]:
        """Of the arguments that have to be put back before it is launched once more."""
        return self._positions({*self.meta.mutated, *self.meta.zeroed})

    @property
    def output_positions(self) -> frozenset[int]:
        return self._positions(set(self.meta.outputs))

    def run(self, *arguments: Any, grid: Grid | None = None, stream: object = None) -> Any:
        """The first launch; the later ones go straight to Triton. ``grid`` is for a kernel without one of its own.

        ``arguments`` are in the kernel's order. Triton launches on the current stream, whatever ``stream`` says.
        """
        launch = self.prepare(arguments, grid)
        return launch(*arguments, grid=grid, stream=stream)

    def prepare(self, arguments: Sequence[Any], grid: Grid | None) -> Launch:
        """Settles the configuration; measures on copies of what the kernel overwrites, unless it is remembered.

        Returns what launches this call: ``run`` from now on, if CUDA does not record the call. Raises
        `MultiKernelError` where the arguments are not the kernel's, or are such that it cannot run.
        """
        with self._lock:
            if self.configuration is not None:
                return self.run
            if self.meta.problem:
                raise MultiKernelError(f"{self.name} cannot run with these arguments: {self.meta.problem}")
            if len(arguments) != len(self.arguments):
                raise MultiKernelError(
                    f"{self.name} takes {len(self.arguments)} arguments ({', '.join(self.arguments)}), "
                    f"and {len(arguments)} were given"
                )
            if grid is None and self.own_grid is None:
                raise MultiKernelError(f"{self.name} has no grid of its own", "Pass one with the call: grid=….")
            config = self._known_config()
            if config is None and is_capturing(device_of(arguments)):
                return self._untuned
            if config is None:
                config = self._tuned(arguments, grid)
            # An attribute of the object: from now on nothing stands between a call and the launcher.
            self.run = self._launcher(config, self._own)  # type: ignore[method-assign]  # that is the point
            self.configuration = config
            return self.run

    def launcher_for(self, parameters: Sequence[str], takes: Sequence[int]) -> Launch:
        """``run`` for a call with more ``parameters``, of which the kernel takes those at the positions in ``takes``.

        Only for after `prepare`. Like ``run`` it is one function above Triton's own, and not one more.
        """
        if takes_all(parameters, takes):
            return self.run
        config = self.meta.configs[0] if self.configuration is None else self.configuration
        return self._launcher(config, Passed(parameters, dict(zip(self.arguments, takes, strict=True))))

    def suggest(self, other: Kernel) -> None:
        """Uses the configuration that ``other``, the same kernel for other sizes, uses, until `reconsider`.

        Only if it is one of ours: a pruner may have left other ones for these sizes. What heuristics say of a
        configuration may differ, as that is computed at each launch.
        """
        if other.configuration is None or self.configuration is not None:
            return
        used = other._given(other.configuration)
        ours = (index for index, config in enumerate(self.meta.configs) if self._given(config) == used)
        self._suggested = next(ours, None)

    def reconsider(self) -> None:
        """Lets the next `prepare` tune what is only suggested until now."""
        with self._lock:
            if self._suggested is not None:
                self._suggested = self.configuration = None
                vars(self).pop("run", None)

    def clone_args(self, *arguments: Any) -> tuple[list[Any], dict[str, Any]]:
        """The arguments with copies of those that the kernel overwrites, as Inductor's kernels answer."""
        return list(self.cloned(arguments).arguments), {}

    def cloned(self, arguments: Sequence[Any]) -> Clones:
        return clone_overwritten(arguments, self.mutated_positions, self.output_positions, surroundings)

    def __repr__(self) -> str:
        state = "not tuned" if self.configuration is None else _told(self.configuration)
        return f"<{self.meta.kind} {self.name}{f': {state}' if state else ''}>"

    @cached_property
    def _layers(self) -> Sequence[Any]:
        """The function, and what it is around, down to what `triton.jit` made."""
        layers = [self.function]
        while hasattr(layers[-1], "run") and hasattr(getattr(layers[-1], "fn", None), "run"):
            layers.append(layers[-1].fn)
        return layers

    @property
    def _own(self) -> Passed:
        """A call with its own arguments alone."""
        return Passed(self.arguments, {name: position for position, name in enumerate(self.arguments)})

    @cached_property
    def _untuned(self) -> Launch:
        """For calls that CUDA records; told once, however often it is recorded."""
        log.warning(
            "%s: recorded into a CUDA graph before its configurations were ever tried: recording the first "
            "of them, unmeasured. Call it once before the recording.",
            self.name,
        )
        return self._launcher(self.meta.configs[0], self._own)

    def _known_config(self) -> Mapping[str, int] | None:
        """The one to use without measuring, if there is one."""
        configs = self.meta.configs
        if len(configs) == 1 or self.is_interpreted:
            return configs[0]
        found = remembered_config(self.best_config_file, configs)
        if found is not None:
            return found
        return None if self._suggested is None else configs[self._suggested]

    def _tuned(self, arguments: Sequence[Any], grid: Grid | None) -> Mapping[str, int]:
        configs = self.meta.configs
        launchers = [self._launcher(config, self._own) for config in configs]
        try:
            clones = self.cloned(arguments)
        except CannotCopy as error:
            log.warning("%s: its configurations are not measured, as %s: using the first of them", self.name, error)
            return configs[0]
        choice = fastest_config(self.name, launchers, clones, grid)
        if not choice.doubt:
            remember_config(self.best_config_file, configs, choice)
        return configs[choice.index]

    def _launcher(self, config: Mapping[str, int], passed: Passed) -> Launch:
        launch = self._interpret if self.is_interpreted else self.function.run
        return triton_launcher(launch, self.function.arg_names, passed, self._given(config), self.own_grid)

    def _interpret(self, *arguments: Any, grid: Grid, **passed: Any) -> Any:
        """The interpreter gives a grid's function tensors where a GPU gives numbers: it gets what is passed, and only
        what Triton adds to that, such as constants that heuristics compute, as the interpreter gives it.
        """
        if callable(grid):
            names = {**dict(zip(self.function.arg_names, arguments, strict=False)), **passed}
            grid = partial(_interpreted_grid, grid, names)
        with _interpreter:
            return self.function.run(*arguments, grid=grid, **passed)

    def _given(self, config: Mapping[str, int]) -> dict[str, Any]:
        """What is passed beside the arguments: constants that are parameters, block sizes, options of the compiler.

        Not what heuristics compute at each launch: a configuration holds what they said to the first one.
        """
        constants = {name: value for name, value in self.meta.constants.items() if name in self.function.arg_names}
        computed = {name for each in self._layers if type(each).__name__ == "Heuristics" for name in each.values}
        return {name: value for name, value in {**constants, **config}.items() if name not in computed}

    def _positions(self, names: set[str]) -> frozenset[int]:
        return frozenset(position for position, name in enumerate(self.arguments) if name in names)


def _interpreted_grid(
    grid: Callable[[Mapping[str, Any]], Sequence[int]], passed: Mapping[str, Any], told: Mapping[str, Any]
) -> tuple[int, ...]:
    return tuple(grid({**told, **passed}))


def _told(configuration: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in configuration.items())
