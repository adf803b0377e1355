"""What a command is going to change in a place, before it does; then doing it. Both faces confirm the same plans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import MultiKernel
from mkexplorer.catalog.store import FolderStore, Store

from .book import PickBook
from .changes import PickChange, full_id, last_batch, one_per_file, plan_clear, plan_pin, plan_undo
from .files import bundle_refusal, read_histories, read_pick_file
from .model import Machine, Measured, PickFile, PickState
from .rules import has_no_file
from .writing import Occasion, apply_changes, remove_leftover

_One = TypeVar("_One")


@dataclass(frozen=True, slots=True)
class Plan:
    """``changes`` are one for each file; ``refusals`` say what cannot be changed and why. Both empty: nothing to do."""

    changes: tuple[PickChange, ...] = ()
    refusals: tuple[MkexplorerError, ...] = ()


@dataclass(frozen=True, slots=True)
class Winner:
    """The sub-kernel that is to be pinned because of what was ``measured`` on ``machine``."""

    multi_kernel: MultiKernel
    index: int
    measured: Measured
    why: str = ""
    machine: Machine | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """``now`` is the file as it was read after the change; ``error`` is what kept the change from being made."""

    change: PickChange
    now: PickFile
    error: MkexplorerError | None = None


def pins(book: PickBook, chosen: Iterable[tuple[MultiKernel, int]], why: str = "") -> Plan:
    """Raises `MkexplorerError` where two that share a file are to differ."""
    return _plan_in(book, lambda one: plan_pin(one[0], book.of(one[0]).file, one[1], why), chosen)


def winners(book: PickBook, chosen: Iterable[Winner]) -> Plan:
    """Pins with what they rest on. Of those that share a file the first counts: they are of the same kernels."""
    by_path: dict[str, Winner] = {}
    for one in chosen:
        file = book.of(one.multi_kernel).file
        by_path.setdefault(file.path or one.multi_kernel.id, one)
    return _plan_in(book, lambda one: _pin_of(book, one), by_path.values())


def clears(book: PickBook, multi_kernels: Iterable[MultiKernel], why: str = "") -> Plan:
    return _plan_in(book, lambda one: plan_clear(one, book.of(one).file, why), multi_kernels)


def clears_of_all(book: PickBook, why: str = "") -> Plan:
    """Every multi-kernel's pick; templates have none that could be cleared."""
    return clears(book, (each for each in book.catalog.multi_kernels if not has_no_file(each)), why)


def clears_of_invalid(book: PickBook, why: str = "") -> Plan:
    invalid = (each for each in book.catalog.multi_kernels if book.of(each).pick.state is PickState.INVALID)
    return clears(book, invalid, why)


def clears_of_orphans(book: PickBook, why: str = "") -> Plan:
    """Raises `MkexplorerError` where it cannot be told which files are nobody's."""
    return _plan(lambda file: plan_clear(None, file, why), book.orphans())


def last_undo(catalog: Catalog, why: str = "") -> Plan:
    """Takes back the last command that is not taken back yet. The histories tell; where a file is need not be known."""
    return _plan(lambda file: plan_undo(file, why), last_batch(read_histories(catalog.store)))


def carry_out(catalog: Catalog, changes: Sequence[PickChange], occasion: Occasion) -> Iterator[Outcome]:
    """Makes the changes one after the other; one that cannot be made stops no other."""
    counts = {full_id(each): len(each.sub_kernels) for each in catalog.multi_kernels}
    for change, error in apply_changes(catalog.store, changes, occasion):
        now = read_pick_file(catalog.store, change.path, counts.get(change.multi_kernel))
        yield Outcome(change, now, error)


def remove_leftovers(store: Store, paths: Iterable[str]) -> Iterator[tuple[str, MkexplorerError | None]]:
    """Removes what killed writers left beside the pick files at ``paths``, each told with what kept it from that."""
    if not isinstance(store, FolderStore):
        return
    for path in paths:
        try:
            remove_leftover(store, path)
        except MkexplorerError as error:
            yield path, error
        else:
            yield path, None


def _pin_of(book: PickBook, one: Winner) -> PickChange | None:
    change = plan_pin(one.multi_kernel, book.of(one.multi_kernel).file, one.index, one.why)
    return replace(change, measured=one.measured, machine=one.machine) if change else None


def _plan_in(book: PickBook, planner: Callable[[_One], PickChange | None], ones: Iterable[_One]) -> Plan:
    """As `_plan`; a bundle refuses once, and not once for each pick."""
    if isinstance(book.catalog.store, FolderStore):
        return _plan(planner, ones)
    return Plan(refusals=(bundle_refusal(book.catalog.place.path),) if any(True for _ in ones) else ())


def _plan(planner: Callable[[_One], PickChange | None], ones: Iterable[_One]) -> Plan:
    changes: list[PickChange] = []
    refusals: list[MkexplorerError] = []
    for one in ones:
        try:
            change = planner(one)
        except MkexplorerError as error:
            refusals.append(error)
        else:
            changes += [change] if change else []
    return Plan(one_per_file(changes), tuple(refusals))
