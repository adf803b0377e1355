"""The sub-kernels that a user gives to `multi_kernel`, taken apart: what launches each, and what it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .borrowed import python_function
from .errors import DefinitionError, MultiKernelError
from .kernel import LAUNCH_OPTIONS
from .values import literal, plain

Grid = Sequence[int] | Callable[[Mapping[str, Any]], Sequence[int]]


class _EachItsOwn:
    """What a call has for a constexpr that it leaves out and whose defaults differ: each sub-kernel uses its own."""

    def __repr__(self) -> str:
        return "<each its own>"


EACH_ITS_OWN = _EachItsOwn()


@dataclass(frozen=True)
class Part:
    """One sub-kernel as it was given.

    ``function`` launches it: a function of `triton.jit`, with `triton.heuristics` around it or not; its ``configs`` are
    tuned here. With hooks that only Triton's own tuner can call, ``function`` leads to that tuner, and ``own_tuner``
    says so; ``heuristics`` are then those above it alone, as the others may ask for what it tunes. ``pruner`` is a
    tuner that chooses among the configurations by the arguments of a call.
    """

    function: Any
    base: Any
    configs: tuple[Mapping[str, Any], ...] = ({},)
    constants: Mapping[str, Any] = field(default_factory=dict)
    heuristics: Mapping[str, Callable[[Mapping[str, Any]], Any]] = field(default_factory=dict)
    grid: Grid | None = None
    kind: str | None = None
    keys: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    own_tuner: bool = False
    pruner: Any = None

    @property
    def is_interpreted(self) -> bool:
        """Whether Triton's interpreter runs it, on the CPU."""
        return type(self.base).__name__ == "InterpretedFunction"

    @property
    def name(self) -> str:
        return str(python_function(self.base).__name__)

    @cached_property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Those that a call passes, in the kernel's order."""
        given = {*self.constants, *self.heuristics, *(name for config in self.configs for name in config)}
        own = inspect.signature(python_function(self.base)).parameters
        left = self.function.arg_names
        return {name: each for name, each in own.items() if name in left and name not in given}

    def own_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What it takes of a call's ``values``."""
        return {
            name: default_of(each) if values[name] is EACH_ITS_OWN else values[name]
            for name, each in self.parameters.items()
        }

    def configs_for(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """The configurations to tune among, with what the heuristics say to each of them for a call's ``values``.

        Those of which a heuristic raises cannot run; raises the first one's error where that are all.
        """
        known = {**values, **self.constants}
        found, problems = [], []
        for config in self._left_for(known):
            try:
                found.append(self._with_heuristics(config, known))
            except Exception as error:
                problems.append(error)
        if not found:
            raise (
                problems[0] if problems else MultiKernelError(f"no configuration of {self.name} is left by its pruner")
            )
        return tuple(found)

    def pruned_for(self, values: Mapping[str, Any]) -> str:
        """Which of its configurations its pruner leaves for a call's ``values``, '' if that are all: '#0 #2'.

        In the order of its list, whichever way they are left: another order is no other choice.
        """
        if self.pruner is None:
            return ""
        try:
            left = self._left_for({**self.own_values(values), **self.constants})
        except Exception:  # which `configs_for` tells
            left = ()
        places = [f"#{place}" for place, config in enumerate(self.configs) if config in left]
        added = sorted(literal(plain(config)) for config in left if config not in self.configs)
        if len(places) == len(self.configs) and not added:
            return ""
        return " ".join([*places, *added]) or "none"

    def warm_up(self, values: Mapping[str, Any], grid: Grid | None) -> list[Any]:
        """Compiles every configuration for a call's ``values``, where a dtype may stand for a tensor."""
        from triton.runtime.jit import MockTensor

        own = {name: MockTensor.wrap_dtype(value) for name, value in self.own_values(values).items()}
        used = self.grid if self.grid is not None else grid or (1,)
        configs = [{**self.constants, **config} for config in self.configs]
        return [self.function.warmup(grid=used, **own, **given) for given in configs]

    def _left_for(self, known: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        return self.configs if self.pruner is None else _pruned(self.pruner, known)

    def _with_heuristics(self, config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        known = dict(config)
        for name, heuristic in self.heuristics.items():
            known[name] = heuristic({**values, **known})
        return known


def sub_kernel(
    function: Any,
    *,
    grid: Grid | None = None,
    kind: str | None = None,
    num_warps: int | None = None,
    num_stages: int | None = None,
    num_ctas: int | None = None,
    maxnreg: int | None = None,
    **constants: Any,
) -> Part:
    """A sub-kernel with a launch grid, options and constants of its own, to be given to `multi_kernel`.

    ``function`` is what ``@triton.jit`` makes, with ``@triton.heuristics`` and ``@triton.autotune`` above it or not;
    the configurations of the latter are tuned by us. ``grid`` holds against the one in brackets. ``constants`` are
    values of the kernel's parameters; a function among them gets all arguments by name and computes the value at each
    launch, as with ``triton.heuristics``. ``kind`` ('looped', 'persistent', …) is for the explorer; the function's
    name tells it mostly.
    """
    part = _part_of(function)
    options = {"num_warps": num_warps, "num_stages": num_stages, "num_ctas": num_ctas, "maxnreg": maxnreg}
    said = {name: value for name, value in options.items() if value is not None}
    if said and (part.own_tuner or part.configs != ({},)):
        raise DefinitionError(
            f"{part.name} has @triton.autotune, and {_listed(said)} besides",
            "Put these into its configurations.",
        )
    own = inspect.signature(python_function(part.base)).parameters
    for name in constants:
        if name not in own:
            raise DefinitionError(f"{part.name} has no parameter {name}", f"It has {_listed(own)}.")
    if grid is not None:
        check_grid(grid, part.name)
    computed = {name: value for name, value in constants.items() if inspect.isfunction(value)}
    fixed = {name: value for name, value in constants.items() if name not in computed}
    if computed:
        from triton import heuristics

        part = replace(part, function=heuristics(computed)(part.function))
    return replace(
        part,
        configs=(said,) if said else part.configs,
        constants=fixed,
        heuristics={**computed, **part.heuristics},
        grid=grid,
        kind=kind,
    )


def labels(parts: Sequence[Part]) -> tuple[str, ...]:
    """What people call the sub-kernels: their names, with the constants in which those of one name differ."""
    names = [part.name for part in parts]
    said = [_said(part) for part in parts]
    found = []
    for name, own in zip(names, said, strict=True):
        others = [each for its, each in zip(names, said, strict=True) if its == name]
        differ = [f"{key}={value}" for key, value in own.items() if any(each.get(key) != value for each in others)]
        found.append(f"{name}({', '.join(differ)})" if differ else name)
    return tuple(each if found.count(each) == 1 else f"{each}#{index}" for index, each in enumerate(found))


def _said(part: Part) -> dict[str, str]:
    """What it does not get from a call, but for what is tuned."""
    computed = {name: getattr(function, "__name__", "…") for name, function in part.heuristics.items()}
    only = part.configs[0] if len(part.configs) == 1 else {}
    return {name: str(value) for name, value in {**part.constants, **only, **computed}.items()}


def check_grid(grid: object, whose: str) -> None:
    """Raises `DefinitionError` for what is no grid of Triton's."""
    is_listed = isinstance(grid, Sequence) and not isinstance(grid, str) and 1 <= len(grid) <= 3
    if not is_listed and not callable(grid):
        raise DefinitionError(
            f"{whose} has the grid {grid!r}", "Give a tuple of one to three numbers, such as (1,), or a function."
        )


def as_part(given: Any) -> Part:
    return given if isinstance(given, Part) else _part_of(given)


def config_of(config: Any) -> dict[str, Any]:
    """A configuration of Triton's as what it passes to a kernel; options at their default count as not said."""
    said = {name: getattr(config, name, None) for name in LAUNCH_OPTIONS}
    if said["num_ctas"] == 1:
        del said["num_ctas"]
    return {**config.kwargs, **{name: value for name, value in said.items() if value is not None}}


def is_constexpr(parameter: inspect.Parameter) -> bool:
    annotation = parameter.annotation
    return "constexpr" in (annotation if isinstance(annotation, str) else getattr(annotation, "__name__", ""))


def default_of(parameter: inspect.Parameter) -> Any:
    """``inspect.Parameter.empty`` where there is none."""
    return getattr(parameter.default, "value", parameter.default)  # of a constexpr


def _part_of(function: Any) -> Part:
    kind = type(function).__name__
    if kind == "Autotuner":
        return _tuned(function)
    if kind == "Heuristics":
        below = _part_of(function.fn)
        if below.configs != ({},) or below.own_tuner:
            raise DefinitionError(
                f"{below.name} has @triton.heuristics above @triton.autotune", "Put @triton.autotune on top."
            )
        return replace(below, function=function, heuristics={**function.values, **below.heuristics})
    if inspect.isfunction(function):
        raise DefinitionError(
            f"{function.__name__} is a plain function, no kernel of Triton", "Put @triton.jit above it."
        )
    if not hasattr(function, "run") or not hasattr(function, "arg_names"):
        raise DefinitionError(f"{function!r} is no kernel of Triton", "Give functions with @triton.jit above them.")
    return Part(function, function)


def _tuned(tuner: Any) -> Part:
    below = _part_of(tuner.fn)
    keys = tuple(each if isinstance(each, str) else tuner.arg_names[each] for each in getattr(tuner, "keys", ()))
    restored = (*getattr(tuner, "restore_value", ()), *getattr(tuner, "reset_to_zero", ()))
    has_hooks = tuner.user_defined_pre_hook or tuner.user_defined_post_hook
    if has_hooks or any(config.pre_hook or getattr(config, "ir_override", None) for config in tuner.configs):
        function = _OwnTuner(tuner, below.heuristics)
        return replace(below, function=function, heuristics={}, keys=keys, restored=restored, own_tuner=True)
    configs = tuple(config_of(config) for config in tuner.configs)
    prunes = len(configs) > 1 and (tuner.perf_model is not None or tuner.early_config_prune is not None)
    return replace(below, configs=configs, keys=keys, restored=restored, pruner=tuner if prunes else None)


def _pruned(tuner: Any, values: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """The configurations that a tuner of Triton's leaves for a call with ``values``.

    Triton gives ``early_config_prune`` what is passed by position as a mapping and the rest by keyword. Which is which
    depends on the call, so it gets all of them in both ways, as far as it takes them by keyword.
    """
    asked = copy(tuner)  # whose state is nobody else's
    asked.nargs = dict(values)
    prune = tuner.early_config_prune
    if prune is not None:
        by_keyword = _taken_by_keyword(prune, values)
        asked.early_config_prune = lambda configs, named: prune(configs, named, **by_keyword)
    return [config_of(each) for each in asked.prune_configs({})]


def _taken_by_keyword(function: Callable[..., Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those of ``values`` that a function takes besides two arguments by position."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # one that does not tell, such as a C function
        return values
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    given = {each.name for each in parameters[:2] if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD}
    named = {each.name for each in parameters if each.kind in by_name}
    takes_all = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    return {name: value for name, value in values.items() if name not in given and (takes_all or name in named)}


class _OwnTuner:
    """A tuner of Triton's as a kernel that takes what its configurations, and the heuristics that compute ``computed``
    below it, leave open; by name, whatever the order.
    """

    def __init__(self, tuner: Any, computed: Collection[str]) -> None:
        given = {*computed, *(name for config in tuner.configs for name in config.kwargs)}
        self.fn = tuner
        self.arg_names = [name for name in tuner.arg_names if name not in given]

    def run(self, *arguments: Any, **passed: Any) -> Any:
        return self.fn.run(**dict(zip(self.arg_names, arguments, strict=False)), **passed)

    def warmup(self, *arguments: Any, **passed: Any) -> Any:
        return self.fn.warmup(**dict(zip(self.arg_names, arguments, strict=False)), **passed)


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(names)
