"""Stands for `mkexplorer.measure.bencher.Bencher` in tests of the faces: gives the results that a script holds.

``FakeBencher({id: bench_result(id, 31.1, 22.6)})`` measures that one; what the script does not hold fails. A scripted
error is raised, a scripted function is called with the request. ``gate`` (an unset event) holds every measurement
back until it is set, `cancel` is called or `close` is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import Resources
from mkexplorer.measure.errors import BenchCancelled, BenchError
from mkexplorer.measure.model import (
    ArgumentSource,
    BenchRequest,
    BenchResult,
    Device,
    Environment,
    KernelUnderTest,
    Progress,
    Stage,
    SubKernelResult,
)
from mkexplorer.measure.resources import ResourceReport
from mkexplorer.measure.verdict import judge
from tests import builders

Scripted = BenchResult | MkexplorerError | Callable[[BenchRequest], BenchResult]

H100 = Environment(
    gpu="NVIDIA H100 80GB HBM3",
    driver="580.65",
    torch="2.11.0+cu130",
    triton="3.6.0",
    sm_clock_mhz=1980.0,
    copy_gb_per_s=2800.0,
)
NOWHERE = Environment(torch="2.13.0+cpu", triton="3.9.0")
MOVED = 67_125_248
"""Bytes that a layer norm of 4096×4096 bf16 moves."""


def sub_result(
    median_us: float | None, *, agrees: bool | None = True, problem: str = "", n: int = 24
) -> SubKernelResult:
    """One that was timed (its hot time is 3% below its cold one), or not."""
    if median_us is None:
        return SubKernelResult(None, None, agrees=agrees, problem=problem)
    samples = tuple(round(median_us * (1 + (step - n // 2) / 2000), 3) for step in range(n))
    return SubKernelResult(
        builders.timing(median_us, 0.02, n),
        builders.timing(median_us * 0.97, 0.02, 6),
        samples_us=samples,
        resources=Resources(32, 0, 1024),
        configuration=(("XBLOCK", 1), ("num_warps", 8), ("num_stages", 1)),
        agrees=agrees,
        problem=problem,
    )


def bench_result(
    multi_kernel_id: str,
    *medians_us: float,
    picked: int | None = 0,
    subs: Sequence[SubKernelResult] = (),
    device: Device = Device.CUDA,
    environment: Environment | None = None,
    notes: tuple[str, ...] = (),
) -> BenchResult:
    """A race of sub-kernels with these medians (or of ``subs``), judged as one would be."""
    results = tuple(subs) or tuple(sub_result(median) for median in medians_us)
    is_gpu = device is Device.CUDA
    return BenchResult(
        multi_kernel_id=multi_kernel_id,
        when="2026-01-31T12:00:00.000000Z",
        device=device,
        sub_kernels=results,
        judgement=judge([each.cold for each in results], picked) if is_gpu else None,
        source=ArgumentSource.CALL,
        bytes_moved=MOVED,
        environment=environment or (H100 if is_gpu else NOWHERE),
        rounds=24,
        gpu_us=9_800.0,
        wall_us=61_000.0,
        notes=notes,
    )


class FakeBencher:
    """``requests`` has what was asked for, in order. Any thread may call, as with the real one."""

    def __init__(
        self,
        script: Mapping[str, Scripted] | None = None,
        *,
        device: Device = Device.CUDA,
        resources: Sequence[ResourceReport] = (),
        gate: threading.Event | None = None,
    ) -> None:
        self.python = "python-of-the-test"
        self.script = dict(script or {})
        self.requests: list[BenchRequest] = []
        self.targets: list[str] = []
        self.is_closed = False
        self._device = device
        self._resources = tuple(resources)
        self._gate = gate
        self._cancelled = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def device(self) -> Device:
        return self._device

    def bench(
        self,
        request: BenchRequest,
        on_progress: Callable[[Progress], None] = lambda _: None,
        *,
        with_stock: bool = False,
    ) -> BenchResult:
        if self.is_closed:
            raise BenchCancelled("the benchmark was closed")
        self._cancelled.clear()
        self.requests.append(request)
        on_progress(Progress(Stage.STARTING))
        on_progress(Progress(Stage.LOADING, 1, len(request.kernels)))
        self._wait()
        scripted = self.script.get(request.multi_kernel_id)
        result = scripted(request) if callable(scripted) else scripted
        if isinstance(result, MkexplorerError):
            raise result
        if result is None:
            raise BenchError(f"{request.multi_kernel_id} is not in the script", "Put it there.")
        for done in (8, 24):
            samples = tuple(each.samples_us[:done] for each in result.sub_kernels)
            on_progress(Progress(Stage.RACING, done, 24, samples))
        return result

    def resources(self, kernels: Sequence[KernelUnderTest], target: str) -> tuple[ResourceReport, ...]:
        self.targets.append(target)
        return self._resources

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        self.is_closed = True
        self._cancelled.set()

    def _wait(self) -> None:
        while self._gate is not None and not self._gate.wait(0.01):
            if self._cancelled.is_set():
                raise BenchCancelled("the benchmark was cancelled")
