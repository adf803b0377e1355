"""The screen's panes and how they share its room; what verbs, palette and help may ask of the screen."""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from mkexplorer.picks.book import PickBook
from mkexplorer.report import rows
from mkexplorer.tui.bench_line import BenchLine
from mkexplorer.tui.header import HeaderFacts, header_content
from mkexplorer.tui.kernel_list import KernelList
from mkexplorer.tui.key_footer import KeyFooter
from mkexplorer.tui.state import UiState
from mkexplorer.tui.work_area import WorkArea
from mkexplorer_widgets.splitter import Splitter

NARROW = 100


class ExplorerPanes(Screen[None]):
    """List on the left (above, below 100 columns), tabs on the right.

    ``book`` has the picks that are known of the place; None until it is read.
    """

    CSS_PATH = "explorer.tcss"
    AUTO_FOCUS = "Outline"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (NARROW, "-wide")]
    BINDING_GROUP_TITLE = "Explorer"

    def __init__(self, place: str, state: UiState) -> None:
        super().__init__()
        self.book: PickBook | None = None
        self.kernels = KernelList(_order(state.sort))
        self.work = WorkArea(state.tab, state.options)
        self._state = state
        self._facts = HeaderFacts(place)
        self._header = Static(id="header")
        self._splitter = Splitter()

    def compose(self) -> ComposeResult:
        yield self._header
        with Container(id="panes"):
            yield self.kernels
            yield self._splitter
            yield self.work
        yield VerticalScroll(Static(id="sheet-text"), id="sheet")
        yield BenchLine()
        yield KeyFooter()

    @property
    def focus_chain(self) -> list[Widget]:
        """Tab goes from the list straight into the tab; the divider comes last."""
        return sorted(super().focus_chain, key=lambda widget: widget is self._splitter)

    @property
    def state(self) -> UiState:
        """What to remember for the next run."""
        return replace(self._state, options=self.work.options)

    @property
    def _stacked(self) -> bool:
        return self.app.size.width < NARROW

    @property
    def _ratio(self) -> float:
        return self._state.stacked_ratio if self._stacked else self._state.ratio

    def on_mount(self) -> None:
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        share = f"{self._ratio * 100:.1f}%"
        styles = self.kernels.styles
        styles.width, styles.height = ("100%", share) if self._stacked else (share, "100%")
        self._splitter.direction = "rows" if self._stacked else "columns"
        self._splitter.set_reactive(Splitter.ratio, self._ratio)
        self._show_header()

    def on_splitter_moved(self, event: Splitter.Moved) -> None:
        event.stop()
        if self._stacked:
            self._state = replace(self._state, stacked_ratio=event.ratio)
        else:
            self._state = replace(self._state, ratio=event.ratio)
        self._lay_out()

    def _show_header(self) -> None:
        self._header.update(header_content(self._facts, self.app.size.width - 2))

    def _show_sheet(self, content: Content) -> None:
        """Show a page in place of the panes. It takes the focus, so that no hidden widget swallows keys."""
        self.query_one("#sheet-text", Static).update(content)
        self.add_class("-sheet")
        self.query_one("#sheet").focus()

    def action_filter(self) -> None:
        self.remove_class("-no-list")
        self.kernels.action_filter()

    def action_sort(self) -> None:
        self.kernels.next_order()
        self._state = replace(self._state, sort=self.kernels.order.value)

    def action_divide(self, steps: int) -> None:
        self._splitter.action_step(steps)

    def action_sidebar(self) -> None:
        if self.has_class("-no-list"):
            self.action_to_list()
        else:
            self.add_class("-no-list")
            self.work.focus_tab()

    def action_to_list(self) -> None:
        self.remove_class("-no-list")
        self.kernels.outline.focus()


def _order(name: str) -> rows.Order:
    try:
        return rows.Order(name)
    except ValueError:
        return rows.Order.GRAPH
