"""What the cases do with a generated program, and what they look at."""

from __future__ import annotations

import logging
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch._inductor.codegen import multi_kernel as stock_module

import mkexplorer
from mkexplorer.catalog.store import FolderStore
from mkexplorer.picks.changes import PickChange
from mkexplorer.picks.files import read_pick_file
from mkexplorer.picks.model import Action, Held, PickFile, PickState, Who
from mkexplorer.picks.writing import Occasion, apply_change
from tests.stand_in_gpu import load

StockCall = stock_module.MultiKernelCall

X = (4096, 2048)


def softmax(module: types.ModuleType, x: Any = None) -> Any:
    return module.call([torch.ones(X) if x is None else x])[0]


def call_of(module: types.ModuleType) -> Any:
    return module.multi_kernel_0


def pick_of(module: types.ModuleType) -> Path:
    return Path(call_of(module).cache_file_path())


def on_disk(path: Path) -> tuple[FolderStore, str, PickFile]:
    """The cache, the pick's place in it, and what is there now."""
    store, relative = FolderStore(str(path.parent.parent)), f"{path.parent.name}/{path.name}"
    return store, relative, read_pick_file(store, relative, 2)


def entries(path: Path) -> Any:
    _, _, file = on_disk(path)
    return file.history.entries


def failure_of(function: Callable[..., object], *arguments: object, **keywords: object) -> Exception | None:
    try:
        function(*arguments, **keywords)
    except Exception as error:
        return error
    return None


def write_pick(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def pin(path: Path, content: bytes) -> None:
    store, relative, file = on_disk(path)
    after = Held(content, PickState.PINNED)
    change = PickChange(relative, "", Action.PIN, file.held, after, file.history.size)
    apply_change(store, change, Occasion(Who.PERSON))


def place_of_pick(folder: Path, case: str = "softmax") -> Path:
    """Where the pick of a case is, found without loading its wrapper with a pick there."""
    with mkexplorer.installed(measure="never"):
        return pick_of(load(case, folder))


@contextmanager
def warnings_of() -> Iterator[list[str]]:
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("mkexplorer.inductor")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
