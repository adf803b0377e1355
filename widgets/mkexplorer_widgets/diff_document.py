"""Two texts side by side as rows, and which of those rows are on screen. Pure data, no widget.

Rows come from whoever computed the difference. Lines and rows count from 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from mkexplorer_widgets.code_document import CodeDocument, ShownLine

Marks = Sequence[tuple[int, int]]


DiffRow = tuple[str, int | None, int | None, int, int | None]
"""``(kind, left, right, hidden, partner)``: what a row is, and the lines of either text that it shows.

``kind`` is 'equal', 'change' (a line and what became of it), 'beside' (a deleted line and an inserted one that only
share the row), 'delete', 'insert', or 'fold': ``hidden`` equal lines, the first of which are given. In unified rows a
changed line stands in a 'delete' and an 'insert' row; ``partner`` is its line on the other side.

Plain tuples, because there can be many: the garbage collector does not look at those again.
"""


@dataclass(frozen=True, slots=True, eq=False)
class DiffDocument:
    """What a `DiffView` shows. ``word_marks`` says for two lines which columns of each differ.

    ``left_numbers`` and ``right_numbers`` are the lines' numbers as shown, where lines of the texts were left out.
    ``widest`` is the width in cells of the longest line. A view keeps cursor, scroll and folds for each ``key``.
    """

    left: CodeDocument
    right: CodeDocument
    split_rows: Sequence[DiffRow]
    unified_rows: Sequence[DiffRow]
    word_marks: Callable[[str, str], tuple[Marks, Marks]]
    widest: int
    left_numbers: Sequence[int] | None = None
    right_numbers: Sequence[int] | None = None
    key: Hashable = None

    def left_number(self, line: int) -> int:
        return self.left.first_number + line if self.left_numbers is None else self.left_numbers[line]

    def right_number(self, line: int) -> int:
        return self.right.first_number + line if self.right_numbers is None else self.right_numbers[line]

    @property
    def number_width(self) -> int:
        """In cells, of the longest line number."""
        last_left, last_right = len(self.left.lines) - 1, len(self.right.lines) - 1
        left = self.left_number(last_left) if last_left >= 0 else 0
        right = self.right_number(last_right) if last_right >= 0 else 0
        return len(str(max(left, right, 1)))


def widest_line(*texts: Sequence[str]) -> int:
    """In cells; for ``DiffDocument.widest``. Takes some time for a long text: call it in a worker."""
    widest = 0
    for lines in texts:
        for line in lines:
            # Only what can be wider is measured: a tab takes up to 4 cells, any other character up to 8 (<U+200B>).
            most = len(line) + 3 * line.count("\t") if line.isascii() else 8 * len(line)
            if most > widest:
                widest = max(widest, most if line.isprintable() and line.isascii() else ShownLine(line).width)
    return widest


class ShownRow(NamedTuple):
    """A row as it is on screen; ``source`` is the index of the document's row it comes from."""

    kind: str
    left: int | None
    right: int | None
    hidden: int
    partner: int | None
    source: int


class ShownRows:
    """The rows of a document with some of its folds open. An open fold shows its lines in its place."""

    def __init__(self, rows: Sequence[DiffRow], opened: frozenset[int] = frozenset()) -> None:
        self.rows = rows
        self.opened = opened
        self._starts = [0, *accumulate(row[3] if index in opened else 1 for index, row in enumerate(rows))]

    @property
    def count(self) -> int:
        return self._starts[-1]

    def at(self, shown: int) -> ShownRow:
        """What stands in the row ``shown`` of the screen."""
        index = bisect_right(self._starts, shown) - 1
        row = ShownRow(*self.rows[index], source=index)
        if index not in self.opened:
            return row
        assert row.left is not None
        assert row.right is not None
        below = shown - self._starts[index]
        return ShownRow("equal", row.left + below, row.right + below, 0, None, index)

    def first_shown(self, index: int) -> int:
        """Where the document's row ``index`` is on screen."""
        return self._starts[index]

    def toggled(self, index: int) -> ShownRows:
        """With the fold ``index`` open if it was closed, or the other way round."""
        return ShownRows(self.rows, self.opened ^ {index})

    def folds(self) -> Iterator[int]:
        return (index for index, (kind, *_) in enumerate(self.rows) if kind == "fold")

    def hunk_starts(self) -> list[int]:
        """The first of the document's rows of each stretch of changes."""
        starts: list[int] = []
        inside = False
        for index, (kind, *_) in enumerate(self.rows):
            changed = kind not in ("equal", "fold")
            if changed and not inside:
                starts.append(index)
            inside = changed
        return starts

    def place_of(self, left: int | None, right: int | None) -> int:
        """The row on screen that shows this line of either side, or the fold that hides it; 0 if there is none."""
        for index, (_, first_left, first_right, hidden, _) in enumerate(self.rows):
            count = max(1, hidden)
            for line, first in ((left, first_left), (right, first_right)):
                if line is not None and first is not None and first <= line < first + count:
                    return self._starts[index] + (line - first if index in self.opened else 0)
        return 0
