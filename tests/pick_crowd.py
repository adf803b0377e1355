"""One process of many that change the same picks: ``python -m tests.pick_crowd ROOT SEED SECONDS ROLE``.

A ``person`` pins, clears, undoes and reads at random; an ``inductor`` writes picks as torch does. Each prints, when
its time is up, one JSON object: the batches of its changes that were made and of those that were not, by pick file,
and what it read that no pick file should ever hold.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from pathlib import Path

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.store import FolderStore
from mkexplorer.picks.changes import PickChange, plan_clear, plan_pin, plan_undo
from mkexplorer.picks.files import read_pick_file
from mkexplorer.picks.model import PickFile, PickState, Who
from mkexplorer.picks.writing import Occasion, apply_change
from tests import builders

PATHS = tuple(f"dk/cdk{letter * 49}.picked_kernel" for letter in "pqr")
MULTI_KERNEL = builders.multi_kernel()


class Person:
    def __init__(self, root: Path, seed: int) -> None:
        self.made: dict[str, list[str]] = {path: [] for path in PATHS}
        self.not_made: list[str] = []
        self.wrong: list[str] = []
        self._store = FolderStore(str(root))
        self._random = random.Random(seed)

    def turn(self) -> None:
        file = read_pick_file(self._store, self._random.choice(PATHS), 2)
        if file.pick.state in (PickState.INVALID, PickState.UNKNOWN) or file.obstacle:
            self.wrong.append(f"{file.pick} {file.obstacle}")
        change = self._plan(file)
        if change is None:
            return
        occasion = Occasion(Who.PERSON)
        try:
            apply_change(self._store, change, occasion)
        except MkexplorerError as error:
            if "something else has written it since" not in error.message:
                self.not_made.append(occasion.batch)
                if "changed meanwhile" not in error.message:
                    self.wrong.append(error.message)
                return
        self.made[file.path].append(occasion.batch)

    def _plan(self, file: PickFile) -> PickChange | None:
        match self._random.randrange(4):
            case 0:
                return plan_pin(MULTI_KERNEL, file, self._random.randrange(2))
            case 1:
                return plan_clear(MULTI_KERNEL, file)
            case 2:
                return plan_undo(file)
        return None


class Inductor:
    """``MultiKernelCall.load_cache`` and, where there was no pick, ``store_cache`` with torch's ``write_atomic``."""

    def __init__(self, root: Path, seed: int) -> None:
        self.wrong: list[str] = []
        self._root = root
        self._random = random.Random(seed)

    def turn(self) -> None:
        path = self._root / self._random.choice(PATHS)
        try:
            with path.open() as file:
                content = file.read()
            if content not in ("0", "1"):
                self.wrong.append(f"torch read {content!r}")
        except FileNotFoundError:
            time.sleep(0.001)  # it measures
            new = path.parent / f".{os.getpid()}.{threading.get_ident()}.tmp"
            new.write_text(str(self._random.randrange(2)))
            new.rename(path)


def main(root: str, seed: str, seconds: str, role: str) -> None:
    one = Inductor(Path(root), int(seed)) if role == "inductor" else Person(Path(root), int(seed))
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        one.turn()
    told = {name: value for name, value in vars(one).items() if not name.startswith("_")}
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
