"""The one screen: mediates between list, divider and tabs. Messages come up, the selection goes down."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.timer import Timer

from mkexplorer.catalog.model import MultiKernel, PlaceKind, SubKernel
from mkexplorer.picks.book import PickBook
from mkexplorer.report import rows
from mkexplorer.tui import sheets
from mkexplorer.tui.bench import BenchKeeper, BenchMoved
from mkexplorer.tui.bench_verbs import BenchVerbs
from mkexplorer.tui.explorer_keys import EXPLORER_BINDINGS
from mkexplorer.tui.explorer_panes import ExplorerPanes
from mkexplorer.tui.follow import CatalogRead, CatalogReader, ReadingFailed
from mkexplorer.tui.kernel_list import KernelList
from mkexplorer.tui.messages import EditRequested, Failed, OpenEditor
from mkexplorer.tui.pick_verbs import PickVerbs
from mkexplorer.tui.picks import PickKeeper, PicksProgress, PicksRead, unknown_picks
from mkexplorer.tui.pythons import Pythons
from mkexplorer.tui.selection import Selection
from mkexplorer.tui.state import UiState
from mkexplorer.tui.work_area import WorkArea

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog

# A key held down must not start to read every row's texts.
SELECTION_DELAY_S = 0.05
# The defaults walk through all of the app's objects, for 0.05 to 0.1 s, every second or so while things are drawn.
COLLECTIONS = (5_000, 10, 200)


class ExplorerScreen(ExplorerPanes):
    """Reads the place, and hands what comes up from the panes to whoever has to know."""

    BINDINGS: ClassVar[list[BindingType]] = [*EXPLORER_BINDINGS]

    def __init__(self, place: str, opener: Callable[[], Catalog], state: UiState, pythons: Pythons) -> None:
        super().__init__(place, state)
        self._keeper = PickKeeper(pythons, self.post_message)
        self._picks = PickVerbs(self, self._keeper)
        self._bench = BenchVerbs(self, BenchKeeper(pythons, self._keeper, self.post_message))
        self._opener = opener
        self._reader: CatalogReader | None = None
        self._catalog: Catalog | None = None
        self._graphs: tuple[rows.GraphRow, ...] = ()
        self._mark: tuple[MultiKernel, SubKernel] | None = None
        self._selection_timer: Timer | None = None

    def on_mount(self) -> None:
        self.call_after_refresh(self._read)

    def on_unmount(self) -> None:
        if self._reader is not None:
            self._reader.stop()
        self._bench.close()
        self._keeper.close()

    @property
    def _can_follow(self) -> bool:
        """A bundle does not change."""
        return self._catalog is not None and self._catalog.place.kind is not PlaceKind.BUNDLE

    # --- the catalog ----------------------------------------------------------------------------------------

    def _read(self) -> None:
        keeper = self._keeper
        self._reader = CatalogReader(self._opener, self.post_message, book_of=keeper.book_of, rows_of=keeper.rows_of)
        if self._state.follow:
            self._reader.following.set()
            self._keeper.following.set()
        self._reader.start()

    def on_catalog_read(self, event: CatalogRead) -> None:
        event.stop()
        self._catalog = event.catalog
        self._take_rows(event.graphs, event.book)
        self._facts = replace(
            self._facts,
            machine=event.machine,
            problems=len(event.catalog.diagnostics),
            following=self._state.follow and self._can_follow,
            picks_ignored=any(not note.picks_count for note in event.book.environment),
        )
        self._show_header()
        self._keep_mark()
        self.kernels.show(event.graphs)
        self._show_empty_or_list()
        self.refresh_bindings()
        _collect_garbage_again()
        if not self._keeper.is_alive():
            self._keeper.start()
        self._keeper.look(event.catalog)

    def on_picks_read(self, event: PicksRead) -> None:
        event.stop()
        if event.book.catalog is not self._catalog:
            return  # the place was read again meanwhile, and what is known of it comes with that
        self._take_rows(event.graphs, event.book)
        self._facts = replace(self._facts, unknown_picks=unknown_picks(event.book))
        self._show_header()
        self.kernels.show(event.graphs)
        self._select()  # at once: what was measured goes from the race that runs straight to its verdict
        self.refresh_bindings()

    def _take_rows(self, graphs: tuple[rows.GraphRow, ...], book: PickBook) -> None:
        self._graphs, self.book = graphs, book
        counts = rows.count(graphs)
        self._facts = replace(self._facts, counts=rows.counts_text(counts), loss=rows.loss_text(counts.loss_us))

    def on_bench_moved(self, event: BenchMoved) -> None:
        event.stop()
        self._bench.take(event.state)

    def on_picks_progress(self, event: PicksProgress) -> None:
        event.stop()
        self._facts = replace(self._facts, doing=event.text)
        self._show_header()

    def _show_empty_or_list(self) -> None:
        assert self._catalog is not None
        if not self._graphs:
            place, wrappers = self._catalog.place, len(self._catalog.wrappers)
            self._show_sheet(sheets.empty_sheet(place, wrappers, self._facts.following))
        elif self.has_class("-sheet"):
            self.remove_class("-sheet")
            self.call_after_refresh(self.kernels.outline.focus)

    def on_reading_failed(self, event: ReadingFailed) -> None:
        event.stop()
        if event.opened:
            self.post_message(Failed(event.error))
            return
        self._show_sheet(sheets.error_sheet(self._facts.place, event.error))
        self.refresh_bindings()
        _collect_garbage_again()

    def _keep_mark(self) -> None:
        """Find the marked sub-kernel in the new catalog."""
        if self._mark is None or self._catalog is None:
            return
        old, sub = self._mark
        new = next((found for found in self._catalog.multi_kernels if found.id == old.id), None)
        self._mark = (new, new.sub_kernels[sub.index]) if new and sub.index < len(new.sub_kernels) else None

    # --- the selection --------------------------------------------------------------------------------------

    def on_kernel_list_moved(self, event: KernelList.Moved) -> None:
        event.stop()
        if self._selection_timer is None:
            self._selection_timer = self.set_timer(SELECTION_DELAY_S, self._select)
        else:
            self._selection_timer.reset()

    def _select(self) -> None:
        self._selection_timer = None
        if self._catalog is not None:
            kernels = self.kernels
            self.work.selection = Selection(self._catalog, *kernels.current, self._mark, self.book, kernels.current_row)
            self._bench.look_ahead()
            self.refresh_bindings()

    def on_kernel_list_opened(self, event: KernelList.Opened) -> None:
        event.stop()
        self.work.focus_tab()

    def on_work_area_shown(self, event: WorkArea.Shown) -> None:
        event.stop()
        self._state = replace(self._state, tab=event.name)
        self._bench.look_ahead()
        self.refresh_bindings()

    # --- what tabs ask for ----------------------------------------------------------------------------------

    def on_edit_requested(self, event: EditRequested) -> None:
        event.stop()
        if self._catalog is not None:
            self.post_message(OpenEditor(self._catalog.place, event.path, event.line))

    # --- verbs ----------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        has_place = self._catalog is not None
        match action:
            case "filter" | "sort" | "tab" | "divide" | "sidebar":
                return bool(self._graphs)
            case "to_list":
                return bool(self._graphs) and not self.kernels.has_focus_within
            case "mark":
                return bool(self._graphs) and self.kernels.current[0] is not None
            case "copy" | "edit":
                return bool(self._graphs) and hasattr(self.work.tab, f"action_{action}")
            case "picks":
                return bool(self._graphs) and self._picks.can(str(parameters[0]))
            case "bench":
                return bool(self._graphs) and self._bench.can(str(parameters[0]))
            case "problems":
                return self._facts.problems > 0
            case "follow":
                return has_place and self._can_follow
            case "retry":
                return not has_place and self._reader is not None and not self._reader.is_alive()
        return True

    async def action_tab(self, name: str) -> None:
        await self.work.show_tab(name)

    def action_mark(self) -> None:
        """Mark the current sub-kernel (of a multi-kernel's own row: the one that tabs show), or unmark it."""
        multi_kernel, sub = self.kernels.current
        if multi_kernel is None or self._catalog is None or not multi_kernel.sub_kernels:
            return
        picked = Selection(self._catalog, multi_kernel, picks=self.book).picked
        chosen = (multi_kernel, sub or multi_kernel.sub_kernels[picked or 0])
        self._mark = None if chosen == self._mark else chosen
        self.kernels.show_mark(self._mark)
        self._select()
        name = f"{chosen[1].index} {chosen[1].kind.value}"
        if self._mark is None:
            self.notify(f"Unmarked {name}.", markup=False)
        else:
            self.notify(f"Marked {name}; m again unmarks. On another sub-kernel, d compares the two.", markup=False)

    def action_picks(self, verb: str) -> None:
        self._picks.do(verb)

    def action_bench(self, verb: str) -> None:
        self._bench.do(verb)

    async def action_copy(self) -> None:
        await self.run_tab_action("copy")

    async def action_edit(self) -> None:
        await self.run_tab_action("edit")

    async def run_tab_action(self, action: str) -> None:
        """Do in the shown tab what its own key does, wherever the focus is."""
        if self.work.tab is not None:
            await self.app.run_action(action, default_namespace=self.work.tab)

    def action_follow(self) -> None:
        follow = not self._state.follow
        self._state = replace(self._state, follow=follow)
        if self._reader is not None:
            for following in (self._reader.following, self._keeper.following):
                (following.set if follow else following.clear)()
        self._facts = replace(self._facts, following=follow)
        self._show_header()
        self.notify("Watching the place for new graphs." if follow else "Not watching the place any more.")

    def action_problems(self) -> None:
        from mkexplorer.tui.dialogs import TextDialog

        if self._catalog is not None:
            content = sheets.diagnostics_content(self._catalog.diagnostics)
            self.app.push_screen(TextDialog("What could not be used", content))

    def action_retry(self) -> None:
        self.remove_class("-sheet")
        self._read()

    def action_help(self) -> None:
        from mkexplorer.tui.dialogs import TextDialog
        from mkexplorer.tui.help import help_content

        self.app.push_screen(TextDialog("Help", help_content(self)))


def _collect_garbage_again() -> None:
    """`app.run` stopped it. What was imported and read stays, and no collection needs to walk through it each time."""
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)
    gc.enable()
