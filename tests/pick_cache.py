"""A cache directory of nothing but pick files, for tests of what reads and changes them."""

from __future__ import annotations

import os
from pathlib import Path

from mkexplorer.catalog.model import MultiKernel
from mkexplorer.catalog.store import FolderStore
from mkexplorer.picks.changes import PickChange, plan_clear, plan_pin, plan_undo
from mkexplorer.picks.files import read_pick_file
from mkexplorer.picks.model import PickFile, Who
from mkexplorer.picks.writing import Occasion, apply_change
from tests import builders

NAME = "cdk" + "p" * 49 + ".picked_kernel"
PATH = f"dk/{NAME}"


class PickCache:
    """One pick file at `PATH`, of a multi-kernel with two sub-kernels."""

    def __init__(self, root: Path, content: bytes | None = b"0", multi_kernel: MultiKernel | None = None) -> None:
        self.root = root
        self.multi_kernel = multi_kernel or builders.multi_kernel()
        self.shelf.mkdir(parents=True, exist_ok=True)
        if content is not None:
            self.file.write_bytes(content)

    @property
    def store(self) -> FolderStore:
        return FolderStore(str(self.root))

    @property
    def shelf(self) -> Path:
        return self.root / "dk"

    @property
    def file(self) -> Path:
        return self.shelf / NAME

    @property
    def evidence(self) -> Path:
        return self.shelf / f"{NAME}.json"

    @property
    def names(self) -> list[str]:
        return sorted(os.listdir(self.shelf))

    def content(self) -> bytes | None:
        return self.file.read_bytes() if self.file.exists() else None

    def read(self) -> PickFile:
        return read_pick_file(self.store, PATH, len(self.multi_kernel.sub_kernels))

    def pin(self, index: int, why: str = "") -> None:
        self.apply(plan_pin(self.multi_kernel, self.read(), index, why))

    def clear(self) -> None:
        self.apply(plan_clear(self.multi_kernel, self.read()))

    def undo(self) -> None:
        self.apply(plan_undo(self.read()))

    def plan(self, action: str) -> PickChange:
        """To pin 1, to clear or to undo."""
        file = self.read()
        if action == "pin":
            change = plan_pin(self.multi_kernel, file, 1)
        else:
            change = plan_clear(self.multi_kernel, file) if action == "clear" else plan_undo(file)
        assert change is not None
        return change

    def apply(self, change: PickChange | None) -> None:
        assert change is not None
        apply_change(self.store, change, Occasion(Who.PERSON))
