"""The picks of the place that a command line names, with what that may take: a Python to ask, and somebody waiting."""

from __future__ import annotations

from mkexplorer.catalog import Catalog
from mkexplorer.cli.parser import Given
from mkexplorer.cli.terminal import ProgressLine
from mkexplorer.picks.book import NotStarted, PickBook, interpreter_for, open_book
from mkexplorer.picks.places import Progress


def read_book(given: Given, catalog: Catalog) -> PickBook:
    """Starts the Python that was asked for where something is not remembered."""
    python = NotStarted(given.python) if given.no_python else interpreter_for(catalog, given.python)
    with python, ProgressLine() as line:
        return open_book(catalog, python, on_progress=lambda progress: line.show(_text(progress)))


def _text(progress: Progress) -> str:
    return f"Finding the picks: {progress.doing}, {progress.done} of {progress.total}"
