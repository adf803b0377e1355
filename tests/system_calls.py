"""Stops a change of a pick at any system call, by wrapping what `mkexplorer.picks.writing` reaches the system by.

As a program, ``python -m tests.system_calls TEMPLATE OUT ACTION``: for every number there is, copies the cache
TEMPLATE to OUT/<number>, does ACTION (pin, clear or undo) in it in a process of its own, and kills that (SIGKILL)
before its system call of that number; before a write there is one more, killed when half of it is written. Names the
calls in OUT/<number>.call, in the order of their numbers, and ends with the number at which the action ran through.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from tests.pick_cache import PickCache

FILE_CALLS = ["open", "close", "read", "pread", "write", "fsync", "fstat", "stat", "fchmod", "ftruncate"]
FOLDER_CALLS = ["mkdir", "replace", "unlink"]


def watch(before: Callable[[str], None], half: Callable[[], None], patch: Callable[[Any, str, Any], None]) -> None:
    """Has ``before`` called with the name of every call to come, and ``half`` when a write has come half way."""

    def wrapped(module: Any, name: str) -> None:
        really = getattr(module, name)

        def call(*args: Any, **more: Any) -> Any:
            before(name)
            return really(*args, **more)

        patch(module, name, call)

    def write(descriptor: int, data: bytes) -> int:
        before("write")
        written = really_write(descriptor, data[: len(data) // 2])
        half()
        return written + really_write(descriptor, data[len(data) // 2 :])

    really_write = os.write
    for name in FILE_CALLS + FOLDER_CALLS:
        wrapped(os, name)
    wrapped(fcntl, "flock")
    patch(os, "write", write)


def act(root: Path, action: str) -> None:
    cache = PickCache(root, None)
    cache.apply(cache.plan(action))


def killed_at(number: int, root: Path, action: str, names: Path) -> None:
    """Runs the action and dies; returns only by exit code 0 where there is no call of that number."""
    seen = count()

    def step(name: str) -> None:
        if next(seen) == number:
            with open(names, "w") as file:
                file.write(name)
            signal.raise_signal(signal.SIGKILL)

    watch(step, lambda: step("half of a write"), setattr)
    act(root, action)


def main(template: str, out: str, action: str) -> None:
    for number in count():
        root = Path(out, str(number))
        shutil.copytree(template, root)
        child = os.fork()
        if child == 0:
            try:
                killed_at(number, root, action, Path(out, f"{number}.call"))
                os._exit(0)
            except BaseException as error:
                print(repr(error), file=sys.stderr)
                os._exit(1)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(*sys.argv[1:])
