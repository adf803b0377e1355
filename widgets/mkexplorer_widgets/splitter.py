"""A divider between two panes that mouse and keyboard can move. It tells; the owner lays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

Direction = Literal["columns", "rows"]


class Splitter(Widget, can_focus=True):
    """One cell wide between columns, one high between rows (``direction``).

    ``ratio`` is the first pane's part of the parent, between ``LEAST`` and ``MOST``.
    """

    LEAST: ClassVar[float] = 0.1
    MOST: ClassVar[float] = 0.9
    STEP: ClassVar[float] = 0.05

    DEFAULT_CSS = """
    Splitter { color: $foreground 25%; background: transparent; width: 1; height: 1fr; pointer: ew-resize; }
    Splitter.-rows { width: 1fr; height: 1; pointer: ns-resize; }
    Splitter:hover, Splitter:focus, Splitter.-dragged { color: $accent; }
    """
    BINDING_GROUP_TITLE = "Divider"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,up", "step(-1)", "Smaller", show=False, id="splitter.less", tooltip="Shrink the first pane"),
        Binding("right,down", "step(1)", "Larger", show=False, id="splitter.more", tooltip="Widen the first pane"),
    ]

    direction: reactive[Direction] = reactive[Direction]("columns")
    ratio: reactive[float] = reactive(0.5, repaint=False, init=False)

    @dataclass
    class Moved(Message):
        """The divider wants the first pane to have ``ratio`` of the parent."""

        splitter: Splitter
        ratio: float

        @property
        def control(self) -> Splitter:
            return self.splitter

    def validate_ratio(self, ratio: float) -> float:
        return max(self.LEAST, min(self.MOST, ratio))

    def watch_ratio(self, ratio: float) -> None:
        self.post_message(self.Moved(self, ratio))

    def watch_direction(self, direction: Direction) -> None:
        self.set_class(direction == "rows", "-rows")

    def action_step(self, steps: int) -> None:
        self.ratio = round(self.ratio + steps * self.STEP, 4)

    def render_line(self, y: int) -> Strip:
        line = "─" * self.size.width if self.direction == "rows" else "│"
        return Strip([Segment(line, self.rich_style)], len(line))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        event.stop()
        self.capture_mouse()
        self.add_class("-dragged")

    def on_mouse_up(self, event: events.MouseUp) -> None:
        event.stop()
        self.release_mouse()
        self.remove_class("-dragged")

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if not self.has_class("-dragged") or self.parent is None:
            return
        event.stop()
        area = self.parent.content_region  # type: ignore[attr-defined]  # a mounted widget's parent is a widget
        if self.direction == "rows":
            self.ratio = (event.screen_y - area.y) / max(1, area.height)
        else:
            self.ratio = (event.screen_x - area.x) / max(1, area.width)
