"""Several samples above one axis, one strip of blocks each, so that one sees whether and how they lie apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median, quantiles
from typing import ClassVar, Literal, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from mkexplorer_widgets.cells import fit, one_line

Tone = Literal["plain", "dim", "good", "warning", "bad"]

STRIP_HEIGHT = 2
WIDEST_LABEL = 0.4
LEAST_PLOT = 8
# Samples further away than this many interquartile ranges are counted at the edge; drawn, they would squeeze the rest.
FAR = 4.0
_BLOCKS = " ▁▂▃▄▅▆▇█"


class Series(NamedTuple):
    """``mark`` is a character that stands for the series on the axis, at its median."""

    label: str
    samples: Sequence[float]
    mark: str = "┴"
    tone: Tone = "plain"


class Axis(NamedTuple):
    """From ``low`` to ``high`` over ``width`` cells."""

    low: float
    high: float
    width: int

    def cell(self, value: float) -> int:
        """The cell of a value; of those that are not on the axis the nearest one."""
        share = (value - self.low) / (self.high - self.low)
        return max(0, min(self.width - 1, int(share * self.width)))

    def value(self, cell: int) -> float:
        """The middle of a cell."""
        return self.low + (cell + 0.5) / self.width * (self.high - self.low)


def reach_of(all_samples: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The lowest and highest value of all samples but those far away from the others of their series."""
    spans = [_span(samples) for samples in all_samples if samples]
    return min((low for low, _ in spans), default=0.0), max((high for _, high in spans), default=1.0)


def axis_over(reach: tuple[float, float], width: int) -> Axis:
    """An axis that holds ``reach``, its ends in the middle of the outermost cells; never empty."""
    low, high = reach
    if high <= low:
        around = abs(low) * 0.01 or 1.0
        low, high = low - around, high + around
    margin = (high - low) * 0.5 / width
    return Axis(low - margin, high + margin, width)


def _span(samples: Sequence[float]) -> tuple[float, float]:
    if len(samples) < 4:
        return min(samples), max(samples)
    q1, _, q3 = quantiles(samples, n=4)
    reach = FAR * (q3 - q1)
    near = [each for each in samples if q1 - reach <= each <= q3 + reach]
    return min(near), max(near)


def beyond(samples: Sequence[float], reach: tuple[float, float]) -> str:
    """How many samples lie to the left and right of ``reach``: ' ←1 2→', '' where none does."""
    left, right = sum(each < reach[0] for each in samples), sum(each > reach[1] for each in samples)
    return "".join(text for text, said in ((f" ←{left}", left), (f" {right}→", right)) if said)


def counts(samples: Sequence[float], axis: Axis) -> list[int]:
    """How many samples lie in each cell; those beyond the axis are in none."""
    found = [0] * axis.width
    for each in samples:
        if axis.low <= each <= axis.high:
            found[axis.cell(each)] += 1
    return found


def ticks(axis: Axis) -> list[tuple[int, str]]:
    """Round numbers on the axis with their cells, as many as fit with gaps between them."""
    span = axis.high - axis.low
    for step, digits in _steps(span / max(1, axis.width)):
        numbers = range(math.ceil(axis.low / step), math.floor(axis.high / step) + 1)
        found = [(axis.cell(number * step), f"{number * step:.{digits}f}") for number in numbers]
        starts = [(_label_start(cell, text, axis.width), len(text)) for cell, text in found]
        if all(start + length + 2 <= after for (start, length), (after, _) in pairwise(starts)):
            return found
    return []


def _steps(least: float) -> Iterator[tuple[float, int]]:
    """1, 2, 5, 10, … times a power of ten from ``least`` up, each with the digits that it needs after the point."""
    power = math.floor(math.log10(least))
    for exponent in range(power, power + 5):
        steps = (factor * 10.0**exponent for factor in (1, 2, 5))
        yield from ((step, max(0, -exponent)) for step in steps if step >= least)


def _label_start(cell: int, text: str, width: int) -> int:
    """Where a label begins that stands below the middle of its cell, and inside the axis."""
    return max(0, min(cell - len(text) // 2, width - len(text)))


class Histogram(Widget):
    """Two lines per series, one for the axis, one for its numbers."""

    DEFAULT_CSS = """
    Histogram { height: auto; width: 1fr; }
    Histogram > .histogram--label { color: $foreground 60%; }
    Histogram > .histogram--axis { color: $foreground 60%; }
    Histogram > .histogram--plain { color: $text-primary; }
    Histogram > .histogram--dim { color: $foreground 60%; }
    Histogram > .histogram--good { color: $text-success; }
    Histogram > .histogram--warning { color: $text-warning; }
    Histogram > .histogram--bad { color: $text-error; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "histogram--label",
        "histogram--axis",
        "histogram--plain",
        "histogram--dim",
        "histogram--good",
        "histogram--warning",
        "histogram--bad",
    }

    def __init__(self, unit: str = "") -> None:
        super().__init__()
        self._unit = unit
        self._series: Sequence[Series] = ()
        self._drawn: tuple[int, list[list[Segment]]] | None = None

    @property
    def series(self) -> Sequence[Series]:
        return self._series

    def show(self, series: Sequence[Series]) -> None:
        grown = len(series) != len(self._series)
        self._series = [each._replace(samples=[x for x in each.samples if math.isfinite(x)]) for each in series]
        self._drawn = None
        self.refresh(layout=grown)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return STRIP_HEIGHT * len(self._series) + 2 if self._series else 0

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn = None

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if self._drawn is None or self._drawn[0] != width:
            self._drawn = width, self._draw(width)
        lines = self._drawn[1]
        return Strip(lines[y] if y < len(lines) else []).adjust_cell_length(width, self.rich_style)

    def text_of(self, y: int) -> str:
        """Line ``y`` as plain text."""
        return self.render_line(y).text.rstrip()

    # --- drawing --------------------------------------------------------------------------------------------

    def _draw(self, width: int) -> list[list[Segment]]:
        if not self._series:
            return []
        labels = [one_line(each.label) for each in self._series]
        label_width = min(max(map(cell_len, labels)), int(width * WIDEST_LABEL)) + 1
        reach = reach_of([each.samples for each in self._series])
        notes = [beyond(each.samples, reach) for each in self._series]
        axis = axis_over(reach, max(LEAST_PLOT, width - label_width - max(map(len, notes))))
        lines = []
        for series, label, note in zip(self._series, labels, notes, strict=True):
            lines += self._strip(series, fit(label, label_width - 1) + " ", axis, note)
        return [*lines, *self._axis(axis, label_width)]

    def _strip(self, series: Series, label: str, axis: Axis, note: str) -> list[list[Segment]]:
        """Blocks, ``STRIP_HEIGHT`` high where most samples of this series are."""
        cells = counts(series.samples, axis)
        steps = STRIP_HEIGHT * 8 / (max(cells) or 1)
        heights = [math.ceil(count * steps) for count in cells]
        style, name = self._style(series.tone), self._style("label")
        lines = []
        for row in reversed(range(STRIP_HEIGHT)):
            blocks = "".join(_BLOCKS[max(0, min(8, height - 8 * row))] for height in heights)
            head, tail = (label, note) if row == 0 else (" " * cell_len(label), "")
            lines.append([Segment(head, name), Segment(blocks, style), Segment(tail, name)])
        return lines

    def _axis(self, axis: Axis, label_width: int) -> list[list[Segment]]:
        line, numbers = ["─"] * axis.width, [" "] * axis.width
        for cell, text in ticks(axis):
            line[cell] = "┴"
            start = _label_start(cell, text, axis.width)
            numbers[start : start + len(text)] = text
        for each in self._series:
            if each.samples:
                line[axis.cell(median(each.samples))] = each.mark[:1]
        style = self._style("axis")
        unit = fit(self._unit, label_width - 1, right=True) + " "
        return [
            [Segment(" " * label_width, style), Segment("".join(line), style)],
            [Segment(unit, style), Segment("".join(numbers), style)],
        ]

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"histogram--{name}")
