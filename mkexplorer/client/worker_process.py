"""One running worker: its pipes, its folder, its end.

`mkexplorer.picks.interpreter` and `mkexplorer.measure.bencher` are what others use.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, Full, Queue
from time import monotonic, sleep
from typing import IO, Any

from .environment import Purpose, worker_environment

_ROOT = Path(__file__).parents[1]
# Makes these two packages of ours importable and nothing else; the folder that it starts in is not searched either.
_START = """\
import sys
sys.path[:] = [path for path in sys.path if path]
import importlib.util, runpy, types
root = sys.argv.pop()
package = sys.modules["mkexplorer"] = types.ModuleType("mkexplorer")
package.__path__ = []
for name in ("race", "worker"):
    folder = root + "/" + name
    spec = importlib.util.spec_from_file_location(
        "mkexplorer." + name, folder + "/__init__.py", submodule_search_locations=[folder])
    part = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    setattr(package, name, part)
    spec.loader.exec_module(part)
runpy.run_module("mkexplorer.worker.__main__", run_name="__main__", alter_sys=True)
"""
# The worker removes a folder of this name, and no other, if its client can no longer do so.
_FOLDER_PREFIX = "mkexplorer-worker-"
_LONGEST_LINE = 64 * 1024 * 1024
_KEPT_LINES = 200
_SHOWN_LINES = 3
_SHOWN_LENGTH = 300
_MOST_NOISE = 10_000
_MOST_WAITING = 100
_LAST_BREATH_S = 2.0
_LOOK_AGAIN_S = 0.02


class WorkerFailed(Exception):
    """The text goes on after the interpreter's path: 'was ended by SIGSEGV: …'.

    It is ``how`` it failed, and ``said``: what it wrote last. ``is_killed`` by SIGKILL, which comes from outside.
    """

    def __init__(self, how: str, said: str = "", *, is_killed: bool = False) -> None:
        super().__init__(how + said)
        self.how = how
        self.said = said
        self.is_killed = is_killed


def python_path(python: str | None) -> str:
    """Of a path or a name on PATH; None means the running interpreter."""
    return os.path.abspath(shutil.which(python) or python) if python else sys.executable or "python3"


class WorkerProcess:
    """Answers one call at a time. Its output pipes are read by threads of their own, so it never blocks on them."""

    def __init__(self, python: str, purpose: Purpose = Purpose.PICKS) -> None:
        """Raises `WorkerFailed`."""
        self._ending = threading.Lock()
        self._number = 0
        self._noise = 0
        self._answers: Queue[dict[str, Any] | None] = Queue(_MOST_WAITING)
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        try:
            self._folder = tempfile.mkdtemp(prefix=_FOLDER_PREFIX)
        except OSError as error:
            raise WorkerFailed(f"gets no temporary folder: {error.strerror}") from error
        try:
            self._process = subprocess.Popen(
                [python, "-c", _START, str(_ROOT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._folder,
                env=worker_environment(os.environ, self._folder, purpose),
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
        return self.follow(request, patience_s, lambda _: None)

    def follow(
        self, request: Mapping[str, object], patience_s: float, on_progress: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        """As `ask`; ``on_progress`` is called, in this thread, with what the worker tells before it answers."""
        self._number += 1
        deadline = monotonic() + patience_s
        line = json.dumps({"id": self._number, **request}).encode() + b"\n"
        try:
            self._write(line, deadline)
            while True:
                answer = self._answers.get(timeout=max(0.0, deadline - monotonic()))
                if answer is None:
                    raise self._failure()
                if answer["id"] != self._number:
                    continue  # it answered the job before this one twice
                if "progress" in answer:
                    on_progress(answer["progress"])
                else:
                    self._said.clear()
                    return answer
        except (TimeoutError, Empty):
            raise WorkerFailed(f"gave no answer within {patience_s:g} s", self._quoted()) from None
        except BrokenPipeError:
            raise self._failure() from None

    @property
    def is_alive(self) -> bool:
        return not self._requests.closed and self._process.returncode is None and not _is_zombie(self._process.pid)

    def kill(self) -> None:
        """As `end`, without waiting for anything: a call under way fails at once, and what is left to do is its own.

        A process on a GPU may take a second to die, which is too long for a thread that has keys to answer.
        """
        # Who has the lock for longer than a moment is ending it already.
        if self._ending.acquire(timeout=_LOOK_AGAIN_S):
            try:
                if not self._requests.closed:
                    self._kill()
            finally:
                self._ending.release()

    def end(self) -> None:
        """Kills the worker and all that it started, and removes its folder; any thread may, and more than once."""
        with self._ending:
            if self._requests.closed:
                return
            self._kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # it may be stuck in the kernel, on a dead drive
                self._process.wait(_LAST_BREATH_S)
            self._requests.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _kill(self) -> None:
        """Only before it is waited for: until then no other process can be given its number."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

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
        """Lines that answer nothing that was asked are kept as last words: a starting script may print a greeting."""
        with pipe:
            while self._noise < _MOST_NOISE and (line := pipe.readline(_LONGEST_LINE)):
                answer = _answer(line)
                if answer is None or answer["id"] != self._number:
                    self._noise += 1
                    self._hear(line)
                else:
                    self._pass_on(answer)
        self._pass_on(None)

    def _pass_on(self, answer: dict[str, Any] | None) -> None:
        """Waits for who reads slowly, so that a worker cannot fill our memory, but not for who has gone."""
        while True:
            try:
                return self._answers.put(answer, timeout=_LOOK_AGAIN_S)
            except Full:
                if self._requests.closed:
                    return

    def _overhear(self, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(_SHOWN_LENGTH):
                self._hear(line)

    def _hear(self, line: bytes) -> None:
        if text := line[:_SHOWN_LENGTH].decode("utf-8", "replace").strip():
            self._said.append(text)

    def _failure(self) -> WorkerFailed:
        """How it ended, and what it said last."""
        has_ended = self._noise < _MOST_NOISE and self._has_ended(_LAST_BREATH_S)
        self.end()
        self._overhearing.join(_LAST_BREATH_S)
        how = _ending(self._process.returncode) if has_ended else "does not answer as a Python would"
        is_killed = has_ended and self._process.returncode == -signal.SIGKILL
        return WorkerFailed(how, self._quoted(), is_killed=is_killed)

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
    if not isinstance(answer, dict) or type(answer.get("id")) is not int:
        return None
    told = [answer[kind] for kind in ("error", "result", "progress") if kind in answer]
    if len(told) != 1 or not isinstance(told[0], dict):
        return None
    return answer if "error" not in answer or isinstance(told[0].get("message"), str) else None
