"""One background thread that opens the catalog and then keeps it up to date while a program compiles.

It only posts messages. It is a daemon of its own, not a Textual worker: leaving the app must not wait for a
huge cache to be read to its end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.picks.book import PickBook, recorded_book
from mkexplorer.report import rows

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog

PAUSE_S = 1.0
# A refresh may take a tenth of the thread's time, no more.
PAUSE_PER_REFRESH = 9


@dataclass
class CatalogRead(Message):
    """The place was opened, or holds something new since then. Its rows come along, so that nobody waits for them.

    ``book`` is what is known of its picks so far.
    """

    catalog: Catalog
    graphs: tuple[rows.GraphRow, ...]
    machine: str
    book: PickBook


@dataclass
class ReadingFailed(Message):
    """The place cannot be opened (``opened`` False), or no longer be read."""

    error: MkexplorerError | OSError
    opened: bool


def _rows_of(book: PickBook) -> tuple[rows.GraphRow, ...]:
    return rows.graph_rows(book.catalog, book)


class CatalogReader(threading.Thread):
    """Opens with ``opener``, posts to ``post``; follows while ``following`` is set, until ``stop``.

    ``book_of`` tells what is known so far of a catalog's picks, ``rows_of`` makes its rows.
    """

    def __init__(
        self,
        opener: Callable[[], Catalog],
        post: Callable[[Message], object],
        pause_s: float = PAUSE_S,
        book_of: Callable[[Catalog], PickBook] = recorded_book,
        rows_of: Callable[[PickBook], tuple[rows.GraphRow, ...]] = _rows_of,
    ) -> None:
        super().__init__(name="catalog reader", daemon=True)
        self._opener = opener
        self._post = post
        self._pause_s = pause_s
        self._book_of = book_of
        self._rows_of = rows_of
        self._stopped = threading.Event()
        self.following = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        try:
            catalog = self._opener()
            self._post(self._read(catalog))
        except Exception as error:
            self._post(ReadingFailed(_presentable(error), opened=False))
            return
        self._follow(catalog)

    def _follow(self, catalog: Catalog) -> None:
        pause_s, failing = self._pause_s, False
        while not self._stopped.wait(pause_s):
            if not self.following.is_set():
                continue
            began = time.monotonic()
            try:
                fresh = catalog.refresh()
                if fresh is not catalog:
                    self._post(self._read(fresh))
            except Exception as error:
                if not failing:
                    self._post(ReadingFailed(_presentable(error), opened=True))
                failing = True
                continue
            failing = False
            pause_s = max(self._pause_s, PAUSE_PER_REFRESH * (time.monotonic() - began))
            catalog = fresh

    def _read(self, catalog: Catalog) -> CatalogRead:
        book = self._book_of(catalog)
        return CatalogRead(catalog, self._rows_of(book), rows.machine_text(catalog), book)


def _presentable(error: Exception) -> MkexplorerError | OSError:
    if isinstance(error, MkexplorerError | OSError):
        return error
    return MkexplorerError(
        f"Reading the place failed in a way that mkexplorer did not expect: {type(error).__name__}: {error}",
        "Please report this, with the place if you can share it; `mkexplorer list` shows where it happened.",
    )
