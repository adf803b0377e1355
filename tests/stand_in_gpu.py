"""Generated wrappers on a machine without a GPU: torch's own classes, and launchers that tell what they are given.

Only for programs of their own, because it replaces parts of torch. Tensors are on the CPU; the times of sub-kernels are
what a test says.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Sequence
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

real: dict[str, Any] = {}
launches: list[tuple[str, tuple[Any, ...]]] = []
effects: dict[str, Callable[..., object]] = {}
grids: dict[str, tuple[int, int, int]] = {}
races: list[tuple[int, int | None]] = []
times_us: dict[str, float] = {}


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
    real.update({name: getattr(gpu, name) for name in ("race_on_gpu", "on_stream")})
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
    kernel.compile_results = [_result(kernel)]
    kernel.launchers = [kernel.compile_results[0].make_launcher()]


class _Result(triton_heuristics.CompileResult):  # type: ignore[misc]  # mypy does not follow torch
    """Has torch write the launcher, with its grid, in front of a runner that only tells."""

    def make_launcher(self) -> Any:
        constants = {name for name, kind in self.compile_meta["signature"].items() if kind == "constexpr"}
        parameters = [name for name in self.kernel.names if name not in constants]
        name = self.inductor_meta["kernel_name"]

        def runner(grid_0: int, grid_1: int, grid_2: int, stream: int, *arguments: Any) -> None:
            grids[name] = grid_0, grid_1, grid_2
            _tell(name, arguments)

        made = self._gen_launcher_code(
            {"runner": runner}, parameters, ["grid_0", "grid_1", "grid_2", "stream", *parameters]
        )
        made.config = self.config
        made.store_cubin = self.inductor_meta.get("store_cubin", False)  # while C++ is generated
        made.bin = types.SimpleNamespace(
            metadata=types.SimpleNamespace(name=name), num_warps=8, shared=1024, asm={"cubin": b"a binary"}
        )
        made.def_args = made.call_args = parameters
        made.global_scratch = made.profile_scratch = None
        made.cache_hash = name
        made.n_regs, made.n_spills, made.shared = 32, 0, 1024
        return made


def _result(kernel: Any) -> Any:
    from triton import Config

    blocks = {"XBLOCK": 1, "R0_BLOCK": 2048, "RSPLIT": 8}
    config = Config({name: size for name, size in blocks.items() if name in kernel.fn.arg_names}, num_warps=8)
    binary = types.SimpleNamespace(names=list(kernel.fn.arg_names), metadata=None)
    return _Result(binary, config, kernel.triton_meta, kernel.inductor_meta)


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
