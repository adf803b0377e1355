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
from time import monotonic
from types import ModuleType
from typing import Any

from mkexplorer.race.statistics import summary

from . import agreement, stand_ins, tensors
from .argument_sources import Arguments
from .failures import JobFailed
from .interpreted_bench import InterpretedBench, SubKernel
from .kernel_source import read_source

_US = 1e6

Tell = Callable[[dict[str, Any]], None]


def interpret(
    sub_kernels: list[dict[str, Any]],
    arguments: Arguments,
    memory_limit_bytes: int | None,
    tell: Tell,
) -> dict[str, Any]:
    """The answer that the protocol has for a `bench`. Raises `JobFailed`."""
    began = monotonic()
    _prepare()
    subs = [SubKernel(each, takes) for each, takes in zip(sub_kernels, arguments.takes)]
    folder = tempfile.mkdtemp()
    modules: list[ModuleType] = []
    try:
        for index, sub in enumerate(subs):
            tell({"stage": "loading", "sub_kernel": index, "done": index, "total": len(subs), "times_us": None})
            _load(sub, folder, modules)
        sources = [(read_source(each.request["text"], each.request["name"]), each.takes) for each in subs]
        specs = tensors.plan(arguments.told, sources)
        _check_memory(specs, memory_limit_bytes)
        bench = InterpretedBench(specs, subs, tell)
        opinions = bench.compare()
        bench.time()
        return {
            "device": "interpreter",
            "arguments": arguments.how,
            "bytes_moved": tensors.bytes_moved(specs, sources),
            "sub_kernels": [_result(sub, opinion) for sub, opinion in zip(subs, opinions)],
            "ruling": None,
            "rounds": max((len(sub.times_us) for sub in subs), default=0),
            "gpu_us": 0.0,
            "wall_us": (monotonic() - began) * _US,
            "environment": _environment(),
            "notes": bench.notes,
        }
    finally:
        from . import loading

        loading.forget(modules)
        shutil.rmtree(folder, ignore_errors=True)


def _prepare() -> None:
    if os.environ.get("TRITON_INTERPRET") != "1":
        raise JobFailed("a worker for Triton's interpreter is started with TRITON_INTERPRET=1")
    try:
        import numpy  # noqa: F401  # Triton imports it later, and would not say it this plainly
    except ImportError as error:
        raise JobFailed("Triton's interpreter needs NumPy, which this Python does not have") from error
    from . import substitutes

    stand_ins.install()
    substitutes.install()


def _load(sub: SubKernel, folder: str, modules: list[ModuleType]) -> None:
    from . import configured

    try:
        found = configured.load(folder, sub.request, modules)
    except Exception as error:
        sub.problem = configured.told(error)
        return
    sub.kernel, sub.configuration = found.kernel, found.configuration


def _check_memory(specs: Sequence[tensors.Spec], limit: int | None) -> None:
    needed = 2 * tensors.needed_bytes(specs)  # what is overwritten is kept too
    if limit is not None and needed > limit:
        raise JobFailed(f"the arguments need {needed} bytes, more than the limit of {limit}")


def _result(sub: SubKernel, opinion: agreement.Opinion) -> dict[str, Any]:
    found = summary(sub.times_us)
    cold = found and {"median_us": found.median_us, "q1_us": found.q1_us, "q3_us": found.q3_us, "n": found.n}
    return {
        "cold": cold,
        "hot": None,
        "samples_us": list(sub.times_us),
        "stock_us": None,
        "resources": None,
        "configuration": sub.configuration,
        "agrees": opinion.agrees,
        "problem": sub.problem or opinion.problem,
    }


def _environment() -> dict[str, Any]:
    import torch
    import triton

    unknown = dict.fromkeys(("gpu", "driver", "sm_clock_mhz", "copy_gb_per_s"))
    return {
        **unknown,
        "torch": torch.__version__,
        "triton": triton.__version__,
        "throttled": [],
        "contended": "",
    }
