"""From the first call of a user's sub-kernels to a multi-kernel: a module in the cache that tells all about it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from .borrowed import borrow
from .clones import is_tensor
from .codegen import TAKEN, GeneratedModule, Tensor, free_name, wrapper_text
from .codegen import Call as ModuleCall
from .errors import MultiKernelError
from .from_triton import sub_kernel
from .grids import grid_numbers, told_grid
from .kernel import WRITTEN, Argument, ArgumentKind, MultiKernel, SubKernelSpec
from .launching import Kernel
from .meta import KernelMeta
from .modules import key_of, path_of, write_module
from .parts import Grid, Part, is_constexpr
from .sources import kernel_text, run_module_text
from .telling import told, wholly_told
from .values import plain

log = logging.getLogger("mkexplorer.multikernel")

# Torch's dtypes and Triton's.
_TYPES = {
    "float64": "fp64",
    "float32": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "float8_e4m3fn": "fp8e4nv",
    "float8_e5m2": "fp8e5",
    "float8_e4m3fnuz": "fp8e4b8",
    "float8_e5m2fnuz": "fp8e5b16",
    "int64": "i64",
    "int32": "i32",
    "int16": "i16",
    "int8": "i8",
    "uint64": "u64",
    "uint32": "u32",
    "uint16": "u16",
    "uint8": "u8",
    "bool": "i1",
}


@dataclass(frozen=True)
class FirstCall:
    """What all sub-kernels share of a call: values by parameter, the grid in brackets, the sizes of its bucket."""

    operation: str
    values: Mapping[str, Any]
    grid: Grid | None
    sizes: str
    device: str
    mutated: Collection[str] = ()


@dataclass(frozen=True)
class Record:
    """``arguments`` are the parameters in the order of the run module, whose text is ``source``.

    ``wrapper`` is the key of the module that the explorer opens, and ``write`` puts it into the cache; '' and None for
    what cannot be written, and then nothing is kept. With '' alone only the module cannot be, and ``write`` says why.
    """

    kernels: tuple[Kernel, ...]
    arguments: tuple[str, ...]
    source: str
    wrapper: str = ""
    write: Callable[[], object] | None = None


def record(parts: Sequence[Part], call: FirstCall, cache: Path) -> Record:
    """Sub-kernels that cannot be written down work all the same: nothing is kept of them, and a warning says why.

    Raises `MultiKernelError` where no sub-kernel can run.
    """
    own = [_asked(part, call) for part in parts]
    if all(each.problem for each in own):
        problems = "; ".join(f"{part.name}: {each.problem}" for part, each in zip(parts, own, strict=True))
        raise MultiKernelError(f"{call.operation}: none of its sub-kernels can run: {problems}")
    try:
        specs = tuple(_spec(part, each, call) for part, each in zip(parts, own, strict=True))
        multi_kernel = MultiKernel(specs, call.operation, call.sizes)
        grids = _grids(parts, own, call)
        module = _module(grids.given_to(multi_kernel), grids.shared, call)
        wrapper = key_of(wrapper_text(module, str(cache)))
    except MultiKernelError as error:
        log.warning("%s: its choice is not kept: %s. %s", call.operation, error.message, error.advice)
        return _unwritten(parts, own, call)
    kernels = tuple(
        Kernel(part.function, spec.meta, _best_config_file(spec, cache), part.grid)
        for part, spec in zip(parts, multi_kernel.sub_kernels, strict=True)
    )
    found = Record(kernels, _passed(multi_kernel), run_module_text(multi_kernel))
    if grids.untold:
        return replace(found, write=partial(_refuse, call.operation, grids.untold))
    return replace(found, wrapper=wrapper, write=partial(write_module, module, cache))


def identity(parts: Sequence[Part], call: FirstCall, key: object) -> str:
    """A key that all buckets have in common of the same sub-kernels, ``key`` of sizes, dtypes and device.

    It covers the constants, configurations and grids that a user gave, but of a function not what it says to one size.
    """
    said = [call.operation, told(key), str(_types(call.values)), str(device_entry(call.device))]
    for part in parts:
        source = borrow(part.base)
        said += [*source.imports, source.helpers, source.source]
        said += [told(each) for each in (part.constants, part.configs, part.heuristics, part.grid)]
    return key_of("\n".join(said))


def device_entry(device: str) -> Mapping[str, str | int]:
    """What a pick holds for: another GPU has another fastest sub-kernel."""
    if device == "cpu":
        return {"type": "cpu"}
    import torch

    found = torch.cuda.get_device_properties(device)
    capability = found.major * 10 + found.minor
    return {"type": "cuda", "name": found.name, "cc": capability, "multi_processor_count": found.multi_processor_count}


@dataclass(frozen=True)
class _Own:
    """What a sub-kernel makes of a call: the values that it takes, its constants, configurations and grid.

    ``problem`` says why it cannot run, '' where it can; what its functions did not tell is None then. A grid that
    ``is_of_first`` is that of the first configuration, and not of all.
    """

    values: Mapping[str, Any]
    constants: Mapping[str, Any]
    configs: tuple[Mapping[str, Any], ...]
    grid: tuple[str, ...] = ()
    is_of_first: bool = False
    problem: str = ""

    @property
    def launches(self) -> list[dict[str, Any]]:
        """All that a grid's function gets, by configuration."""
        return [{**self.values, **self.constants, **config} for config in self.configs]


def _asked(part: Part, call: FirstCall) -> _Own:
    """Asks the functions that a user gave; one that raises says that the sub-kernel cannot run with such values.

    Constants are what a file can hold of them, here as there, so that the same kernel runs from both.
    """
    values = part.own_values(call.values)
    passed = {name: value for name, value in values.items() if is_constexpr(part.parameters[name])}
    constants = plain({**part.constants, **passed})
    try:
        configs = tuple(map(plain, part.configs_for(values)))
        own = _Own(values, constants, configs)
        # What a tuner of Triton's tunes, which a grid may ask for, nobody knows here; nothing is written of it either.
        return own if part.grid is None or part.own_tuner else _with_own_grid(own, part.grid)
    except Exception as error:
        log.debug("%s: %s cannot run", call.operation, part.name, exc_info=error)
        computed = dict.fromkeys(part.heuristics)
        return _Own(values, {**constants, **computed}, part.configs, problem=f"{type(error).__name__}: {error}")


def _with_own_grid(own: _Own, grid: Grid) -> _Own:
    text = told_grid(grid, own.launches)
    if text is not None:
        return replace(own, grid=text)
    assert callable(grid)
    return replace(own, grid=grid_numbers(grid, own.launches[0]), is_of_first=True)


@dataclass(frozen=True)
class _Grids:
    """The call's grid as a module has it: ``shared``, or numbers for each sub-kernel that has none of its own.

    ``untold`` is the sub-kernel of which no text tells with which grid it is launched, '' where there is none.
    """

    shared: tuple[str, ...] = ()
    by_sub_kernel: tuple[tuple[str, ...], ...] = ()
    untold: str = ""

    def given_to(self, multi_kernel: MultiKernel) -> MultiKernel:
        """The one to write. Its picks are those of ``multi_kernel``, which launches with the grid of each call."""
        specs = zip(multi_kernel.sub_kernels, self.by_sub_kernel, strict=False)
        given = [
            replace(spec, grid=grid, origin=spec.origin or kernel_text(spec)) if grid else spec for spec, grid in specs
        ]
        return replace(multi_kernel, sub_kernels=tuple(given)) if given else multi_kernel


def _grids(parts: Sequence[Part], asked: Sequence[_Own], call: FirstCall) -> _Grids:
    """A function that no text can tell becomes the numbers that it gives now, which hold for one configuration."""
    launches = [
        [] if part.grid is not None or own.problem else own.launches for part, own in zip(parts, asked, strict=True)
    ]
    untold = [part.name for part, own in zip(parts, asked, strict=True) if own.is_of_first]
    if untold:
        return _Grids(untold=untold[0])
    if call.grid is None or not any(launches):
        return _Grids()
    shared = told_grid(call.grid, [launch for each in launches for launch in each])
    if shared is not None:
        return _Grids(shared)
    each_its_own = [told_grid(call.grid, each) if each else () for each in launches]
    untold = [part.name for part, grid in zip(parts, each_its_own, strict=True) if grid is None]
    return _Grids(by_sub_kernel=tuple(grid or () for grid in each_its_own), untold=untold[0] if untold else "")


def _refuse(operation: str, name: str) -> None:
    raise MultiKernelError(
        f"{operation}: no module is written for it: its grid is a function that no text tells, and that gives the "
        f"configurations of {name} different numbers, or fails for one of them",
        "Let it return a tuple of numbers, meta['…'], arithmetic, triton.cdiv, min and max.",
    )


def _spec(part: Part, own: _Own, call: FirstCall) -> SubKernelSpec:
    spec = _described(part, own, call)
    return replace(spec, origin=_origin(part, spec))


def _described(part: Part, own: _Own, call: FirstCall) -> SubKernelSpec:
    if part.own_tuner:
        raise MultiKernelError(
            f"{part.name} has @triton.autotune with hooks, which no file can hold",
            "Declare what it overwrites as mutated, and leave the hooks out.",
        )
    types = _types(own.values, part)
    spec = sub_kernel(
        part.base,
        kind=part.kind,
        dtypes=types,
        in_outs=[name for name in (*call.mutated, *part.restored) if types.get(name, "").startswith("*")],
        constants=own.constants,
        configs=own.configs,
        grid=own.grid,
        device=device_entry(call.device),
    )
    return replace(spec, sizes=call.sizes, problem=own.problem)


def _origin(part: Part, spec: SubKernelSpec) -> str:
    """What every call of a bucket makes the same sub-kernel of: functions as they are, not what they say to one call.

    '' where there are none, and where one of them cannot be told.
    """
    tuner = part.pruner
    pruning = () if tuner is None else (tuner.early_config_prune, tuner.perf_model, tuner.configs_top_k)
    grid = part.grid if callable(part.grid) else None
    if not part.heuristics and not pruning and grid is None:
        return ""
    functions = wholly_told((part.heuristics, pruning, grid))
    if functions is None:
        return ""
    general = replace(
        spec,
        constants=tuple((name, value) for name, value in spec.constants if name not in part.heuristics),
        configs=tuple(tuple(config.items()) for config in part.configs),
        grid=() if grid is not None else spec.grid,
        problem="cannot run" if spec.problem else "",
    )
    return f"{kernel_text(general)}\n{functions}"


def _unwritten(parts: Sequence[Part], asked: Sequence[_Own], call: FirstCall) -> Record:
    kernels, specs = [], []
    for part, own in zip(parts, asked, strict=True):
        taken = [name for name in own.values if name not in own.constants]
        mutated, outputs = _overwritten(part, own, call, taken)
        meta = KernelMeta(
            part.name,
            constants=own.constants,
            configs=own.configs,
            mutated=mutated,
            outputs=outputs,
            problem=own.problem,
        )
        kernels.append(Kernel(part.function, meta, None, part.grid))
        arguments = tuple(Argument(name, ArgumentKind.NUMBER) for name in taken)
        specs.append(SubKernelSpec(part.name, f"# {part.name} is not written down\n", arguments))
    multi_kernel = MultiKernel(tuple(specs), call.operation)
    return Record(tuple(kernels), _passed(multi_kernel), run_module_text(multi_kernel))


def _overwritten(
    part: Part, own: _Own, call: FirstCall, taken: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What it reads and overwrites, and what it only writes, of what it has ``taken`` of a call.

    Its source tells it of tensors. Whatever else may hold some counts as overwritten, and so does everything without
    a source.
    """
    try:
        spec = _described(part, own, call)
    except MultiKernelError:
        return tuple(taken), ()
    types = _types(own.values)
    untold = (name for name in taken if name not in types and name not in spec.mutated)
    return (*spec.mutated, *untold), tuple(name for name in spec.outputs if name in types)


def _module(multi_kernel: MultiKernel, grid: tuple[str, ...], call: FirstCall) -> GeneratedModule:
    """The call as it is made now, with tensors of these sizes."""
    kinds = {each.passed: each.kind for each in multi_kernel.arguments}
    numbers, tensors, variables = {}, [], {}
    for name in _passed(multi_kernel):
        value = plain(call.values[name])
        if is_tensor(value):
            variables[name] = free_name(name, TAKEN | (call.values.keys() - {name}))
            dtype = str(value.dtype).removeprefix("torch.")
            tensors.append(Tensor(variables[name], dtype, tuple(value.shape), tuple(value.stride())))
        elif value is None or isinstance(value, str | int | float):
            numbers[name] = value
        else:
            raise MultiKernelError(
                f"{name} is a {type(value).__name__}, which no file can hold", "Only tensors and numbers can be kept."
            )
    return GeneratedModule(
        calls=(ModuleCall(multi_kernel, numbers, variables, grid),),
        inputs=tuple(tensors),
        outputs=tuple(variables[name] for name in variables if kinds[name] in WRITTEN),
        device=call.device,
    )


def _types(values: Mapping[str, Any], part: Part | None = None) -> dict[str, str]:
    """Triton's types of the arguments; what has none, such as None, is left to Triton."""
    types = {}
    for name, given in values.items():
        if part is not None and is_constexpr(part.parameters[name]):
            continue
        value = plain(given)
        if is_tensor(value):
            dtype = str(value.dtype).removeprefix("torch.")
            types[name] = f"*{_TYPES.get(dtype, dtype)}"
        elif isinstance(value, bool):
            types[name] = "i1"
        elif isinstance(value, int):
            types[name] = "i32" if -(1 << 31) <= value < 1 << 31 else "i64"
        elif isinstance(value, float):
            types[name] = "fp32"
    return types


def _passed(multi_kernel: MultiKernel) -> tuple[str, ...]:
    return (*(argument.passed for argument in multi_kernel.arguments), *multi_kernel.numels)


def _best_config_file(spec: SubKernelSpec, cache: Path) -> Path:
    return path_of(key_of(kernel_text(spec)), cache, ".best_config")
