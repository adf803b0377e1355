"""A measurement as the worker's protocol has it; what comes back is checked as if anybody had written it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mkexplorer.catalog.model import Argument, TensorArgument
from mkexplorer.catalog.plain import may, need

from .model import ArgumentSource, BenchRequest, BenchResult, Device, KernelUnderTest, Progress, Stage, SubKernelResult
from .records import MOST_SAMPLES, count, duration_us, environment, read_judgement, samples, sub_kernel_results, texts
from .verdict import Judgement, regret

_MADE = {"get_args": ArgumentSource.GET_ARGS, "estimated": ArgumentSource.ESTIMATED}


def bench_job(request: BenchRequest, device: Device, *, with_stock: bool) -> dict[str, object]:
    return {
        "device": device.value,
        "sub_kernels": [kernel_record(each) | {"takes": list(each.takes)} for each in request.kernels],
        "arguments": None if request.arguments is None else [_argument_record(each) for each in request.arguments],
        "picked": request.picked,
        "with_stock": with_stock,
    }


def kernel_record(kernel: KernelUnderTest) -> dict[str, object]:
    return {
        "key": kernel.key,
        "name": kernel.name,
        "text": kernel.text,
        "best_configs": dict(kernel.best_configs),
        "configuration": None if kernel.configuration is None else dict(kernel.configuration),
    }


@dataclass(slots=True)
class Listener:
    """Turns what a worker tells of its progress into `Progress`, with all samples so far."""

    sub_kernel_count: int
    samples_us: list[tuple[float, ...]] = field(default_factory=list)

    def hear(self, told: Mapping[str, object]) -> Progress:
        """Raises `TypeError` or `ValueError` where it is none."""
        new = may(told, "times_us", list)
        if new is not None:
            self._add([samples(each) for each in new])
        done, total = (count(told, key) or 0 for key in ("done", "total"))
        return Progress(Stage(need(told, "stage", str)), done, total, tuple(self.samples_us))

    def _add(self, new: list[tuple[float, ...]]) -> None:
        before = self.samples_us or [()] * self.sub_kernel_count
        if len(new) != self.sub_kernel_count or sum(map(len, before)) > MOST_SAMPLES:
            raise ValueError("'times_us' has too much or too little")
        self.samples_us = [old + more for old, more in zip(before, new, strict=True)]


def read_result(answer: Mapping[str, object], request: BenchRequest, device: Device, when: str) -> BenchResult:
    """Raises `TypeError` or `ValueError` where the answer cannot be one to ``request``."""
    sub_kernels = sub_kernel_results(answer)
    if len(sub_kernels) != len(request.kernels):
        raise ValueError(f"{len(sub_kernels)} results for {len(request.kernels)} sub-kernels")
    if need(answer, "device", str) != device:
        raise ValueError("it ran on another device")
    judgement, doubts = _judgement(may(answer, "ruling", dict), sub_kernels, request.picked, device)
    return BenchResult(
        multi_kernel_id=request.multi_kernel_id,
        when=when,
        device=device,
        sub_kernels=sub_kernels,
        judgement=judgement,
        source=_source(need(answer, "arguments", str), request.source),
        bytes_moved=count(answer, "bytes_moved"),
        environment=environment(need(answer, "environment", dict)),
        rounds=count(answer, "rounds") or 0,
        gpu_us=duration_us(answer, "gpu_us"),
        wall_us=duration_us(answer, "wall_us"),
        notes=(*request.notes, *texts(answer, "notes"), *doubts),
    )


def _source(told: str, asked: ArgumentSource) -> ArgumentSource:
    if told != "given" and told not in _MADE:
        raise ValueError(f"no arguments are {told!r}")
    return _MADE.get(told, asked)


def _judgement(
    ruling: Mapping[str, object] | None, sub_kernels: tuple[SubKernelResult, ...], picked: int | None, device: Device
) -> tuple[Judgement | None, tuple[str, ...]]:
    """What the ruling says of the pick; no verdict for one whose outputs are wrong, or on times that are no GPU's."""
    if ruling is None or device is not Device.CUDA:
        return None, ()
    told = read_judgement(ruling, sub_kernels)
    if sub_kernels[told.best].agrees is False:
        return None, (f"sub-kernel {told.best} is the fastest, but its outputs differ, so there is no verdict",)
    cost = regret([each.cold for each in sub_kernels], told.best, picked)
    return Judgement(told.verdict, told.best, told.rival, told.ratio, told.low, told.high, cost), ()


def _argument_record(argument: Argument) -> dict[str, object]:
    if isinstance(argument, TensorArgument):
        assert argument.dtype
        assert argument.shape is not None
        assert argument.stride is not None
        return {
            "kind": "tensor",
            "name": argument.name,
            "dtype": argument.dtype.removeprefix("torch."),
            "shape": list(argument.shape),
            "stride": list(argument.stride),
            "offset": argument.offset,
        }
    return {"kind": "number", "name": argument.name, "value": argument.value}
