"""The left pane: a filter and the tree of graphs, multi-kernels and sub-kernels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input, Static

from mkexplorer.picks.changes import full_id
from mkexplorer.report import rows
from mkexplorer.tui.list_rows import Folding, RowKey, outline_rows
from mkexplorer.tui.messages import CopyRequested
from mkexplorer_widgets.outline import Outline

if TYPE_CHECKING:
    from mkexplorer.catalog.model import MultiKernel, SubKernel

FILTER_DELAY_S = 0.08
FILTER_HELP = "Type words; the list shows what holds them all"


class Rows(Outline):
    """The rows; what enter does is told, for nothing else on the screen says how to get into a tab."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "To the tab", key_display="enter", id="list.open",
                tooltip="Go into the tab, to read there"),
    ]  # fmt: skip


class KernelList(Vertical):
    """Shows what `show` hands over. It knows the rows' order, folding and filter; nothing of files or tabs."""

    HELP = """\
The list of multi-kernels by graph. A row shows the operation, its largest tensor's shape and dtype, and what is known
of the pick: ✓ fastest, ⚠ +38% (another sub-kernel is that much faster), = SAME, ? UNSURE, – no pick, ✗ invalid,
✗ disagrees, ● pinned 1. Where nothing was measured it shows the pick alone; … means that its file is being looked for.
Unfold a row with → or a click on its arrow to see its sub-kernels.
"""
    BINDING_GROUP_TITLE = "List"
    # What moves the focus between rows and filter has priority: it is then done before the next key is handed to the
    # focused widget, so that letters typed right behind it go where they are meant to.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", priority=True, id="list.filter", tooltip=FILTER_HELP),
        Binding("enter,down", "to_rows", "To the rows", show=False, priority=True, id="list.rows",
                tooltip="From the filter to the rows"),
        Binding("Y", "copy_id", "Copy id", show=False, id="list.copy_id", tooltip="Copy the id"),
        Binding("Z", "fold_all", "Fold all", show=False, id="list.fold_all", tooltip="Show no sub-kernels"),
        Binding("z", "unfold_all", "Unfold all", show=False, id="list.unfold_all", tooltip="Show all sub-kernels"),
        Binding("escape", "clear_filter", "Clear filter", show=False, id="list.clear_filter", tooltip="Show all again"),
    ]  # fmt: skip

    class Moved(Message):
        """The cursor came to another row, or the row has new data; `current` says what it stands for."""

    class Opened(Message):
        """The person wants to look into the row under the cursor."""

    def __init__(self, order: rows.Order) -> None:
        super().__init__()
        self.order = order
        self._graphs: Sequence[rows.GraphRow] = ()
        self._shown: Sequence[rows.GraphRow] = ()
        self._by_id: dict[str, rows.MultiKernelRow] = {}
        self.by_full_id: dict[str, rows.MultiKernelRow] = {}
        self._first_of: dict[str, rows.MultiKernelRow] = {}
        self._folding = Folding()
        self._marked: RowKey | None = None
        self._query = ""
        self._filter_timer: Timer | None = None
        self.outline = Rows("reading…")
        placeholder = "/ filter by operation, shape, dtype, name…"
        self._field = Input(placeholder=placeholder, compact=True, select_on_focus=False)
        self._field.tooltip = "Rows that hold every word: layer 4096x bf16; letters may lie apart: lnorm"
        self._summary = Static(id="shown")

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield self._field
            yield self._summary
        yield self.outline

    @property
    def all_rows(self) -> Iterable[rows.MultiKernelRow]:
        """Every multi-kernel, filtered away or not."""
        return self._by_id.values()

    @property
    def current(self) -> tuple[MultiKernel | None, SubKernel | None]:
        """What the cursor's row stands for: a graph's row for its first multi-kernel; None where there is no row."""
        row = self.outline.cursor_row
        if row is None or not isinstance(row.key, RowKey):
            return None, None
        key = row.key
        found = self._first_of[key.graph] if key.graph else self._by_id[key.multi_kernel]
        return found.multi_kernel, found.sub_kernels[key.sub].sub_kernel if key.sub >= 0 else None

    @property
    def pointed(self) -> tuple[rows.MultiKernelRow, rows.SubKernelRow | None] | None:
        """The multi-kernel's or sub-kernel's row under the cursor; None on a graph's."""
        row = self.outline.cursor_row
        if row is None or not isinstance(row.key, RowKey) or row.key.graph:
            return None
        found = self._by_id[row.key.multi_kernel]
        return found, found.sub_kernels[row.key.sub] if row.key.sub >= 0 else None

    @property
    def current_row(self) -> rows.MultiKernelRow | None:
        """The multi-kernel's row that `current` tells of."""
        multi_kernel, _ = self.current
        return self._by_id[multi_kernel.id] if multi_kernel is not None else None

    @property
    def shows_any(self) -> bool:
        return bool(self._shown)

    @property
    def shown_rows(self) -> list[rows.MultiKernelRow]:
        """The multi-kernels that are not filtered away, in the order in which they are shown."""
        return [row for graph in self._shown for row in graph.rows]

    @property
    def pointed_rows(self) -> list[rows.MultiKernelRow]:
        """The multi-kernel under the cursor; on a graph's row all of that graph that are shown."""
        row = self.outline.cursor_row
        if row is None or not isinstance(row.key, RowKey):
            return []
        if row.key.graph:
            return [each for graph in self._shown if graph.key == row.key.graph for each in graph.rows]
        return [self._by_id[row.key.multi_kernel]]

    # --- data down ------------------------------------------------------------------------------------------

    def show(self, graphs: Sequence[rows.GraphRow]) -> None:
        """Show other rows; cursor, scroll position, folding, filter and order stay."""
        is_first = not self._by_id
        self._graphs = graphs
        self._by_id = {row.multi_kernel.id: row for graph in graphs for row in graph.rows}
        self.by_full_id = {full_id(row.multi_kernel): row for row in self._by_id.values()}
        self._show_rows()
        if is_first and self._shown:
            self.outline.move_to(RowKey(multi_kernel=self._shown[0].rows[0].multi_kernel.id))
        self.post_message(self.Moved())

    def show_mark(self, mark: tuple[MultiKernel, SubKernel] | None) -> None:
        """Show which sub-kernel is marked for a comparison."""
        self._marked = RowKey(multi_kernel=mark[0].id, sub=mark[1].index) if mark is not None else None
        self._show_rows()

    def go_to(self, multi_kernel: MultiKernel) -> None:
        """Put the cursor on a multi-kernel, whatever is filtered or folded."""
        key = RowKey(multi_kernel=multi_kernel.id)
        if not self.outline.move_to(key):
            self._set_query("")
            folded = self._folding.folded_graphs - {multi_kernel.wrapper_key}
            self._folding = Folding(folded, self._folding.open_multi_kernels)
            self._show_rows()
            self.outline.move_to(key)

    def next_order(self) -> None:
        orders = list(rows.Order)
        self.set_order(orders[(orders.index(self.order) + 1) % len(orders)])

    def set_order(self, order: rows.Order) -> None:
        self.order = order
        self._show_rows()

    def action_copy_id(self) -> None:
        multi_kernel, _ = self.current
        if multi_kernel is not None:
            self.post_message(CopyRequested(multi_kernel.id, f"the id {multi_kernel.id}"))

    def action_fold_all(self) -> None:
        self._folding = Folding()
        self._show_rows()

    def action_unfold_all(self) -> None:
        self._folding = Folding(open_multi_kernels=frozenset(self._by_id))
        self._show_rows()

    def _show_rows(self) -> None:
        filtered = rows.filter_rows(self._graphs, self._query)
        self._shown = rows.sort_rows(filtered, self.order)
        self._first_of = {graph.key: graph.rows[0] for graph in self._shown}
        self.outline.show_message(self._why_empty())
        self.outline.set_rows(outline_rows(self._shown, self._folding, self._marked))
        self._summary.update(Content(self._what_is_shown()))

    def _what_is_shown(self) -> str:
        """'3 of 41 · by regret'; nothing where all is shown as it comes."""
        count, total = sum(len(graph.rows) for graph in self._shown), len(self._by_id)
        order = f"by {self.order.value}" if self.order is not rows.Order.GRAPH else ""
        return " · ".join(part for part in (f"{count} of {total}" if count != total else "", order) if part)

    def _why_empty(self) -> str:
        return f"Nothing holds {self._query!r}.\nesc shows all again." if self._query else "No multi-kernels here."

    # --- messages up ----------------------------------------------------------------------------------------

    def on_outline_highlighted(self, event: Outline.Highlighted) -> None:
        event.stop()
        self.post_message(self.Moved())

    def on_outline_toggled(self, event: Outline.Toggled) -> None:
        event.stop()
        assert isinstance(event.key, RowKey)
        self._folding = self._folding.toggled(event.key)
        self._show_rows()

    def on_outline_selected(self, event: Outline.Selected) -> None:
        event.stop()
        self.post_message(self.Opened())

    # --- filter ---------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "filter":
                return self.outline.has_focus
            case "to_rows":
                return self._field.has_focus
            case "clear_filter":
                return self._field.has_focus or bool(self._query)
        return bool(self._by_id)

    def action_filter(self) -> None:
        self.screen.set_focus(self._field)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._filter_timer is not None:
            self._filter_timer.stop()
        self._filter_timer = self.set_timer(FILTER_DELAY_S, self._apply_filter)

    def action_to_rows(self) -> None:
        self._apply_filter()
        self.screen.set_focus(self.outline)

    def action_clear_filter(self) -> None:
        if self._query or self._field.value:
            self._set_query("")
            self._show_rows()
        self.screen.set_focus(self.outline)

    def _leave_graph_row(self) -> None:
        """The row that was current may be filtered away: then the first one that is left is meant, not its heading."""
        row = self.outline.cursor_row
        if row is not None and isinstance(row.key, RowKey) and row.key.graph in self._first_of:
            self.outline.move_to(RowKey(multi_kernel=self._first_of[row.key.graph].multi_kernel.id))

    def _set_query(self, query: str) -> None:
        self._field.value = query
        self._query = query

    def _apply_filter(self) -> None:
        if self._filter_timer is not None:
            self._filter_timer.stop()
            self._filter_timer = None
        if self._field.value != self._query:
            self._query = self._field.value
            self._show_rows()
            self._leave_graph_row()
