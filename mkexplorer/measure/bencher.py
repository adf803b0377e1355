"""Measures multi-kernels in the Python that holds the user's torch and triton, one after the other.

Kernels can do to their process whatever they like: a worker that crashes, hangs or has a broken CUDA context costs
its own job, with a reason, and the next job gets a new one. Calls block; any thread may end them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

from mkexplorer.client.environment import Purpose, compiled_folder, forget_old_compilations
from mkexplorer.client.identity import PROTOCOL, read_identity
from mkexplorer.client.worker import Worker, WorkerRefused
from mkexplorer.client.worker_process import WorkerFailed, python_path

from .errors import BenchCancelled, BenchError, BenchUnusable
from .model import BenchRequest, BenchResult, Device, KernelUnderTest, Progress, Stage
from .resources import ResourceReport, read_reports, target_of
from .wire import Listener, bench_job, kernel_record, read_result

# A cold import of torch from a network drive takes minutes.
_START_S = 300.0
# Somebody who kills workers may also hit one that is starting; one that never says hello is killed for a reason.
_MOST_KILLED_STARTS = 3
_PURPOSES = {Device.CUDA: Purpose.BENCH, Device.INTERPRETER: Purpose.INTERPRET}
_NAME_ANOTHER = "run with --python and the Python that has your torch"
_Read = TypeVar("_Read")


@dataclass(slots=True)
class _Call:
    """A call under way, and how far it has come."""

    doing: str = "starting"
    is_cancelled: bool = False


class Bencher:
    """Starts nothing before the first call. ``device`` None means the GPU if torch has one, else the interpreter."""

    def __init__(
        self,
        python: str | None = None,
        *,
        device: Device | None = None,
        timeout_s: float = 120.0,
        memory_limit_bytes: int | None = None,
        start_s: float = _START_S,
    ) -> None:
        """``python`` is a path or a name on PATH, by default the running interpreter.

        ``timeout_s`` is for each job from its request to its answer; starts of workers are not counted.
        ``memory_limit_bytes`` is what a job may take of the device, None for what is free there.
        """
        self.python = python_path(python)
        self._wanted = device
        self._device: Device | None = None
        self._why_no_gpu = ""
        self._timeout_s = timeout_s
        self._memory_limit_bytes = memory_limit_bytes
        self._calls = threading.Lock()
        self._state = threading.Lock()
        self._call: _Call | None = None
        self._closed = False
        self._workers = {
            purpose: Worker(self.python, purpose, start_s=start_s, may_start=self._may_start)
            for purpose in (Purpose.BENCH, Purpose.INTERPRET, Purpose.COMPILE)
        }
        self._has_started = False
        self._killed_starts = 0
        self._unusable: BenchUnusable | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether a worker is there, so that the next call need not start one."""
        return any(worker.is_running for worker in self._workers.values())

    def device(self) -> Device:
        """Where the kernels will run; may start a worker to know. Raises `BenchError`, `BenchCancelled`."""
        with self._calling() as call:
            return self._find_device(call)

    def bench(
        self,
        request: BenchRequest,
        on_progress: Callable[[Progress], None] = lambda _: None,
        *,
        with_stock: bool = False,
    ) -> BenchResult:
        """Runs code of the place. ``on_progress`` is called in this thread, and what it raises ends the job.

        Raises `BenchError`, and `BenchCancelled`.
        """
        listener = Listener(len(request.kernels))
        with self._calling() as call:

            def hear(told: dict[str, Any]) -> None:
                progress = _checked(lambda: listener.hear(told))
                call.doing = progress.stage.value
                on_progress(progress)

            on_progress(Progress(Stage.STARTING))
            device = self._find_device(call)
            job = bench_job(request, device, with_stock=with_stock)
            job |= {"job": "bench", "memory_limit_bytes": self._memory_limit_bytes}
            answer = self._ask(call, _PURPOSES[device], job, hear)
            when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            result = _checked(lambda: read_result(answer, request, device, when))
        return replace(result, notes=(*result.notes, self._why_no_gpu)) if self._why_no_gpu else result

    def resources(self, kernels: Sequence[KernelUnderTest], target: str) -> tuple[ResourceReport, ...]:
        """What the kernels take of a ``target`` ('sm_90', 'gfx942'), which need not be here. Raises as `bench`."""
        records = [kernel_record(each) for each in kernels]
        job = {"job": "resources", "target": target_of(target), "sub_kernels": records}
        with self._calling() as call:
            answer = self._ask(call, Purpose.COMPILE, job, lambda _: None)
            return _checked(lambda: read_reports(answer, len(kernels)))

    def cancel(self) -> None:
        """Ends the call under way, if there is one: it raises `BenchCancelled`. Any thread may, and need not wait."""
        with self._state:
            call = self._call
            if call:
                call.is_cancelled = True
        if call:
            for worker in self._workers.values():
                worker.kill()

    def close(self) -> None:
        """Kills the workers and all that they started; calls, also later ones, raise `BenchCancelled`."""
        with self._state:
            self._closed = True
            if self._call:
                self._call.is_cancelled = True
        for worker in self._workers.values():
            worker.end()

    @contextmanager
    def _calling(self) -> Iterator[_Call]:
        """One call at a time; cancelled, it raises `BenchCancelled` however it went."""
        with self._calls:
            call = _Call()
            with self._state:
                if self._closed:
                    raise BenchCancelled("the benchmark was closed")
                self._call = call
            try:
                if self._unusable:
                    raise self._unusable
                yield call
            except BenchError:
                if not call.is_cancelled:
                    raise
            finally:
                with self._state:
                    self._call = None
            if call.is_cancelled:
                raise BenchCancelled("the benchmark was cancelled")

    def _find_device(self, call: _Call) -> Device:
        if self._device is None:
            is_open = self._wanted is not Device.INTERPRETER
            self._device = self._gpu_or_interpreter(call) if is_open else Device.INTERPRETER
        return self._device

    def _gpu_or_interpreter(self, call: _Call) -> Device:
        found = self._start(call, Purpose.BENCH).get("cuda")
        if found is True:
            return Device.CUDA
        self._workers[Purpose.BENCH].end()
        if self._wanted is Device.CUDA:
            reason = f": {found}" if found else ""
            advice = "run where there is one, or without asking for one"
            self._unusable = BenchUnusable(f"torch in {self.python} has no GPU{reason}", advice)
            raise self._unusable
        if found:
            self._why_no_gpu = f"there is a GPU, but torch cannot use it: {found}"
        return Device.INTERPRETER

    def _ask(
        self, call: _Call, purpose: Purpose, job: Mapping[str, object], on_progress: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        hello = self._start(call, purpose)
        if purpose is Purpose.BENCH and hello.get("cuda") is not True:
            self._workers[purpose].end()
            raise BenchError(f"torch in {self.python} has lost the GPU: {hello.get('cuda') or 'it sees none'}")
        call.doing = Stage.LOADING.value
        try:
            return self._workers[purpose].ask(job, self._timeout_s, on_progress)
        except WorkerFailed as failure:
            advice = "somebody killed it, or memory ran out" if failure.is_killed else ""
            raise BenchError(f"the worker {failure.how} while {call.doing}{failure.said}", advice) from None
        except WorkerRefused as refusal:
            raise BenchError(str(refusal)) from None

    def _start(self, call: _Call, purpose: Purpose) -> dict[str, Any]:
        """What the worker says of itself, started if need be."""
        is_killed, problem = False, ""
        try:
            hello = self._workers[purpose].start()
            problem = _problem_of(hello)
        except WorkerFailed as failure:
            is_killed, problem = failure.is_killed, f" {failure}"
        except WorkerRefused as refusal:
            problem = f": {refusal}"
        if problem:
            raise self._not_started(call, purpose, f"{self.python}{problem}", is_killed)
        if not self._has_started:
            threading.Thread(target=forget_old_compilations, args=(compiled_folder(),), daemon=True).start()
        self._has_started = True
        return hello

    def _not_started(self, call: _Call, purpose: Purpose, message: str, is_killed: bool) -> BenchError:
        self._workers[purpose].end()
        self._killed_starts += is_killed
        if call.is_cancelled or self._has_started or 0 < self._killed_starts < _MOST_KILLED_STARTS:
            return BenchError(message)
        self._unusable = BenchUnusable(message, _NAME_ANOTHER)
        return self._unusable

    def _may_start(self) -> bool:
        with self._state:
            return self._call is not None and not self._call.is_cancelled


def _problem_of(hello: Mapping[str, Any]) -> str:
    """Why an interpreter cannot be used, as what follows its path; '' where it can."""
    if hello.get("protocol") != PROTOCOL:
        return ": its worker is of another version; install mkexplorer again"
    try:
        missing = read_identity(hello).missing
    except (KeyError, TypeError, ValueError) as error:
        return f": its worker tells nonsense of itself: {error}"
    return f": {missing}" if missing else ""


def _checked(read: Callable[[], _Read]) -> _Read:
    """What was read out of a worker's answer. Raises `BenchError` where it cannot have been one."""
    try:
        return read()
    except (TypeError, ValueError) as error:
        raise BenchError(f"the worker answered what cannot be: {error}", "install mkexplorer again") from error
