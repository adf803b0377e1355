"""A page over the screen to choose one of many things from, by typing some of its words."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from mkexplorer_widgets.outline import Outline, OutlineRow
from mkexplorer_widgets.plain_text import visible


class ChoiceDialog(ModalScreen[Hashable]):
    """Dismissed with the chosen row's key, or with None."""

    DEFAULT_CSS = """
    ChoiceDialog {
        align: center middle;
        Vertical {
            width: 90%;
            max-width: 110;
            height: 80%;
            border: round $primary;
            background: $surface;
            border-title-color: $text-primary;
            border-subtitle-color: $text-muted;
        }
        Input { padding: 0 1; background: $boost; }
        Outline { height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", id="choice.close", tooltip="Back without choosing"),
        Binding("down", "rows", "To the rows", show=False, id="choice.rows", tooltip="From the words to the rows"),
    ]

    def __init__(self, title: str, rows: Sequence[OutlineRow], current: Hashable = None) -> None:
        super().__init__()
        self._heading = title
        self._rows = [(row, " ".join(cell.text for cell in row.cells).casefold()) for row in rows]
        self._current = current

    def compose(self) -> ComposeResult:
        with Vertical() as page:
            page.border_title = Content(visible(self._heading))
            page.border_subtitle = Content("enter chooses · esc closes")
            yield Input(placeholder="type words to find a row", compact=True)
            yield Outline("Nothing holds these words.")

    def on_mount(self) -> None:
        self._show("")
        self.query_one(Outline).move_to(self._current)

    def _show(self, query: str) -> None:
        words = query.casefold().split()
        rows = [row for row, text in self._rows if all(word in text for word in words)]
        self.query_one(Outline).set_rows(rows)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._show(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        row = self.query_one(Outline).cursor_row
        if row is not None:
            self.dismiss(row.key)

    def on_outline_selected(self, event: Outline.Selected) -> None:
        event.stop()
        self.dismiss(event.key)

    def action_rows(self) -> None:
        self.query_one(Outline).focus()

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(None)
