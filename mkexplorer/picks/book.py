"""The picks of one place: the file, state and history of each; what both faces show and change."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.model import Evidence, MultiKernel, PlaceKind
from mkexplorer.catalog.store import FolderStore
from mkexplorer.catalog.users import foreign_owner

from .changes import full_id
from .environment import EnvironmentNote, environment_notes
from .files import read_pick_file, unknown_pick_file
from .interpreter import Identity, Interpreter, InterpreterError, PickParts, UnusableInterpreter
from .model import Entry, Held, History, Machine, Pick, PickFile, recorded_pick
from .orphans import find_leftovers, find_orphans
from .places import PickPlace, Progress, find_places
from .remembered import is_current, load_memory, memory_path

_NOT_LOOKED_FOR = "where its pick file is has not been looked for yet"
_NOT_REMEMBERED = "not remembered, and no Python was to be started to compute where it is"
_FOREIGN = (
    "not remembered, and to compute where it is code of this cache would have to run, which belongs to {owner}; "
    "if you trust it, name the Python with --python"
)


@dataclass(frozen=True, slots=True)
class PickRecord:
    """One multi-kernel's pick file; ``place_reason`` says how its path is known, or why it is not.

    ``written`` is the file's own date in UTC, ISO 8601; None where there is none.
    """

    file: PickFile
    place_reason: str = ""
    written: str | None = None

    @property
    def pick(self) -> Pick:
        return self.file.pick

    @property
    def set_by(self) -> Entry | None:
        """The change that made the file what it is; None where the run time did, or nobody."""
        last = self.file.history.last
        return last if last is not None and last.after.content == self.file.held.content else None

    @property
    def when(self) -> str | None:
        """When the pick became what it is, by its history or else by its file; as `Entry.when`."""
        return self.set_by.when if self.set_by else self.written


@dataclass(frozen=True, eq=False)
class PickBook:
    """``records`` go by the ids of ``catalog``'s multi-kernels; they are plain data, and equal if nothing changed.

    ``environment`` is what makes programs that are started from here treat the place's picks otherwise.
    """

    catalog: Catalog
    records: Mapping[str, PickRecord]
    environment: tuple[EnvironmentNote, ...] = ()

    def of(self, multi_kernel: MultiKernel) -> PickRecord:
        return self.records[multi_kernel.id]

    def owners(self, path: str) -> tuple[MultiKernel, ...]:
        """The multi-kernels whose pick file is ``path``: those of the same kernels share one. None for an orphan."""
        return self._owners.get(path, ())

    def orphans(self) -> tuple[PickFile, ...]:
        """The pick files that are nobody's; raises `MkexplorerError` where that cannot be told."""
        paths = {name: record.file.path or None for name, record in self.records.items()}
        return tuple(read_pick_file(self.catalog.store, path, None) for path in find_orphans(self.catalog, paths))

    @cached_property
    def leftovers(self) -> tuple[str, ...]:
        """The pick files beside which a killed writer left something."""
        return find_leftovers(self.catalog.store)

    def reread(self, catalog: Catalog | None = None) -> PickBook:
        """The same files as they are now, for ``catalog`` where the place was read again meanwhile.

        Multi-kernels that are new in it are unknown until `open_book` has looked for their files.
        """
        fresh = catalog or self.catalog
        known = {full_id(each): self.records[each.id] for each in self.catalog.multi_kernels if each.id in self.records}
        records = {each.id: _read_again(fresh, each, known.get(full_id(each))) for each in fresh.multi_kernels}
        return PickBook(fresh, records, self.environment)

    @cached_property
    def _owners(self) -> Mapping[str, tuple[MultiKernel, ...]]:
        by_path: dict[str, tuple[MultiKernel, ...]] = {}
        for each in self.catalog.multi_kernels:
            path = self.records[each.id].file.path
            by_path[path] = (*by_path.get(path, ()), each)
        return by_path


def open_book(
    catalog: Catalog, interpreter: Interpreter, *, on_progress: Callable[[Progress], None] = lambda _: None
) -> PickBook:
    """Everything about the picks of a place. Starts ``interpreter`` only if it must; `InterpreterClosed` cancels."""
    found = dict(find_records(catalog, interpreter, on_progress=on_progress))
    records = {each.id: found[each.id] for each in catalog.multi_kernels}
    return PickBook(catalog, records, environment_of(catalog))


def find_records(
    catalog: Catalog, interpreter: Interpreter, *, on_progress: Callable[[Progress], None] = lambda _: None
) -> Iterator[tuple[str, PickRecord]]:
    """As `open_book`, each multi-kernel's id and record once it is known; those that need no interpreter come first."""
    by_id = {each.id: each for each in catalog.multi_kernels}
    for place in find_places(catalog, interpreter, on_progress=on_progress):
        yield place.multi_kernel_id, _record(catalog, by_id[place.multi_kernel_id], place)


def recorded_book(catalog: Catalog) -> PickBook:
    """What the place itself records of its picks (a bundle does), without looking for any file."""
    records = {each.id: recorded(each, catalog.evidence(each)) for each in catalog.multi_kernels}
    return PickBook(catalog, records)


def recorded(multi_kernel: MultiKernel, evidence: Evidence | None) -> PickRecord:
    pick = recorded_pick(multi_kernel, evidence)
    content = str(pick.index).encode() if pick.index is not None else None
    obstacle = "only its record is here, not the cache itself"
    return PickRecord(PickFile(pick.path or "", Held(content, pick.state), pick, History(), obstacle), pick.reason)


class NotStarted(Interpreter):
    """Stands for an interpreter that is not to be started, for ``reason``: only what is remembered of it counts."""

    def __init__(self, python: str | None = None, reason: str = _NOT_REMEMBERED) -> None:
        super().__init__(python)
        # Without any memory of it nothing else will be remembered either.
        kind = InterpreterError if remembered_identity(self) else UnusableInterpreter
        self._error = kind(reason)

    def hello(self) -> Identity:
        raise self._error

    def pick_parts(self, kernels: object) -> PickParts:
        raise self._error


def interpreter_for(catalog: Catalog, python: str | None) -> Interpreter:
    """The interpreter to ask about a place: ``python``, by default the running one.

    It runs code of the place, as whoever runs mkexplorer. What belongs to somebody else runs only in a Python that
    was named.
    """
    owner = foreign_owner(catalog.place.path) if python is None else None
    return NotStarted(python, _FOREIGN.format(owner=owner)) if owner else Interpreter(python)


def remembered_identity(interpreter: Interpreter) -> Identity | None:
    """Who the interpreter is, without starting it; None where nothing is remembered, or it has changed since."""
    identity = load_memory(memory_path(interpreter.python, os.environ)).identity
    return identity if identity and is_current(identity) else None


def machine_of(interpreter: Interpreter) -> Machine:
    """The torch and triton of a change; a GPU belongs only to one that was measured on it."""
    identity = remembered_identity(interpreter)
    return Machine(torch=identity.torch, triton=identity.triton) if identity else Machine()


def _record(catalog: Catalog, multi_kernel: MultiKernel, place: PickPlace) -> PickRecord:
    evidence = catalog.evidence(multi_kernel)
    if evidence is not None and (place.path is None or not catalog.store.exists(place.path)):
        return recorded(multi_kernel, evidence)
    if place.path is None:
        return PickRecord(unknown_pick_file(place.reason), place.reason)
    file = read_pick_file(catalog.store, place.path, len(multi_kernel.sub_kernels))
    if evidence is not None and not file.pick.reason:
        file = replace(file, pick=replace(file.pick, reason=evidence.source))
    return PickRecord(file, place.reason, _written(catalog, place.path) if file.held.content is not None else None)


def _written(catalog: Catalog, path: str) -> str | None:
    """The dates in a bundle are nobody's."""
    if not isinstance(catalog.store, FolderStore):
        return None
    try:
        seconds = os.stat(os.path.join(catalog.store.root, path)).st_mtime
    except OSError:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _read_again(catalog: Catalog, multi_kernel: MultiKernel, before: PickRecord | None) -> PickRecord:
    if before is None:
        return PickRecord(unknown_pick_file(_NOT_LOOKED_FOR), _NOT_LOOKED_FOR)
    path = before.file.path
    return _record(catalog, multi_kernel, PickPlace(multi_kernel.id, path or None, before.place_reason))


def environment_of(catalog: Catalog) -> tuple[EnvironmentNote, ...]:
    """What is in a bundle or a log is run by nobody here."""
    is_live = catalog.place.kind in (PlaceKind.CACHE, PlaceKind.WRAPPER)
    return environment_notes(os.environ) if is_live else ()
