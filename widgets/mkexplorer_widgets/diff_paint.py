"""Painting rows of a diff: the styles, where things stand in a row, and the row as a strip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.strip import Strip
from textual.widget import Widget

from mkexplorer_widgets.code_document import Piece, ShownLine
from mkexplorer_widgets.code_paint import ColouredText, Mark, segments, token_styles
from mkexplorer_widgets.diff_document import DiffDocument, Marks, ShownRow

Side = Literal["left", "right"]
Pair = tuple[Marks, Marks]

# The mouse asks which character is under it; a column of the right side is told by this much added to it.
RIGHT = 1 << 30

NO_LINE = "╱"


@dataclass(frozen=True, slots=True)
class Paint:
    """How one kind of line looks: its text, its number and sign, its marked words."""

    sign: str
    text: RichStyle
    gutter: RichStyle
    words: RichStyle


@dataclass(frozen=True, slots=True)
class DiffPalette:
    """The styles of a view in its theme's colours. It is to be made anew after a style update."""

    tokens: dict[str, RichStyle]
    lines: dict[tuple[str, bool], Paint]
    text: RichStyle
    fold: dict[bool, RichStyle]
    empty: RichStyle
    divider: RichStyle
    selection: RichStyle

    @classmethod
    def of_view(cls, view: Widget) -> DiffPalette:
        def style(*components: str, partial: bool = False) -> RichStyle:
            names = (f"diff-view--{component}" for component in components if component)
            return view.get_visual_style(*names, partial=partial).rich_style

        def paint(sign: str, kind: str, cursor: bool) -> Paint:
            over = "cursor" if cursor else ""
            words = style(kind, over, f"{kind}-words") if kind else style(over)
            return Paint(
                sign=sign,
                text=style(kind, over),
                gutter=style(kind, over, f"{kind}-gutter" if kind else "gutter", f"{over}-gutter" if over else ""),
                words=RichStyle(bgcolor=words.bgcolor, underline=words.underline, bold=words.bold),
            )

        signs = {"equal": (" ", ""), "delete": ("-", "deleted"), "insert": ("+", "inserted")}
        return cls(
            tokens=token_styles(view),
            lines={(kind, on): paint(*signs[kind], on) for kind in signs for on in (False, True)},
            text=style(),
            fold={False: style("fold"), True: style("fold", "cursor")},
            empty=style("empty"),
            divider=style("divider"),
            selection=view.selection_style,
        )


class Geometry(NamedTuple):
    """Where things stand in a row, in cells: ``number`` is a line number's width, ``scroll`` what is scrolled away."""

    is_split: bool
    width: int
    number: int
    scroll: int

    @property
    def gutter(self) -> int:
        """Blank, line number (both of them in one column), blank, sign, blank."""
        return (1 if self.is_split else 2) * (self.number + 1) + 3

    def side(self, side: Side) -> int:
        """The width of a side, its gutter included."""
        if not self.is_split:
            return self.width
        left = (self.width - 1) // 2
        return left if side == "left" else max(0, self.width - 1 - left)

    def text(self, side: Side) -> int:
        return max(1, self.side(side) - self.gutter)

    def piece(self, side: Side, line: ShownLine) -> Piece:
        """What of a line is seen."""
        return line.piece(self.scroll, self.scroll + self.text(side))


@dataclass(frozen=True, slots=True)
class RowPainter:
    """Draws the rows of one frame. Strips are costly to make (and to collect), so each row is one."""

    document: DiffDocument
    texts: dict[Side, ColouredText]
    palette: DiffPalette
    geometry: Geometry

    def row(self, row: ShownRow, on: bool, marks: Pair, selected: Sequence[tuple[int, int] | None]) -> Strip:
        """``on``: the cursor is on it; ``marks`` are the words that differ, ``selected`` the columns, of each side."""
        drawn: list[Segment] = []
        for (side, line), columns in zip(sides(row, self.geometry.is_split), selected, strict=True):
            if drawn:
                drawn.append(Segment("│", self.palette.divider))
            if line is None:
                drawn.append(Segment(NO_LINE * self.geometry.side(side), self.palette.empty))
            else:
                drawn += self._side(row, side, line, self.palette.lines[_line_kind(row, side), on], marks, columns)
        return Strip(drawn).adjust_cell_length(self.geometry.width, self.palette.text)

    def fold(self, row: ShownRow, on: bool) -> Strip:
        width = self.geometry.width
        text = f"⋯ {row.hidden:,} equal lines ⋯"
        return Strip([Segment(f"{text:^{width}}"[:width], self.palette.fold[on])], width)

    def _side(
        self, row: ShownRow, side: Side, line: int, paint: Paint, marks: Pair, selected: tuple[int, int] | None
    ) -> Iterator[Segment]:
        text = self.texts[side]
        shown = text.line(line)
        piece = self.geometry.piece(side, shown)
        words = marks[side == "right"]
        over: list[Mark] = [(start, end, paint.words) for start, end in words]
        if selected is not None:
            over.append((*selected, self.palette.selection))
        yield Segment(f"{self._numbers(row, side, line)} {paint.sign} ", paint.gutter)
        code = segments(shown, piece, text.spans(line) or (), self.palette.tokens, over)
        width = self.geometry.text(side)
        if words and words[-1][1] > piece.end:  # words that differ stand beyond the right edge
            yield from Strip(Segment.apply_style(code, paint.text)).crop(0, width - 1)
            yield Segment("›", paint.text + paint.words)
            return
        yield from Segment.apply_style(code, paint.text)
        missing = width - (piece.left + shown.cell(piece.end) - shown.cell(piece.start) + piece.right)
        if missing > 0:
            yield Segment(" " * missing, paint.text)

    def _numbers(self, row: ShownRow, side: Side, line: int) -> str:
        width, document = self.geometry.number + 1, self.document
        if self.geometry.is_split:
            return f"{document.left_number(line) if side == 'left' else document.right_number(line):>{width}}"
        left = "" if row.left is None else document.left_number(row.left)
        right = "" if row.right is None else document.right_number(row.right)
        return f"{left:>{width}}{right:>{width}}"

    def offsets(self, row: ShownRow, shown: int) -> Strip:
        """The cells of row ``shown``, each telling the mouse which column it is of, on which side."""
        strips = []
        for side, line in sides(row, self.geometry.is_split):
            text = None if line is None or row.kind == "fold" else self.texts[side].line(line)
            piece = Piece(0, 0, 0, 0) if text is None else self.geometry.piece(side, text)
            is_left = side == "left" and self.geometry.is_split
            width = self.geometry.side(side) + is_left  # the divider goes with the left side
            base = RIGHT if side == "right" and self.geometry.is_split else 0
            strips.append(offset_strip(text, piece, shown, base, self.geometry.gutter, width))
        return Strip.join(strips)


def sides(row: ShownRow, is_split: bool) -> list[tuple[Side, int | None]]:
    """The lines that a row shows, from left to right."""
    if is_split:
        return [("left", row.left), ("right", row.right)]
    return [("left", row.left)] if row.left is not None else [("right", row.right)]


def pair_of(row: ShownRow) -> tuple[int, int] | None:
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


def offset_strip(line: ShownLine | None, piece: Piece, row: int, base: int, before: int, width: int) -> Strip:
    """Cells that tell the mouse which shown column of a row they are of; the ``before`` ones stand for the first."""
    start = RichStyle.from_meta({"offset": (base + piece.start, row)})
    text = line.text[piece.start : piece.end] if line is not None else ""
    end = RichStyle.from_meta({"offset": (base + piece.start + len(text), row)})
    blank = [Segment(" ", start)] * (before + piece.left)
    filled = Strip([*blank, Segment(text, start)])
    missing = width - filled.cell_length
    return Strip([*filled, *([Segment(" ", end)] * missing)])
