"""What is asked of a measurement and what comes back, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mkexplorer.catalog.model import Argument, Resources, Timing
from mkexplorer.measure.verdict import Judgement


class Device(StrEnum):
    """Where sub-kernels run. Times of the interpreter are no GPU times and give no verdict."""

    CUDA = "cuda"
    INTERPRETER = "interpreter"


class ArgumentSource(StrEnum):
    """From where the arguments of a measurement come; in this order the first that is known is used."""

    RECORDED = "recorded"
    CALL = "the call in the wrapper"
    GET_ARGS = "the kernel's own get_args"
    ESTIMATED = "estimated from signature and size hints"


class Stage(StrEnum):
    """What a measurement is doing, in the order in which it does it."""

    STARTING = "starting"
    LOADING = "loading"
    TUNING = "tuning"
    CHECKING = "checking"
    RACING = "racing"
    HOT = "hot"


@dataclass(frozen=True, slots=True)
class KernelUnderTest:
    """One sub-kernel's file as torch loads it: its stem, the function in it, its text.

    ``best_configs`` are the ``.best_config`` files that may belong to it, content by base name. ``configuration``
    is the recorded winner among its own configurations, None where none is recorded. ``takes`` are indices into the
    request's arguments, in the order in which this sub-kernel takes them.
    """

    key: str
    name: str
    text: str
    best_configs: Mapping[str, str] = field(default_factory=dict)
    configuration: Mapping[str, int] | None = None
    takes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """``arguments`` has no symbols left in it; None where only the worker can find them."""

    multi_kernel_id: str
    kernels: tuple[KernelUnderTest, ...]
    arguments: tuple[Argument, ...] | None
    source: ArgumentSource
    picked: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total`` steps of ``stage``; ``samples_us`` are all cold samples so far, by sub-kernel."""

    stage: Stage
    done: int = 0
    total: int = 0
    samples_us: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class SubKernelResult:
    """``samples_us`` are the cold ones in the order of the rounds. ``agrees`` is None where it was not compared.

    ``stock_us`` is what torch's own benchmark read, where that was asked for. ``problem`` says why there is no time, or
    in what its outputs differ; '' where all is well.
    """

    cold: Timing | None
    hot: Timing | None
    samples_us: tuple[float, ...] = ()
    stock_us: float | None = None
    resources: Resources | None = None
    configuration: tuple[tuple[str, int], ...] = ()
    agrees: bool | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine during a measurement. ``contended`` says how somebody else was seen on the GPU; '' if nobody was."""

    gpu: str | None = None
    driver: str | None = None
    torch: str | None = None
    triton: str | None = None
    sm_clock_mhz: float | None = None
    throttled: tuple[str, ...] = ()
    contended: str = ""
    copy_gb_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class BenchResult:
    """One race. ``when`` is UTC, ISO 8601 with microseconds. ``bytes_moved`` counts what is read or written once.

    ``judgement`` is None where there is no verdict to give: times of the interpreter, or fewer than two of them.
    """

    multi_kernel_id: str
    when: str
    device: Device
    sub_kernels: tuple[SubKernelResult, ...]
    judgement: Judgement | None
    source: ArgumentSource
    bytes_moved: int | None
    environment: Environment
    rounds: int
    gpu_us: float
    wall_us: float
    notes: tuple[str, ...] = ()
