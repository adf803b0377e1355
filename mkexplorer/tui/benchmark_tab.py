"""The tab that shows the race of a multi-kernel's sub-kernels: while it runs, and what is known of it otherwise."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from mkexplorer.tui import bench_view
from mkexplorer.tui.bench_state import BenchState
from mkexplorer.tui.bench_view import BenchView
from mkexplorer.tui.messages import CopyRequested
from mkexplorer.tui.selection import Selection
from mkexplorer_widgets.histogram import Histogram
from mkexplorer_widgets.interval_bars import IntervalBars

NOTHING_CHOSEN = "Choose a multi-kernel in the list; what is known of its times appears here, and b measures it."


class BenchmarkTab(Vertical):
    """Follows ``selection`` and ``bench``; a sub-kernel's row shows its multi-kernel, a graph's its first one."""

    HELP = """\
The race of the sub-kernels, on the same arguments, in turns, device time only. Times with a cold L2 decide; those with
a hot one stand below them. ├─┼─┤ around the end of a bar are quartiles and median; on the axis of the samples
each sub-kernel's number stands at its median, and ←1 or 2→ count samples too far away to be drawn.
A verdict is FASTER, SAME or UNSURE; the interval of a ratio holds at 95%, however long the race took.
"""
    BINDING_GROUP_TITLE = "Benchmark"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy", id="benchmark.copy", tooltip="Copy all that is shown as text"),
    ]
    DEFAULT_CSS = """
    BenchmarkTab {
        VerticalScroll { padding: 0 1; overflow-y: scroll; scrollbar-size-vertical: 1; }
        IntervalBars, Histogram { margin-top: 1; }
        #bench-body { margin-top: 1; }
    }
    """

    selection: reactive[Selection | None] = reactive(None)
    bench: reactive[BenchState] = reactive(BenchState)

    def __init__(self) -> None:
        super().__init__()
        self._view: BenchView | None = None
        self._width = 0

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(NOTHING_CHOSEN, id="bench-head", markup=False)
            yield IntervalBars()
            yield Histogram("µs")
            yield Static(id="bench-body")

    def watch_selection(self) -> None:
        self._show()

    def watch_bench(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self._show_body()

    def _show(self) -> None:
        row = self.selection.row if self.selection is not None else None
        view = bench_view.view_of(row, self.bench) if row is not None else None
        if view == self._view:
            return
        is_other = view is None or self._view is None or view.row.multi_kernel.id != self._view.row.multi_kernel.id
        self._view = view
        self.query_one("#bench-head", Static).update(bench_view.head_content(view) if view else NOTHING_CHOSEN)
        bars, histogram = self.query_one(IntervalBars), self.query_one(Histogram)
        bars.show(view.bars if view else ())
        histogram.show(view.series if view else ())
        bars.display, histogram.display = bool(bars.bars), bool(histogram.series)
        self._width = 0
        self._show_body()
        if is_other:
            self.query_one(VerticalScroll).scroll_home(animate=False)

    def _show_body(self) -> None:
        width = self.query_one(VerticalScroll).scrollable_content_region.width
        if width != self._width:
            self._width = width
            self.query_one("#bench-body", Static).update(self._body())

    def _body(self) -> Content:
        return bench_view.body_content(self._view, self._width) if self._view is not None else Content("")

    def action_copy(self) -> None:
        if self._view is None:
            return
        bars, histogram = self.query_one(IntervalBars), self.query_one(Histogram)
        lines = [bench_view.head_content(self._view).plain, ""]
        for chart in (bars, histogram):
            if chart.display:
                lines += [*(chart.text_of(y) for y in range(chart.size.height)), ""]
        text = "\n".join([*lines, self._body().plain]).rstrip() + "\n"
        self.post_message(CopyRequested(text, f"the benchmark of {self._view.row.multi_kernel.id}"))
