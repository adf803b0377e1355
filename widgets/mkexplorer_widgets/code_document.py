"""A text to show, and where its characters stand on a screen: in which cell, and in which row once lines are wrapped.

Pure data, no widget. Three kinds of column occur: *raw* ones index the line as it is, *shown* ones the line as
`plain_text.visible` writes it, *cells* the screen (a wide character takes two).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple, Protocol, overload

from rich.cells import get_character_cell_size

from mkexplorer_widgets import plain_text


@dataclass(frozen=True, slots=True, eq=False)
class CodeDocument:
    """``lines`` as they are, without line ends; ``language`` is one of `lexers.LANGUAGES`.

    ``first_number`` is the number of the first line, for a piece of a longer text. A view keeps cursor and scroll
    for each ``key``, so that a text that is shown again stands where it stood; the first time, line ``start`` (from
    0) is at the top.
    """

    lines: Sequence[str]
    language: str = "text"
    first_number: int = 1
    key: Hashable = None
    start: int = 0

    @classmethod
    def of_text(cls, text: str, language: str, first_number: int = 1, key: Hashable = None) -> CodeDocument:
        """The document of a text; its lines are split no sooner than they are needed."""
        return cls(TextLines(text), language, first_number, key)

    @property
    def last_number(self) -> int:
        return self.first_number + len(self.lines) - 1


class TextLines(Sequence[str]):
    """`plain_text.split_lines`, put off: of a long text only the head is split before a line further down is needed."""

    _HEAD = 512

    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n") if "\r" in text else text
        self._count = self._text.count("\n") + (not self._text.endswith("\n") if text else 0)
        end = -1
        for _ in range(min(self._HEAD, self._count)):
            end = self._text.find("\n", end + 1)
        self._head = tuple(self._text[: end if end >= 0 else None].split("\n")) if self._count else ()

    @cached_property
    def _all(self) -> tuple[str, ...]:
        # A tuple of strings, unlike a list, is nothing that the garbage collector walks through time and again.
        lines = tuple(self._text.split("\n")[: self._count])
        self._text = ""
        return lines

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            in_head = index.stop is not None and 0 <= index.stop <= len(self._head)
        else:
            in_head = 0 <= index < len(self._head)
        return self._head[index] if in_head else self._all[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)


class Piece(NamedTuple):
    """Shown columns ``start`` to ``end`` of a line, after ``left`` blank cells and before ``right`` more.

    Blank cells stand for the visible half of a wide character that the piece's border cuts.
    """

    left: int
    start: int
    end: int
    right: int


class ShownLine:
    """One line as it is shown. ``text`` has no control character left and no tab."""

    __slots__ = ("_edges", "_offsets", "raw", "text")

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self.text = plain_text.visible(raw)
        # The cell at which each character begins, or None where that is the character's own column.
        self._edges: list[int] | None = None
        self._offsets: list[int] | None = None
        if not self.text.isascii():
            self._edges = list(accumulate(map(get_character_cell_size, self.text), initial=0))

    @property
    def width(self) -> int:
        """In cells."""
        return len(self.text) if self._edges is None else self._edges[-1]

    def cell(self, shown: int) -> int:
        """The cell at which a shown column begins."""
        return shown if self._edges is None else self._edges[shown]

    def piece(self, first_cell: int, end_cell: int) -> Piece:
        """What of the line falls into the cells from ``first_cell`` up to ``end_cell``."""
        if self._edges is None:
            length = len(self.text)
            return Piece(0, min(first_cell, length), min(end_cell, length), 0)
        edges, last = self._edges, len(self._edges) - 1
        start = bisect_right(edges, first_cell) - 1 if first_cell > 0 else 0
        if edges[start] < first_cell and start < last:  # in the middle of a wide character: begin after it
            start += 1
        end = max(bisect_right(edges, end_cell) - 1, start)
        cut = end < last and first_cell <= edges[end] < end_cell
        return Piece(max(0, edges[start] - first_cell), start, end, end_cell - edges[end] if cut else 0)

    def rows(self, width: int) -> list[Piece]:
        """The pieces of at most ``width`` cells that the wrapped line consists of; an empty line has one."""
        pieces: list[Piece] = []
        cell = 0
        while not pieces or cell < self.width:
            piece = self.piece(cell, cell + width)
            if piece.end == piece.start < len(self.text):  # not even one wide character fits: show it cut
                piece = Piece(0, piece.start, piece.start + 1, 0)
            pieces.append(piece._replace(left=0, right=0))
            cell = self.cell(piece.end)
        return pieces

    def row(self, part: int, width: int) -> Piece:
        """``rows(width)[part]``."""
        if self._edges is None:
            return self.piece(part * width, (part + 1) * width)
        return self.rows(width)[part]

    def shown_column(self, raw: int) -> int:
        if self.text is self.raw:
            return raw
        if self._offsets is None:
            self._offsets = plain_text.offsets(self.raw)
        return self._offsets[raw]

    def raw_column(self, shown: int) -> int:
        """The column of the raw character that a shown column belongs to."""
        if self.text is self.raw:
            return min(shown, len(self.raw))
        self.shown_column(0)
        assert self._offsets is not None
        return max(0, min(bisect_right(self._offsets, shown) - 1, len(self.raw)))


def line_widths(lines: Sequence[str]) -> Iterator[int]:
    """The width in cells of each line; as fast as a loop over ordinary lines can be."""
    for line in lines:
        yield len(line) if line.isascii() and line.isprintable() else ShownLine(line).width


class Rows(Protocol):
    """Which line stands in which row of the view. Rows, lines and parts count from 0."""

    @property
    def count(self) -> int: ...

    def line_at(self, row: int) -> tuple[int, int]:
        """The line in a row, and which of its parts it is."""

    def first_row(self, line: int) -> int: ...

    def last_row(self, line: int) -> int: ...


@dataclass(frozen=True, slots=True)
class UnwrappedRows:
    """Each line in a row of its own."""

    count: int

    def line_at(self, row: int) -> tuple[int, int]:
        return row, 0

    def first_row(self, line: int) -> int:
        return line

    def last_row(self, line: int) -> int:
        return line


class WrappedRows:
    """Lines over as many rows of ``width`` cells as they need."""

    def __init__(self, lines: Sequence[str], widths: Sequence[int], width: int) -> None:
        heights = (
            1 if cells <= width else -(-cells // width) if line.isascii() else len(ShownLine(line).rows(width))
            for line, cells in zip(lines, widths, strict=True)
        )
        self._starts = array("L", accumulate(heights, initial=0))

    @property
    def count(self) -> int:
        return self._starts[-1]

    def line_at(self, row: int) -> tuple[int, int]:
        line = bisect_right(self._starts, row) - 1
        return line, row - self._starts[line]

    def first_row(self, line: int) -> int:
        return self._starts[line]

    def last_row(self, line: int) -> int:
        return self._starts[line + 1] - 1
