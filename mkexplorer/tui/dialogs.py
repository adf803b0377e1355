"""A page over the screen, for text that is read and closed."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from mkexplorer_widgets.plain_text import visible


class TextDialog(ModalScreen[None]):
    """Shows ``content`` under ``title``; escape, q, enter or a click outside closes it."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,q,enter,question_mark", "dismiss(None)", "Close", id="dialog.close", tooltip="Back to the screen"
        ),
        Binding("j", "scroll('down')", "Down", show=False, id="dialog.down"),
        Binding("k", "scroll('up')", "Up", show=False, id="dialog.up"),
    ]

    def __init__(self, title: str, content: Content) -> None:
        super().__init__()
        self._heading = title
        self._content = content

    def compose(self) -> ComposeResult:
        with VerticalScroll() as page:
            page.border_title = Content(visible(self._heading))
            page.border_subtitle = Content("esc closes")
            yield Static(self._content)

    def action_scroll(self, direction: str) -> None:
        page = self.query_one(VerticalScroll)
        (page.scroll_down if direction == "down" else page.scroll_up)(animate=False)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(None)
