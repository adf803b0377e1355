"""One running worker: its pipes, its folder, its end. `mkexplorer.picks.interpreter` is what others use."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import IO, Any

_WORKER = Path(__file__).parents[1] / "worker"
# Makes mkexplorer.worker importable and nothing else of ours; the folder that it starts in is not searched either.
_START = """\
import sys
sys.path[:] = [path for path in sys.path if path]
import importlib.util, runpy, types
folder = sys.argv.pop()
package = sys.modules["mkexplorer"] = types.ModuleType("mkexplorer")
package.__path__ = []
spec = importlib.util.spec_from_file_location(
    "mkexplorer.worker", folder + "/__init__.py", submodule_search_locations=[folder])
worker = package.worker = sys.modules["mkexplorer.worker"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)
runpy.run_module("mkexplorer.worker.__main__", run_name="__main__", alter_sys=True)
"""
# They would have the worker write logs, or leave out what it is there to compute.
_UNSET = {
    "PYTHONINSPECT",
    "TORCH_COMPILE_DEBUG",
    "TORCH_COMPILE_DEBUG_DIR",
    "TORCH_LOGS",
    "TORCH_LOGS_OUT",
    "TORCH_TRACE",
    "TRITON_INTERPRET",
}
# The worker removes a folder of this name, and no other, if its client can no longer do so.
_FOLDER_PREFIX = "mkexplorer-worker-"
_LONGEST_LINE = 64 * 1024 * 1024
_KEPT_LINES = 200
_SHOWN_LINES = 3
_SHOWN_LENGTH = 300
_MOST_NOISE = 10_000
_LAST_BREATH_S = 2.0
_LOOK_AGAIN_S = 0.02


class WorkerFailed(Exception):
    """The text goes on after the interpreter's path: 'was ended by SIGSEGV: …'."""


class WorkerProcess:
    """Answers one call at a time. Its output pipes are read by threads of their own, so it never blocks on them."""

    def __init__(self, python: str) -> None:
        """Raises `WorkerFailed`."""
        self._ending = threading.Lock()
        self._number = 0
        self._noise = 0
        self._answers: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        try:
            self._folder = tempfile.mkdtemp(prefix=_FOLDER_PREFIX)
        except OSError as error:
            raise WorkerFailed(f"gets no temporary folder: {error.strerror}") from error
        try:
            self._process = subprocess.Popen(
                [python, "-c", _START, str(_WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._folder,
                env=_environment(os.environ, self._folder),
                start_new_session=True,
            )
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise WorkerFailed(f"cannot be started: {error.strerror}") from error
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stderr
        self._requests = self._process.stdin
        os.set_blocking(self._requests.fileno(), False)
        self._overhearing = threading.Thread(target=self._overhear, args=(self._process.stderr,), daemon=True)
        self._overhearing.start()
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()

    def ask(self, request: Mapping[str, object], patience_s: float) -> dict[str, Any]:
        """The worker's answer. Raises `WorkerFailed`; the process is of no more use then."""
        self._number += 1
        deadline = monotonic() + patience_s
        line = json.dumps({"id": self._number, **request}).encode() + b"\n"
        try:
            self._write(line, deadline)
            while True:
                answer = self._answers.get(timeout=max(0.0, deadline - monotonic()))
                if answer is None:
                    raise WorkerFailed(self._last_words())
                if answer["id"] == self._number:
                    self._said.clear()
                    return answer
        except (TimeoutError, Empty):
            raise WorkerFailed(f"gave no answer within {patience_s:g} s{self._quoted()}") from None
        except BrokenPipeError:
            raise WorkerFailed(self._last_words()) from None

    def end(self) -> None:
        """Kills the worker and all that it started, and removes its folder; any thread may, and more than once."""
        with self._ending:
            if self._requests.closed:
                return
            # Not waited for before this: until then no other process can be given its number.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):  # it may be stuck in the kernel, on a dead drive
                self._process.wait(_LAST_BREATH_S)
            self._requests.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            with self._ending:
                if self._requests.closed:
                    raise BrokenPipeError
                pipe = self._requests.fileno()
                with contextlib.suppress(BlockingIOError):
                    view = view[os.write(pipe, view) :]
            if view and not _can_write(pipe, deadline - monotonic()):
                raise TimeoutError

    def _listen(self, pipe: IO[bytes]) -> None:
        """Lines that are no answers are kept as last words: a starting script may print a greeting."""
        with pipe:
            while self._noise < _MOST_NOISE and (line := pipe.readline(_LONGEST_LINE)):
                answer = _answer(line)
                if answer is None:
                    self._noise += 1
                    self._hear(line)
                else:
                    self._answers.put(answer)
        self._answers.put(None)

    def _overhear(self, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(_SHOWN_LENGTH):
                self._hear(line)

    def _hear(self, line: bytes) -> None:
        if text := line[:_SHOWN_LENGTH].decode("utf-8", "replace").strip():
            self._said.append(text)

    def _last_words(self) -> str:
        """How it ended, and what it said last."""
        has_ended = self._noise < _MOST_NOISE and self._has_ended(_LAST_BREATH_S)
        self.end()
        self._overhearing.join(_LAST_BREATH_S)
        how = _ending(self._process.returncode) if has_ended else "does not answer as a Python would"
        return f"{how}{self._quoted()}"

    def _has_ended(self, patience_s: float) -> bool:
        """Whether it ends by itself; its number stays its own, because it is not waited for."""
        deadline = monotonic() + patience_s
        while monotonic() < deadline:
            if self._process.returncode is not None or _is_zombie(self._process.pid):
                return True
            sleep(_LOOK_AGAIN_S)
        return False

    def _quoted(self) -> str:
        lines = list(self._said)[-_SHOWN_LINES:]
        return f": {' | '.join(lines)}" if lines else ""


def _can_write(pipe: int, patience_s: float) -> bool:
    poll = select.poll()
    poll.register(pipe, select.POLLOUT)
    return bool(poll.poll(max(0.0, patience_s) * 1e3))


def _is_zombie(process: int) -> bool:
    """Whether a child has ended, without taking note of it; False where the system cannot tell (macOS)."""
    if not hasattr(os, "waitid"):
        return False
    try:
        return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # another thread has just taken note of it
        return True


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _answer(line: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if isinstance(answer, dict) and isinstance(answer.get("id"), int) and ("result" in answer or "error" in answer):
        return answer
    return None


def _environment(own: Mapping[str, str], folder: str) -> dict[str, str]:
    """The person's environment, which may be what finds torch, with no GPU and no cache but the worker's own."""
    environment = {name: value for name, value in own.items() if name not in _UNSET}
    if path := own.get("PYTHONPATH"):
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(part) for part in path.split(os.pathsep) if part)
    return environment | {
        "CUDA_VISIBLE_DEVICES": "",
        "HIP_VISIBLE_DEVICES": "",
        "TMPDIR": folder,
        "TORCHINDUCTOR_CACHE_DIR": os.path.join(folder, "inductor"),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "TRITON_CACHE_DIR": os.path.join(folder, "triton"),
    }
