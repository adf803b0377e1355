"""A worker that outlives its processes: the first call starts one, and what is lost is replaced at the next call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from .environment import Purpose
from .worker_process import WorkerFailed, WorkerProcess


class WorkerRefused(Exception):
    """The worker itself says why it cannot do a job."""


class Worker:
    """Does one job at a time; `end` and `kill` may come from any thread.

    ``may_start`` is asked right before a process is started: what was cancelled must not start one any more.
    """

    def __init__(self, python: str, purpose: Purpose, *, start_s: float, may_start: Callable[[], bool]) -> None:
        self._python = python
        self._purpose = purpose
        self._start_s = start_s
        self._may_start = may_start
        self._state = threading.Lock()
        self._process: WorkerProcess | None = None
        self._hello: dict[str, Any] | None = None

    @property
    def is_running(self) -> bool:
        process = self._process
        return process is not None and process.is_alive

    def start(self) -> dict[str, Any]:
        """What the process says of itself. Raises `WorkerFailed`, `WorkerRefused`."""
        if self._hello is not None and self.is_running:
            return self._hello
        self.end()
        with self._state:
            if not self._may_start():
                raise WorkerFailed("was ended")
            process = self._process = WorkerProcess(self._python, self._purpose)
        request = {"job": "hello", "with_cuda": self._purpose is Purpose.BENCH, "with_keys": False}
        hello = self._talk(process, request, self._start_s, lambda _: None)
        self._hello = hello
        return hello

    def ask(
        self, request: Mapping[str, object], patience_s: float, on_progress: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        """The result of a job, after `start`. Raises `WorkerFailed`, `WorkerRefused`, and what ``on_progress`` does."""
        process = self._process
        if process is None:
            raise WorkerFailed("was ended")
        return self._talk(process, request, patience_s, on_progress)

    def kill(self) -> None:
        """As `end`, but quick; the next call does what is left to do."""
        with self._state:
            process = self._process
        if process:
            process.kill()

    def end(self) -> None:
        """Kills the process and all that it started; a call under way raises `WorkerFailed`."""
        with self._state:
            process, self._process, self._hello = self._process, None, None
        if process:
            process.end()

    def _talk(
        self,
        process: WorkerProcess,
        request: Mapping[str, object],
        patience_s: float,
        on_progress: Callable[[dict[str, Any]], None],
    ) -> dict[str, Any]:
        try:
            answer = process.follow(request, patience_s, on_progress)
        except BaseException:  # also what a progress bar or a pressed Ctrl+C raises: it may be busy for ever
            self.end()
            raise
        if error := answer.get("error"):
            if error.get("poisoned"):
                self.end()
            raise WorkerRefused(error["message"])
        result: dict[str, Any] = answer["result"]
        return result
