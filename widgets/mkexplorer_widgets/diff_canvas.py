"""Draws a `DiffDocument`: two columns or one, signs and tints, marked words, syntax colours, folds.

What it costs depends on the screen, not on the texts: only seen rows are drawn, at first plain; words that differ and
colours follow in idle slices. `DiffView` adds what a person does with it.
"""

from __future__ import annotations

import asyncio

from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from mkexplorer_widgets import highlight
from mkexplorer_widgets.code_document import CodeDocument
from mkexplorer_widgets.code_paint import ColouredText
from mkexplorer_widgets.diff_document import DiffDocument, ShownRows
from mkexplorer_widgets.diff_paint import RIGHT, DiffPalette, Geometry, Pair, RowPainter, Side, pair_of, sides
from mkexplorer_widgets.idle import in_idle_slices

_KEPT_STRIPS = 256
_KEPT_MARKS = 4_096
# Words of lines that are together no longer than this are compared as they are drawn; others in idle slices.
_SHORT_PAIR = 500
_NO_MARKS: Pair = ([], [])
_NOTHING = DiffDocument(CodeDocument(()), CodeDocument(()), (), (), lambda left, right: _NO_MARKS, 0)


class DiffCanvas(ScrollView):
    """Only draws; ``_cursor`` (a row on screen) and ``_selection_side`` are set by the subclass."""

    COMPONENT_CLASSES = {
        "diff-view--gutter",
        "diff-view--deleted",
        "diff-view--deleted-gutter",
        "diff-view--deleted-words",
        "diff-view--inserted",
        "diff-view--inserted-gutter",
        "diff-view--inserted-words",
        "diff-view--empty",
        "diff-view--fold",
        "diff-view--divider",
        "diff-view--cursor",
        "diff-view--cursor-gutter",
    }
    DEFAULT_CSS = """
    DiffCanvas {
        height: 1fr;
        color: $foreground;
        background: $surface;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
        & > .diff-view--gutter { color: $text-muted; }
        & > .diff-view--deleted { background: $error 12%; }
        & > .diff-view--deleted-gutter { color: $text-error; }
        & > .diff-view--deleted-words { background: $error 35%; text-style: underline; }
        & > .diff-view--inserted { background: $success 12%; }
        & > .diff-view--inserted-gutter { color: $text-success; }
        & > .diff-view--inserted-words { background: $success 35%; text-style: underline; }
        & > .diff-view--empty { color: $foreground 15%; }
        & > .diff-view--fold { color: $text-muted; background: $panel; }
        & > .diff-view--divider { color: $foreground 30%; }
        & > .diff-view--cursor { background: $boost; }
        & > .diff-view--cursor-gutter { text-style: bold reverse; }
        &:focus > .diff-view--cursor { background: $primary 25%; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self.document = _NOTHING
        self._texts: dict[Side, ColouredText] = {
            "left": ColouredText(_NOTHING.left),
            "right": ColouredText(_NOTHING.right),
        }
        self._marks: LRUCache[tuple[int, int], Pair] = LRUCache(_KEPT_MARKS)
        self._rows = ShownRows(())
        self._is_split = True
        self._cursor = 0
        self._selection_side: Side = "left"
        self._palette: DiffPalette | None = None
        self._strips: LRUCache[tuple[object, ...], Strip] = LRUCache(_KEPT_STRIPS)
        self._painter: RowPainter | None = None
        self._is_finishing = False
        self._prepared: set[str] = set()

    # ------------------------------------------------------------------------------------------------- where it is

    @property
    def page_height(self) -> int:
        return max(1, self.scrollable_content_region.height)

    @property
    def geometry(self) -> Geometry:
        width = self.scrollable_content_region.width
        return Geometry(self._is_split, width, self.document.number_width, self.scroll_offset.x)

    def rows_seen(self) -> range:
        """The rows on screen."""
        top = min(self.scroll_offset.y, max(0, self._rows.count - 1))
        return range(top, min(top + self.page_height, self._rows.count))

    def _set_document(self, document: DiffDocument) -> None:
        self.document = document
        self._texts = {"left": ColouredText(document.left), "right": ColouredText(document.right)}
        self._marks.clear()

    def _lay_out(self, rows: ShownRows, top: int, left: int) -> None:
        """Draw these rows, with row ``top`` and cell ``left`` in the corner."""
        self._rows = rows
        self._strips.clear()
        geometry = self.geometry
        beyond = max(0, self.document.widest - geometry.text("left"))
        self.virtual_size = Size(geometry.width + beyond, rows.count)
        self.scroll_to(left, top, animate=False, immediate=True)
        self.refresh()
        self._finish_soon()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._finish_soon()

    # ------------------------------------------------------------------------------------- marked words and colours

    def _finish_soon(self) -> None:
        """Find the words that differ, and the colours, of what is seen, once it has been painted plain."""
        if not self._is_finishing and self._rows.count:
            self._is_finishing = True
            self.call_after_refresh(self.run_worker, self._finish, group="colours")

    async def _finish(self) -> None:
        """Words of long lines first, then colours; these appear once all of the screen has them."""
        document = self.document
        done: set[tuple[Side, int]] = set()
        try:
            while True:
                if document is not self.document:
                    document = self.document
                    done.clear()
                if pairs := self._missing_marks():
                    async for pair in in_idle_slices(pairs):
                        self._find_marks(*pair)
                    self.refresh()
                elif (block := self._missing_block(done)) is not None:
                    done.add(block)
                    text = self._texts[block[0]]
                    if text.document.language not in self._prepared:
                        await asyncio.to_thread(highlight.prepare, text.document.language)
                        self._prepared.add(text.document.language)
                    async for _ in in_idle_slices(text.lex(block[1])):
                        pass
                elif done:
                    self.refresh()
                    return
                else:
                    return
        finally:
            self._is_finishing = False

    def _missing_marks(self) -> list[tuple[int, int]]:
        """The pairs of long changed lines that are seen and not compared word by word yet."""
        seen = (pair_of(self._rows.at(row)) for row in self.rows_seen())
        return [pair for pair in seen if pair is not None and pair not in self._marks and not self._is_short(*pair)]

    def _find_marks(self, left: int, right: int) -> None:
        lines = self._texts["left"].line(left).text, self._texts["right"].line(right).text
        self._marks[left, right] = self.document.word_marks(*lines)

    def _is_short(self, left: int, right: int) -> bool:
        return len(self.document.left.lines[left]) + len(self.document.right.lines[right]) <= _SHORT_PAIR

    def _missing_block(self, done: set[tuple[Side, int]]) -> tuple[Side, int] | None:
        """A block of lines that are seen and have no colours yet."""
        for shown in self.rows_seen():
            row = self._rows.at(shown)
            if row.kind == "fold":
                continue
            sides: tuple[tuple[Side, int | None], ...] = (("left", row.left), ("right", row.right))
            for side, line in sides:
                text = self._texts[side]
                if line is None or text.document.language == "text" or text.spans(line) is not None:
                    continue
                if (block := (side, line // highlight.BLOCK)) not in done:
                    return block
        return None

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._palette = None
        self._strips.clear()

    # ---------------------------------------------------------------------------------------------------- painting

    def render_lines(self, crop: Region) -> list[Strip]:
        self._painter = self._new_painter()
        try:
            return super().render_lines(crop)
        finally:
            self._painter = None

    def _new_painter(self) -> RowPainter:
        palette = self._palette = self._palette or DiffPalette.of_view(self)
        return RowPainter(self.document, self._texts, palette, self.geometry)

    def render_line(self, y: int) -> Strip:
        row = self.scroll_offset.y + y
        if self._painter is not None:
            return self._row_strip(row, self._painter)
        # The mouse asks what is under it. Only this answer carries offsets: they would make painting twice as slow.
        if row >= self._rows.count:
            return Strip([])
        return self._new_painter().offsets(self._rows.at(row), row)

    def _row_strip(self, shown: int, painter: RowPainter) -> Strip:
        geometry = painter.geometry
        if shown >= self._rows.count:
            return Strip.blank(geometry.width, painter.palette.text)
        row = self._rows.at(shown)
        on = shown == self._cursor
        if row.kind == "fold":
            return painter.fold(row, on)
        lines = sides(row, self._is_split)
        coloured = [line is not None and self._texts[side].spans(line) is not None for side, line in lines]
        selection = self.text_selection
        selected = [selection and self._selected_columns(selection, shown, side) for side, _ in lines]
        pair = pair_of(row)
        if pair is not None and pair not in self._marks and self._is_short(*pair):
            self._find_marks(*pair)
        marks = self._marks.get(pair) if pair is not None else None
        key = (shown, geometry, on, *coloured, *selected, marks is None)
        if (strip := self._strips.get(key)) is None:
            strip = self._strips[key] = painter.row(row, on, marks or _NO_MARKS, selected)
        return strip

    def _marked_cells(self, shown: int) -> list[int]:
        """Where the words that differ begin, in cells of the lines of a row."""
        if shown >= self._rows.count:
            return []
        row = self._rows.at(shown)
        pair = pair_of(row)
        marks = self._marks.get(pair, _NO_MARKS) if pair is not None else _NO_MARKS
        return [
            self._texts[side].line(line).cell(start)
            for side, line in sides(row, self._is_split)
            if line is not None
            for start, _ in marks[side == "right"]
        ]

    def _selected_columns(self, selection: Selection, shown: int, side: Side) -> tuple[int, int] | None:
        """Which shown columns of a row are selected: those of the side on which the mouse went down."""
        if self._is_split and side != self._selection_side:
            return None
        start, end = selection
        if (start is not None and shown < start.y) or (end is not None and shown > end.y):
            return None
        first = 0 if start is None or shown > start.y else self._column(start.x)
        last = RIGHT if end is None or shown < end.y else self._column(end.x)
        return first, last

    def _column(self, x: int) -> int:
        """An offset's column on the side that is selected; the other side counts as its nearer end."""
        if not self._is_split or self._selection_side == "left":
            return min(x, RIGHT)
        return max(0, x - RIGHT)
