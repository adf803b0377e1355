"""One line of names of which one is chosen: for the mouse; the owner binds keys."""

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


class ChipBar(Widget):
    """Shows ``names``; those not in ``usable`` are dim, the chosen one stands in brackets."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"chip-bar--chosen", "chip-bar--unusable"}
    DEFAULT_CSS = """
    ChipBar {
        height: 1;
        background: $panel;
        .chip-bar--chosen { background: $primary-muted; color: $text; text-style: bold; }
        .chip-bar--unusable { color: $foreground 40%; }
    }
    """

    chosen: reactive[str] = reactive("")
    usable: reactive[frozenset[str]] = reactive(frozenset())

    @dataclass
    class Chosen(Message):
        """The person clicked ``name``."""

        name: str

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = names

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        segments = []
        for name in self._names:
            if name == self.chosen:
                segments.append(Segment(f"[{name}]", self.get_component_rich_style("chip-bar--chosen")))
            elif name in self.usable:
                segments.append(Segment(f" {name} ", base))
            else:
                unusable = base + self.get_component_rich_style("chip-bar--unusable", partial=True)
                segments.append(Segment(f" {name} ", unusable))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        end = 0
        for name in self._names:
            end += cell_len(name) + 2
            if event.x < end:
                self.post_message(self.Chosen(name))
                return
