"""The `resources` job: compiles sub-kernels for a GPU that need not be here, and reads what they take."""

from __future__ import annotations

import inspect
import re
import shutil
import tempfile
from types import ModuleType
from typing import Any, NamedTuple

from . import loading, occupancy, stand_ins
from .configured import Configured, load, told
from .cubin import usage

_BYTES_PER_SPILL = 4  # as triton counts them
_AMD_COUNTS = {name: re.compile(rf"^\s*\.{name}:\s*(\d+)", re.MULTILINE) for name in ("vgpr_count", "vgpr_spill_count")}


class Target(NamedTuple):
    """As triton describes a GPU; ``architecture`` is 90 for NVIDIA's 9.0, and a text such as 'gfx942' for AMD's."""

    kind: str
    architecture: Any
    warp_size: int


class CannotCompile(Exception):
    """The text says what for, or with what."""


def resources(target: str, sub_kernels: list[dict[str, Any]]) -> dict[str, Any]:
    """``target`` is triton's own: 'cuda:90:32', 'hip:gfx942:64'. Nothing is run but the kernels' files."""
    stand_ins.install()
    gpu = _parse(target)
    return {"sub_kernels": [_resources(each, gpu) for each in sub_kernels]}


def _parse(target: str) -> Target:
    kind, _, rest = target.partition(":")
    architecture, _, warp_size = rest.rpartition(":")
    if not architecture or not warp_size.isdigit():
        raise CannotCompile(f"{target!r} is no target like 'cuda:90:32'")
    gpu = Target(kind, int(architecture) if architecture.isdigit() else architecture, int(warp_size))
    if stand_ins.own_backend(*gpu) is None:
        raise CannotCompile(f"this triton compiles for no {kind!r}")
    return gpu


def _resources(sub_kernel: dict[str, Any], gpu: Target) -> dict[str, Any]:
    """One that cannot be loaded or compiled does not stop the others."""
    answer: dict[str, Any] = {
        "configuration": {},
        "registers": None,
        "spills": None,
        "shared_bytes": None,
        "occupancy": None,
    }
    folder = tempfile.mkdtemp()
    modules: list[ModuleType] = []
    try:
        configured = load(folder, sub_kernel, modules)
        answer["configuration"] = configured.configuration
        return {**answer, **_measured(_compiled(configured, gpu), configured.configuration["num_warps"], gpu)}
    except Exception as error:
        return {**answer, "problem": told(error)}
    finally:
        loading.forget(modules)
        shutil.rmtree(folder, ignore_errors=True)


def _compiled(configured: Configured, gpu: Target) -> Any:
    """Compiled the way in which torch itself calls triton, but for ``gpu`` instead of the device in its source."""
    import triton

    kernel = configured.kernel
    config = triton.Config(configured.blocks, **configured.options)
    kernel.device_props = _described(kernel.device_props, gpu)
    compiled: list[Any] = []

    def compile_and_keep(*args: Any, **kwargs: Any) -> Any:
        compiled.append(triton_compile(*args, **kwargs))
        return compiled[-1]

    triton_compile, triton.compile = triton.compile, compile_and_keep
    # Up to torch 2.6, whether to stop before the compiled kernel is loaded, which takes a GPU.
    stop_early = [True] if "warm_cache_only" in inspect.signature(kernel._precompile_config).parameters else []
    try:
        kernel._precompile_config(config, *stop_early)
    except Exception:
        # What comes after the compilation prepares a launch.
        if not compiled:
            raise
    finally:
        triton.compile = triton_compile
    return compiled[-1]


def _described(device: Any, gpu: Target) -> Any:
    if not hasattr(device, "_replace"):
        raise CannotCompile("torch 2.4 or later is needed to compile for a GPU that is not here")
    known = {"type": gpu.kind, "cc": gpu.architecture, "warp_size": gpu.warp_size}
    return device._replace(**{name: value for name, value in known.items() if name in device._fields})


def _measured(kernel: Any, warps: int, gpu: Target) -> dict[str, Any]:
    shared = kernel.metadata.shared
    if gpu.kind == "hip":
        found = {name: pattern.search(kernel.asm["amdgcn"]) for name, pattern in _AMD_COUNTS.items()}
        registers, spills = (int(match.group(1)) if match else None for match in found.values())
        return {"registers": registers, "spills": spills, "shared_bytes": shared, "problem": ""}
    taken = usage(kernel.asm["cubin"])
    limits = occupancy.limits_of(gpu.kind, gpu.architecture)
    return {
        "registers": taken.registers,
        "spills": taken.local_bytes // _BYTES_PER_SPILL,
        "shared_bytes": shared,
        "occupancy": limits and occupancy.occupancy(limits, warps, taken.registers, shared),
        "problem": "",
    }
