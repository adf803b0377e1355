"""Two texts compared: side by side or in one column, with a cursor, folds, and jumps from change to change.

    view = DiffView()
    view.show(DiffDocument(left, right, split_rows, unified_rows, word_marks, widest))
    view.layout_mode = "unified"        # "split", or "auto": by the width of the view

A removed line has a ``-`` and a tint, an added one a ``+`` and another; words that differ are underlined. Texts are
shown as `plain_text.visible` writes them, and copied as they are; a selection stays on the side it began on.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from textual import events
from textual.binding import Binding
from textual.cache import LRUCache
from textual.message import Message
from textual.reactive import reactive
from textual.selection import Selection

from mkexplorer_widgets.code_document import ShownLine
from mkexplorer_widgets.diff_canvas import DiffCanvas
from mkexplorer_widgets.diff_document import DiffDocument, ShownRows
from mkexplorer_widgets.diff_paint import sides

LayoutMode = Literal["auto", "split", "unified"]
LAYOUT_MODES: tuple[LayoutMode, ...] = ("auto", "split", "unified")

SPLIT_FROM = 100
"""The width in cells from which ``auto`` puts the texts side by side."""

_SIDEWAYS = 8
# So many rows are seen above the first change when a document is shown: its context and the fold before that.
_ABOVE = 4
_KEPT_POSITIONS = 256


class _Position(NamedTuple):
    is_split: bool
    opened: frozenset[int]
    cursor: int
    top: int
    left: int


class DiffView(DiffCanvas, can_focus=True):
    """Shows one `DiffDocument` at a time; see the module."""

    BINDING_GROUP_TITLE = "Diff"
    HELP = "Shows what differs. `n` and `N` go from change to change, `enter` opens a fold, `z` all of them."
    BINDINGS = [
        Binding("up,k", "cursor(-1)", "Line up", show=False, id="diff.up", tooltip="The line above"),
        Binding("down,j", "cursor(1)", "Line down", show=False, id="diff.down", tooltip="The line below"),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False, id="diff.page_up", tooltip="A screen up"),
        Binding("pagedown,space", "page(1)", "Page down", show=False, id="diff.page_down", tooltip="A screen down"),
        Binding("home,g", "first_row", "First line", show=False, id="diff.first", tooltip="To the start"),
        Binding("end,G", "last_row", "Last line", show=False, id="diff.last", tooltip="To the end"),
        Binding("left", "sideways(-1)", "Scroll left", show=False, id="diff.left", tooltip="Both sides to the left"),
        Binding("right", "sideways(1)", "Scroll right", show=False, id="diff.right", tooltip="Both sides to the right"),
        Binding("full_stop", "word(1)", "Next word", show=False, id="diff.next_word",
                tooltip="Scroll to the next words of this line that differ"),
        Binding("comma", "word(-1)", "Previous word", show=False, id="diff.previous_word",
                tooltip="Scroll back to those before"),
        Binding("n,right_square_bracket", "hunk(1)", "Next change", id="diff.next", tooltip="To the next change"),
        Binding("N,left_square_bracket", "hunk(-1)", "Previous change", show=False, id="diff.previous",
                tooltip="To the change before"),
        Binding("enter", "toggle_fold", "Open fold", show=False, id="diff.fold", tooltip="Show or hide equal lines"),
        Binding("z", "toggle_folds", "Folds", id="diff.folds", tooltip="Show or hide all equal lines"),
        Binding("v", "next_layout", "Layout", id="diff.layout", tooltip="Side by side, one column, or by width"),
    ]  # fmt: skip

    layout_mode: reactive[LayoutMode] = reactive("auto", init=False)

    @dataclass
    class CursorMoved(Message):
        """The cursor is in change ``hunk`` of ``hunks``, from 1; 0 before the first one."""

        view: DiffView
        hunk: int
        hunks: int

    @dataclass
    class LayoutChanged(Message):
        """The texts stand side by side now, or no longer."""

        view: DiffView
        is_split: bool

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._hunks: list[int] = []
        self._positions: LRUCache[Hashable, _Position] = LRUCache(_KEPT_POSITIONS)

    @property
    def is_split(self) -> bool:
        return self._is_split

    @property
    def cursor_lines(self) -> tuple[int | None, int | None]:
        """The lines of the left and the right text under the cursor, from 0; None where there is none."""
        if not self._rows.count:
            return None, None
        row = self._rows.at(self._cursor)
        return row.left, row.right

    def show(self, document: DiffDocument) -> None:
        """Show a document: where it stood if one with its key was shown before, else from its first change."""
        left, top = self.scroll_offset
        self._positions[self.document.key] = _Position(self._is_split, self._rows.opened, self._cursor, top, left)
        self._clear_selection()
        self._set_document(document)
        self._is_split = self._wants_split()
        known = None if document.key is None else self._positions.get(document.key)
        rows = self._fresh_rows()
        if known is None or known.is_split != self._is_split:
            first_change = next((rows.first_shown(index) for index in rows.hunk_starts()), 0)
            self._show_rows(rows, first_change, max(0, first_change - _ABOVE), 0)
        else:
            opened = known.opened & frozenset(rows.folds())
            self._show_rows(ShownRows(rows.rows, opened), known.cursor, known.top, known.left)

    def _fresh_rows(self) -> ShownRows:
        return ShownRows(self.document.split_rows if self._is_split else self.document.unified_rows)

    def _show_rows(self, rows: ShownRows, cursor: int, top: int, left: int) -> None:
        self._hunks = rows.hunk_starts()
        self._cursor = max(0, min(cursor, rows.count - 1))
        self._lay_out(rows, top, left)
        self._tell_cursor()

    # -------------------------------------------------------------------------------------------------------- layout

    def _wants_split(self) -> bool:
        if self.layout_mode == "auto":
            return self.scrollable_content_region.width >= SPLIT_FROM
        return self.layout_mode == "split"

    def action_next_layout(self) -> None:
        self.layout_mode = LAYOUT_MODES[(LAYOUT_MODES.index(self.layout_mode) + 1) % len(LAYOUT_MODES)]

    def watch_layout_mode(self) -> None:
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Lay the rows out for the present width and mode; the line under the cursor stays at its height."""
        height = self._cursor - self.scroll_offset.y
        if self._wants_split() == self._is_split:
            self._lay_out(self._rows, self.scroll_offset.y, self.scroll_offset.x)
            self._reveal(self._cursor)
            return
        left, right = self.cursor_lines
        self._clear_selection()
        self._is_split = not self._is_split
        rows = self._fresh_rows()
        cursor = rows.place_of(left, right)
        self._show_rows(rows, cursor, max(0, cursor - height), 0)
        self.post_message(self.LayoutChanged(self, self._is_split))

    # ------------------------------------------------------------------------------------------------------- folding

    def action_toggle_fold(self) -> None:
        """Open the fold under the cursor, or close the open one that the cursor is in."""
        if not self._rows.count:
            return
        index = self._rows.at(self._cursor).source
        if index in self._rows.folds():
            self._set_rows(self._rows.toggled(index), self._rows.first_shown(index))

    def action_toggle_folds(self) -> None:
        """Open all folds; if all are open, close them."""
        folds = frozenset(self._rows.folds())
        rows = ShownRows(self._rows.rows, frozenset() if self._rows.opened == folds else folds)
        self._set_rows(rows, rows.place_of(*self.cursor_lines))

    def _set_rows(self, rows: ShownRows, cursor: int) -> None:
        """Show other folds, the cursor's line at the height at which it is."""
        self._clear_selection()
        height = self._cursor - self.scroll_offset.y
        self._show_rows(rows, cursor, max(0, cursor - height), self.scroll_offset.x)
        self._reveal(self._cursor)

    # -------------------------------------------------------------------------------------------------------- moving

    def action_cursor(self, by: int) -> None:
        self._move_to(self._cursor_in_sight() + by)

    def action_first_row(self) -> None:
        self._move_to(0)

    def action_last_row(self) -> None:
        self._move_to(self._rows.count - 1)

    def action_page(self, by: int) -> None:
        cursor, top = self._cursor_in_sight(), self.scroll_offset.y
        new_top = max(0, min(self.max_scroll_y, top + by * max(1, self.page_height - 1)))
        self.scroll_to(y=new_top, animate=False, immediate=True)
        self._move_to(cursor + new_top - top if new_top != top else by * self._rows.count)

    def action_sideways(self, by: int) -> None:
        self.scroll_to(x=self.scroll_offset.x + by * _SIDEWAYS, animate=False, immediate=True)

    def action_hunk(self, by: int) -> None:
        """To the start of the next change, or of the one before."""
        starts = [self._rows.first_shown(index) for index in self._hunks]
        beyond = [start for start in starts if (start - self._cursor) * by > 0]
        if beyond:
            self._move_to(beyond[0] if by > 0 else beyond[-1])
            self._show_whole_hunk()

    def action_word(self, by: int) -> None:
        """Scroll sideways to the next words of the cursor's row that differ and are out of sight, or back."""
        left, width = self.scroll_offset.x, self.geometry.text("left")
        cells = sorted(cell for cell in self._marked_cells(self._cursor) if not left <= cell < left + width)
        beyond = [cell for cell in cells if (cell - left) * by > 0]
        if beyond:
            cell = beyond[0] if by > 0 else beyond[-1]
            self.scroll_to(x=max(0, cell - width // 4), animate=False, immediate=True)

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        if place is None or (row := self.scroll_offset.y + place.y) >= self._rows.count:
            return
        self._move_to(row)
        if self._rows.at(row).kind == "fold":
            self.action_toggle_fold()

    def _cursor_in_sight(self) -> int:
        """The cursor's row, or the nearest one on screen where the wheel has left it behind."""
        seen = self.rows_seen()
        return max(seen.start, min(self._cursor, seen.stop - 1))

    def _move_to(self, row: int) -> None:
        row = max(0, min(row, self._rows.count - 1))
        before, self._cursor = self._cursor, row
        if row != before:
            self.refresh_lines(before)
            self.refresh_lines(row)
            self._tell_cursor()
        self._reveal(row)

    def _reveal(self, row: int) -> None:
        """Scroll so that a row is seen: by as little as it takes, or a third down the screen if it is far off."""
        top, height = self.scroll_offset.y, self.page_height
        if top <= row < top + height:
            return
        if not top - height <= row < top + 2 * height:
            new_top = row - height // 3
        else:
            new_top = row if row < top else row - height + 1
        self.scroll_to(y=max(0, new_top), animate=False, immediate=True)

    def _show_whole_hunk(self) -> None:
        """Scroll down so that the change under the cursor is seen to its end, as far as it fits."""
        end = self._cursor
        while end + 1 < self._rows.count and self._rows.at(end + 1).kind not in ("equal", "fold"):
            end += 1
            if end - self._cursor >= self.page_height:
                break
        top = min(self._cursor, end + 2 - self.page_height)
        if top > self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, immediate=True)

    def _tell_cursor(self) -> None:
        if not self._rows.count:
            return
        index = self._rows.at(self._cursor).source
        self.post_message(self.CursorMoved(self, sum(start <= index for start in self._hunks), len(self._hunks)))

    # ------------------------------------------------------------------------------------------------------- copying

    def on_mouse_down(self, event: events.MouseDown) -> None:
        place = event.get_content_offset(self)
        if place is not None:
            self._selection_side = "left" if place.x <= self.geometry.side("left") else "right"

    def _clear_selection(self) -> None:
        """Its rows are about to be others."""
        if self.is_mounted and self.text_selection is not None:
            self.screen.clear_selection()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text of one side as it is; the lines in a fold belong to it."""
        last = self._rows.count - 1
        if last < 0:
            return None
        first = 0 if selection.start is None else min(selection.start.y, last)
        last = last if selection.end is None else min(selection.end.y, last)
        parts = [part for row in range(first, last + 1) for part in self._selected_parts(selection, row)]
        return "\n".join(parts), "\n"

    def _selected_parts(self, selection: Selection, shown: int) -> list[str]:
        row = self._rows.at(shown)
        side = self._selection_side if self._is_split else "left"
        if row.kind == "fold":
            first = row.left if side == "left" else row.right
            assert first is not None
            return list(self._texts[side].document.lines[first : first + row.hidden])
        for side, line in sides(row, self._is_split):
            if line is not None and (columns := self._selected_columns(selection, shown, side)) is not None:
                text = self._texts[side].line(line)
                return [text.raw[_raw_column(text, columns[0]) : _raw_column(text, columns[1])]]
        return []


def _raw_column(line: ShownLine, shown: int) -> int:
    return line.raw_column(min(shown, len(line.text)))
