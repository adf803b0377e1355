"""The picks of the opened place, found and kept up to date away from the event loop.

What is remembered comes at once, what an interpreter must tell when it has. Like the reader of the catalog it only
posts messages, and is a daemon: leaving the app waits for no interpreter.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from textual.message import Message

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import PlaceKind
from mkexplorer.measure.model import BenchResult
from mkexplorer.picks import measurements, plans
from mkexplorer.picks.book import (
    NotStarted,
    PickBook,
    PickRecord,
    environment_of,
    find_records,
    machine_of,
    recorded,
)
from mkexplorer.picks.changes import full_id
from mkexplorer.picks.files import unknown_pick_file
from mkexplorer.picks.interpreter import Identity, Interpreter, InterpreterClosed
from mkexplorer.picks.model import Machine, PickState, Who
from mkexplorer.picks.places import Progress
from mkexplorer.picks.plans import Outcome, Plan
from mkexplorer.picks.rules import has_no_file
from mkexplorer.picks.writing import Occasion
from mkexplorer.report import rows
from mkexplorer.tui.messages import Failed
from mkexplorer.tui.pythons import Pythons

LOOKING = "its pick file is being looked for"
PAUSE_S = 2.0
# Reading the pick files again may take a tenth of the thread's time, no more.
PAUSE_PER_READING = 9
PROGRESS_EVERY_S = 0.1
BOOK_EVERY_S = 1.0
# A worker holds torch: half a gigabyte for nobody. A compiling program brings new graphs every few seconds, though.
IDLE_S = 60.0


@dataclass
class PicksRead(Message):
    """What is known of the picks now. The rows come along, so that nobody waits for them."""

    book: PickBook
    graphs: tuple[rows.GraphRow, ...]


@dataclass
class PicksProgress(Message):
    """``text`` says what is being done, for people; empty when all is done."""

    text: str

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, PicksProgress)


class _Superseded(Exception):
    """The place was read again, or the app is being left."""


class PickKeeper(threading.Thread):
    """Posts to ``post``. `book_of`, `plan`, `carry_out` and `close` may be called by any thread, and may block.

    One lock orders all reading and writing of pick files with the messages about it, so that the last message tells
    what is so.
    """

    def __init__(self, pythons: Pythons, post: Callable[[Message], object], pause_s: float = PAUSE_S) -> None:
        super().__init__(name="pick keeper", daemon=True)
        self.pythons = pythons
        self.following = threading.Event()
        self._post = post
        self._pause_s = pause_s
        self._files = threading.RLock()
        self._book: PickBook | None = None
        self._results: dict[str, BenchResult] = {}
        self._wanted: Catalog | None = None
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._hired = threading.Lock()
        self._interpreter: Interpreter | None = None
        self._guests: list[Interpreter] = []

    # --- for everybody --------------------------------------------------------------------------------------

    def book_of(self, catalog: Catalog) -> PickBook:
        """What is known so far of the picks of a place that was just opened, or read again."""
        with self._files:
            before = self._book
            book = before.reread(catalog) if before is not None else _unread(catalog)
            self._book = PickBook(catalog, _waiting(catalog, book.records, before), environment_of(catalog))
            return self._book

    def look(self, catalog: Catalog) -> None:
        """Look for the pick files of a place that `book_of` has seen; gives up looking for those of any other."""
        self._wanted = catalog
        self._wake.set()

    def plan(self, planner: Callable[[PickBook], Plan]) -> Plan:
        """A plan for the files as they are now. Raises `MkexplorerError`."""
        with self._files:
            assert self._book is not None
            self._book = self._book.reread()
            return planner(self._book)

    def rows_of(self, book: PickBook) -> tuple[rows.GraphRow, ...]:
        """The rows of a place, with what was measured in this session."""
        measured = {each.id: self._results.get(full_id(each)) for each in book.catalog.multi_kernels}
        return rows.graph_rows(book.catalog, book, {name: result for name, result in measured.items() if result})

    def keep(self, name: str, result: BenchResult) -> str:
        """Store what was measured of the multi-kernel ``name`` (its full id) beside its pick, and post all rows anew.

        Returns why it is not stored; '' where it is.
        """
        with self._files:
            assert self._book is not None
            self._results[name] = result
            try:
                return self._store(self._book, name, result)
            except MkexplorerError as error:
                return str(error)
            finally:
                self._show(self._book.reread())

    def _store(self, book: PickBook, name: str, result: BenchResult) -> str:
        catalog = book.catalog
        if doubt := measurements.doubt(result):
            return doubt
        found = next((each for each in catalog.multi_kernels if full_id(each) == name), None)
        if found is None:
            return "it is no longer in this place"
        if obstacle := book.of(found).file.obstacle:
            return obstacle
        known_as = replace(result, multi_kernel_id=found.id)
        measurements.store(catalog, book.of(found), known_as, Occasion(Who.PERSON))
        return ""

    def carry_out(self, plan: Plan, machine: Machine | None = None) -> list[Outcome]:
        """Make the changes, read all again and post it. ``machine`` is the one that they rest on."""
        with self._files:
            assert self._book is not None
            occasion = Occasion(Who.PERSON, machine or machine_of(self.pythons.on_its_own()))
            done = list(plans.carry_out(self._book.catalog, plan.changes, occasion))
            self._show(self._book.reread())
            return done

    def identity(self) -> Identity:
        """Who the interpreter is now: only itself knows the GPU of today. Raises `MkexplorerError`."""
        with self.pythons.on_its_own() as guest:
            self._guests.append(guest)
            if self._stopped.is_set():
                raise _Superseded
            return guest.hello()

    def close(self) -> None:
        """End the thread and the interpreters; does not wait."""
        self._stopped.set()
        self._wake.set()
        self._dismiss()
        for guest in self._guests:
            guest.close()

    # --- the thread -----------------------------------------------------------------------------------------

    def run(self) -> None:
        pause_s, last_used = self._pause_s, time.monotonic()
        while not self._stopped.is_set():
            self._wake.wait(pause_s)
            self._wake.clear()
            catalog, self._wanted = self._wanted, None
            try:
                if catalog is not None:
                    self._search(catalog)
                    last_used = time.monotonic()
                elif self.following.is_set():
                    began = time.monotonic()
                    self._read_again()
                    pause_s = max(self._pause_s, PAUSE_PER_READING * (time.monotonic() - began))
                if time.monotonic() - last_used > IDLE_S:
                    self._dismiss()
            except (_Superseded, InterpreterClosed):
                continue
            except Exception as error:
                self._give_up(error)

    def _search(self, catalog: Catalog) -> None:
        try:
            interpreter = self._hire(catalog)
            if isinstance(interpreter, NotStarted):
                self._take(catalog, dict(find_records(catalog, interpreter)))
                return
            remembered = dict(find_records(catalog, NotStarted(interpreter.python, LOOKING)))
            if not any(record.place_reason == LOOKING for record in remembered.values()):
                self._take(catalog, remembered)
                return
            # Of some only the rest will tell why they are not known.
            self._take(catalog, {name: record for name, record in remembered.items() if record.file.path})
            for records in self._batches(catalog, interpreter):
                self._take(catalog, records)
        finally:
            self._post(PicksProgress(""))

    def _batches(self, catalog: Catalog, interpreter: Interpreter) -> Iterator[dict[str, PickRecord]]:
        batch: dict[str, PickRecord] = {}
        shown = time.monotonic()
        for name, record in find_records(catalog, interpreter, on_progress=self._reporter()):
            batch[name] = record
            if time.monotonic() - shown > BOOK_EVERY_S:
                yield batch
                batch, shown = {}, time.monotonic()
        yield batch

    def _reporter(self) -> Callable[[Progress], None]:
        said = 0.0

        def report(progress: Progress) -> None:
            nonlocal said
            if self._stopped.is_set() or self._wanted is not None:
                raise _Superseded
            if time.monotonic() - said > PROGRESS_EVERY_S:
                said = time.monotonic()
                is_starting = progress.doing.startswith("starting")
                where = "starting Python" if is_starting else f"{progress.done}/{progress.total}"
                self._post(PicksProgress(f"finding picks: {where}"))

        return report

    def _take(self, catalog: Catalog, records: Mapping[str, PickRecord]) -> None:
        """Add to the book what was found, as it is by now."""
        with self._files:
            if self._book is None or self._book.catalog is not catalog:
                raise _Superseded
            self._show(PickBook(catalog, {**self._book.records, **records}, self._book.environment).reread())

    def _read_again(self) -> None:
        with self._files:
            if self._book is not None:
                fresh = self._book.reread()
                if fresh.records != self._book.records:
                    self._show(fresh)

    def _show(self, book: PickBook) -> None:
        self._book = book
        self._post(PicksRead(book, self.rows_of(book)))

    def _give_up(self, error: Exception) -> None:
        """Nothing is looked for any more; say so where it was."""
        said = error if isinstance(error, MkexplorerError | OSError) else unexpected("Finding the picks", error)
        self._post(Failed(said))
        with self._files:
            if self._book is not None:
                lost = PickRecord(unknown_pick_file(str(said)), str(said))
                records = {
                    name: lost if record.place_reason == LOOKING else record
                    for name, record in self._book.records.items()
                }
                self._show(PickBook(self._book.catalog, records, self._book.environment))

    # --- the interpreter ------------------------------------------------------------------------------------

    def _hire(self, catalog: Catalog) -> Interpreter:
        with self._hired:
            if self._stopped.is_set():
                raise _Superseded
            if self._interpreter is None:
                self._interpreter = self.pythons.for_place(catalog)
            return self._interpreter

    def _dismiss(self) -> None:
        with self._hired:
            interpreter, self._interpreter = self._interpreter, None
        if interpreter is not None:
            interpreter.close()


def unknown_picks(book: PickBook) -> int:
    """How many pick files of a cache cannot be told; those that are still looked for count too."""
    if book.catalog.place.kind is not PlaceKind.CACHE:
        return 0  # what is no cache has none
    timed = (each for each in book.catalog.multi_kernels if not has_no_file(each))
    return sum(book.of(each).pick.state is PickState.UNKNOWN for each in timed)


def unexpected(doing: str, error: Exception) -> MkexplorerError:
    """For what nobody foresaw."""
    return MkexplorerError(
        f"{doing} failed in a way that mkexplorer did not expect: {type(error).__name__}: {error}",
        "Please report this; the same on the command line with --debug shows where it happened.",
    )


def _unread(catalog: Catalog) -> PickBook:
    """What the place records, and of all others that they are looked for."""
    waiting = PickRecord(unknown_pick_file(LOOKING), LOOKING)
    evidences = ((each, catalog.evidence(each)) for each in catalog.multi_kernels)
    return PickBook(catalog, {each.id: recorded(each, found) if found else waiting for each, found in evidences})


def _waiting(catalog: Catalog, records: Mapping[str, PickRecord], before: PickBook | None) -> dict[str, PickRecord]:
    """``records`` with those that are new in a place marked as looked for."""
    if before is None:
        return dict(records)
    known = {full_id(each) for each in before.catalog.multi_kernels}
    waiting = PickRecord(unknown_pick_file(LOOKING), LOOKING)
    return {each.id: records[each.id] if full_id(each) in known else waiting for each in catalog.multi_kernels}
