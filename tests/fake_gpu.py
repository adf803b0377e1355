"""A GPU that is none, and kernels for it: what the worker's bench asks of CUDA, torch and triton, on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from mkexplorer.race.racing import Contestant, Run, Timed

SOURCE = """
@triton_heuristics.reduction(
    size_hints={'x': 64}, filename=__file__,
    triton_meta={'signature': {'in_ptr0': '*fp32', 'out_ptr0': '*fp32', 'xnumel': 'i32'}},
    inductor_meta={'mutated_arg_names': [], 'kernel_name': 'NAME'},
)
@triton.jit
def NAME(in_ptr0, out_ptr0, xnumel, XBLOCK : tl.constexpr):
    x0 = tl.program_id(0)
    tmp0 = tl.load(in_ptr0 + x0, None)
    tl.store(out_ptr0 + x0, tmp0, None)
"""

Body = Callable[..., object]


class Configuration:
    def __init__(self, **named: int) -> None:
        self.num_warps = named.pop("num_warps", 4)
        self.num_stages = named.pop("num_stages", 1)
        self.kwargs = named


class Launcher:
    """``body`` is the kernel, in torch."""

    def __init__(self, body: Body, config: Configuration, spills: int = 0) -> None:
        self.body = body
        self.config = config
        self.n_regs, self.n_spills, self.shared = 32, spills, 1024

    def __call__(self, *arguments: Any, stream: int) -> None:
        assert stream == 7
        self.body(*arguments)


class Kernel:
    """As a CachingAutotuner; ``bodies`` maps configurations to kernels."""

    custom_kernel = False

    def __init__(self, *launchers: Launcher, fails: str = "", **meta: Any) -> None:
        self._made = launchers
        self._fails = fails
        self.configs = [each.config for each in launchers]
        self.launchers: list[Launcher] = []
        self.inductor_meta = meta
        self.autotune_cache_info: dict[str, Any] = {}
        self.compilations = 0

    def precompile(self) -> None:
        if self._fails:
            raise RuntimeError(self._fails)
        self.compilations += 1
        self.launchers = [each for each in self._made if each.config in self.configs]

    def coordinate_descent_tuning(self, launcher: Launcher, *arguments: Any) -> Launcher:
        found = Launcher(launcher.body, Configuration(XBLOCK=999))
        found.config.found_by_coordesc = True  # type: ignore[attr-defined]  # as torch does it
        return found


def copying(scale: float = 1.0) -> Body:
    return lambda source, target, count: target.copy_(source * scale)


def kernel(body: Body | None = None, **named: Any) -> Kernel:
    """One of a single configuration."""
    return Kernel(Launcher(body or copying(), Configuration(XBLOCK=64)), **named)


class Stopwatch:
    """Takes times from a table by name, and runs what it times."""

    systematic_us = 0.0

    def __init__(self, times_us: dict[str, float]) -> None:
        self.times_us = times_us
        self.fails = 0
        self.disturbed = 0

    def rough_us(self, contestant: Contestant) -> float:
        return self.times_us.get(contestant.name, 10.0)

    def time(self, runs: Sequence[Run]) -> Timed:
        if self.fails:
            self.fails -= 1
            raise RuntimeError("the profiler saw 3 of 8 marks")
        for run in runs:
            if run.contestant.restore:
                run.contestant.restore()
            run.contestant.launch()
        times_us = tuple(self.rough_us(run.contestant) * (0.5 if run.is_hot else 1.0) for run in runs)
        return Timed(times_us, sum(times_us), 1980.0, self.disturbed)


class FakeGpu:
    device = "cpu"
    monitor = None
    uses_profiler = True

    def __init__(self, **times_us: float) -> None:
        self.watch = Stopwatch(times_us)
        self.event_watch = Stopwatch(times_us)
        self.free = 1 << 30
        self.is_poisoned = False
        self.limit_bytes: int | None = None
        self.released = 0

    def stream(self) -> int:
        return 7

    def synchronize(self) -> None:
        if self.is_poisoned:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with …")

    def is_broken(self) -> bool:
        return self.is_poisoned

    def stopwatch(self) -> Stopwatch:
        return self.watch

    def events(self) -> Stopwatch:
        return self.event_watch

    def copy_gb_per_s(self) -> float:
        return 3000.0

    def limit_memory(self, limit_bytes: int | None) -> None:
        self.limit_bytes = limit_bytes

    def free_bytes(self) -> int:
        return self.free

    def release(self) -> None:
        self.released += 1

    def adopt(self, kernel: Any) -> str:
        return ""

    def environment(self) -> dict[str, Any]:
        return {"gpu": "a fake", "driver": None, "torch": "2.11", "triton": "3.6"}


def request(*names: str, text: str = SOURCE) -> list[dict[str, Any]]:
    return [
        {
            "key": name,
            "name": name,
            "text": text.replace("NAME", name),
            "best_configs": {},
            "configuration": None,
            "takes": None,
        }
        for name in names
    ]


def arguments(count: int = 4096) -> list[dict[str, Any]]:
    return [
        {"kind": "tensor", "name": "in_ptr0", "dtype": "float32", "shape": [count], "stride": [1], "offset": 0},
        {"kind": "tensor", "name": "out_ptr0", "dtype": "float32", "shape": [count], "stride": [1], "offset": 0},
        {"kind": "number", "name": "xnumel", "value": count},
    ]


def modules(**kernels: Kernel) -> Callable[[str, str, str], Any]:
    """Stands for `loading.load`."""

    def load(folder: str, key: str, text: str) -> Any:
        return SimpleNamespace(__name__=key, __file__=f"{folder}/{key}.py", **{key: kernels[key]})

    return load
