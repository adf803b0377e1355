"""The `bench` job on no GPU: sub-kernels run in Triton's interpreter, on the CPU.

The process must have been started with ``TRITON_INTERPRET=1``, which decides what ``@triton.jit`` makes of a function
from the first import of triton on; ``CUDA_VISIBLE_DEVICES`` may be empty. Triton's interpreter needs NumPy.

Only the first and the last elements along every dimension are computed, but of those everything, so that what is said
of the outputs is real. Times are the host's and give no ruling.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from time import monotonic
from types import ModuleType
from typing import Any

from mkexplorer.race.statistics import summary

from . import agreement, buffers, configured, loading, stand_ins, tensors
from .argument_sources import Arguments
from .failures import JobFailed
from .interpreted_bench import Interpreted, InterpretedBench
from .kernel_source import KernelSource, read_source

_US = 1e6
_MEMORY = "/proc/meminfo"
_AVAILABLE = "MemAvailable:"


def interpret(
    requests: list[dict[str, Any]],
    arguments: Arguments,
    memory_limit_bytes: int | None,
    tell: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """The answer that the protocol has for a `bench` of ``requests``, its sub-kernels. Raises `JobFailed`."""
    began = monotonic()
    _prepare()
    sub_kernels = [Interpreted(each["name"], takes) for each, takes in zip(requests, arguments.takes)]
    folder = tempfile.mkdtemp()
    modules: list[ModuleType] = []
    try:
        sources: list[tuple[KernelSource, Sequence[int]]] = []
        for index, (sub_kernel, request) in enumerate(zip(sub_kernels, requests)):
            tell({"stage": "loading", "sub_kernel": index, "done": index, "total": len(requests), "times_us": None})
            try:
                source = read_source(request["text"], request["name"])
                sub_kernel.configured = configured.load(folder, request, modules)
                sources.append((source, sub_kernel.takes))
            except (Exception, SystemExit) as error:
                sub_kernel.problem = configured.told(error)
        specs = tensors.plan(arguments.told, sources)
        buffers.check_room(specs, "memory", memory_limit_bytes, _available_bytes())
        bench = InterpretedBench(specs, sub_kernels, tell)
        opinions = bench.compare()
        bench.time()
        return {
            "device": "interpreter",
            "arguments": arguments.how,
            "bytes_moved": tensors.bytes_moved(specs, sources),
            "sub_kernels": [_result(each, opinion) for each, opinion in zip(sub_kernels, opinions)],
            "ruling": None,
            "rounds": max(len(each.times_us) for each in sub_kernels),
            "gpu_us": 0.0,
            "wall_us": (monotonic() - began) * _US,
            "environment": _environment(),
            "notes": bench.notes,
        }
    finally:
        loading.forget(modules)
        shutil.rmtree(folder, ignore_errors=True)


def _prepare() -> None:
    if os.environ.get("TRITON_INTERPRET") != "1":
        raise JobFailed("a worker for Triton's interpreter is started with TRITON_INTERPRET=1")
    try:
        import numpy  # noqa: F401  # Triton imports it later, and would not say it this plainly
    except ImportError as error:
        raise JobFailed("Triton's interpreter needs NumPy, which this Python does not have") from error
    import torch

    stand_ins.install()
    from torch._inductor.runtime.triton_heuristics import CachingAutotuner

    if not hasattr(CachingAutotuner, "_interpret_args_grid"):
        raise JobFailed(f"torch {torch.__version__} launches its kernels otherwise; measuring needs torch 2.7 or later")
    from . import substitutes

    substitutes.install()


def _available_bytes() -> int | None:
    """None where the system does not tell; one that runs out of memory kills whom it likes."""
    try:
        with open(_MEMORY, encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(_AVAILABLE))
    except (OSError, StopIteration):
        return None


def _result(sub_kernel: Interpreted, opinion: agreement.Opinion) -> dict[str, Any]:
    cold = summary(sub_kernel.times_us)
    return {
        "cold": cold and asdict(cold),
        "hot": None,
        "samples_us": sub_kernel.times_us,
        "stock_us": None,
        "resources": None,
        "configuration": sub_kernel.configured.configuration if sub_kernel.configured else {},
        "agrees": opinion.agrees,
        "problem": sub_kernel.problem or opinion.problem,
    }


def _environment() -> dict[str, Any]:
    import torch
    import triton

    unknown = dict.fromkeys(("gpu", "driver", "sm_clock_mhz", "copy_gb_per_s"))
    versions = {"torch": torch.__version__, "triton": triton.__version__}
    return {**unknown, **versions, "throttled": [], "contended": ""}
