"""What is expensive and only read is made once for all processes of a test run."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest


def once_per_run(request: pytest.FixtureRequest, name: str, make: Callable[[Path], None]) -> Path:
    """The folder ``name``, filled with ``make`` by whichever process wants it first; the others wait for it."""
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    base = factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        base = base.parent  # each worker of xdist has a base of its own
    folder = base / name
    folder.mkdir(exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".made").exists():
            make(folder)
            (folder / ".made").touch()
    return folder
