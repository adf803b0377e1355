"""Plans of changes to picks: pin, clear, undo. Pure; `mkexplorer.picks.writing` carries them out.

``undo`` takes back the last command that is not taken back yet: all its pins and clears at once. An undo is itself
no change to take back, so undoing again walks further into the past; what was undone is done again by pinning again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import MultiKernel, MultiKernelKind

from .model import NOTHING_HELD, Action, Entry, Held, Machine, Measured, PickFile, PickState


@dataclass(frozen=True, slots=True)
class PickChange:
    """One pick file is to hold ``after`` instead of ``before``.

    It is planned for a file and a history (of ``history_size`` bytes) as they were found, and carried out only if
    both are still the same. ``multi_kernel`` is the wrapper's whole key, a slash and the name; '' for an orphan.
    ``machine`` is the one that it was ``measured`` on; without it the change is of the machine where it is made.
    """

    path: str
    multi_kernel: str
    action: Action
    before: Held
    after: Held
    history_size: int
    why: str = ""
    undoes: str | None = None
    measured: Measured | None = None
    machine: Machine | None = None


def plan_pin(multi_kernel: MultiKernel, file: PickFile, index: int, why: str = "") -> PickChange | None:
    """The change that pins sub-kernel ``index``; None where that is pinned already.

    Raises `MkexplorerError` where the file must not be changed, or there is no such sub-kernel or no pick file at all.
    """
    count = len(multi_kernel.sub_kernels)
    if multi_kernel.kind is MultiKernelKind.SIZE_HINT:
        message = f"{multi_kernel.id}: is chosen by its size hints at every call, and has no pick file"
        raise MkexplorerError(message, "Recompile with other multi_kernel_hints to change what is chosen.")
    if not 0 <= index < count:
        raise MkexplorerError(f"{multi_kernel.id}: has no sub-kernel {index}", f"It has 0 to {count - 1}.")
    _check(file, multi_kernel.id)
    if file.pick.state is PickState.PINNED and file.pick.index == index:
        return None
    after = Held(str(index).encode(), PickState.PINNED)
    return PickChange(file.path, full_id(multi_kernel), Action.PIN, file.held, after, file.history.size, why)


def plan_clear(multi_kernel: MultiKernel | None, file: PickFile, why: str = "") -> PickChange | None:
    """The change that removes a pick, so that the next program to load it measures anew; None where there is none.

    ``multi_kernel`` is None for an orphan. Raises `MkexplorerError` where the file must not be changed.
    """
    if file.pick.state is PickState.NONE:
        return None
    _check(file, multi_kernel.id if multi_kernel else file.path)
    whose = full_id(multi_kernel) if multi_kernel else ""
    return PickChange(file.path, whose, Action.CLEAR, file.held, NOTHING_HELD, file.history.size, why)


def measurement(multi_kernel: MultiKernel, file: PickFile, measured: Measured, machine: Machine) -> PickChange:
    """What was measured, to be entered beside the pick, which stays as it is."""
    held, size = file.held, file.history.size
    whose = full_id(multi_kernel)
    return PickChange(file.path, whose, Action.MEASURE, held, held, size, measured=measured, machine=machine)


def plan_undo(file: PickFile, why: str = "") -> PickChange | None:
    """The change that brings back what was there before this pick's last change; None where there was no change.

    What a run time has written since is replaced too, and stands in the history. Raises as `plan_clear` does.
    """
    undone = _last_undoable(file)
    if undone is None:
        return None
    _check(file, file.path)
    whose, size = undone.multi_kernel, file.history.size
    return PickChange(file.path, whose, Action.UNDO, file.held, undone.before, size, why, undoes=undone.id)


def last_batch(files: Iterable[PickFile]) -> tuple[PickFile, ...]:
    """Those of ``files`` that the last command changed that is not taken back yet: what `undo` is about."""
    last = [(entry, file) for file in files if (entry := _last_undoable(file))]
    if not last:
        return ()
    batch = max(last, key=lambda each: each[0].when)[0].batch
    return tuple(file for entry, file in last if entry.batch == batch)


def one_per_file(changes: Iterable[PickChange]) -> tuple[PickChange, ...]:
    """Multi-kernels of the same kernels share a pick file: one change for each. Raises where two of them disagree."""
    by_path: dict[str, PickChange] = {}
    for change in changes:
        first = by_path.setdefault(change.path, change)
        if first.after != change.after:
            message = f"{first.multi_kernel} and {change.multi_kernel} share {change.path}, and are to differ"
            raise MkexplorerError(message, "Change only one of them: the other follows.")
    return tuple(by_path.values())


def full_id(multi_kernel: MultiKernel) -> str:
    """The id by which evidence names a multi-kernel: it stays the same when more wrappers make short ids longer."""
    return f"{multi_kernel.wrapper_key}/{multi_kernel.name}"


def _last_undoable(file: PickFile) -> Entry | None:
    return file.history.undoable[-1] if file.history.undoable else None


def _check(file: PickFile, name: str) -> None:
    if file.obstacle:
        raise MkexplorerError(f"{name}: the pick is not changed: {file.obstacle}", "Put that right, then try again.")
