"""Measurements on behalf of the app: a queue in a thread of its own, what came of it kept beside the picks.

It only posts messages; the event loop never waits for a worker, nor for a file.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from textual.message import Message

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.model import Argument, MultiKernel
from mkexplorer.measure.bencher import Bencher
from mkexplorer.measure.errors import BenchUnusable
from mkexplorer.measure.model import BenchRequest
from mkexplorer.measure.queue import BenchEvent, BenchQueue, Failed, Finished, Progressed
from mkexplorer.measure.requests import bench_request
from mkexplorer.picks.changes import full_id
from mkexplorer.tui import bench_state, messages
from mkexplorer.tui.bench_outlook import outlook
from mkexplorer.tui.bench_state import BenchState
from mkexplorer.tui.picks import PickKeeper, unexpected
from mkexplorer.tui.pythons import Pythons

# A race tells of each of its rounds, which are a few hundred microseconds long.
PROGRESS_EVERY_S = 0.1
# A worker holds memory of the GPU, which belongs to whoever trains on it.
IDLE_S = 30.0


@dataclass
class BenchMoved(Message):
    """How the measurements stand now."""

    state: BenchState

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, BenchMoved)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A multi-kernel of ``catalog`` that is to be measured, and which of its sub-kernels is picked.

    ``recorded`` are the arguments that a program called it with.
    """

    catalog: Catalog
    multi_kernel: MultiKernel
    picked: int | None
    recorded: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class _Staff:
    """Who measures; hired for the first measurement, dismissed when there was none for a while."""

    queue: BenchQueue
    bencher: Bencher

    def dismiss(self) -> None:
        """Not while a lock is held that the event loop asks for: a worker on a GPU may take a second to die."""
        self.queue.close()
        self.bencher.close()


class _Later:
    """Progress that came too soon after other progress is still to be told."""


class BenchKeeper(threading.Thread):
    """`measure`, `measure_next` and `stop` return at once, `close` once the worker has ended.

    The thread itself stores results and has the rows made that tell of them. Locks: ``_hired`` before ``_lock``.
    """

    def __init__(self, pythons: Pythons, picks: PickKeeper, post: Callable[[Message], object]) -> None:
        super().__init__(name="bench keeper", daemon=True)
        self._pythons = pythons
        self._picks = picks
        self._post = post
        self._lock = threading.Lock()
        self._state = BenchState()
        self._told = 0.0
        self._is_behind = False
        self._hired = threading.RLock()
        self._staff: _Staff | None = None
        self._looked: dict[str, tuple[Argument, ...]] = {}
        self._jobs: queue.SimpleQueue[Finished | Wanted | _Later | None] = queue.SimpleQueue()

    @property
    def state(self) -> BenchState:
        return self._state

    def measure(self, wanted: Iterable[Wanted]) -> bool:
        """Queue what is not queued yet; whether anything was not. Raises `MkexplorerError` where no Python may be
        started.
        """
        with self._hired:
            staff = self._hire()
            by_name = {full_id(each.multi_kernel): each for each in wanted}
            with self._lock:
                under_way = {self._state.running, *self._state.waiting}
                fresh = [name for name in by_name if name not in under_way]
                self._show(bench_state.asked(self._state, fresh))
            for name in fresh:
                staff.queue.submit(name, partial(_request, by_name[name]))
        self._work()
        return bool(fresh)

    def measure_next(self, wanted: Sequence[Wanted]) -> bool:
        """As `measure`, but before all that waits, as does what waits already; whether that changed anything."""
        names = [full_id(each.multi_kernel) for each in wanted]
        with self._hired:
            is_fresh = self.measure(wanted)
            with self._lock:
                preferred = bench_state.preferred(self._state, names)
                is_moved = preferred.waiting != self._state.waiting
                self._show(preferred)
            self._hire().queue.prefer(names)
        return is_fresh or is_moved

    def _hire(self) -> _Staff:
        if self._staff is None:
            bencher = self._pythons.bencher()
            self._staff = _Staff(BenchQueue(bencher, self._hear), bencher)
        return self._staff

    def look_ahead(self, wanted: Wanted) -> None:
        """Tell what a measurement would be made on. Nothing is run for that."""
        if self._is_new(wanted):
            self._jobs.put(wanted)
            self._work()

    def _is_new(self, wanted: Wanted) -> bool:
        """A program that runs meanwhile may record arguments."""
        return self._looked.get(full_id(wanted.multi_kernel)) != wanted.recorded

    def _work(self) -> None:
        if not self.is_alive():
            self.start()

    def stop(self) -> None:
        """End what runs and forget what waits."""
        with self._hired:
            if self._staff is not None:
                self._staff.queue.cancel_all()

    def close(self) -> None:
        """End the worker and the thread; nothing is told any more."""
        self._jobs.put(None)
        with self._hired:
            staff, self._staff = self._staff, None
        if staff is not None:
            staff.dismiss()

    def _show(self, state: BenchState) -> None:
        self._state = state
        self._told = time.monotonic()
        self._is_behind = False
        self._post(BenchMoved(state))

    # --- the queue's thread ---------------------------------------------------------------------------------

    def _hear(self, event: BenchEvent) -> None:
        with self._lock:
            self._state = bench_state.after(self._state, event)
            if not isinstance(event, Progressed) or time.monotonic() - self._told > PROGRESS_EVERY_S:
                self._show(self._state)
            elif not self._is_behind:
                self._is_behind = True
                self._jobs.put(_Later())
        if isinstance(event, Finished):
            self._jobs.put(event)
        elif isinstance(event, Failed) and isinstance(event.error, BenchUnusable):
            self._give_up()

    def _give_up(self) -> None:
        """What is wrong with the Python is so for all that wait; the next time it may have been put right."""
        with self._hired:
            self.stop()
            staff, self._staff = self._staff, None
        if staff is not None:
            staff.dismiss()

    # --- the thread -----------------------------------------------------------------------------------------

    def run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE_S)
            except queue.Empty:
                self._rest()
                continue
            if job is None:
                return
            try:
                self._do(job)
            except Exception as error:
                self._post(messages.Failed(unexpected("Telling of measurements", error)))

    def _do(self, job: Finished | Wanted | _Later) -> None:
        match job:
            case Finished():
                self._take(job)
            case Wanted():
                self._look(job)
            case _:
                self._catch_up()

    def _catch_up(self) -> None:
        time.sleep(PROGRESS_EVERY_S)
        with self._lock:
            if self._is_behind:
                self._show(self._state)

    def _look(self, wanted: Wanted) -> None:
        if not self._is_new(wanted):
            return
        name = full_id(wanted.multi_kernel)
        seen = outlook(wanted.catalog, wanted.multi_kernel, self._pythons.sees_gpu(), wanted.recorded)
        self._looked[name] = wanted.recorded
        with self._lock:
            self._show(replace(self._state, outlooks={**self._state.outlooks, name: seen}))

    def _rest(self) -> None:
        with self._hired:
            if self._staff is None or not self._state.is_idle:
                return
            staff, self._staff = self._staff, None
        staff.dismiss()

    def _take(self, finished: Finished) -> None:
        name, unkept = finished.multi_kernel_id, {}
        try:
            if reason := self._picks.keep(name, finished.result):
                unkept[name] = reason
        except Exception as error:
            self._post(messages.Failed(unexpected("Keeping what was measured", error)))
        with self._lock:
            self._show(bench_state.shown(self._state, {name: finished.result}, unkept))


def _request(wanted: Wanted) -> BenchRequest:
    return bench_request(wanted.catalog, wanted.multi_kernel, picked=wanted.picked, recorded=wanted.recorded)
