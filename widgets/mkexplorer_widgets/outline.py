"""A tree shown as a flat list of rows: as fast with 100,000 rows as with ten.

The owner flattens its tree (`OutlineRow.depth`), decides what is expanded and hands over the visible rows;
the widget draws the few that are on screen and keeps the cursor and the scroll position by key when the
rows change. Texts are data: never markup, control characters are shown.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mkexplorer_widgets.cells import fit, one_line
from mkexplorer_widgets.plain_text import visible

Tone = Literal["plain", "dim", "strong", "heading", "good", "warning", "bad"]

COLUMN_GAP = 1
NARROWEST_COLUMN = 4
MARKER_WIDTH = 2


class Cell(NamedTuple):
    """One piece of a row; ``tone`` is its meaning, the theme gives the colour."""

    text: str
    tone: Tone = "plain"


class OutlineRow(NamedTuple):
    """One visible row. ``key`` is unique among the rows and stays the same when the row's text changes.

    Cells stand in columns; the last cell of a row takes all that is left of the line. Both are NamedTuples because
    a list makes them by the hundred thousand: a frozen dataclass takes three times as long.
    """

    key: Hashable
    depth: int
    cells: tuple[Cell, ...]
    expandable: bool = False
    expanded: bool = False

    @property
    def lead(self) -> int:
        """Cells before the first text: one per level, and the arrow's place."""
        return self.depth + MARKER_WIDTH


def natural_widths(rows: Sequence[OutlineRow]) -> list[int]:
    """Return the width that each column needs, the rows' last cells left out (they may run on)."""
    texts: list[set[tuple[int, str]]] = []
    for row in rows:
        for column, cell in enumerate(row.cells[:-1]):
            if column == len(texts):
                texts.append(set())
            texts[column].add((0 if column else row.lead, cell.text))
    return [max(lead + cell_len(one_line(text)) for lead, text in column) for column in texts]


def fitted_widths(natural: Sequence[int], available: int) -> list[int]:
    """Shrink the widest columns until all of them and their gaps take at most ``available`` cells."""
    widths = list(natural)
    excess = sum(widths) + COLUMN_GAP * len(widths) - available
    while excess > 0 and (widest := max(widths, default=0)) > NARROWEST_COLUMN:
        at = widths.index(widest)
        runner_up = max((width for width in widths if width < widest), default=NARROWEST_COLUMN)
        # Down to the next one in a single step when that is needed; equal ones take turns, a cell each.
        shrunk = max(runner_up, widest - excess) if widths.count(widest) == 1 else widest - 1
        widths[at] = max(NARROWEST_COLUMN, shrunk)
        excess -= widest - widths[at]
    return widths


class Outline(ScrollView, can_focus=True):
    """Virtual outline; see the module."""

    DEFAULT_CSS = """
    Outline {
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
    }
    Outline > .outline--dim { color: $foreground 60%; }
    Outline > .outline--strong { text-style: bold; }
    Outline > .outline--heading { color: $text-secondary; text-style: bold; }
    Outline > .outline--good { color: $text-success; }
    Outline > .outline--warning { color: $text-warning; text-style: bold; }
    Outline > .outline--bad { color: $text-error; text-style: bold; }
    Outline > .outline--cursor { background: $boost; color: $foreground; text-style: bold; }
    Outline:focus > .outline--cursor {
        background: $block-cursor-background;
        color: $block-cursor-foreground;
        text-style: bold;
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "outline--dim",
        "outline--strong",
        "outline--heading",
        "outline--good",
        "outline--warning",
        "outline--bad",
        "outline--cursor",
    }
    BINDING_GROUP_TITLE = "List"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="outline.up", tooltip="To the row above"),
        Binding("down,j", "move(1)", "Down", show=False, id="outline.down", tooltip="To the row below"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="outline.page_up", tooltip="One screen up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="outline.page_down", tooltip="One screen down"),
        Binding("home,g", "edge(-1)", "First row", show=False, id="outline.first", tooltip="To the first row"),
        Binding("end,G", "edge(1)", "Last row", show=False, id="outline.last", tooltip="To the last row"),
        Binding("left,h", "fold", "Fold", show=False, id="outline.fold", tooltip="Fold this row, or go to its parent"),
        Binding("right,l", "unfold", "Unfold", show=False, id="outline.unfold", tooltip="Unfold, or go to the child"),
        Binding(
            "space", "fold_or_unfold", "Fold/unfold", show=False, id="outline.toggle", tooltip="Fold or unfold this row"
        ),
        Binding("enter", "select", "Open", show=False, id="outline.select", tooltip="Open this row"),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)
    """Index of the row with the cursor; 0 where there are no rows."""

    @dataclass
    class Highlighted(Message):
        """The cursor came to the row ``key``; None when there is no row any more."""

        outline: Outline
        key: Hashable | None

        @property
        def control(self) -> Outline:
            return self.outline

    @dataclass
    class Selected(Message):
        """The person opened the row ``key`` (enter or a click)."""

        outline: Outline
        key: Hashable

        @property
        def control(self) -> Outline:
            return self.outline

    @dataclass
    class Toggled(Message):
        """The person asked to fold or unfold ``key``; the owner answers with new rows."""

        outline: Outline
        key: Hashable

        @property
        def control(self) -> Outline:
            return self.outline

    def __init__(self, empty_text: str = "") -> None:
        super().__init__()
        self._rows: Sequence[OutlineRow] = ()
        self._index: dict[Hashable, int] = {}
        self._natural: list[int] = []
        self._strips: LRUCache[tuple[int, bool, int, bool], Strip] = LRUCache(512)
        self._empty_text = empty_text

    # --- data -----------------------------------------------------------------------------------------------

    @property
    def rows(self) -> Sequence[OutlineRow]:
        return self._rows

    @property
    def cursor_row(self) -> OutlineRow | None:
        return self._rows[self.cursor] if self._rows else None

    def set_rows(self, rows: Sequence[OutlineRow]) -> None:
        """Show ``rows``. Cursor and scroll position stay with the same keys as far as these still exist."""
        old_rows, old_cursor = self._rows, min(self.cursor, max(0, len(self._rows) - 1))
        old_key = old_rows[old_cursor].key if old_rows else None
        top = self.scroll_offset.y
        in_view = top <= old_cursor < top + max(1, self.size.height)
        anchor = old_cursor if in_view else min(top, max(0, len(old_rows) - 1))
        self._rows = rows
        self._index = {row.key: at for at, row in enumerate(rows)}
        self._natural = natural_widths(rows)
        self._strips.clear()
        cursor = self._survivor(old_rows, old_cursor)
        self.virtual_size = Size(self.size.width, len(rows))
        if old_rows and rows:
            shift = self._survivor(old_rows, anchor) - anchor
            self.scroll_to(y=max(0, top + shift), animate=False, immediate=True, force=True)
        self.set_reactive(Outline.cursor, cursor)
        self.refresh()
        new_key = rows[cursor].key if rows else None
        if in_view or new_key != old_key:
            self._show_cursor()
        if new_key != old_key:
            self.post_message(self.Highlighted(self, new_key))

    def show_message(self, text: str) -> None:
        """Show ``text`` where there are no rows."""
        self._empty_text = text
        self._strips.clear()
        self.refresh()

    def move_to(self, key: Hashable) -> bool:
        """Put the cursor on the row ``key``; False if it is not among the rows."""
        at = self._index.get(key)
        if at is None:
            return False
        self.cursor = at
        return True

    def _survivor(self, old_rows: Sequence[OutlineRow], at: int) -> int:
        """Return where row ``at`` of ``old_rows`` is now, or else the nearest one above it that is still there."""
        for row in reversed(old_rows[: at + 1]):
            found = self._index.get(row.key)
            if found is not None:
                return found
        return 0

    # --- drawing --------------------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._rows))
        self._strips.clear()
        self._show_cursor()

    def on_focus(self) -> None:
        self.refresh_line(self.cursor)

    def on_blur(self) -> None:
        self.refresh_line(self.cursor)

    def render_line(self, y: int) -> Strip:
        at = self.scroll_offset.y + y
        width = self.size.width
        if at >= len(self._rows):
            return self._blank_line(y, width)
        under_cursor = at == self.cursor
        key = (at, under_cursor, width, under_cursor and self.has_focus)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._draw(self._rows[at], under_cursor, width)
            self._strips[key] = strip
        return strip

    def _blank_line(self, y: int, width: int) -> Strip:
        lines = self._empty_text.splitlines() if not self._rows else []
        style = self.rich_style + self._tone_style("dim")
        text = visible(lines[y]) if y < len(lines) else ""
        return Strip([Segment(fit(" " + text, width), style)], width)

    def _draw(self, row: OutlineRow, under_cursor: bool, width: int) -> Strip:
        base = self.get_component_rich_style("outline--cursor") if under_cursor else self.rich_style
        # Under the focused cursor the theme promises contrast for one text colour only.
        plain = under_cursor and self.has_focus
        marker = ("▾ " if row.expanded else "▸ ") if row.expandable else "  "
        segments = [Segment(" " * row.depth + marker, base)]
        used = row.lead
        widths = fitted_widths(self._natural, width - self._last_column_room(width))
        for column, cell in enumerate(row.cells):
            is_last = column == len(row.cells) - 1
            room = width - used if is_last else widths[column] - (0 if column else row.lead)
            style = base if plain or cell.tone == "plain" else base + self._tone_style(cell.tone)
            segments.append(Segment(fit(one_line(cell.text), room), style))
            used += max(room, 0)
            if not is_last:
                segments.append(Segment(" " * COLUMN_GAP, base))
                used += COLUMN_GAP
        return Strip(segments).adjust_cell_length(width, base)

    def _last_column_room(self, width: int) -> int:
        """Keep this much for the last column, which holds the most telling text."""
        return min(12, width // 3)

    def _tone_style(self, tone: Tone) -> Style:
        """Attributes and text colour, to lay over a row's own background.

        A partial style holds an 'auto' or translucent colour as it is written; the whole one has it worked out.
        """
        name = f"outline--{tone}"
        whole = self.get_component_rich_style(name)
        return self.get_component_rich_style(name, partial=True) + Style(color=whole.color)

    # --- moving ---------------------------------------------------------------------------------------------

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self._rows) - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        if old == new or not self._rows:
            return
        self.refresh_line(old)
        self.refresh_line(new)
        self._show_cursor()
        self.post_message(self.Highlighted(self, self._rows[new].key))

    def _show_cursor(self) -> None:
        height, top = self.size.height, self.scroll_offset.y
        if not height or not self._rows:
            return
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True, force=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True, force=True)

    def action_move(self, step: int) -> None:
        self.cursor += step

    def action_page(self, direction: int) -> None:
        self.cursor += direction * max(1, self.size.height - 1)

    def action_edge(self, direction: int) -> None:
        self.cursor = 0 if direction < 0 else len(self._rows) - 1

    def action_fold(self) -> None:
        row = self.cursor_row
        if row is None:
            return
        if row.expandable and row.expanded:
            self.post_message(self.Toggled(self, row.key))
            return
        for at in range(self.cursor - 1, -1, -1):
            if self._rows[at].depth < row.depth:
                self.cursor = at
                return

    def action_unfold(self) -> None:
        row = self.cursor_row
        if row is None or not row.expandable:
            return
        if row.expanded:
            self.cursor += 1
        else:
            self.post_message(self.Toggled(self, row.key))

    def action_fold_or_unfold(self) -> None:
        row = self.cursor_row
        if row is not None and row.expandable:
            self.post_message(self.Toggled(self, row.key))

    def action_select(self) -> None:
        if self.cursor_row is not None:
            self.post_message(self.Selected(self, self.cursor_row.key))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        at = self.scroll_offset.y + offset.y
        if at >= len(self._rows):
            return
        row = self._rows[at]
        self.cursor = at
        on_marker = row.depth <= offset.x < row.lead
        if row.expandable and (on_marker or event.chain == 2):
            self.post_message(self.Toggled(self, row.key))
        elif event.chain == 2:
            self.post_message(self.Selected(self, row.key))
