"""Where characters stand: in cells, in wrapped rows, and in the text as it was before it was made fit to show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mkexplorer_widgets.code_document import (
    CodeDocument,
    Piece,
    ShownLine,
    TextLines,
    UnwrappedRows,
    WrappedRows,
    line_widths,
)
from mkexplorer_widgets.plain_text import split_lines

LINES = st.text("ab \t漢字é\u0301\x1b\u202e", max_size=60)


def drawn(line: ShownLine, piece: Piece) -> str:
    return " " * piece.left + line.text[piece.start : piece.end] + " " * piece.right


@given(LINES, st.integers(0, 70), st.integers(1, 30))
def test_a_piece_fills_just_the_cells_it_was_asked_for(raw: str, first: int, width: int) -> None:
    line = ShownLine(raw)

    assert cell_len(drawn(line, line.piece(first, first + width))) == max(0, min(width, line.width - first))


def test_the_visible_half_of_a_cut_wide_character_is_blank() -> None:
    line = ShownLine("a漢字b")

    assert drawn(line, line.piece(2, 4)) == "  "
    assert drawn(line, line.piece(2, 6)) == " 字b"


@given(LINES, st.integers(2, 30))
def test_rows_of_a_wrapped_line_hold_all_of_it_and_fit(raw: str, width: int) -> None:
    line = ShownLine(raw)
    rows = line.rows(width)

    assert "".join(drawn(line, row) for row in rows) == line.text
    assert all(cell_len(drawn(line, row)) <= width for row in rows)
    assert [line.row(part, width) for part in range(len(rows))] == rows


def test_a_column_too_narrow_for_a_wide_character_still_shows_one_in_each_row() -> None:
    assert [row.start for row in ShownLine("漢字").rows(1)] == [0, 1]


@given(LINES)
def test_widths_are_those_of_the_shown_lines(raw: str) -> None:
    assert list(line_widths([raw])) == [cell_len(ShownLine(raw).text)] == [ShownLine(raw).width]


@given(LINES)
def test_raw_columns_come_back_from_shown_ones(raw: str) -> None:
    line = ShownLine(raw)

    assert [line.raw_column(line.shown_column(column)) for column in range(len(raw) + 1)] == list(range(len(raw) + 1))


def test_any_cell_of_a_tab_belongs_to_the_tab() -> None:
    line = ShownLine("\tx")

    assert [line.raw_column(column) for column in range(6)] == [0, 0, 0, 0, 1, 2]


@given(st.lists(LINES, max_size=12), st.integers(3, 20))
def test_wrapped_rows_name_the_line_and_part_in_each_row(lines: list[str], width: int) -> None:
    rows = WrappedRows(lines, list(line_widths(lines)), width)

    expected = [(n, part) for n, line in enumerate(lines) for part in range(len(ShownLine(line).rows(width)))]
    assert [rows.line_at(row) for row in range(rows.count)] == expected
    for number in range(len(lines)):
        own = [row for row, (line, _) in enumerate(expected) if line == number]
        assert (rows.first_row(number), rows.last_row(number)) == (own[0], own[-1])


def test_unwrapped_rows_are_lines() -> None:
    rows = UnwrappedRows(3)

    assert (rows.count, rows.line_at(2), rows.first_row(2), rows.last_row(2)) == (3, (2, 0), 2, 2)


@given(st.text("ab\r\n\x0c", max_size=40) | st.builds(str.__mul__, st.text("a\n", max_size=3), st.integers(250, 530)))
def test_a_texts_lines_are_the_same_however_late_they_are_split(text: str) -> None:
    lines, expected = TextLines(text), split_lines(text)

    assert len(lines) == len(expected)
    assert list(lines) == expected
    assert tuple(lines[: len(expected)]) == tuple(lines[:]) == tuple(expected)
    assert [lines[number] for number in range(len(lines))] == expected
    assert list(lines[2:7]) == expected[2:7]
    if expected:
        assert lines[-1] == expected[-1]


def test_the_head_of_a_long_text_needs_no_splitting_of_the_rest() -> None:
    lines = TextLines("line\n" * 10_000)

    assert (len(lines), lines[100], len(lines[:300])) == (10_000, "line", 300)
    assert "_all" not in vars(lines)


def test_numbers_start_where_the_document_says() -> None:
    assert CodeDocument(["a", "b"], first_number=40).last_number == 41
