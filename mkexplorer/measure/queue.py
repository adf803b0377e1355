"""Measurements one at a time, in a thread of their own: in the order in which they were asked for, or preferred."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mkexplorer.catalog.errors import MkexplorerError

from .errors import BenchCancelled
from .model import BenchRequest, BenchResult, Progress


@dataclass(frozen=True, slots=True)
class Queued:
    multi_kernel_id: str


@dataclass(frozen=True, slots=True)
class Started:
    multi_kernel_id: str


@dataclass(frozen=True, slots=True)
class Progressed:
    multi_kernel_id: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class Finished:
    multi_kernel_id: str
    result: BenchResult


@dataclass(frozen=True, slots=True)
class Failed:
    multi_kernel_id: str
    error: MkexplorerError


@dataclass(frozen=True, slots=True)
class Cancelled:
    multi_kernel_id: str


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing runs or waits any more."""


BenchEvent = Queued | Started | Progressed | Finished | Failed | Cancelled | Idle


class Benches(Protocol):
    """What the queue needs of a `Bencher`."""

    def bench(self, request: BenchRequest, on_progress: Callable[[Progress], None]) -> BenchResult: ...

    def cancel(self) -> None: ...


@dataclass(eq=False, slots=True)
class _Job:
    multi_kernel_id: str
    make_request: Callable[[], BenchRequest]
    is_announced: bool = False
    is_cancelled: bool = False

    def is_for(self, multi_kernel_id: str) -> bool:
        return self.multi_kernel_id == multi_kernel_id and not self.is_cancelled


class BenchQueue:
    """Every multi-kernel waits or runs once at a time, and each that was `Queued` ends as exactly one of `Finished`,
    `Failed` and `Cancelled`.

    ``on_event`` must neither raise nor take long. `Queued`, and `Cancelled` of one that waits, come in the thread that
    submits or cancels, all else in the queue's own. After `close` there are no events.
    """

    def __init__(self, bencher: Benches, on_event: Callable[[BenchEvent], None]) -> None:
        self._bencher = bencher
        self._on_event = on_event
        self._changed = threading.Condition()
        self._waiting: dict[str, _Job] = {}
        self._running: _Job | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def waiting(self) -> tuple[str, ...]:
        """The multi-kernels that are to come, in their order."""
        with self._changed:
            return tuple(self._waiting)

    @property
    def running(self) -> str | None:
        with self._changed:
            return self._running.multi_kernel_id if self._running else None

    def submit(self, multi_kernel_id: str, make_request: Callable[[], BenchRequest]) -> None:
        """Lets a multi-kernel wait its turn, unless it waits or runs already. ``make_request`` may read files."""
        job = _Job(multi_kernel_id, make_request)
        with self._changed:
            is_running = self._running is not None and self._running.is_for(multi_kernel_id)
            if self._closed or is_running or multi_kernel_id in self._waiting:
                return
            self._waiting[multi_kernel_id] = job
        self._on_event(Queued(multi_kernel_id))
        with self._changed:
            job.is_announced = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="benchmarks", daemon=True)
                self._thread.start()
            self._changed.notify()

    def prefer(self, multi_kernel_ids: Sequence[str]) -> None:
        """Lets those of them that wait come before all others, in this order."""
        with self._changed:
            first = {each: self._waiting[each] for each in multi_kernel_ids if each in self._waiting}
            self._waiting = first | {each: job for each, job in self._waiting.items() if each not in first}
            self._changed.notify()

    def cancel(self, multi_kernel_id: str) -> None:
        self._cancel(lambda job: job.is_for(multi_kernel_id))

    def cancel_all(self) -> None:
        self._cancel(lambda _: True)

    def close(self) -> None:
        """Ends what runs, forgets what waits, and does not wait for either."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            running = self._running
            if running:
                running.is_cancelled = True
            self._changed.notify()
        if running:
            self._bencher.cancel()

    def _cancel(self, is_meant: Callable[[_Job], bool]) -> None:
        with self._changed:
            meant = [job for job in self._waiting.values() if is_meant(job)]
            self._waiting = {each: job for each, job in self._waiting.items() if not is_meant(job)}
            running = self._running if self._running and is_meant(self._running) else None
            if running:
                running.is_cancelled = True
            is_idle = bool(meant) and self._running is None and not self._waiting
        for job in meant:
            self._tell(Cancelled(job.multi_kernel_id))
        if is_idle:
            self._tell(Idle())
        if running:
            self._bencher.cancel()

    def _run(self) -> None:
        while job := self._next():
            self._tell(Started(job.multi_kernel_id))
            outcome = self._outcome(job)
            with self._changed:
                self._running = None
                is_idle = not self._waiting
            self._tell(outcome)
            if is_idle:
                self._tell(Idle())

    def _next(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_first_announced)
            if self._closed:
                return None
            self._running = self._waiting.pop(next(iter(self._waiting)))
            return self._running

    @property
    def _is_first_announced(self) -> bool:
        first = next(iter(self._waiting.values()), None)
        return first is not None and first.is_announced

    def _outcome(self, job: _Job) -> Finished | Failed | Cancelled:
        def progress(told: Progress) -> None:
            if job.is_cancelled:  # before the bencher knew of it
                self._bencher.cancel()
            self._tell(Progressed(job.multi_kernel_id, told))

        try:
            request = job.make_request()
            if job.is_cancelled:
                return Cancelled(job.multi_kernel_id)
            return Finished(job.multi_kernel_id, self._bencher.bench(request, progress))
        except BenchCancelled:
            return Cancelled(job.multi_kernel_id)
        except MkexplorerError as error:
            return Failed(job.multi_kernel_id, error)
        except Exception as error:  # one job's fault must not cost the others their turn
            return Failed(job.multi_kernel_id, MkexplorerError(f"{type(error).__name__}: {error}", "Report this."))

    def _tell(self, event: BenchEvent) -> None:
        if not self._closed:
            self._on_event(event)
