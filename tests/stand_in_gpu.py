"""Generated wrappers on a machine without a GPU: torch's own classes, and launchers that tell what they are given.

Only for programs of their own, because it replaces parts of torch. Tensors are on the CPU; the times of sub-kernels are
what a test says.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch._inductor import codecache
from torch._inductor import config as inductor_config
from torch._inductor.runtime import triton_helpers, triton_heuristics

from mkexplorer.inductor import gpu
from mkexplorer.picks.model import Machine
from mkexplorer.race.racing import Contestant, Outcome, Run, Settings, Timed, race
from tests import generate_wrappers

LOOPED, PERSISTENT = "triton_red", "triton_per"
H100 = Machine("NVIDIA H100 80GB HBM3", "570.1", "2.0", "3.0")

launches: list[tuple[str, tuple[Any, ...]]] = []
effects: dict[str, Callable[..., object]] = {}
races: list[tuple[int, int | None]] = []
times_us: dict[str, float] = {}


class _Config:
    found_by_coordesc = False
    num_warps = 8
    num_stages = 1
    kwargs: Mapping[str, int] = {"XBLOCK": 1}


def set_up() -> None:
    """Describes a GPU to torch, and keeps torch and mkexplorer from touching one."""
    os.environ.pop("TORCHINDUCTOR_MULTI_KERNEL", None)  # that is for these tests to say
    inductor_config.compile_threads = 1
    inductor_config.fx_graph_cache = False
    generate_wrappers.describe_gpu()
    triton_helpers.set_driver_to_gpu = lambda *_: None
    torch._C._cuda_getCurrentRawStream = lambda device: 0
    torch._C._cuda_setDevice = lambda device: None
    torch.cuda.set_device = lambda device: None
    torch.cuda._DeviceGuard = _NoGuard
    triton_heuristics.CachingAutotuner.precompile = _precompile
    answers = {
        "race_on_gpu": _race,
        "is_capturing": lambda: False,
        "current_stream": lambda device: 0,
        "machine": lambda device: H100,
        "on_stream": _NoGuard,
    }
    for name, answer in answers.items():
        setattr(gpu, name, answer)


def set_times(**by_kind: float) -> None:
    """The times in microseconds of the looped and the persistent sub-kernels."""
    times_us.clear()
    times_us.update({LOOPED: by_kind.get("looped", 10.0), PERSISTENT: by_kind.get("persistent", 10.0)})


def load(case: str, cache: Path) -> types.ModuleType:
    """The wrapper of one of `generate_wrappers.CASES`, executed as torch executes it, with its cache in ``cache``."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache)
    with inductor_config.patch({"triton.multi_kernel": inductor_config.triton.multi_kernel or 1}):
        if case not in _texts:
            _texts[case] = generate_wrappers.generate(case)
        return load_text(_texts[case])


def load_text(text: str) -> types.ModuleType:
    codecache.PyCodeCache.cache_clear()
    module: types.ModuleType = codecache.PyCodeCache.load(text)
    for name in ("empty_strided_cuda", "copy_if_misaligned"):
        setattr(module, name, _ON_CPU[name])
    return module


def names() -> list[str]:
    """What was launched since the last time, without what was launched to measure."""
    found = [name for name, _ in launches]
    launches.clear()
    return found


class _NoGuard:
    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


_texts: dict[str, str] = {}
_ON_CPU: dict[str, Callable[..., Any]] = {
    "empty_strided_cuda": lambda size, stride, dtype: torch.empty_strided(size, stride, dtype=dtype),
    "copy_if_misaligned": lambda tensor: tensor,
}


def _precompile(kernel: Any, *_: object, **__: object) -> None:
    kernel.launchers = [launcher(kernel)]


def launcher(kernel: Any) -> Any:
    """As torch writes one: the kernel's arguments, then the stream."""
    constants = {name for name, kind in kernel.triton_meta["signature"].items() if kind == "constexpr"}
    parameters = [name for name in kernel.fn.arg_names if name not in constants]
    name = kernel.inductor_meta["kernel_name"]
    scope: dict[str, Any] = {"tell": lambda arguments: _tell(name, arguments)}
    exec(f"def launcher({', '.join(parameters)}, stream):\n    tell(({', '.join(parameters)},))", scope)
    made = scope["launcher"]
    made.config = _Config()
    made.store_cubin = False
    made.cache_hash = name
    made.n_regs, made.n_spills, made.shared = 32, 0, 1024
    return made


def _tell(name: str, arguments: tuple[Any, ...]) -> None:
    launches.append((name, arguments))
    for beginning, effect in effects.items():
        if name.startswith(beginning):
            effect(*arguments)


class _Stopwatch:
    systematic_us = 0.0

    def rough_us(self, contestant: Contestant) -> float:
        return _time(contestant)

    def time(self, runs: Sequence[Run]) -> Timed:
        for run in runs:
            if run.contestant.restore is not None:
                run.contestant.restore()
            run.contestant.launch()
        times = tuple(_time(run.contestant) for run in runs)
        return Timed(times, sum(times))


def _time(contestant: Contestant) -> float:
    return next(time_us for beginning, time_us in times_us.items() if contestant.name.startswith(beginning))


def _race(contestants: Sequence[Contestant], old: int | None) -> Outcome:
    races.append((len(contestants), old))
    outcome = race(contestants, _Stopwatch(), Settings(hot_rounds=0), old)
    launches.clear()
    return outcome


if __name__ == "__main__":
    sys.exit("a module, no program")
