"""Measurements on behalf of the app: a queue in a thread of its own, what came of it kept beside the picks.

It only posts messages; the event loop never waits for a worker, nor for a file.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from textual.message import Message

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.model import MultiKernel
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
    """A multi-kernel of ``catalog`` that is to be measured, and which of its sub-kernels is picked."""

    catalog: Catalog
    multi_kernel: MultiKernel
    picked: int | None


class _Later:
    """Progress that came too soon after other progress is still to be told."""


class BenchKeeper(threading.Thread):
    """`measure`, `stop` and `close` return at once.

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
        self._bencher: Bencher | None = None
        self._queue: BenchQueue | None = None
        self._jobs: queue.SimpleQueue[Finished | Wanted | _Later | None] = queue.SimpleQueue()

    @property
    def state(self) -> BenchState:
        return self._state

    def measure(self, wanted: Iterable[Wanted]) -> int:
        """Queue what is not queued yet; returns how many. Raises `MkexplorerError` where no Python may be started."""
        with self._hired:
            if self._queue is None:
                self._bencher = self._pythons.bencher()
                self._queue = BenchQueue(self._bencher, self._hear)
            by_name = {full_id(each.multi_kernel): each for each in wanted}
            with self._lock:
                fresh = [name for name in by_name if not self._state.is_asked_for(name)]
                self._show(bench_state.asked(self._state, fresh))
            for name in fresh:
                self._queue.submit(name, partial(_request, by_name[name]))
        self._work()
        return len(fresh)

    def look_ahead(self, wanted: Wanted) -> None:
        """Tell what a measurement would be made on. Nothing is run for that."""
        if full_id(wanted.multi_kernel) not in self._state.outlooks:
            self._jobs.put(wanted)
            self._work()

    def _work(self) -> None:
        if not self.is_alive():
            self.start()

    def stop(self) -> None:
        """End what runs and forget what waits."""
        with self._hired:
            if self._queue is not None:
                self._queue.cancel_all()

    def close(self) -> None:
        """End the worker and the thread; nothing is told any more."""
        self._jobs.put(None)
        self._dismiss()

    def _dismiss(self) -> None:
        with self._hired:
            if self._queue is not None and self._bencher is not None:
                self._queue.close()
                self._bencher.close()
            self._queue = self._bencher = None

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
            self._dismiss()

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
        name = full_id(wanted.multi_kernel)
        if name in self._state.outlooks:
            return
        seen = outlook(wanted.catalog, wanted.multi_kernel, self._pythons.sees_gpu())
        with self._lock:
            self._show(replace(self._state, outlooks={**self._state.outlooks, name: seen}))

    def _rest(self) -> None:
        with self._hired:
            if self._state.is_idle:
                self._dismiss()

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
    return bench_request(wanted.catalog, wanted.multi_kernel, picked=wanted.picked)
