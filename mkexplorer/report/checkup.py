"""What the doctor finds: interpreter, cache, picks and environment, judged, each with its fix. It only reads."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import PlaceKind
from mkexplorer.catalog.places import default_place
from mkexplorer.catalog.users import user_name
from mkexplorer.picks.book import PickBook
from mkexplorer.picks.environment import environment_notes
from mkexplorer.picks.interpreter import Identity
from mkexplorer.picks.model import PickState
from mkexplorer.picks.origin import CacheFiles
from mkexplorer.picks.rules import release_of
from mkexplorer.report import titles
from mkexplorer.report.audit import audit
from mkexplorer.report.findings import CheckupSection, Finding, Level
from mkexplorer.report.rows import graph_rows, loss_text
from mkexplorer.report.upstream import upstream_findings

_FIRST, _LAST = (2, 3), (2, 13)
_DETAILS = 10


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose the cache is: ``is_me`` and ``is_writable`` for the person who runs mkexplorer."""

    name: str
    is_me: bool
    is_writable: bool


def owner_of(path: str) -> Owner | None:
    """None where the place is gone."""
    try:
        uid = os.stat(path).st_uid
    except OSError:
        return None
    return Owner(user_name(uid), uid == os.geteuid(), os.access(path, os.W_OK))


@dataclass(frozen=True, slots=True)
class Patient:
    """All that is looked at. What could not be had is None, and the error beside it says why."""

    identity: Identity | None
    interpreter_error: MkexplorerError | None
    book: PickBook | None
    place_error: MkexplorerError | None
    owner: Owner | None
    environment: Mapping[str, str]


def examine(patient: Patient) -> tuple[CheckupSection, ...]:
    catalog = patient.book.catalog if patient.book else None
    sections = {
        "Interpreter": _interpreter(patient),
        "Cache": _cache(patient),
        "Picks": _picks(patient.book) if patient.book else (),
        "Environment": _environment(patient.environment),
        "Faults of torch": upstream_findings(patient.identity, patient.environment, catalog),
    }
    found = (CheckupSection(title, tuple(findings)) for title, findings in sections.items())
    return tuple(section for section in found if section.findings)


def _interpreter(patient: Patient) -> Iterator[Finding]:
    identity, error = patient.identity, patient.interpreter_error
    if identity is None:
        message, advice = (error.message, error.advice) if error else ("there is no interpreter", "")
        yield Finding(Level.PROBLEM, message, _command(advice))
        return
    yield Finding(Level.OK, f"Python {identity.python}: {identity.executable}")
    release = release_of(identity.torch or "")
    if identity.missing:
        yield Finding(Level.PROBLEM, identity.missing, "Run with --python and the Python that compiles your programs.")
    elif release is None or release < _FIRST:
        yield Finding(Level.PROBLEM, f"torch {identity.torch}: multi-kernels came with 2.3", "Update torch.")
    elif release > _LAST:
        known = f"mkexplorer knows torch up to {_LAST[0]}.{_LAST[1]}"
        yield Finding(Level.WARNING, f"torch {identity.torch}: {known}", "Update mkexplorer, if there is a later one.")
    else:
        yield Finding(Level.OK, f"torch {identity.torch}")
    if identity.triton:
        yield Finding(Level.OK, f"triton {identity.triton}")
    if identity.gpus:
        counted = Counter(identity.gpus).items()
        names = ", ".join(f"{count} × {name}" if count > 1 else name for name, count in counted)
        yield Finding(Level.OK, f"GPU {names}, driver {identity.driver}")
    else:
        yield Finding(Level.OK, "no NVIDIA GPU: nothing can be timed here")


def _cache(patient: Patient) -> Iterator[Finding]:
    if patient.book is None:
        error = patient.place_error
        yield Finding(Level.WARNING, error.message if error else "no place", error.advice if error else "")
        return
    catalog, owner = patient.book.catalog, patient.owner
    count = len(catalog.multi_kernels)
    held = f"{_counted(count, 'multi-kernel')} in {_counted(len(catalog.wrappers), 'wrapper')}"
    yield Finding(
        Level.OK, f"{catalog.place.path} ({catalog.place.kind.value}): {held if count else 'no multi-kernels'}"
    )
    if owner is not None and not owner.is_me:
        advice = f"Run mkexplorer as {owner.name} to change them."
        yield Finding(Level.WARNING, f"it belongs to {owner.name}: its picks cannot be changed from here", advice)
    elif owner is not None and not owner.is_writable:
        yield Finding(Level.WARNING, "it cannot be written: its picks cannot be changed", "Check its permissions.")
    yield from _writers(catalog, patient.identity)
    if catalog.diagnostics:
        details = tuple(f"{each.path}: {each.message}" for each in catalog.diagnostics)
        what = f"{_counted(len(details), 'thing')} in it could not be used"
        yield Finding(Level.WARNING, what, "`mkexplorer list` says what to do about each.", _some(details))


def _writers(catalog: Catalog, identity: Identity | None) -> Iterator[Finding]:
    """Which versions wrote the cache, and whether the interpreter's are among them."""
    torches = sorted({wrapper.written_by for wrapper in catalog.wrappers})
    files = CacheFiles(catalog.store)
    tritons = sorted({version for each in catalog.multi_kernels for version in files.triton_versions(each)})
    if torches:
        names = [" and ".join(torches), *(f"triton {version}" for version in tritons)]
        yield Finding(Level.OK, f"written by {', '.join(names)}")
    is_cache = catalog.place.kind is PlaceKind.CACHE
    if is_cache and tritons and identity is not None and identity.triton and identity.triton not in tritons:
        what = f"this interpreter has triton {identity.triton}, which did not write this cache"
        yield Finding(Level.WARNING, what, "Run with --python and the Python that did.")


def _picks(book: PickBook) -> Iterator[Finding]:
    catalog = book.catalog
    where = _where(catalog)
    named = [(f"{each.id} {titles.full_title(each)}", book.of(each)) for each in catalog.multi_kernels]
    if not named:
        return
    counts = Counter(record.pick.state for _, record in named)
    yield Finding(Level.OK, ", ".join(f"{counts[state]} {state.value}" for state in PickState if counts[state]))
    if invalid := [f"{name}: {record.pick.reason}" for name, record in named if record.pick.state is PickState.INVALID]:
        what = f"{_counted(len(invalid), 'invalid pick')}: programs that load {_them(len(invalid))} end"
        yield Finding(Level.PROBLEM, what, f"mkexplorer clear --invalid{where}", _some(invalid))
    unknown = Counter(record.pick.reason for _, record in named if record.pick.state is PickState.UNKNOWN)
    for reason, count in unknown.items():
        yield Finding(Level.WARNING, f"{count} {'pick is' if count == 1 else 'picks are'} not known: {reason}")
    damaged = [f"{name}: {problem}" for name, record in named for problem in record.file.history.problems]
    if damaged:
        yield Finding(
            Level.WARNING, f"{_counted(len(damaged), 'line')} of histories cannot be read", "", _some(damaged)
        )
    if catalog.place.kind is PlaceKind.CACHE:
        yield from _costs(book, where)
        yield from _stray_files(book, where)


def _costs(book: PickBook, where: str) -> Iterator[Finding]:
    """What is known of the picks' times, and how to know it."""
    found = audit(graph_rows(book.catalog, book))
    if found.slower:
        what = f"{_counted(found.slower, 'pick')} surely slower than another sub-kernel: {loss_text(found.loss_us)}"
        yield Finding(Level.WARNING, what, f"mkexplorer audit --recorded --apply{where}")
    if found.unjudged:
        what = f"{_counted(found.unjudged, 'pick')} that nobody measured: `mkexplorer audit{where}` does, on a GPU"
        yield Finding(Level.OK, what)


def _stray_files(book: PickBook, where: str) -> Iterator[Finding]:
    obstacles = {record.file.obstacle for record in book.records.values() if record.file.path and record.file.obstacle}
    if obstacles:
        yield Finding(
            Level.WARNING, f"{_counted(len(obstacles), 'pick')} cannot be changed", "", _some(sorted(obstacles))
        )
    if leftovers := book.leftovers:
        what = f"{_counted(len(leftovers), 'temporary file')} of a mkexplorer that was killed"
        yield Finding(Level.WARNING, what, f"mkexplorer clear --leftovers{where}", _some(leftovers))
    try:
        orphans = [each.path for each in book.orphans()]
    except MkexplorerError as error:
        yield Finding(Level.OK, error.message)
        return
    if orphans:
        belong = "belongs" if len(orphans) == 1 else "belong"
        what = f"{_counted(len(orphans), 'pick file')} {belong} to no multi-kernel of this cache"
        yield Finding(Level.WARNING, what, f"mkexplorer clear --orphans{where}", _some(orphans))


def _environment(environment: Mapping[str, str]) -> Iterator[Finding]:
    for note in environment_notes(environment):
        what = f"{note.variable}={note.value}: {note.effect}"
        if note.picks_count:
            yield Finding(Level.OK, what)
        else:
            yield Finding(Level.WARNING, what, f"unset {note.variable}")
    if not environment.get("TORCHINDUCTOR_MULTI_KERNEL"):
        what = "TORCHINDUCTOR_MULTI_KERNEL is not set: programs have multi-kernels only if they ask for them"
        yield Finding(Level.OK, what)


def _where(catalog: Catalog) -> str:
    """What names the place in a command that is given as a fix."""
    path = catalog.place.path
    return "" if path == str(default_place()) else f" --place {shlex.quote(path)}"


def _some(details: Iterable[str]) -> tuple[str, ...]:
    shown = tuple(details)
    more = len(shown) - _DETAILS
    return (*shown[:_DETAILS], f"… and {more} more") if more > 0 else shown


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _them(count: int) -> str:
    return "it" if count == 1 else "them"


def _command(advice: str) -> str:
    return f"{advice[:1].upper()}{advice[1:]}." if advice and not advice.endswith(".") else advice
