"""Draws a `DiffDocument`: two columns or one, signs and tints, marked words, syntax colours, folds.

What it costs depends on the screen, not on the texts: only seen rows are drawn, at first plain; words that differ and
colours follow in idle slices. `DiffView` adds what a person does with it.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from rich.segment import Segment
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mkexplorer_widgets import highlight
from mkexplorer_widgets.code_document import CodeDocument, Piece, ShownLine
from mkexplorer_widgets.code_paint import ColouredText
from mkexplorer_widgets.diff_document import DiffDocument, Marks, ShownRow, ShownRows
from mkexplorer_widgets.diff_paint import NO_LINE, RIGHT, DiffPalette, offset_strip, side_segments
from mkexplorer_widgets.idle import in_idle_slices

Side = Literal["left", "right"]

_KEPT_STRIPS = 256
_KEPT_MARKS = 4_096
# Words of lines that are together no longer than this are compared as they are drawn; others in idle slices.
_SHORT_PAIR = 500
_NO_MARKS: tuple[Marks, Marks] = ([], [])
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
        self._texts = {"left": ColouredText(_NOTHING.left), "right": ColouredText(_NOTHING.right)}
        self._marks: LRUCache[tuple[int, int], tuple[Marks, Marks]] = LRUCache(_KEPT_MARKS)
        self._rows = ShownRows(())
        self._is_split = True
        self._cursor = 0
        self._selection_side: Side = "left"
        self._palette: DiffPalette | None = None
        self._strips: LRUCache[tuple[object, ...], Strip] = LRUCache(_KEPT_STRIPS)
        self._is_painting = False
        self._is_finishing = False
        self._prepared: set[str] = set()

    # ------------------------------------------------------------------------------------------------- where it is

    @property
    def page_height(self) -> int:
        return max(1, self.scrollable_content_region.height)

    @property
    def gutter_width(self) -> int:
        """Before the text of each side: blank, line number (both of them in one column), blank, sign, blank."""
        numbers = 1 if self._is_split else 2
        return numbers * (self.document.number_width + 1) + 3

    def _side_width(self, side: Side) -> int:
        """The cells of a side, its gutter included."""
        width = self.scrollable_content_region.width
        if not self._is_split:
            return width
        left = (width - 1) // 2
        return left if side == "left" else max(0, width - 1 - left)

    def _text_width(self, side: Side) -> int:
        return max(1, self._side_width(side) - self.gutter_width)

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
        beyond = max(0, self.document.widest - self._text_width("left"))
        self.virtual_size = Size(self.scrollable_content_region.width + beyond, rows.count)
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
        seen = (_pair(self._rows.at(row)) for row in self.rows_seen())
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
        self._is_painting = True
        try:
            return super().render_lines(crop)
        finally:
            self._is_painting = False

    def render_line(self, y: int) -> Strip:
        row = self.scroll_offset.y + y
        if self._is_painting:
            return self._row_strip(row)
        # The mouse asks what is under it. Only this answer carries offsets: they would make painting twice as slow.
        return self._row_offsets(row)

    def _row_strip(self, shown: int) -> Strip:
        palette = self._palette = self._palette or DiffPalette.of_view(self)
        width = self.scrollable_content_region.width
        if shown >= self._rows.count:
            return Strip.blank(width, palette.text)
        row = self._rows.at(shown)
        on = shown == self._cursor
        if row.kind == "fold":
            text = f"⋯ {row.hidden:,} equal lines ⋯"
            return Strip([Segment(f"{text:^{width}}"[:width], palette.fold[on])], width)
        sides = self._sides(row)
        selected = {side: self._selected_columns(shown, side) for side, _ in sides}
        coloured = [line is not None and self._texts[side].spans(line) is not None for side, line in sides]
        pair = _pair(row)
        if pair is not None and pair not in self._marks and self._is_short(*pair):
            self._find_marks(*pair)
        marked = pair is not None and pair in self._marks
        key = (shown, width, self.scroll_offset.x, on, *coloured, *selected.values(), marked)
        if (strip := self._strips.get(key)) is None:
            drawn: list[Segment] = []
            for side, line in sides:
                if drawn:
                    drawn.append(Segment("│", palette.divider))
                drawn += self._side(row, side, line, palette, on, selected[side])
            strip = self._strips[key] = Strip(drawn).adjust_cell_length(width, palette.text)
        return strip

    def _sides(self, row: ShownRow) -> list[tuple[Side, int | None]]:
        """The lines that a row shows, from left to right."""
        if self._is_split:
            return [("left", row.left), ("right", row.right)]
        return [("left", row.left)] if row.left is not None else [("right", row.right)]

    def _side(
        self,
        row: ShownRow,
        side: Side,
        line: int | None,
        palette: DiffPalette,
        on: bool,
        selected: tuple[int, int] | None,
    ) -> Strip:
        width = self._side_width(side)
        if line is None:
            return Strip([Segment(NO_LINE * width, palette.empty)], width)
        paint = palette.lines[_line_kind(row, side), on]
        text = self._texts[side]
        shown = text.line(line)
        marks = self._marks.get(_pair(row) or (-1, -1), _NO_MARKS)[side == "right"]
        piece = self._piece(side, shown)
        code = side_segments(shown, piece, text.spans(line) or (), marks, paint, palette, selected)
        gutter = Segment(f"{self._numbers(row, side, line)} {paint.sign} ", paint.gutter)
        strip = Strip([gutter, *code]).adjust_cell_length(width, paint.text)
        if marks and marks[-1][1] > piece.end:  # words that differ stand beyond the right edge
            strip = Strip([*strip.crop(0, width - 1), Segment("›", paint.text + paint.words)], width)
        return strip

    def _marked_cells(self, shown: int) -> list[int]:
        """Where the words that differ begin, in cells of the lines of a row."""
        if shown >= self._rows.count:
            return []
        row = self._rows.at(shown)
        marks = self._marks.get(_pair(row) or (-1, -1), _NO_MARKS)
        return [
            self._texts[side].line(line).cell(start)
            for side, line in self._sides(row)
            if line is not None
            for start, _ in marks[side == "right"]
        ]

    def _numbers(self, row: ShownRow, side: Side, line: int) -> str:
        width, document = self.document.number_width + 1, self.document
        if self._is_split:
            return f"{document.left_number(line) if side == 'left' else document.right_number(line):>{width}}"
        left = "" if row.left is None else document.left_number(row.left)
        right = "" if row.right is None else document.right_number(row.right)
        return f"{left:>{width}}{right:>{width}}"

    def _piece(self, side: Side, line: ShownLine) -> Piece:
        left = self.scroll_offset.x
        return line.piece(left, left + self._text_width(side))

    # --------------------------------------------------------------------------------------------------- selection

    def _row_offsets(self, shown: int) -> Strip:
        """The cells of a row, each telling the mouse which column it is of, on which side."""
        if shown >= self._rows.count:
            return Strip([])
        row = self._rows.at(shown)
        strips = []
        for side, line in self._sides(row):
            number = None if row.kind == "fold" else line
            text = None if number is None else self._texts[side].line(number)
            piece = Piece(0, 0, 0, 0) if text is None else self._piece(side, text)
            base = RIGHT if side == "right" and self._is_split else 0
            width = self._side_width(side) + (side == "left" and self._is_split)  # the divider goes with the left side
            strips.append(offset_strip(text, piece, shown, base, self.gutter_width, width))
        return Strip.join(strips)

    def _selected_columns(self, shown: int, side: Side) -> tuple[int, int] | None:
        """Which shown columns of a row are selected: those of the side on which the mouse went down."""
        selection = self.text_selection
        if selection is None or (self._is_split and side != self._selection_side):
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


def _pair(row: ShownRow) -> tuple[int, int] | None:
    """The line and what became of it, if that is what a row shows (or half of it)."""
    left = row.partner if row.left is None else row.left
    right = row.partner if row.right is None else row.right
    if row.kind not in ("change", "delete", "insert") or left is None or right is None:
        return None
    return left, right


def _line_kind(row: ShownRow, side: Side) -> str:
    if row.kind == "equal":
        return "equal"
    return "delete" if side == "left" else "insert"
