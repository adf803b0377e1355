"""The GPU that this process measures on: its memory, its stopwatch, and whether it still works."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from mkexplorer.race.racing import Stopwatch

from . import telemetry
from .failures import JobFailed

# In torch 2.6 and before the caller computes the grid of a launch.
_OLDEST_TORCH = (2, 7)


@lru_cache(maxsize=None)
def the_gpu() -> CudaGpu:
    """Torch's current device; one for the life of the process. Raises `JobFailed` where none can be measured on."""
    import torch

    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < _OLDEST_TORCH:
        raise JobFailed(f"torch {torch.__version__} launches its kernels otherwise; measuring needs torch 2.7 or later")
    if not torch.cuda.is_available():
        raise JobFailed("torch finds no GPU here")
    torch.cuda.init()
    _give_scratch()
    return CudaGpu(torch.cuda.current_device())


def _give_scratch() -> None:
    """Kernels that need memory of their own ask triton for it, as torch arranges before each launch."""
    import torch
    import triton

    if hasattr(triton, "set_allocator"):
        triton.set_allocator(lambda size, align, stream: torch.empty(size, dtype=torch.int8, device="cuda"))


class CudaGpu:
    """Everything of CUDA that a measurement needs beside its kernels."""

    def __init__(self, index: int) -> None:
        import torch

        self.index = index
        self.device = torch.device("cuda", index)
        self._properties = torch.cuda.get_device_properties(index)
        self.monitor = telemetry.Gpu.find(_uuid(self._properties), _bus(self._properties))
        self._stopwatch: Any = None
        self._events: Any = None
        self._copy_gb_per_s: float | None = None
        self._get_stream = torch._C._cuda_getCurrentRawStream

    def stream(self) -> int:
        """The current stream, as launchers want it."""
        return int(self._get_stream(self.index))

    def synchronize(self) -> None:
        import torch

        torch.cuda.synchronize(self.index)

    def is_broken(self) -> bool:
        """After an illegal address, an assertion in a kernel and the like the context answers nothing any more."""
        try:
            self.synchronize()
        except Exception:
            return True
        return False

    def stopwatch(self) -> Stopwatch:
        from mkexplorer.race import cuda

        if self._stopwatch is None:
            self._stopwatch = cuda.stopwatch(self.index)
        found: Stopwatch = self._stopwatch
        return found

    @property
    def uses_profiler(self) -> bool:
        from mkexplorer.race import cuda

        return isinstance(self.stopwatch(), cuda.ProfilerStopwatch)

    def events(self) -> Stopwatch:
        """The stopwatch for a race of which the profiler misses something."""
        from mkexplorer.race import cuda

        if self._events is None:
            self._events = cuda.EventStopwatch(self.index)
        found: Stopwatch = self._events
        return found

    def copy_gb_per_s(self) -> float | None:
        """Measured once."""
        from mkexplorer.race import cuda

        if self._copy_gb_per_s is None:
            self._copy_gb_per_s = cuda.copy_gb_per_s(self.index)
        return self._copy_gb_per_s

    def limit_memory(self, limit_bytes: int | None) -> None:
        import torch

        share = 1.0 if limit_bytes is None else min(1.0, limit_bytes / self._properties.total_memory)
        torch.cuda.set_per_process_memory_fraction(share, self.index)

    def free_bytes(self) -> int:
        """What this process could still allocate, whatever its limit; torch keeps what it freed."""
        import torch

        kept = torch.cuda.memory_reserved(self.index) - torch.cuda.memory_allocated(self.index)
        return int(torch.cuda.mem_get_info(self.index)[0] + kept)

    def release(self) -> None:
        """Gives memory back to other processes."""
        import torch

        torch.cuda.empty_cache()
        if self.monitor:
            self.monitor.has_worked()

    def adopt(self, kernel: Any) -> str:
        """Makes a kernel that was written for some GPU compile for this one; what is to be said of that, or ''."""
        from torch._inductor.runtime.hints import DeviceProperties

        written = kernel.device_props
        if written.type not in ("cuda", "hip"):
            raise JobFailed(f"it was written for {written.type}")
        kernel.triton_meta["device"] = self.index
        own = DeviceProperties.create(self.device)
        if (written.type, written.cc) == (own.type, own.cc):
            return ""
        kernel.device_props = own
        kernel.triton_meta["device_type"] = own.type
        return f"written for a GPU of architecture {written.cc}, compiled for this one of {own.cc}"

    def environment(self) -> dict[str, Any]:
        import torch
        import triton

        return {
            "gpu": self._properties.name,
            "driver": self.monitor.driver() if self.monitor else None,
            "torch": str(torch.__version__),
            "triton": str(triton.__version__),
        }


def _uuid(properties: Any) -> str | None:
    found = getattr(properties, "uuid", None)
    return str(found) if found is not None else None


def _bus(properties: Any) -> str | None:
    parts = [getattr(properties, f"pci_{part}_id", None) for part in ("domain", "bus", "device")]
    if any(part is None for part in parts):
        return None
    domain, bus, device = parts
    return f"{domain:08X}:{bus:02X}:{device:02X}.0"
