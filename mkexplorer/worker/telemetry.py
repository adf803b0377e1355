"""What NVIDIA's own library tells of the GPU that is measured on: clock, why it is throttled, and who else is there.

The library counts all GPUs of the machine, whichever CUDA shows to this process, so the device is found by its UUID or
its place on the bus, never by its number. Without the library (another maker's GPU) nothing is known.
"""

from __future__ import annotations

import ctypes
import os
import time
from typing import Any, NamedTuple

_LIBRARY = "libnvidia-ml.so.1"
_OK = 0
_TEXT = 96
_SM_CLOCK = 1
_THROTTLING = {
    0x2: "clocks set by an application",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "clocks in step with another GPU",
    0x20: "temperature",
    0x40: "temperature (hardware)",
    0x80: "power brake (hardware)",
    0x100: "clocks set for a display",
}
_MOST_PROCESSES = 256
_MOST_SAMPLES = 1024
_RECENT_US = 1_000_000
# The GPU's own figure is a mean over up to a second, in which this process may have worked itself.
_OWN_WORK_S = 1.5
_BUSY_PERCENT = 10
_DISTURBED_SHARE = 0.1
_FEWEST_DISTURBED = 3


class _Process(ctypes.Structure):
    _fields_ = [
        ("pid", ctypes.c_uint),
        ("memory", ctypes.c_ulonglong),
        ("instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    ]


class _Sample(ctypes.Structure):
    _fields_ = [
        ("pid", ctypes.c_uint),
        ("time_us", ctypes.c_ulonglong),
        ("sm_percent", ctypes.c_uint),
        ("memory_percent", ctypes.c_uint),
        ("encoder_percent", ctypes.c_uint),
        ("decoder_percent", ctypes.c_uint),
    ]


class _Rates(ctypes.Structure):
    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class Company(NamedTuple):
    """Who else is on the GPU: processes that could compute, how many of them did, and how busy it was without us."""

    processes: int = 0
    busy: int = 0
    percent: int | None = None


class Gpu:
    """One GPU as the library sees it. Nothing here raises: what cannot be read is None or empty."""

    def __init__(self, library: Any, handle: Any) -> None:
        self._library = library
        self._handle = handle
        self._worked_s = float("-inf")

    @classmethod
    def find(cls, uuid: str | None, bus: str | None, library: Any = None) -> Gpu | None:
        """``uuid`` without its kind in front, ``bus`` as '00000000:3B:00.0'; None if the library knows neither."""
        try:
            library = library or ctypes.CDLL(_LIBRARY)
        except OSError:
            return None
        gpu = cls(library, ctypes.c_void_p())
        if not gpu._ask("nvmlInit_v2"):
            return None
        names = [f"{kind}-{uuid}".encode() for kind in ("GPU", "MIG") if uuid]
        is_found = any(gpu._ask("nvmlDeviceGetHandleByUUID", name, ctypes.byref(gpu._handle)) for name in names)
        if not is_found and bus:
            is_found = gpu._ask("nvmlDeviceGetHandleByPciBusId_v2", bus.encode(), ctypes.byref(gpu._handle))
        return gpu if is_found else None

    def _ask(self, function: str, *arguments: Any) -> bool:
        """Whether there is such a function in this library, and it succeeded."""
        found = getattr(self._library, function, None)
        return found is not None and found(*arguments) == _OK

    def driver(self) -> str | None:
        text = ctypes.create_string_buffer(_TEXT)
        is_known = self._ask("nvmlSystemGetDriverVersion", text, _TEXT)
        return text.value.decode("utf-8", "replace") if is_known else None

    def sm_clock_mhz(self) -> float | None:
        clock = ctypes.c_uint()
        is_known = self._ask("nvmlDeviceGetClockInfo", self._handle, _SM_CLOCK, ctypes.byref(clock))
        return float(clock.value) if is_known else None

    def throttled(self) -> list[str]:
        """Why the clock is lower than it could be just now; that there is nothing to do is no reason."""
        reasons = ctypes.c_ulonglong()
        if not self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", self._handle, ctypes.byref(reasons)):
            return []
        return [name for bit, name in _THROTTLING.items() if reasons.value & bit]

    def has_worked(self) -> None:
        """To be called when this process has used the GPU."""
        self._worked_s = time.monotonic()

    def company(self) -> Company:
        pids = self._processes()
        busy = self._busy_processes()
        # Whoever has ended since disturbs nobody; a worker often follows another one.
        busy = busy & pids if pids else busy
        own = os.getpid()
        # In a container processes have other numbers than out there, but this one is among them.
        is_known = own in pids | busy
        others, busy_others = (len(found - {own}) if is_known else max(0, len(found) - 1) for found in (pids, busy))
        is_idle = time.monotonic() - self._worked_s > _OWN_WORK_S
        return Company(max(others, busy_others), busy_others, self._percent() if is_idle else None)

    def _processes(self) -> set[int]:
        found = (_Process * _MOST_PROCESSES)()
        count = ctypes.c_uint(_MOST_PROCESSES)
        for name in ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2"):
            if self._ask(name, self._handle, ctypes.byref(count), found):
                return {each.pid for each in found[: count.value]}
        return set()

    def _busy_processes(self) -> set[int]:
        samples = (_Sample * _MOST_SAMPLES)()
        count = ctypes.c_uint(_MOST_SAMPLES)
        since = ctypes.c_ulonglong(int(time.time() * 1e6) - _RECENT_US)
        if not self._ask("nvmlDeviceGetProcessUtilization", self._handle, samples, ctypes.byref(count), since):
            return set()
        return {each.pid for each in samples[: count.value] if each.sm_percent}

    def _percent(self) -> int | None:
        rates = _Rates()
        return int(rates.gpu) if self._ask("nvmlDeviceGetUtilizationRates", self._handle, ctypes.byref(rates)) else None


def contention(company: Company, disturbed: int, launches: int) -> str:
    """By what a measurement was disturbed, '' if by nothing.

    That somebody idle holds memory disturbs nothing, and whoever kept the GPU busy before may have ended since.
    """
    reasons = []
    if company.busy:
        reasons.append(f"{_count(company.busy, 'other process', 'other processes')} computing on this GPU")
    elif disturbed and company.percent is not None and company.percent >= _BUSY_PERCENT:
        reasons.append(f"this GPU was {company.percent}% busy before")
    if disturbed >= max(_FEWEST_DISTURBED, _DISTURBED_SHARE * launches):
        reasons.append(f"{disturbed} of {launches} launches were disturbed")
    return "; ".join(reasons)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
