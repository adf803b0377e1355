"""What stands there until the real screen is imported: the same header and list, without anything in them.

It imports nothing that the first frame does not need, so that the app answers at once.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from mkexplorer.tui.header import HeaderFacts, header_content


class FirstScreen(Screen[None]):
    """The first frame."""

    CSS = """
    FirstScreen #header { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }
    FirstScreen #list { padding: 1 1; color: $foreground 60%; }
    """

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place

    def compose(self) -> ComposeResult:
        yield Static(header_content(HeaderFacts(self._place), self.app.size.width - 2), id="header")
        yield Static(Content("reading…"), id="list")
