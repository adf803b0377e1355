"""Horizontal bars from zero, each with its number and the interval around it. Readable without colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import ClassVar, Literal, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from mkexplorer_widgets.cells import fit, one_line

Tone = Literal["plain", "dim", "good", "warning", "bad"]
Part = Literal["bar", "over", "beyond"]

LEAST_BAR, WIDEST_BAR = 6, 64
LEAST_LABEL = 4
# An interval of less is lost in the bar's last cell.
LEAST_WHISKER = 1.5
_EIGHTHS = " ▏▎▍▌▋▊▉"


class Bar(NamedTuple):
    """One line: ``label``, ``text`` (its number as people read it), the bar, ``note``.

    ``low`` to ``high`` is the interval around ``value``; both may be None. Without a ``value`` the note stands where
    the bar would.
    """

    label: str
    value: float | None
    text: str = ""
    low: float | None = None
    high: float | None = None
    note: str = ""
    tone: Tone = "plain"


def bar_parts(bar: Bar, longest: float, width: int) -> Iterator[tuple[str, Part]]:
    """Yield the pieces of a bar at a scale where ``longest`` takes ``width`` cells; never nothing, never more.

    'over' is what lies on the filled part. An interval that is wide enough to be seen is drawn around the value's own
    cell: ``████├─┼──┤``.
    """
    if bar.value is None or longest <= 0 or width <= 0:
        return
    end = min(bar.value / longest, 1.0) * width
    start, stop = (min(each / longest, 1.0) * width for each in (bar.low or bar.value, bar.high or bar.value))
    if stop - start < LEAST_WHISKER:
        eighths = max(1, round(end * 8))
        yield "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip(), "bar"
        return
    at, first, last = (min(int(each), width - 1) for each in (end, start, stop))
    whisker = {cell: "─" for cell in range(first, last + 1)} | {first: "├", last: "┤"} | {at: "┼"}
    yield "█" * first, "bar"
    yield "".join(whisker[cell] for cell in range(first, at)), "over"
    yield "".join(whisker[cell] for cell in range(at, last + 1)), "beyond"


class IntervalBars(Widget):
    """As many lines as there are bars, all to one scale."""

    DEFAULT_CSS = """
    IntervalBars { height: auto; width: 1fr; }
    IntervalBars > .interval-bars--label { color: $foreground 60%; }
    IntervalBars > .interval-bars--plain { color: $text-primary; }
    IntervalBars > .interval-bars--dim { color: $foreground 60%; }
    IntervalBars > .interval-bars--good { color: $text-success; }
    IntervalBars > .interval-bars--warning { color: $text-warning; }
    IntervalBars > .interval-bars--bad { color: $text-error; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "interval-bars--label",
        "interval-bars--plain",
        "interval-bars--dim",
        "interval-bars--good",
        "interval-bars--warning",
        "interval-bars--bad",
    }

    def __init__(self) -> None:
        super().__init__()
        self._bars: Sequence[Bar] = ()
        self._longest = 0.0

    @property
    def bars(self) -> Sequence[Bar]:
        return self._bars

    def show(self, bars: Sequence[Bar]) -> None:
        grown = len(bars) != len(self._bars)
        self._bars = [_sane(bar) for bar in bars]
        ends = (end for bar in self._bars if bar.value is not None for end in (bar.value, bar.high or 0.0))
        self._longest = max(ends, default=0.0)
        self.refresh(layout=grown)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._bars)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self._bars):
            return Strip.blank(width, self.rich_style)
        return Strip(self._segments(self._bars[y], width)).adjust_cell_length(width, self.rich_style)

    def text_of(self, y: int) -> str:
        """Line ``y`` as plain text."""
        return self.render_line(y).text.rstrip()

    def _segments(self, bar: Bar, width: int) -> Iterator[Segment]:
        label, text, room, note = self._columns(width)
        base, style = self.rich_style, self._style(bar.tone)
        yield Segment(f"{fit(one_line(bar.label), label)} ", self._style("label"))
        yield Segment(f"{fit(one_line(bar.text), text, right=True)}  " if text else "", base)
        if bar.value is None:
            yield Segment(fit(one_line(bar.note), max(0, width - label - text - 3)), style)
            return
        used = 0
        for piece, part in bar_parts(bar, self._longest, room):
            used += len(piece)
            yield Segment(piece, style + Style(reverse=True) if part == "over" else style)
        if note and bar.note:
            yield Segment(" " * (room - used) + f" {fit(one_line(bar.note), note)}", base)

    def _columns(self, width: int) -> tuple[int, int, int, int]:
        """How many cells label, number, bar and note take. The note gives way first, then the label's end."""
        label = max((_natural(bar.label) for bar in self._bars), default=0)
        text = max((_natural(bar.text) for bar in self._bars), default=0)
        note = max((_natural(bar.note) for bar in self._bars if bar.value is not None), default=0)
        spare = width - label - text - 3 - LEAST_BAR
        if note + 1 > spare:
            note = 0
        if spare < 0:
            label = max(min(label, LEAST_LABEL), label + spare)
        room = width - label - text - 3 - (note + 1 if note else 0)
        return label, text, max(0, min(room, WIDEST_BAR)), note

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"interval-bars--{name}")


def _sane(bar: Bar) -> Bar:
    """Numbers that no bar can have are none."""
    value, low, high = (
        each if each is not None and isfinite(each) and each >= 0 else None for each in (bar.value, bar.low, bar.high)
    )
    return bar._replace(value=value, low=low, high=high)


def _natural(text: str) -> int:
    return cell_len(one_line(text))
