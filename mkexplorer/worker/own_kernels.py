"""Kernels that `mkexplorer.multikernel` generated, as torch's own kernels: what measures those measures these.

Their files import ``mkexplorer.multikernel.triton_heuristics``, which is not importable here. What stands in its place
makes of each kernel a ``CachingAutotuner``, the way Inductor does with kernels that a program brings along.
"""

from __future__ import annotations

import json
import os
import re
import sys
from functools import lru_cache
from types import ModuleType
from typing import Any, Callable, Sequence

PACKAGE = "mkexplorer.multikernel"
_DECORATORS = ("reduction", "persistent_reduction", "cooperative_reduction", "template", "pointwise")
# Triton's own.
_DEFAULTS = {"num_warps": 4, "num_stages": 3}
_UNSUPPORTED = ("num_ctas", "maxnreg")
_DIVISIBLE = [["tt.divisibility", 16]]
_CALL = "# call: "
# Compiles, and fails with its name when it is launched.
_UNKNOWN_GRID = ["grid_that_no_file_tells"]
# Functions that a grid may call, as launchers can: they see nothing but the kernel's arguments.
_FUNCTIONS = {
    "cdiv": "(lambda number, divisor: -(number // -divisor))",
    "next_power_of_2": "(lambda number: 1 << max(number - 1, 0).bit_length())",
}
_MOST_AXES = 3


@lru_cache(maxsize=None)
def install() -> None:
    """For the whole process, once."""
    package, heuristics = ModuleType(PACKAGE), ModuleType(PACKAGE + ".triton_heuristics")
    for name in _DECORATORS:
        setattr(heuristics, name, _decorator)
    setattr(package, "triton_heuristics", heuristics)  # noqa: B010  # an attribute that no module has
    sys.modules[package.__name__], sys.modules[heuristics.__name__] = package, heuristics


def _decorator(
    triton_meta: dict[str, Any], inductor_meta: dict[str, Any], filename: str, **others: Any
) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        from torch._inductor.runtime import triton_heuristics

        if not hasattr(triton_heuristics, "PrecomputedGrid"):
            raise RuntimeError("kernels of mkexplorer.multikernel are measured with torch 2.7 or later")
        if inductor_meta.get("problem"):
            raise RuntimeError(f"it cannot run with such arguments: {inductor_meta['problem']}")
        configs = _configs(triton_meta, inductor_meta, filename)
        call = _call(filename)
        grid = inductor_meta.get("grid") or call.get("grid") or _UNKNOWN_GRID
        return triton_heuristics.user_autotune(
            configs,
            _triton_meta(function.arg_names, triton_meta, configs[0], call.get("divisible_by_16", ())),
            filename=filename,
            inductor_meta={
                "kernel_name": inductor_meta["kernel_name"],
                "mutated_arg_names": list(inductor_meta.get("mutated_arg_names", ())),
                "grid_type": "PrecomputedGrid",
                "precomputed_grids": [_grid(grid, config) for config in configs],
                "autotune_local_cache": False,
                "autotune_remote_cache": False,
            },
            custom_kernel=True,
        )(function)

    return decorate


def _configs(triton_meta: dict[str, Any], inductor_meta: dict[str, Any], filename: str) -> list[dict[str, Any]]:
    """What Inductor's kernels have: every constant, warps and stages in each. One only, if the winner is on file."""
    own = inductor_meta.get("configs") or [{}]
    for name in _UNSUPPORTED:
        if any(name in config for config in own):
            raise RuntimeError(f"a configuration sets {name}, which torch does not launch with")
    winner = _best_config(filename)
    # What JSON cannot hold, such as a dtype, it has as text.
    chosen = [
        config
        for config in own
        if winner and all(winner.get(name) in (value, repr(value)) for name, value in config.items())
    ] or own
    return [{**_DEFAULTS, **triton_meta.get("constants", {}), **config} for config in chosen]


def _best_config(filename: str) -> dict[str, Any]:
    """What the run time kept beside the kernel's file; nothing if that is nothing of the kind."""
    try:
        with open(os.path.splitext(filename)[0] + ".best_config", encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _call(filename: str) -> dict[str, Any]:
    """What the last line of a kernel's file tells of a call (`mkexplorer.measure.own_calls`); nothing without one."""
    with open(filename, encoding="utf-8") as file:
        last = file.read().rstrip().rpartition("\n")[2]
    found: dict[str, Any] = json.loads(last[len(_CALL) :]) if last.startswith(_CALL) else {}
    return found


def _triton_meta(
    names: Sequence[str], written: dict[str, Any], config: dict[str, Any], divisible: Sequence[int]
) -> dict[str, Any]:
    """``divisible`` are positions among the arguments that a launch passes."""
    signature = written["signature"]
    unknown = [name for name in names if name not in signature]
    if unknown:
        raise RuntimeError(f"its file does not tell the type of {unknown[0]}")
    passed = [index for index, name in enumerate(names) if name not in config]
    return {
        "signature": {name: signature[name] for name in names},
        "device": _device(written.get("device", {})),
        "constants": {},
        "configs": [{(passed[position],): _DIVISIBLE for position in divisible}],
    }


def _device(told: dict[str, Any]) -> Any:
    """The device that it was made for; the one that is here, where nothing was told."""
    import torch
    from torch._inductor.runtime.hints import DeviceProperties

    if not told and torch.cuda.is_available():
        return DeviceProperties.create(torch.device("cuda"))
    known = {"type": "cuda", "index": 0, "multi_processor_count": 1, "cc": 80, **told}
    return DeviceProperties(**{name: known[name] for name in DeviceProperties._fields if name in known})


def _grid(expressions: list[str], config: dict[str, Any]) -> dict[str, Any]:
    """The grid of one configuration, in terms of the arguments of a launch."""
    blocks = {name: value for name, value in config.items() if name not in _DEFAULTS}

    def replaced(found: re.Match[str]) -> str:
        name = found.group()
        return _FUNCTIONS.get(name, f"({blocks[name]!r})" if name in blocks else name)

    axes = [re.sub(r"[A-Za-z_]\w*", replaced, expression) for expression in expressions]
    axes += ["1"] * (_MOST_AXES - len(axes))
    return {"config": blocks, "python": axes, "cpp": axes}
