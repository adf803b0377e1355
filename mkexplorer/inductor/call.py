"""What stands where Inductor looks up the class of its timed multi-kernels."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch._inductor.config as inductor_config
from torch._inductor.codegen import multi_kernel as stock
from torch._inductor.codegen.multi_kernel import MultiKernelCall as StockCall

from mkexplorer.multikernel.choosing import is_out_of_memory

from . import gpu, measuring, ranks, session
from .as_torch_tells import log_choice, metrics_row
from .generating import LAZY
from .pick_file import CallPick, Found
from .session import How
from .settings import Measure, settings
from .straight import BoundByShape, Shape, bound

log = logging.getLogger("mkexplorer.inductor")

_DETERMINISTIC = "TORCHINDUCTOR_DETERMINISTIC"
_TABLE = "persistent_red_perf"
_MOST_SHAPES = 16
_NEAR_FRAMES = 8
# What whoever imported torch's class before may replace in it, as torch's own tests do.
_STOCK_METHODS = {name: getattr(StockCall, name) for name in ("run", "benchmark_sub_kernels")}


class MultiKernelCall(StockCall):  # type: ignore[misc]  # mypy does not follow torch
    """Torch's class with other measurements, and with nothing between a call and the launcher after the choice.

    Setting ``picked_kernel`` makes the next call go by it, whatever was chosen before.
    """

    def __init__(self, multi_kernel_name: str, kernels: Any, *arguments: Any, **keywords: Any) -> None:
        self._lock = threading.Lock()
        self._recorded = False
        self._how: How | None = None
        self._old: int | None = None
        self._note = ""
        self._measurement: measuring.Measurement | None = None
        self._failure = ""
        self._stock_index: int | None = None
        self._captured_as: How | None = None
        self._shapes_told: Counter[How] = Counter()
        self._by_shape = BoundByShape(self)
        self._place = _place_of(sys._getframe(1), multi_kernel_name)
        super().__init__(multi_kernel_name, kernels, *arguments, **keywords)
        if self.picked_kernel is not None and self._how is None:
            self._how = How.FORCED

    @property
    def picked_kernel(self) -> int | None:
        return self._picked

    @picked_kernel.setter
    def picked_kernel(self, index: int | None) -> None:
        self._picked = index
        self.__dict__.pop("run", None)

    @property
    def kernels(self) -> list[Any]:
        """As torch's; those that come out of a graph's cache get the lock back that pickling took from them.

        Without it ``cache_key`` of triton 3.5 and later fails, and with it every warm start of torch 2.9 and later.
        """
        kernels: list[Any] = super().kernels
        for kernel in kernels:
            if getattr(getattr(kernel, "fn", None), "_hash_lock", self) is None:
                kernel.restore_after_unpickle(None)
        return kernels

    def load_cache(self) -> None:
        assert self.picked_kernel is None
        pick, found = None, Found()
        with session.told("the pick cannot be read"):  # in Triton's interpreter there is none: its kernels have no key
            pick = self._pick
            found = pick.find(gpu.machine(self._device))
        if pick is None or found.index is None:
            self._note = "its pick file was not valid" if found.is_invalid else ""
            return
        if self._is_to_be_measured(found.is_pinned, found.doubt):
            self._old, self._note = found.index, found.doubt
            return
        self.picked_kernel, self._how = found.index, How.PINNED if found.is_pinned else How.LOADED
        stock.log.debug("Load picked kernel %d from cache file %s", found.index, pick.path)

    def store_cache(self) -> None:
        """Beside what torch writes, the evidence is entered."""
        assert self.picked_kernel is not None
        measurement = self._measurement
        measured = measurement.measured if measurement is not None else None
        why = "; ".join(filter(None, (self._note, measurement.choice.why if measurement is not None else "")))
        if self._pick.keep(self.picked_kernel, gpu.machine(self._device), measured, why):
            stock.log.debug("Store picked kernel %d to cache file %s", self.picked_kernel, self._pick.path)

    @staticmethod
    def lookup_choice(multi_kernel_name: str) -> str:
        """Asked while a C++ wrapper is written. Torch's own has no more to say than AssertionError."""
        if multi_kernel_name not in stock.V.graph.multi_kernel_to_choice:
            raise RuntimeError(LAZY)
        return str(StockCall.lookup_choice(multi_kernel_name))

    def benchmark_sub_kernels(self, *arguments: Any, **keywords: Any) -> list[float]:
        """The medians in milliseconds, by a race where there is a stopwatch for the device; may be replaced."""
        if _is_replaced("benchmark_sub_kernels") or not measuring.can_race(self.kernels):
            timings: list[float] = super().benchmark_sub_kernels(*arguments, **keywords)
            return timings
        self._measurement = measuring.measure(self._trial(arguments, keywords), self._old)
        return self._measurement.medians_ms

    def run(self, *arguments: Any, **keywords: Any) -> Any:
        """The first call, which chooses; then the name stands for the chosen sub-kernel's launcher."""
        if _is_replaced("run"):
            return super().run(*arguments, **keywords)
        if gpu.is_capturing():
            return self._run_captured(arguments, keywords)
        if self._measures_shapes:
            return self._run_by_shape(arguments, keywords)
        with self._lock:
            if not self._recorded or self.picked_kernel is None:
                self._settle(arguments, keywords)
            index = self._picked
        assert index is not None
        self._launch(index, arguments, keywords)
        self._shorten(index, arguments, keywords)
        return None

    def _settle(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """Everything that happens once."""
        if self.picked_kernel is None:
            self._choose(arguments, keywords)
        assert self._picked is not None
        if self._how not in (None, How.FORCED):
            self._agree(self._picked)
        if self._how is How.MEASURED:
            self._keep()
        self._record(self._picked)
        how = self._how or How.FORCED
        if how is not self._captured_as:
            self._note_choice(self._picked, how)

    def _choose(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        if self._is_deterministic:
            self.picked_kernel, self._how = 0, How.DETERMINISTIC
            return
        timings = self._timings(arguments, keywords) if self._may_measure else None
        if timings is None:
            self.picked_kernel, self._how = self._old or 0, How.FIRST
            return
        measurement = self._measurement
        index = timings.index(min(timings)) if measurement is None else measurement.choice.index
        self.picked_kernel, self._how = index, How.MEASURED
        log_choice(self.kernels, index, timings)
        if settings.report and measurement is not None:
            with session.told("torch's own rule cannot be asked"):
                theirs = StockCall.benchmark_sub_kernels(self, *arguments, **keywords)
                self._stock_index = theirs.index(min(theirs))
        with session.told("no row for the metrics table"):
            stock.get_metric_table(_TABLE).add_row(lambda: self._metrics_table_row(timings))

    def _keep(self) -> None:
        """As the pick, unless there is doubt."""
        doubt = self._measurement.choice.doubt if self._measurement is not None else self._failure
        if doubt:
            log.info("%s: sub-kernel %d is used and not kept: %s", self.multi_kernel_name, self._picked, doubt)
        elif not self.disable_cache:
            with session.told("the choice is not kept"):
                self.store_cache()

    def _timings(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> list[float] | None:
        """Of the race, or else of torch's own benchmark, and why it failed; None where neither can be.

        What is the kernels' own fault fails again when the first of them is called.
        """
        failed = f"{self.multi_kernel_name}: not measured"
        self._failure, self._measurement = "", None
        try:
            return self.benchmark_sub_kernels(*arguments, **keywords)
        except Exception as error:
            log.warning("%s: %s: %s", failed, type(error).__name__, error)
            first_line = str(error).partition("\n")[0]
            self._failure = f"the race failed: {type(error).__name__}: {first_line}"
            if is_out_of_memory(error):
                return None
        try:
            timings: list[float] = StockCall.benchmark_sub_kernels(self, *arguments, **keywords)
            return timings
        except Exception as error:
            log.warning("%s by torch's own rule either: %s: %s", failed, type(error).__name__, error)
            return None

    def _agree(self, index: int) -> None:
        told = index
        with session.told("the ranks cannot be asked"):
            told = ranks.agreed(self._pick.key, index, len(self.kernels))
        if told == index:
            return
        self._note = f"another rank chose {told} before this one chose {index}"
        log.info("%s: %s", self.multi_kernel_name, self._note)
        if self._how is not How.PINNED:
            self.picked_kernel, self._how = told, How.AGREED

    def _run_captured(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """Neither measures nor tunes, which would end the capture."""
        if self.picked_kernel is None:
            session.tell_once(
                f"{self.multi_kernel_name}: first called while a CUDA graph is captured, where nothing is measured; "
                f"this graph has sub-kernel {self._old or 0}; call it before the capture to have it chosen"
            )
        index = self.picked_kernel if self.picked_kernel is not None else self._old or 0
        if not self._recorded and self._captured_as is None:
            self._captured_as = How.FIRST if self.picked_kernel is None else self._how or How.FORCED
            self._note_choice(index, self._captured_as, "first called while a CUDA graph was captured")
        kernel = self.kernels[index]
        run = kernel.launchers[0] if len(kernel.launchers) > 1 else kernel.run
        run(*self._get_filtered_args(arguments, index), **keywords)

    def _run_by_shape(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """Where each shape has a choice of its own, which torch keeps in memory."""
        key = self._get_shape_cache_key(*arguments, **keywords)
        with self._lock:
            index = self._get_cached_shape_choice(key)
            if index is None:
                self._choose_by_shape(key, arguments, keywords)
                index = self._get_cached_shape_choice(key)
            self._picked = index
            self._record(index)
        self._launch(index, arguments, keywords)
        self._shorten_by_shape(key, index, arguments, keywords)

    def _choose_by_shape(self, key: Shape, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        if not self._measures_shapes:
            self._select_kernel_by_shape(*arguments, **keywords)
            return
        timings = self._timings(arguments, keywords) if self._may_measure else None
        index = timings.index(min(timings)) if timings is not None else 0
        self._cache_shape_choice(key, index)
        self._note_shape(key, index, How.FIRST if timings is None else How.MEASURED)

    def _launch(self, index: int, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        self.kernels[index].run(*self._get_filtered_args(arguments, index), **keywords)

    def _shorten(self, index: int, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """From now on calls go to the launcher; not while C++ code is generated, which calls each kernel once."""
        if _is_for_cpp() or self._picked != index:
            return
        with session.told("calls are not shortened"):
            run = bound(self.kernels[index], self._takes(index, len(arguments)), len(arguments), keywords)
            if run is not None:
                self.run = run  # type: ignore[method-assign]  # that is the point

    def _shorten_by_shape(self, key: Shape, index: int, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        if _is_for_cpp():
            return
        with session.told("calls are not shortened"):
            takes = self._takes(index, len(arguments))
            run = self._by_shape.bound(key, index, takes, arguments, keywords)
            if run is not None:
                self.run = run  # type: ignore[method-assign]  # as above

    def _record(self, index: int) -> None:
        if self._recorded:
            return
        self._recorded = True
        name = self.kernels[index].inductor_meta.get("kernel_name")
        assert name is not None
        self.record_choice(self.multi_kernel_name, name)

    def _note_shape(self, shape: Shape, index: int, how: How) -> None:
        """Of a multi-kernel with ever new shapes the first ones are told."""
        self._shapes_told[how] += 1
        if self._shapes_told[how] <= _MOST_SHAPES:
            is_last = self._shapes_told[how] == _MOST_SHAPES
            text = ", ".join("×".join(map(str, each)) for each in shape)
            self._note_choice(index, how, f"for {text}{'; later shapes are not told' if is_last else ''}")

    def _note_choice(self, index: int, how: How, remark: str = "") -> None:
        names = tuple(str(kernel.inductor_meta.get("kernel_name")) for kernel in self.kernels)
        with session.told("the choice is not in the summary"):
            remark = "; ".join(filter(None, (remark, self._note, self._failure)))
            decision = session.Decision(self.multi_kernel_name, names, index, how, remark)
            session.note(decision.resting_on(self._measurement, self._stock_index))

    def _trial(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> measuring.Trial:
        takes = [self._takes(index, len(arguments)) for index in range(len(self.kernels))]
        return measuring.Trial(self.kernels, takes, arguments, keywords)

    def _takes(self, index: int, count: int) -> tuple[int, ...]:
        return tuple(self._get_filtered_args(tuple(range(count)), index))

    def _is_to_be_measured(self, is_pinned: bool, doubt: str) -> bool:
        if is_pinned or not self._may_measure:
            return False
        return settings.measure is Measure.ALWAYS or bool(doubt)

    @property
    def _may_measure(self) -> bool:
        return settings.measure is not Measure.NEVER and not self._is_deterministic

    @property
    def _is_deterministic(self) -> bool:
        """Whether the program, its environment, or whoever had this compiled wants nothing to rest on times.

        Torch's setting alone does not tell: after each compilation torch sets it to what
        ``torch.use_deterministic_algorithms`` was told, whatever the environment or the program had made of it.
        """
        return bool(
            getattr(inductor_config, "deterministic", False)
            or os.environ.get(_DETERMINISTIC) == "1"
            or self.kernels[0].inductor_meta.get("deterministic")
        )

    @property
    def _measures_shapes(self) -> bool:
        """Torch 2.9 measures templates for each shape; later releases have a class of their own for them."""
        return bool(getattr(self, "_shape_specialize", False))

    @property
    def _device(self) -> int:
        return int(self.kernels[0].device_props.index or 0)

    @property
    def _pick(self) -> CallPick:
        return CallPick(Path(self.cache_file_path()), len(self._kernels), self._place)

    def _metrics_table_row(self, timings: Sequence[float]) -> dict[str, str | float | None]:
        return metrics_row(self.kernels, timings)


def _is_replaced(method: str) -> bool:
    return getattr(StockCall, method) is not _STOCK_METHODS[method]


def _is_for_cpp() -> bool:
    return bool(getattr(stock.V.graph, "cpp_wrapper", False))


def _place_of(frame: FrameType | None, name: str) -> str:
    """'<key of the wrapper>/<name>' for whoever defines it; '' where that is no file, as while C++ is generated."""
    for _ in range(_NEAR_FRAMES):
        if frame is None:
            break
        if frame.f_code.co_name == "<module>":
            file = frame.f_globals.get("__file__")
            return f"{Path(file).stem}/{name}" if isinstance(file, str) else ""
        frame = frame.f_back
    return ""
