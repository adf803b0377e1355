"""The tab that says everything known of a multi-kernel, and where each value was read."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.reactive import reactive
from textual.widgets import Static

from mkexplorer.tui.selection import Selection


class DetailsTab(Vertical):
    selection: reactive[Selection | None] = reactive(None)

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static("details")
