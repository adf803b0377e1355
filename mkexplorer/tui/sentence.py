"""A sentence in place of what cannot be shown."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mkexplorer_widgets.plain_text import visible


class Sentence(Static, can_focus=True):
    """Takes the place, and the focus, of its sibling ``instead_of``, so that the keys around it go on working."""

    DEFAULT_CSS = """
    Sentence { height: 1fr; padding: 1 2; display: none; }
    """

    def say(self, text: str, advice: str, instead_of: Widget) -> None:
        self.update(Content(visible("\n\n".join(filter(None, (text, advice))))))
        had_focus = instead_of.has_focus or instead_of.has_focus_within
        self.display, instead_of.display = True, False
        if had_focus:
            self.focus()

    def make_way(self, shown: Widget, focus: Widget) -> None:
        """Show the sibling again; ``focus`` is what of it takes the focus over."""
        had_focus = self.has_focus
        self.display, shown.display = False, True
        if had_focus:
            focus.focus()
