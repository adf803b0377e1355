"""A listing of any length to read: a cursor line, search, go to line, soft wrap, mouse selection.

    view = CodeView()
    view.show(CodeDocument.of_text(text, language_of("kernel.py"), key="kernel.py"))
    view.find("tl.load")          # answers with CodeView.MatchesFound; then find_next(), find_previous()
    view.go_to_line(42)

Texts are shown as `plain_text.visible` writes them, and copied as they are. `CodePane` adds the bar to search with.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from textual import events
from textual.binding import Binding
from textual.cache import LRUCache
from textual.message import Message
from textual.selection import Selection

from mkexplorer_widgets.code_canvas import CodeCanvas
from mkexplorer_widgets.code_document import CodeDocument
from mkexplorer_widgets.code_search import MAX_MATCHES, Matches, Query, SearchError, find_all

_SIDEWAYS = 8
_KEPT_POSITIONS = 256


class CodeView(CodeCanvas, can_focus=True):
    """Shows one `CodeDocument` at a time; see the module."""

    BINDING_GROUP_TITLE = "Code"
    BINDINGS = [
        Binding("up,k", "cursor(-1)", "Line up", show=False, id="code.up"),
        Binding("down,j", "cursor(1)", "Line down", show=False, id="code.down"),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False, id="code.page_up"),
        Binding("pagedown,space", "page(1)", "Page down", show=False, id="code.page_down"),
        Binding("home,g", "first_line", "First line", show=False, id="code.first"),
        Binding("end,G", "last_line", "Last line", show=False, id="code.last"),
        Binding("left", "sideways(-1)", "Scroll left", show=False, id="code.left"),
        Binding("right", "sideways(1)", "Scroll right", show=False, id="code.right"),
    ]

    @dataclass
    class CursorMoved(Message):
        """``line`` counts from 0."""

        view: CodeView
        line: int

    @dataclass
    class MatchesFound(Message):
        """A search has come to its end, or another of its matches is current.

        ``count`` matches were found (``complete`` is False where there are more); ``position`` of the current one
        counts from 1, and is 0 without one. ``error`` says why there was no search.
        """

        view: CodeView
        count: int
        position: int
        complete: bool = True
        error: str = ""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._query = Query.of_text("")
        self._positions: LRUCache[Hashable, tuple[int, int, int]] = LRUCache(_KEPT_POSITIONS)

    @property
    def cursor_line(self) -> int:
        """From 0."""
        return self._cursor

    @property
    def cursor_text(self) -> str:
        """The line under the cursor, as it is."""
        return self.document.lines[self._cursor] if self.document.lines else ""

    def show(self, document: CodeDocument) -> None:
        """Show a document: where it stood if one with its key was shown before, else from its ``start``."""
        self._positions[self.document.key] = (self._cursor, self.lines_seen()[0], self.scroll_offset.x)
        known = None if document.key is None else self._positions.get(document.key)
        cursor, top, left = known or (document.start, document.start, 0)
        last = max(0, len(document.lines) - 1)
        self._cursor = min(cursor, last)
        self._matches = Matches()
        if self.is_mounted and self.text_selection is not None:
            self.screen.clear_selection()
        self._set_document(document, min(top, last), left)
        self.post_message(self.CursorMoved(self, self._cursor))
        if self._query.pattern:
            self.run_worker(self._search(None), group="search", exclusive=True)

    # ------------------------------------------------------------------------------------------------------ moving

    def go_to_line(self, number: int) -> None:
        """Put the cursor on the line with this number (of the document's own numbering), or the nearest."""
        self._move_to(number - self.document.first_number)

    def action_cursor(self, by: int) -> None:
        self._move_to(self._cursor_in_sight() + by)

    def action_first_line(self) -> None:
        self._move_to(0)

    def action_last_line(self) -> None:
        self._move_to(len(self.document.lines) - 1)

    def action_page(self, by: int) -> None:
        cursor_row = self._rows.first_row(self._cursor_in_sight())
        top = self.scroll_offset.y
        new_top = max(0, min(self.max_scroll_y, top + by * max(1, self.page_height - 1)))
        if new_top == top:
            self._move_to(0 if by < 0 else len(self.document.lines) - 1)
            return
        self.scroll_to(y=new_top, animate=False, immediate=True)
        self._move_to(self._rows.line_at(min(cursor_row + new_top - top, self._rows.count - 1))[0])

    def action_sideways(self, by: int) -> None:
        self.scroll_to(x=self.scroll_offset.x + by * _SIDEWAYS, animate=False, immediate=True)

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        if place is not None and (row := self.scroll_offset.y + place.y) < self._rows.count:
            self._move_to(self._rows.line_at(row)[0])

    def _cursor_in_sight(self) -> int:
        """The cursor's line, or the nearest one on screen where the wheel has left it behind."""
        first, last = self.lines_seen()
        return max(first, min(self._cursor, last))

    def _move_to(self, line: int) -> None:
        line = max(0, min(line, len(self.document.lines) - 1))
        before, self._cursor = self._cursor, line
        if line != before:
            self._refresh_lines(before, before)
            self._refresh_lines(line, line)
            self.post_message(self.CursorMoved(self, line))
        self._reveal(self._rows.first_row(line))

    # --------------------------------------------------------------------------------------------------- searching

    def find(self, query: str, from_line: int | None = None) -> None:
        """Search, mark all matches, and go to the first one from a line on (from 0; None: from the cursor's).

        ``/a.c/`` is a regular expression, all else plain text; neither heeds case without a capital letter in it. An
        empty query ends the search. `MatchesFound` tells what came of it; a new search stops one that is under way.
        """
        self._query = Query.of_text(query)
        start = self._cursor if from_line is None else from_line
        self.run_worker(self._search(start), group="search", exclusive=True)

    def find_next(self) -> None:
        self._step(1)

    def find_previous(self) -> None:
        self._step(-1)

    async def _search(self, go_from: int | None) -> None:
        error = ""
        try:
            self._matches = Matches(await find_all(self.document.lines, self._query))
        except SearchError as problem:
            self._matches = Matches()
            error = str(problem)
        if go_from is not None:
            self._matches.go_to_first(go_from)
        self._show_matches(error)

    def _step(self, by: int) -> None:
        self._matches.step(by, self._cursor)
        self._show_matches()

    def _show_matches(self, error: str = "") -> None:
        self._strips.clear()
        self.refresh()
        matches = self._matches
        if (match := matches.current_match) is not None:
            self._move_to(match[0])
            self._reveal_columns(*match)
        position = 0 if matches.current is None else matches.current + 1
        count = len(matches.found)
        self.post_message(self.MatchesFound(self, count, position, count < MAX_MATCHES, error))

    def _reveal_columns(self, number: int, start: int, end: int) -> None:
        line = self._text.line(number)
        first, last = (line.cell(line.shown_column(column)) for column in (start, end))
        if self.wrap:
            self._reveal(min(self._rows.first_row(number) + first // self.text_width, self._rows.last_row(number)))
        elif first < self.scroll_offset.x or last > self.scroll_offset.x + self.text_width:
            left = 0 if last <= self.text_width else max(0, first - self.text_width // 3)
            self.scroll_to(x=left, animate=False, immediate=True)

    # ----------------------------------------------------------------------------------------------------- copying

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        lines = self.document.lines
        if not lines:
            return None
        first = 0 if selection.start is None else min(selection.start.y, len(lines) - 1)
        last = len(lines) - 1 if selection.end is None else min(selection.end.y, len(lines) - 1)
        return "\n".join(self._selected_part(selection, number) for number in range(first, last + 1)), "\n"

    def _selected_part(self, selection: Selection, number: int) -> str:
        start, end = selection.get_span(number) or (0, 0)
        line = self._text.line(number)
        return line.raw[line.raw_column(start) : None if end < 0 else line.raw_column(end)]
