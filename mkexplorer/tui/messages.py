"""What tabs and panes tell the screen. They never act on the terminal or on each other themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from mkexplorer.catalog.errors import MkexplorerError
    from mkexplorer.catalog.model import Place


@dataclass
class Failed(Message):
    """Something the person asked for did not work; ``error`` says what happened and what to do."""

    error: MkexplorerError | OSError


@dataclass
class Notice(Message):
    """One short sentence for the person, shown for a few seconds."""

    text: str


@dataclass
class CopyRequested(Message):
    """``text`` is to go to the clipboard; ``what`` names it ('the source of …')."""

    text: str
    what: str


@dataclass
class EditRequested(Message):
    """Open ``path`` in the person's editor at ``line`` (from 1). ``path`` is POSIX, relative to the place."""

    path: str
    line: int = 1


@dataclass
class OpenEditor(Message):
    """The screen's answer to `EditRequested`, with the place that ``path`` belongs to."""

    place: Place
    path: str
    line: int
