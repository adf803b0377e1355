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
from .codegen import TAKEN, GeneratedModule, Tensor, wrapper_text
from .codegen import Call as ModuleCall
from .errors import MultiKernelError
from .from_triton import sub_kernel
from .grids import grid_text
from .kernel import WRITTEN, Argument, ArgumentKind, MultiKernel, SubKernelSpec
from .launching import Kernel
from .meta import KernelMeta
from .modules import key_of, path_of, write_module
from .parts import Grid, Part, is_constexpr
from .sources import kernel_text, plain, run_module_text
from .telling import told, wholly_told

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
    what cannot be written, and then nothing is kept.
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
        module = _module(multi_kernel, call)
        wrapper = key_of(wrapper_text(module, str(cache)))
    except MultiKernelError as error:
        log.warning("%s: its choice is not kept: %s. %s", call.operation, error.message, error.advice)
        return _unwritten(parts, own, call)
    kernels = tuple(
        Kernel(part.function, spec.meta, _best_config_file(spec, cache), part.grid)
        for part, spec in zip(parts, multi_kernel.sub_kernels, strict=True)
    )
    write = partial(write_module, module, cache)
    return Record(kernels, _passed(multi_kernel), run_module_text(multi_kernel), wrapper, write)


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

    ``problem`` says why it cannot run, '' where it can; what its functions did not tell is None then.
    """

    values: Mapping[str, Any]
    constants: Mapping[str, Any]
    configs: tuple[Mapping[str, Any], ...]
    grid: tuple[str, ...] = ()
    problem: str = ""


def _asked(part: Part, call: FirstCall) -> _Own:
    """Asks the functions that a user gave; one that raises says that the sub-kernel cannot run with such values.

    Constants are what a file can hold of them, here as there, so that the same kernel runs from both.
    """
    values = part.own_values(call.values)
    passed = {name: value for name, value in values.items() if is_constexpr(part.parameters[name])}
    constants = plain({**part.constants, **passed})
    try:
        configs = tuple(map(plain, part.configs_for(values)))
        grid = () if part.grid is None else _grid_as_text(part.grid, {**values, **constants, **configs[0]})
    except Exception as error:
        log.debug("%s: %s cannot run", call.operation, part.name, exc_info=error)
        computed = dict.fromkeys(part.heuristics)
        return _Own(values, {**constants, **computed}, part.configs, problem=f"{type(error).__name__}: {error}")
    return _Own(values, constants, configs, grid)


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
    plain = replace(
        spec,
        constants=tuple((name, value) for name, value in spec.constants if name not in part.heuristics),
        configs=tuple(tuple(config.items()) for config in part.configs),
        grid=() if grid is not None else spec.grid,
        problem="cannot run" if spec.problem else "",
    )
    return f"{kernel_text(plain)}\n{functions}"


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


def _module(multi_kernel: MultiKernel, call: FirstCall) -> GeneratedModule:
    """The call as it is made now, with tensors of these sizes."""
    kinds = {each.passed: each.kind for each in multi_kernel.arguments}
    numbers, tensors, variables = {}, [], {}
    for name in _passed(multi_kernel):
        value = plain(call.values[name])
        if is_tensor(value):
            variables[name] = f"{name}_" if name in TAKEN else name
            dtype = str(value.dtype).removeprefix("torch.")
            tensors.append(Tensor(variables[name], dtype, tuple(value.shape), tuple(value.stride())))
        elif value is None or isinstance(value, str | int | float):
            numbers[name] = value
        else:
            raise MultiKernelError(
                f"{name} is a {type(value).__name__}, which no file can hold", "Only tensors and numbers can be kept."
            )
    able = next(each for each in multi_kernel.sub_kernels if not each.problem)
    grid = () if call.grid is None else _written_grid(call.grid, able, call)
    return GeneratedModule(
        calls=(ModuleCall(multi_kernel, numbers, variables, grid),),
        inputs=tuple(tensors),
        outputs=tuple(variables[name] for name in variables if kinds[name] in WRITTEN),
        device=call.device,
    )


def _written_grid(grid: Grid, spec: SubKernelSpec, call: FirstCall) -> tuple[str, ...]:
    known = {**call.values, **dict(spec.constants), **(dict(spec.configs[0]) if spec.configs else {})}
    return _grid_as_text(grid, known)


def _grid_as_text(grid: Grid, known: Mapping[str, Any]) -> tuple[str, ...]:
    """A function that no text can tell becomes the numbers that it gives now."""
    text = grid_text(grid)
    if text is not None:
        return text
    assert callable(grid)
    return tuple(str(int(size)) for size in grid(known))


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
