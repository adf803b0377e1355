"""The pick file of one multi-kernel: where torch has it, as torch reads it, written with what the pick rests on."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.store import FolderStore
from mkexplorer.measure.verdict import Judgement, Verdict
from mkexplorer.picks.changes import PickChange
from mkexplorer.picks.files import read_pick_file
from mkexplorer.picks.model import Action, Entry, Held, Machine, Measured, PickFile, PickState, Who
from mkexplorer.picks.writing import Occasion, apply_change

from .session import tell_once

log = logging.getLogger("mkexplorer.inductor")


@dataclass(frozen=True)
class Found:
    """``index`` is None where there is no pick to use. ``doubt`` says what speaks against it; '' where nothing does."""

    index: int | None = None
    is_pinned: bool = False
    is_invalid: bool = False
    doubt: str = ""


@dataclass(frozen=True)
class CallPick:
    """``path`` is the file's, ``count`` how many sub-kernels there are, ``multi_kernel`` how evidence names it."""

    path: Path
    count: int
    multi_kernel: str

    @property
    def key(self) -> str:
        return self.path.stem

    def find(self, machine: Machine) -> Found:
        """The pick as a program on ``machine`` should see it; one that cannot be used is warned of."""
        file = self._read()
        if file.pick.state is PickState.INVALID:
            log.warning("%s: this pick is not used, and measured anew: %s", self.path, _wrong(file, self.count))
            return Found(is_invalid=True)
        if file.pick.index is None:
            return Found()
        is_pinned = file.pick.state is PickState.PINNED
        return Found(file.pick.index, is_pinned, doubt="" if is_pinned else _doubt(file, machine))

    def keep(self, index: int, machine: Machine, measured: Measured | None, why: str) -> bool:
        """Writes the pick and its evidence. What cannot be kept is warned of, and the program goes on."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = self._read()
            if file.obstacle:
                raise MkexplorerError(file.obstacle)
            after = Held(str(index).encode(), PickState.PICKED)
            change = PickChange(
                self._relative,
                self.multi_kernel,
                Action.PICK,
                file.held,
                after,
                file.history.size,
                why,
                measured=measured,
            )
            apply_change(self._store, change, Occasion(Who.RUNTIME, machine))
        except (MkexplorerError, OSError) as error:
            log.info("%s: the choice is not kept: %s", self.path, error)
            tell_once(f"choices are not kept in {self.path.parent.parent}: {error}")
            return False
        return True

    def _read(self) -> PickFile:
        return read_pick_file(self._store, self._relative, self.count)

    @property
    def _store(self) -> FolderStore:
        # The folder that somebody calls their cache may be a link; inside it none is followed.
        return FolderStore(os.path.realpath(self.path.parent.parent))

    @property
    def _relative(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"


def _wrong(file: PickFile, count: int) -> str:
    content = file.held.content
    if content is None:
        return file.pick.reason
    return f"it holds {content[:40]!r}, and the sub-kernels are 0 to {count - 1}"


def _doubt(file: PickFile, machine: Machine) -> str:
    """What speaks against the pick: this GPU's newest measurement, or that it was made on another one alone."""
    if machine.gpu is None:
        return ""
    entries = [each for each in reversed(file.history.entries) if each.happened and each.measured is not None]
    own = [each for each in entries if each.machine.gpu == machine.gpu]
    found = _judgement(own[0]) if own else None
    if found is not None and _is_beaten(file, found):
        return f"sub-kernel {found.best} was measured to be {found.ratio:.2f}x as fast on {own[0].when[:10]}"
    made = next((each for each in entries if each.machine.gpu is not None and _made(file, each)), None)
    if made is None or any(_supports(file, each) for each in own):
        return ""
    # H100 and H200 share their picks: torch tells GPUs apart by generation and number of processors.
    return f"it was measured on {made.machine.gpu}"


def _supports(file: PickFile, entry: Entry) -> bool:
    """Whether by this measurement no other sub-kernel is faster than the picked one."""
    found = _judgement(entry)
    if found is None or _made(file, entry):
        return _made(file, entry)
    return file.pick.index in (found.best, found.rival) and not _is_beaten(file, found)


def _judgement(entry: Entry) -> Judgement | None:
    return entry.measured.judgement if entry.measured is not None else None


def _is_beaten(file: PickFile, found: Judgement) -> bool:
    return found.verdict is Verdict.FASTER and found.rival == file.pick.index


def _made(file: PickFile, entry: Entry) -> bool:
    """Whether this measurement is the one that the pick rests on."""
    return entry.action is not Action.MEASURE and entry.after.content == file.held.content
