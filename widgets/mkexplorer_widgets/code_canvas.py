"""Draws a `CodeDocument` of any length: line numbers, colours, a marked line, marked matches, wrapped rows.

What it costs depends on the screen, not on the text: only seen rows are drawn, and they are drawn plain first; colours
follow in idle slices, for what is seen and one block each way. `CodeView` adds what a person does with it.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterator
from itertools import repeat

from rich.segment import Segment
from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.worker import Worker

from mkexplorer_widgets import highlight
from mkexplorer_widgets.code_document import (
    CodeDocument,
    Piece,
    Rows,
    ShownLine,
    UnwrappedRows,
    WrappedRows,
    line_widths,
)
from mkexplorer_widgets.code_paint import ColouredText, Mark, Palette, segments, with_offsets
from mkexplorer_widgets.code_search import Matches
from mkexplorer_widgets.idle import in_idle_slices

# So many lines are measured before the first paint, the others in idle slices after it.
_MEASURED_AT_ONCE = 200
_MEASURED_BATCH = 256
_KEPT_STRIPS = 160  # a strip is some hundred objects, and each collection walks through them all


class CodeCanvas(ScrollView):
    """Only draws; ``_cursor`` (a line from 0) and ``_matches`` are set by the subclass."""

    COMPONENT_CLASSES = {
        "code-view--gutter",
        "code-view--cursor",
        "code-view--cursor-gutter",
        "code-view--match",
        "code-view--current-match",
    }
    DEFAULT_CSS = """
    CodeCanvas {
        height: 1fr;
        color: $foreground;
        background: $surface;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
        & > .code-view--gutter { color: $text-muted; }
        & > .code-view--cursor { background: $boost; }
        & > .code-view--cursor-gutter { color: $text; text-style: bold; }
        & > .code-view--match { color: $text-warning; background: $warning-muted; text-style: underline; }
        & > .code-view--current-match { color: $background; background: $warning; text-style: bold; }
        &:focus > .code-view--cursor { background: $primary-muted; }
    }
    """

    wrap: reactive[bool] = reactive(False, init=False)
    """Whether long lines go on in further rows."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._text = ColouredText(CodeDocument(()))
        self._widths = array("L")
        self._rows: Rows = UnwrappedRows(0)
        self._cursor = 0
        self._matches = Matches()
        self._palette: Palette | None = None
        self._strips: LRUCache[tuple[object, ...], Strip] = LRUCache(_KEPT_STRIPS)
        self._laid_out_height = 0
        self._is_painting = False
        self._idle_work: Worker[None] | None = None

    @property
    def document(self) -> CodeDocument:
        return self._text.document

    # ------------------------------------------------------------------------------------------------- where it is

    @property
    def gutter_width(self) -> int:
        """The line numbers and a blank on each side."""
        return len(str(max(1, self.document.last_number))) + 2

    @property
    def _widest(self) -> int:
        """The cells of the widest line that is measured, with its number."""
        return self.gutter_width + max(self._widths, default=0)

    @property
    def text_width(self) -> int:
        """The cells beside the gutter."""
        return max(1, self.scrollable_content_region.width - self.gutter_width)

    @property
    def page_height(self) -> int:
        return max(1, self.scrollable_content_region.height)

    def lines_seen(self) -> tuple[int, int]:
        """The first and the last line on screen, from 0."""
        last_row = max(0, self._rows.count - 1)
        top = min(self.scroll_offset.y, last_row)
        return self._rows.line_at(top)[0], self._rows.line_at(min(top + self.page_height - 1, last_row))[0]

    def _set_document(self, document: CodeDocument, top: int, left: int) -> None:
        """Draw another document, with line ``top`` and cell ``left`` in the corner."""
        if self._idle_work is not None:
            self._idle_work.cancel()
            self._idle_work = None
        self._text = ColouredText(document)
        self._widths = array("L", line_widths(document.lines[: min(_MEASURED_AT_ONCE, len(document.lines))]))
        self._lay_out(top, left)

    def _lay_out(self, top: int, left: int) -> None:
        """Place the lines in rows anew."""
        lines = self.document.lines
        self._strips.clear()
        self._rows = UnwrappedRows(len(lines))
        if self.wrap:  # a line that is not measured yet gets one row
            widths = [*self._widths, *repeat(0, len(lines) - len(self._widths))]
            self._rows = WrappedRows(lines, widths, self.text_width)
        self.virtual_size = Size(0 if self.wrap else self._widest, self._rows.count)
        self.scroll_to(left, self._rows.first_row(top) if lines else 0, animate=False, immediate=True)
        self.refresh()
        self._work_soon()

    def watch_wrap(self) -> None:
        first, last = self.lines_seen()
        self._lay_out(first, 0)
        if first <= self._cursor <= last:
            self._reveal(self._rows.first_row(self._cursor))

    def on_resize(self, event: events.Resize) -> None:
        if self.wrap:
            self._lay_out(self.lines_seen()[0], 0)
        if event.size.height != self._laid_out_height:
            self._laid_out_height = event.size.height
            self._reveal(self._rows.first_row(self._cursor) if self.document.lines else 0)
        self._work_soon()

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

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._work_soon()

    # -------------------------------------------------------------------------------------------------- when idle

    def _work_soon(self) -> None:
        """Lex what is seen and has no colours yet, and measure all lines, once everything has been painted plain."""
        if self._idle_work is not None and not self._idle_work.is_finished:
            return
        if len(self._widths) < len(self.document.lines) or self._text.next_block(*self.lines_seen()) is not None:
            self._idle_work = self.run_worker(self._work(), group="idle work", exclusive=True)

    async def _work(self) -> None:
        text = self._text
        await self._painted()
        await asyncio.to_thread(highlight.prepare, text.document.language)
        async for has_news in in_idle_slices(self._steps(text)):
            if has_news:
                await self._painted()

    async def _painted(self) -> None:
        painted = asyncio.Event()
        self.call_after_refresh(painted.set)
        await painted.wait()

    def _steps(self, text: ColouredText) -> Iterator[bool]:
        """All there is to do, in steps; True after one whose outcome should be painted before anything else is done."""
        lines = text.document.lines
        while True:
            if (block := text.next_block(*self.lines_seen())) is not None:
                for _ in text.lex(block):
                    yield False
                self._refresh_lines(block * highlight.BLOCK, (block + 1) * highlight.BLOCK - 1)
                yield True
            elif (measured := len(self._widths)) < len(lines):
                self._widths.extend(line_widths(lines[measured : measured + _MEASURED_BATCH]))
                if len(self._widths) == len(lines) and (self.wrap or self._widest > self.virtual_size.width):
                    self._lay_out(self.lines_seen()[0], self.scroll_offset.x)
                yield False
            else:
                return

    def _refresh_lines(self, first: int, last: int) -> None:
        """Draw those of the lines again that are seen."""
        top, bottom = self.lines_seen()
        first, last = max(first, top), min(last, bottom)
        if first <= last and self.document.lines:
            first_row = self._rows.first_row(first)
            self.refresh_lines(first_row, self._rows.last_row(last) - first_row + 1)

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

    def _row_strip(self, row: int) -> Strip:
        palette = self._palette = self._palette or Palette.of_view(self)
        width = self.scrollable_content_region.width
        if row >= self._rows.count:
            return Strip.blank(width, palette.text)
        number, part = self._rows.line_at(row)
        selection = self.text_selection
        selected = selection.get_span(number) if selection is not None else None
        spans = self._text.spans(number)
        key = (row, width, self.scroll_offset.x, number == self._cursor, spans is None, selected)
        if (strip := self._strips.get(key)) is None:
            line = self._text.line(number)
            under = palette.cursor if number == self._cursor else palette.text
            gutter = palette.cursor_gutter if number == self._cursor else palette.gutter
            piece = self._piece(line, part)
            marks = self._marks(number, piece, selected, palette)
            code = segments(line, piece, spans or (), palette.tokens, marks)
            drawn = [Segment(self._gutter_text(number, part), gutter), *Segment.apply_style(code, under)]
            strip = self._strips[key] = Strip(drawn).adjust_cell_length(width, under)
        return strip

    def _marks(self, number: int, piece: Piece, selected: tuple[int, int] | None, palette: Palette) -> list[Mark]:
        line, current = self._text.line(number), self._matches.current_match
        marks: list[Mark] = []
        for match in self._matches.between(number, line.raw_column(piece.start), line.raw_column(piece.end) + 1):
            style = palette.current_match if match == current else palette.match
            marks.append((line.shown_column(match[1]), line.shown_column(match[2]), style))
        if selected is not None:
            start, end = selected
            marks.append((start, len(line.text) if end < 0 else end, palette.selection))
        return marks

    def _gutter_text(self, number: int, part: int) -> str:
        name = str(self.document.first_number + number) if part == 0 else "·"
        return f"{name:>{self.gutter_width - 1}} "

    def _piece(self, line: ShownLine, part: int) -> Piece:
        if self.wrap:
            return line.row(part, self.text_width)
        left = self.scroll_offset.x
        return line.piece(left, left + self.text_width)

    def _row_offsets(self, row: int) -> Strip:
        if row >= self._rows.count:
            return Strip([])
        number, part = self._rows.line_at(row)
        line = self._text.line(number)
        return with_offsets(line, self._piece(line, part), number, self.gutter_width)
