"""The right pane: the row of tabs and, below it, the tab that is shown. Each is made when it is first wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from mkexplorer.tui.bench_state import BenchState
from mkexplorer.tui.selection import Selection
from mkexplorer.tui.state import Option
from mkexplorer.tui.tab_bar import TabBar
from mkexplorer.tui.tabs import TABS, ShowsBench, Tab

# Switches inside tabs that outlive the run: the widget that has it, its attribute, and what that can be.
REMEMBERED: tuple[tuple[str, str, tuple[Option, ...]], ...] = (
    ("CodeView", "wrap", (False, True)),
    ("DiffView", "layout_mode", ("auto", "split", "unified")),
)


class WorkArea(Vertical):
    """Hands ``selection`` to the shown tab only; another gets it when it is shown. So it does with ``bench``."""

    selection: reactive[Selection | None] = reactive(None)
    bench: reactive[BenchState] = reactive(BenchState)

    @dataclass
    class Shown(Message):
        """The tab ``name`` is now the shown one."""

        name: str

    def __init__(self, tab: str, options: Mapping[str, Option]) -> None:
        super().__init__(id="work")
        self.options = dict(options)
        self._tabs: dict[str, Widget] = {}
        names = [spec.name for spec in TABS]
        self._shown = tab if tab in names else names[0]

    def compose(self) -> ComposeResult:
        yield TabBar([spec.title for spec in TABS])
        yield Container(id="tab")

    async def on_mount(self) -> None:
        await self.show_tab(self._shown)

    @property
    def tab_name(self) -> str:
        return self._shown

    @property
    def tab(self) -> Widget | None:
        """The shown tab; None before it is made."""
        return self._tabs.get(self._shown)

    async def show_tab(self, name: str) -> None:
        """Show a tab; make it if it was never shown. Whoever is inside the shown one goes along into the next."""
        goes_along = self.has_focus_within
        at = next(at for at, spec in enumerate(TABS) if spec.name == name)
        self._shown = name
        self.query_one(TabBar).active = at
        if name not in self._tabs:
            self._tabs[name] = TABS[at].build()
            await self.query_one("#tab").mount(self._tabs[name])
            self._recall_options(self._tabs[name])
        self._tabs[name].display = True
        if goes_along:
            self.focus_tab()  # before the other tab hides, which would take the focus from it
        for other, tab in self._tabs.items():
            tab.display = other == name
        self._hand_down()
        self.post_message(self.Shown(name))

    def _recall_options(self, tab: Widget) -> None:
        for widget_name, attribute, values in REMEMBERED:
            name = f"{widget_name}.{attribute}"
            for widget in tab.query(widget_name):
                if self.options.get(name) in values:
                    setattr(widget, attribute, self.options[name])
                self.watch(widget, attribute, partial(self.options.__setitem__, name), init=False)

    def watch_selection(self) -> None:
        self._hand_down()

    def watch_bench(self) -> None:
        if isinstance(self.tab, ShowsBench):
            self.tab.bench = self.bench

    def _hand_down(self) -> None:
        self.watch_bench()
        if self.tab is not None:
            cast(Tab, self.tab).selection = self.selection

    async def on_tab_bar_chosen(self, event: TabBar.Chosen) -> None:
        event.stop()
        await self.show_tab(TABS[event.index].name)

    def focus_tab(self) -> None:
        """Put the focus into the shown tab, at once, so that the next key goes there."""
        if self.tab is None:
            return
        for widget in self.tab.walk_children(Widget, with_self=True):
            if widget.focusable and all(node.display for node in widget.ancestors_with_self):
                self.screen.set_focus(widget)
                return
