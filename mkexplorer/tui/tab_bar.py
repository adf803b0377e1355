"""The one-line row of tabs: numbers for the keyboard, names for the mouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget


class TabBar(Widget):
    """Shows ``titles`` and which of them is ``active`` (an index)."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"tab-bar--number", "tab-bar--active", "tab-bar--rule"}

    active: reactive[int] = reactive(0)

    @dataclass
    class Chosen(Message):
        """The person clicked the tab at ``index``."""

        index: int

    def __init__(self, titles: Sequence[str]) -> None:
        super().__init__()
        self._titles = titles

    def _labels(self) -> list[tuple[str, str]]:
        return [(f" {at}", f" {title} ") for at, title in enumerate(self._titles, start=1)]

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        number = self.get_component_rich_style("tab-bar--number")
        rule = self.get_component_rich_style("tab-bar--rule")
        active = self.get_component_rich_style("tab-bar--active")
        segments = []
        for at, (digit, title) in enumerate(self._labels()):
            if at:
                segments.append(Segment("│", rule))
            chosen = at == self.active
            segments += [Segment(digit, active if chosen else number), Segment(title, active if chosen else base)]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def on_click(self, event: events.Click) -> None:
        end = 0
        for at, (digit, title) in enumerate(self._labels()):
            end += cell_len(digit + title) + 1
            if event.x < end:
                self.post_message(self.Chosen(at))
                return
