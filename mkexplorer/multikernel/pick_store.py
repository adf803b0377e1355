"""The pick file of one multi-kernel, as a running program reads and writes it: by the rules of `mkexplorer.picks`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.store import FolderStore
from mkexplorer.picks.changes import PickChange
from mkexplorer.picks.files import ENDING, read_pick_file
from mkexplorer.picks.model import Action, Held, Machine, PickFile, PickState, Who
from mkexplorer.picks.writing import Occasion, apply_change

from .choosing import Choice

log = logging.getLogger("mkexplorer.multikernel")


@dataclass(frozen=True)
class PickStore:
    """``key`` is the run module's; ``multi_kernel`` how evidence names it: the wrapper's key, a slash and the name."""

    cache: Path
    key: str
    count: int
    multi_kernel: str

    @property
    def path(self) -> Path:
        return self.cache / self._relative

    @property
    def is_pinned(self) -> bool:
        """Whether a person has said which one to use."""
        return self._read().pick.state is PickState.PINNED

    def load(self) -> int | None:
        """The index in the pick file; None, and a warning, where it holds none of ours."""
        file = self._read()
        if file.pick.state is PickState.INVALID:
            _tell(self.path, self._wrong(file))
        return file.pick.index

    def save(self, choice: Choice, machine: Machine) -> None:
        """Keeps the choice, with what it rests on. What cannot be kept is told and stops nobody; a pinned one stays."""
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            file = self._read()
            if file.pick.state is PickState.PINNED:
                log.debug("%s: pinned, so the choice of %s is not kept", self.path, self.multi_kernel)
                return
            if file.obstacle:
                raise MkexplorerError(f"{self.path}: {file.obstacle}")
            after = Held(str(choice.index).encode(), PickState.PICKED)
            change = PickChange(
                self._relative,
                self.multi_kernel,
                Action.PICK,
                file.held,
                after,
                file.history.size,
                choice.why,
                measured=choice.measured,
            )
            apply_change(self._store, change, Occasion(Who.RUNTIME, machine))
        except Exception as error:  # whatever it is, the program goes on
            log.warning("the choice of %s is not kept: %s", self.multi_kernel, error)
        else:
            log.debug("Store picked kernel %d to cache file %s", choice.index, self.path)

    def _read(self) -> PickFile:
        return read_pick_file(self._store, self._relative, self.count)

    def _wrong(self, file: PickFile) -> str:
        if file.held.content is None:
            return file.pick.reason
        return f"it holds {file.held.content[:40]!r}, and the sub-kernels are 0 to {self.count - 1}"

    @property
    def _store(self) -> FolderStore:
        return FolderStore(str(self.cache))

    @property
    def _relative(self) -> str:
        return f"{self.key[1:3]}/{self.key}{ENDING}"


@lru_cache(maxsize=1024)
def _tell(path: Path, wrong: str) -> None:
    """Once: until it has measured, a program reads its pick several times."""
    log.warning("%s: ignored, and measured anew: %s", path, wrong)
