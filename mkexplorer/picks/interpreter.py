"""The Python that holds the user's torch and triton, as something to ask. It need not be the one that runs mkexplorer.

Calls block; any thread may end them with `Interpreter.close`. Nothing is started before the first call.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.kernel_files import KernelFile
from mkexplorer.client.identity import PROTOCOL, Identity, read_identity
from mkexplorer.client.worker_process import WorkerFailed, WorkerProcess, python_path

__all__ = [
    "Identity",
    "Interpreter",
    "InterpreterClosed",
    "InterpreterError",
    "KernelFile",
    "Part",
    "PickParts",
    "UnusableInterpreter",
]

# A cold import of torch from a network drive takes minutes.
_START_S = 300.0
_CALL_S = 60.0
# A kernel that kills its worker costs a start, and after so many in a row nothing else will work either.
_MOST_CRASHES = 3


class InterpreterError(MkexplorerError):
    """The interpreter cannot do a job; ``is_fatal`` where it will not do the next one either."""

    is_fatal = False


class UnusableInterpreter(InterpreterError):
    """It is no Python, holds no torch, or fails again and again."""

    is_fatal = True


class InterpreterClosed(UnusableInterpreter):
    """Somebody closed it, perhaps while a call was under way."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one sub-kernel adds to the name of a pick file; the worker's protocol explains the fields."""

    cache_key: str
    size_hints: str
    triton_meta: str
    written_backend: str | None
    own_backend: str | None
    best_config: str | None


@dataclass(frozen=True, slots=True)
class PickParts:
    """``path`` is where the interpreter's own torch keeps the pick, relative to its cache."""

    parts: tuple[Part, ...]
    path: str


class Interpreter:
    """A worker that dies is replaced at the next call, one that hangs is killed."""

    def __init__(self, python: str | None = None, *, start_s: float = _START_S, call_s: float = _CALL_S) -> None:
        """``python`` is a path or a name on PATH, by default the running interpreter."""
        self.python = python_path(python)
        self._start_s = start_s
        self._call_s = call_s
        self._calls = threading.Lock()
        self._state = threading.Lock()
        self._process: WorkerProcess | None = None
        self._identity: Identity | None = None
        self._crashes: list[str] = []
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kills the worker and all that it started; a call under way raises `InterpreterClosed`."""
        with self._state:
            self._closed = True
            process, self._process = self._process, None
        if process:
            process.end()

    def hello(self) -> Identity:
        """Raises `InterpreterError` where this is no Python that the worker runs in."""
        with self._calls:
            if self._identity is None:
                self._start()
            assert self._identity
            return self._identity

    def pick_parts(self, kernels: Sequence[KernelFile]) -> PickParts:
        """Executes the files of one multi-kernel's sub-kernels in the worker. Raises `InterpreterError`."""
        with self._calls:
            if len(self._crashes) >= _MOST_CRASHES:
                message = (
                    f"{self.python} failed {len(self._crashes)} times in a row, the last time it {self._crashes[-1]}"
                )
                raise UnusableInterpreter(message)
            process = self._process or self._start()
            sub_kernels = [asdict(kernel) for kernel in kernels]
            try:
                answer = self._ask(process, "pick_parts", self._call_s, sub_kernels=sub_kernels)
            except WorkerFailed as failure:
                self._crashes.append(str(failure))
                raise self._lost(process, InterpreterError(f"{self.python} {failure}")) from None
            self._crashes.clear()
            return PickParts(tuple(Part(**part) for part in answer["parts"]), answer["path"])

    def _start(self) -> WorkerProcess:
        with self._state:
            if self._closed:
                raise InterpreterClosed(f"{self.python} was closed")
            try:
                process = self._process = WorkerProcess(self.python)
            except WorkerFailed as failure:
                raise _unusable(f"{self.python} {failure}") from None
        try:
            answer = self._ask(process, "hello", self._start_s)
        except WorkerFailed as failure:
            raise self._lost(process, _unusable(f"{self.python} {failure}")) from None
        except InterpreterError as error:
            raise self._lost(process, _unusable(f"{self.python}: {error.message}")) from None
        if answer.get("protocol") != PROTOCOL:
            message = f"{self.python}: its worker is of another version"
            raise self._lost(process, UnusableInterpreter(message, "install mkexplorer again"))
        self._identity = read_identity(answer)
        return process

    def _ask(self, process: WorkerProcess, job: str, patience_s: float, **arguments: object) -> dict[str, Any]:
        """Raises `WorkerFailed`, and `InterpreterError` where the worker itself says that it cannot."""
        answer = process.ask({"job": job, **arguments}, patience_s)
        if error := answer.get("error"):
            raise InterpreterError(error["message"])
        result: dict[str, Any] = answer["result"]
        return result

    def _lost(self, process: WorkerProcess, error: InterpreterError) -> InterpreterError:
        """Ends a worker that is of no more use; what to raise is another error if somebody closed the interpreter."""
        process.end()
        with self._state:
            self._process = None
            return InterpreterClosed(f"{self.python} was closed") if self._closed else error


def _unusable(message: str) -> UnusableInterpreter:
    return UnusableInterpreter(message, "run with --python and the Python that has your torch")
