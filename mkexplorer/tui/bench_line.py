"""The line above the keys while something is measured: what, how far, and how to stop it."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from mkexplorer_widgets.cells import fit, one_line

STOP = "esc stops"
LEAST_BAR, WIDEST_BAR = 8, 24
_HALVES = " ╸"


class BenchLine(Widget):
    """Shown only while it has something to tell."""

    DEFAULT_CSS = """
    BenchLine { height: 1; padding: 0 1; background: $boost; color: $foreground; display: none; }
    BenchLine > .bench-line--done { color: $text-primary; }
    BenchLine > .bench-line--rest { color: $foreground 30%; }
    BenchLine > .bench-line--hint { color: $foreground 60%; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"bench-line--done", "bench-line--rest", "bench-line--hint"}

    def __init__(self) -> None:
        super().__init__()
        self._text = ""
        self._share = 0.0

    def show(self, text: str, share: float) -> None:
        """``text`` says what is being done, '' that nothing is; ``share`` of 1 is done."""
        self._text, self._share = one_line(text), max(0.0, min(1.0, share))
        self.display = bool(text)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The bar, the text, and at the end how to stop; the end and the bar give way to the text."""
        width = self.size.width
        spare = width - cell_len(self._text) - len(STOP) - 4
        bar = min(WIDEST_BAR, spare) if spare >= LEAST_BAR else 0
        hint = f"  {STOP}" if spare >= 0 else ""
        room = width - len(hint) - (bar + 2 if bar else 0)
        halves = round(self._share * bar * 2)
        done = "━" * (halves // 2) + _HALVES[halves % 2].strip()
        segments = [
            Segment(done, self._style("done")),
            Segment("━" * (bar - len(done)), self._style("rest")),
            Segment("  " if bar else "", self.rich_style),
            Segment(fit(self._text, room), self.rich_style),
            Segment(hint, self._style("hint")),
        ]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"bench-line--{name}")
