"""What NVIDIA's library tells of a GPU, with a library of the test's own."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import pytest

from mkexplorer.worker import telemetry
from mkexplorer.worker.telemetry import Company, Gpu, contention

OURS = os.getpid()
UUID = "11111111-2222-3333-4444-555555555555"


class Library:
    """Answers as the real one does: through pointers, with 0 for success."""

    def __init__(self, pids: tuple[int, ...] = (), busy: dict[int, int] | None = None, percent: int = 0) -> None:
        self.pids = pids
        self.busy = busy or {}
        self.percent = percent
        self.reasons = 0
        self.fails: set[str] = set()
        self.names = {f"GPU-{UUID}"}

    def _answer(self, name: str) -> int:
        return 999 if name in self.fails else 0

    def nvmlInit_v2(self) -> int:
        return self._answer("init")

    def nvmlDeviceGetHandleByUUID(self, name: bytes, handle: Any) -> int:
        return 0 if name.decode() in self.names else 6

    def nvmlDeviceGetHandleByPciBusId_v2(self, name: bytes, handle: Any) -> int:
        return 0 if name.decode() in self.names else 6

    def nvmlSystemGetDriverVersion(self, text: Any, length: int) -> int:
        text.value = b"580.12"
        return self._answer("driver")

    def nvmlDeviceGetClockInfo(self, handle: Any, kind: int, clock: Any) -> int:
        assert kind == 1
        clock._obj.value = 1980
        return self._answer("clock")

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: Any, reasons: Any) -> int:
        reasons._obj.value = self.reasons
        return self._answer("reasons")

    def nvmlDeviceGetComputeRunningProcesses_v3(self, handle: Any, count: Any, found: Any) -> int:
        for index, pid in enumerate(self.pids):
            found[index].pid = pid
        count._obj.value = len(self.pids)
        return self._answer("processes")

    def nvmlDeviceGetProcessUtilization(self, handle: Any, samples: Any, count: Any, since: Any) -> int:
        for index, (pid, percent) in enumerate(self.busy.items()):
            samples[index].pid, samples[index].sm_percent = pid, percent
        count._obj.value = len(self.busy)
        return self._answer("utilization") if self.busy else 6

    def nvmlDeviceGetUtilizationRates(self, handle: Any, rates: Any) -> int:
        rates._obj.gpu = self.percent
        return self._answer("rates")


def gpu(library: Library) -> Gpu:
    found = Gpu.find(UUID, None, library)
    assert found
    return found


class TestFind:
    def test_by_uuid_whatever_its_number(self) -> None:
        assert Gpu.find(UUID, None, Library())

    def test_a_slice_of_a_gpu_has_a_uuid_of_its_own(self) -> None:
        library = Library()
        library.names = {f"MIG-{UUID}"}
        assert Gpu.find(UUID, None, library)

    def test_by_its_place_on_the_bus(self) -> None:
        library = Library()
        library.names = {"00000000:3B:00.0"}
        assert Gpu.find(UUID, "00000000:3B:00.0", library)

    def test_never_by_guessing(self) -> None:
        assert Gpu.find("another", None, Library()) is None
        assert Gpu.find(None, None, Library()) is None

    def test_a_library_that_does_not_start_knows_nothing(self) -> None:
        library = Library()
        library.fails = {"init"}
        assert Gpu.find(UUID, None, library) is None

    def test_without_the_library_nothing_is_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(telemetry, "_LIBRARY", "libno-such-thing.so")
        assert Gpu.find(UUID, None) is None


class TestReadings:
    def test_clock_and_driver(self) -> None:
        assert gpu(Library()).sm_clock_mhz() == 1980.0
        assert gpu(Library()).driver() == "580.12"

    def test_reasons_are_words(self) -> None:
        library = Library()
        library.reasons = 0x1 | 0x4 | 0x20
        assert gpu(library).throttled() == ["power cap", "temperature"]

    def test_what_cannot_be_read_is_unknown(self) -> None:
        library = Library((OURS, 7), {7: 50}, 50)
        library.fails = {"driver", "clock", "reasons", "processes", "utilization", "rates"}
        found = gpu(library)
        assert (found.driver(), found.sm_clock_mhz(), found.throttled()) == (None, None, [])
        assert found.company() == Company()


class TestCompany:
    def test_ourselves_are_nobody_else(self) -> None:
        assert gpu(Library((OURS,), {OURS: 90})).company() == Company(0, 0, 0)

    def test_another_one_that_computes(self) -> None:
        assert gpu(Library((OURS, 7), {OURS: 40, 7: 50})).company() == Company(1, 1, 0)

    def test_another_one_that_only_holds_memory(self) -> None:
        assert gpu(Library((OURS, 7), {OURS: 40})).company() == Company(1, 0, 0)

    def test_in_a_container_we_are_among_the_processes_by_another_number(self) -> None:
        assert gpu(Library((4001,), {4001: 90})).company() == Company(0, 0, 0)
        assert gpu(Library((4001, 4002), {4001: 40, 4002: 50})).company() == Company(1, 1, 0)

    def test_one_that_computes_is_there_even_if_processes_are_not_told(self) -> None:
        assert gpu(Library((), {4001: 40, 4002: 50})).company() == Company(1, 1, 0)

    def test_who_has_ended_computes_no_more(self) -> None:
        assert gpu(Library((OURS,), {OURS: 40, 7: 50})).company() == Company(0, 0, 0)

    def test_how_busy_it_was_counts_only_if_we_did_nothing(self) -> None:
        found = gpu(Library(percent=80))
        assert found.company().percent == 80
        found.has_worked()
        assert found.company().percent is None


class TestContention:
    def test_nothing(self) -> None:
        assert contention(Company(), 0, 40) == ""
        assert contention(Company(processes=3), 0, 40) == ""
        assert contention(Company(percent=3), 2, 40) == ""
        assert contention(Company(percent=90), 0, 40) == ""

    def test_others_that_compute(self) -> None:
        assert contention(Company(2, 1, 90), 0, 40) == "1 other process computing on this GPU"

    def test_a_busy_gpu(self) -> None:
        assert contention(Company(0, 0, 90), 1, 40) == "this GPU was 90% busy before"

    def test_disturbed_launches(self) -> None:
        assert contention(Company(), 9, 40) == "9 of 40 launches were disturbed"


def test_structures_have_the_library_s_layout() -> None:
    assert ctypes.sizeof(telemetry._Process) == 24
    assert ctypes.sizeof(telemetry._Sample) == 32
