"""The command that looks at everything a pick rests on, and says how to put right what is wrong."""

from __future__ import annotations

import os
import sys

from mkexplorer.catalog import open_catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.cli.books import read_book
from mkexplorer.cli.parser import Given
from mkexplorer.cli.terminal import ProgressLine, look_of, put, put_json
from mkexplorer.picks.book import PickBook, remembered_identity
from mkexplorer.picks.interpreter import Identity, Interpreter
from mkexplorer.report import as_text, checkup, picks_json
from mkexplorer.report.findings import Level, worst

_HEALTHY, _HAS_PROBLEMS = 0, 1


def examine(given: Given, place: str | None) -> int:
    book, place_error = _book(given, place)
    identity, interpreter_error = _identity(given)
    owner = checkup.owner_of(book.catalog.place.path) if book else None
    patient = checkup.Patient(identity, interpreter_error, book, place_error, owner, os.environ)
    sections = checkup.examine(patient)
    if given.json:
        put_json(picks_json.checkup(book.catalog.place.path if book else place, sections))
    else:
        put(as_text.checkup(sections, look_of(sys.stdout, given.color)))
    level = worst(section.level for section in sections)
    return _HAS_PROBLEMS if level is Level.PROBLEM else _HEALTHY


def _book(given: Given, place: str | None) -> tuple[PickBook | None, MkexplorerError | None]:
    try:
        return read_book(given, open_catalog(place)), None
    except MkexplorerError as error:
        return None, error


def _identity(given: Given) -> tuple[Identity | None, MkexplorerError | None]:
    """As the interpreter is now: what is remembered of it does not tell the GPU of today."""
    with Interpreter(given.python) as interpreter, ProgressLine() as line:
        if given.no_python:
            remembered = remembered_identity(interpreter)
            return remembered, None if remembered else MkexplorerError("nothing is remembered of this Python")
        line.show(f"starting {interpreter.python}")
        try:
            return interpreter.hello(), None
        except MkexplorerError as error:
            return None, error
