"""Programs that wait for each other, in Triton's interpreter: each in a thread of its own, one running at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence


class Deadlock(Exception):
    """Some programs wait at a barrier that the others do not come to."""


class _Abandoned(BaseException):
    """Unwinds a program that nobody lets go on any more."""


class _Program:
    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._turn = threading.Semaphore(0)
        self._handed_back = threading.Semaphore(0)
        self._is_abandoned = False
        self.has_ended = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        """Until the next barrier or the end."""
        self._turn.release()
        self._handed_back.acquire()

    def pause(self) -> None:
        """In the program's own thread."""
        self._handed_back.release()
        self._turn.acquire()
        if self._is_abandoned:
            raise _Abandoned

    def abandon(self) -> None:
        if not self.has_ended:
            self._is_abandoned = True
            self.go_on()
        self._thread.join()

    def _run(self) -> None:
        self._turn.acquire()
        try:
            if not self._is_abandoned:
                self._work()
        except BaseException as error:
            self.error = error
        self.has_ended = True
        self._handed_back.release()


class Group:
    """Stands where a kernel has its barrier. ``prepare`` is called with a program's index whenever it goes on."""

    def __init__(self, prepare: Callable[[int], object]) -> None:
        self._prepare = prepare
        self._running: _Program | None = None

    def barrier(self, *_: object) -> None:
        assert self._running is not None
        self._running.pause()

    def run(self, works: Sequence[Callable[[], object]]) -> None:
        """One after the other, each up to its next barrier. Raises what one of them raises, or `Deadlock`."""
        programs = [_Program(work) for work in works]
        try:
            while not all(program.has_ended for program in programs):
                for index, program in enumerate(programs):
                    if program.has_ended:
                        raise Deadlock("some of its programs wait at a barrier for others that have ended")
                    self._prepare(index)
                    self._running = program
                    program.go_on()
                    if program.error is not None:
                        raise program.error
        finally:
            for program in programs:
                program.abandon()
