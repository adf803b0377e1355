"""Reads jobs from standard input, answers on standard output; the package's docstring has the protocol."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from queue import Queue
from typing import Any, BinaryIO

from .failures import JobFailed

_DETAIL = 8_000
# What a client calls the folder that it makes for a worker.
_OWN_FOLDER = "mkexplorer-worker-"
_LOOK_AGAIN_S = 0.01
# Module and function; a module is imported when its job is asked for first.
_JOBS = {
    "hello": ("identity", "hello"),
    "pick_parts": ("pick_parts", "pick_parts"),
    "bench": ("bench", "bench"),
    "resources": ("resources", "resources"),
}
# These get a function that tells how far they are.
_WITH_PROGRESS = {"bench"}


def main() -> None:
    requests, answers = _take_over_pipes()
    waiting: Queue[bytes] = Queue()
    listener = threading.Thread(target=_listen, args=(requests, waiting, os.getcwd()), daemon=True)
    listener.start()

    def write(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message).encode() + b"\n")
        answers.flush()

    with contextlib.suppress(BrokenPipeError):
        while True:
            write(_answer(waiting.get(), write))
    # The client is no more; the listener knows by now, or will in a moment.
    listener.join()
    signal.pause()


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The protocol's two pipes; code that is loaded later reads nothing and prints to standard error."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _listen(requests: BinaryIO, waiting: Queue[bytes], folder: str) -> None:
    """Runs beside the jobs, so that the worker ends with its client even while a job hangs."""
    for line in requests:
        waiting.put(line)
    _end(folder)


def _end(folder: str) -> None:
    """Ends the worker with all that it started, then removes its folder, which a job under way would make again.

    So a child does it, which is in no danger of being killed with the others.
    """
    worker = os.getpid()
    # Somebody who starts it by hand, in no session of its own, must not lose their shell.
    kill = os.killpg if os.getpgrp() == worker else os.kill
    if os.fork() != 0:
        return
    os.setpgid(0, 0)
    kill(worker, signal.SIGKILL)
    while os.getppid() == worker:
        time.sleep(_LOOK_AGAIN_S)
    if os.path.basename(folder).startswith(_OWN_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _answer(line: bytes, write: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    request = json.loads(line)
    number = request.pop("id")
    name = request.pop("job")

    def tell(progress: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # without a client this process ends anyway
            write({"id": number, "progress": progress})

    try:
        job = _job(name, tell)
        if job is None:
            return {"id": number, "error": {"message": f"this worker knows no job {name!r}", "detail": ""}}
        return {"id": number, "result": job(**request)}
    except BaseException as error:  # a kernel that raises SystemExit must not end the worker
        answer: dict[str, Any] = {"message": _in_one_line(error), "detail": traceback.format_exc()[-_DETAIL:]}
        if isinstance(error, JobFailed) and error.is_poisoned:
            answer["poisoned"] = True
        return {"id": number, "error": answer}


def _job(name: str, tell: Callable[[dict[str, Any]], None]) -> Callable[..., dict[str, Any]] | None:
    if name not in _JOBS:
        return None
    module, function = _JOBS[name]
    job: Callable[..., dict[str, Any]] = getattr(importlib.import_module(f".{module}", __package__), function)
    return functools.partial(job, tell=tell) if name in _WITH_PROGRESS else job


def _in_one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, JobFailed):
        return text[:500]
    return f"{type(error).__name__}: {text}"[:500] if text else type(error).__name__


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
