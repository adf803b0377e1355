"""The diff widget, driven as a person drives it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.selection import Selection
from textual.strip import Strip

from mkexplorer.analysis.diff import diff_lines, split_rows, unified_rows, word_marks
from mkexplorer_widgets.code_document import CodeDocument, ShownLine
from mkexplorer_widgets.diff_document import DiffDocument, ShownRows, widest_line
from mkexplorer_widgets.diff_paint import RIGHT
from mkexplorer_widgets.diff_view import DiffView

COMMON = [f"common_line_{i} = {i}" for i in range(20)]
LEFT = ["import triton", *COMMON, "tmp0 = tl.load(in_ptr0)", "last_line(left)"]
RIGHT_LINES = ["import triton", *COMMON, "tmp0 = tl.load(in_ptr0, xmask)", "another()", "last_line(left)"]


def document(left: Sequence[str], right: Sequence[str], language: str = "python", key: object = None) -> DiffDocument:
    changes = diff_lines(left, right)
    return DiffDocument(
        CodeDocument(left, language),
        CodeDocument(right, language),
        split_rows(changes, 3),
        unified_rows(changes, 3),
        word_marks,
        widest_line(left, right),
        key=key,
    )


class Host(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[object] = []

    def compose(self) -> ComposeResult:
        yield DiffView()

    def on_diff_view_cursor_moved(self, event: DiffView.CursorMoved) -> None:
        self.told.append((event.hunk, event.hunks))

    def on_diff_view_layout_changed(self, event: DiffView.LayoutChanged) -> None:
        self.told.append(event.is_split)


@asynccontextmanager
async def showing(
    shown: DiffDocument, width: int = 120, height: int = 20
) -> AsyncIterator[tuple[DiffView, Pilot[None]]]:
    app = Host()
    async with app.run_test(size=(width, height)) as pilot:
        view = app.query_one(DiffView)
        view.focus()
        view.show(shown)
        await pilot.pause()
        yield view, pilot


def strips_on_screen(view: DiffView) -> list[Strip]:
    return view.render_lines(view.scrollable_content_region.reset_offset)


def text_on_screen(view: DiffView) -> list[str]:
    return [strip.text.rstrip() for strip in strips_on_screen(view)]


class TestLayouts:
    async def test_side_by_side_a_changed_line_stands_beside_what_became_of_it(self) -> None:
        async with showing(document(LEFT, RIGHT_LINES)) as (view, _):
            assert view.is_split
            row = next(line for line in text_on_screen(view) if "tl.load" in line)
            left, _, right = row.partition("│")
            assert left.split() == ["22", "-", "tmp0", "=", "tl.load(in_ptr0)"]
            assert right.split() == ["22", "+", "tmp0", "=", "tl.load(in_ptr0,", "xmask)"]

    async def test_an_inserted_line_has_a_hatched_place_beside_it(self) -> None:
        async with showing(document(LEFT, RIGHT_LINES)) as (view, _):
            row = next(line for line in text_on_screen(view) if "another()" in line)
            assert set(row.partition("│")[0]) == {"╱"}

    async def test_in_one_column_what_went_stands_above_what_came(self) -> None:
        async with showing(document(LEFT, RIGHT_LINES), width=60) as (view, _):
            assert not view.is_split
            lines = [" ".join(line.split()) for line in text_on_screen(view)]
            at = lines.index("22 - tmp0 = tl.load(in_ptr0)")
            assert lines[at + 1] == "22 + tmp0 = tl.load(in_ptr0, xmask)"
            assert lines[at + 2] == "23 + another()"
            assert lines[at + 3] == "23 24 last_line(left)"

    async def test_the_width_decides_until_a_person_does(self) -> None:
        async with showing(document(LEFT, RIGHT_LINES)) as (view, pilot):
            await pilot.resize_terminal(60, 20)
            assert not view.is_split
            await pilot.press("v")
            assert view.is_split
            await pilot.press("v")
            assert not view.is_split
            await pilot.press("v")
            await pilot.resize_terminal(120, 20)
            assert view.is_split

    async def test_the_line_under_the_cursor_stays_when_the_layout_changes(self) -> None:
        async with showing(document(LEFT, RIGHT_LINES)) as (view, pilot):
            await pilot.press("end")
            assert view.cursor_lines == (22, 23)
            await pilot.press("v", "v")
            assert not view.is_split
            assert view.cursor_lines == (22, 23)

    async def test_line_numbers_can_be_those_of_a_longer_text(self) -> None:
        shown = document(["kept"], ["kept"])
        shown = DiffDocument(
            shown.left, shown.right, shown.split_rows, shown.unified_rows, word_marks, 4, [41], [97]
        )  # fmt: skip
        async with showing(shown) as (view, _):
            assert text_on_screen(view)[0].split() == ["41", "kept", "│", "97", "kept"]

    async def test_nothing_to_show_is_no_problem(self) -> None:
        async with showing(document([], [])) as (view, pilot):
            await pilot.press("down", "n", "enter", "z", "v", "end", "pagedown", "full_stop")
            assert view.cursor_lines == (None, None)
            assert set(text_on_screen(view)) == {""}


class TestFolds:
    async def test_equal_lines_fold_and_open_under_the_cursor(self) -> None:
        async with showing(document(LEFT, RIGHT_LINES)) as (view, pilot):
            assert text_on_screen(view)[0].split() == ["⋯", "18", "equal", "lines", "⋯"]
            await pilot.press("home", "enter")
            assert "import triton" in text_on_screen(view)[0]
            await pilot.press("down", "down", "enter")
            assert text_on_screen(view)[0].split() == ["⋯", "18", "equal", "lines", "⋯"]

    async def test_a_click_opens_a_fold(self) -> None:
        async with showing(document(LEFT, RIGHT_LINES)) as (view, pilot):
            await pilot.click(DiffView, offset=(5, 0))
            assert "import triton" in text_on_screen(view)[0]

    async def test_a_key_opens_and_closes_all_and_the_cursor_stays_with_its_line(self) -> None:
        async with showing(document(LEFT, RIGHT_LINES)) as (view, pilot):
            before = view.cursor_lines
            await pilot.press("z")
            assert not any("⋯" in line for line in text_on_screen(view))
            assert view.cursor_lines == before
            await pilot.press("z")
            assert any("⋯" in line for line in text_on_screen(view))
            assert view.cursor_lines == before

    def test_every_line_can_be_found_whether_its_fold_is_open_or_not(self) -> None:
        rows = ShownRows(document(LEFT, RIGHT_LINES).split_rows)
        opened = ShownRows(rows.rows, frozenset(rows.folds()))
        for line in range(len(LEFT)):
            assert opened.at(opened.place_of(line, None)).left == line
            closed = rows.at(rows.place_of(line, None))
            assert closed.left is not None
            assert closed.left <= line < closed.left + max(1, closed.hidden)


@given(st.lists(st.text(alphabet="ab\t\x1b\u200b界\x7f", max_size=12)))
def test_the_widest_line_is_as_wide_as_it_is_shown(lines: list[str]) -> None:
    assert widest_line(lines) == max((ShownLine(line).width for line in lines), default=0)


class TestMoving:
    async def test_it_starts_at_the_first_change_and_goes_from_change_to_change(self) -> None:
        left = [*COMMON, "old one", *COMMON, "old two", *COMMON]
        right = [*COMMON, "something new here", *COMMON, "yet another thing", *COMMON]
        async with showing(document(left, right)) as (view, pilot):
            assert view.cursor_lines == (20, 20)
            await pilot.press("n")
            assert view.cursor_lines == (41, 41)
            await pilot.press("n")
            assert view.cursor_lines == (41, 41)
            await pilot.press("left_square_bracket")
            assert view.cursor_lines == (20, 20)
            app = view.app
            assert isinstance(app, Host)
            assert app.told == [(1, 2), (2, 2), (1, 2)]

    async def test_pages_and_ends(self) -> None:
        left = [f"value_{i} = {i * i}" for i in range(500)]
        async with showing(document(left, [line + " # new" for line in left])) as (view, pilot):
            await pilot.press("pagedown", "pagedown")
            assert view.cursor_lines[0] == 38
            await pilot.press("end")
            assert view.cursor_lines == (499, 499)
            await pilot.press("pagedown")
            assert view.cursor_lines == (499, 499)
            await pilot.press("home")
            assert view.cursor_lines == (0, 0)

    async def test_both_sides_scroll_sideways_together(self) -> None:
        left, right = ["0123456789" * 20 + "left"], ["0123456789" * 20 + "right"]
        async with showing(document(left, right)) as (view, pilot):
            await pilot.press("right")
            for side in text_on_screen(view)[0].split("│"):
                assert side.split()[2].startswith("8901234567")

    async def test_words_that_differ_beyond_the_edge_are_told_of_and_reached(self) -> None:
        left, right = ["same " * 50 + "left", "other"], ["same " * 50 + "right", "other"]
        async with showing(document(left, right)) as (view, pilot):
            await pilot.pause(0.1)
            assert [side[-1] for side in text_on_screen(view)[0].split("│")] == ["›", "›"]
            await pilot.press("full_stop")
            assert [side.split()[-1] for side in text_on_screen(view)[0].split("│")] == ["left", "right"]
            await pilot.press("comma")
            assert view.scroll_offset.x > 0  # there is nothing before to go back to

    async def test_a_document_shown_again_stands_where_it_stood(self) -> None:
        first, second = document(LEFT, RIGHT_LINES, key="a"), document(["one"], ["two words"], key="b")
        async with showing(first) as (view, pilot):
            await pilot.press("home", "enter", "down", "down")
            view.show(second)
            view.show(document(LEFT, RIGHT_LINES, key="a"))
            await pilot.pause()
            assert view.cursor_lines == (2, 2)


class TestText:
    async def test_markup_controls_tabs_and_wide_characters_show_as_text(self) -> None:
        left = ["[red]x[/red] \x1b[31m", "\tab\tc", "界界 wide", "‮evil"]
        async with showing(document(left, [line + " changed" for line in left])) as (view, _):
            sides = [side for line in text_on_screen(view)[:4] for side in line.split("│")]
            assert "[red]x[/red] ␛[31m" in sides[0]
            assert "    ab  c" in sides[2]
            assert "界界 wide" in sides[4]
            assert "<U+202E>evil" in sides[6]
            assert all(strip.cell_length == 119 for strip in strips_on_screen(view))

    @pytest.mark.parametrize("x", [0, 1, 2, 3, 4])
    async def test_wide_characters_cut_by_an_edge_keep_the_columns(self, x: int) -> None:
        left, right = ["a界" * 100], ["a界" * 100 + "b"]
        async with showing(document(left, right)) as (view, pilot):
            view.scroll_to(x=x, animate=False, immediate=True)
            await pilot.pause()
            strips = strips_on_screen(view)
            assert {strip.cell_length for strip in strips} == {119}

    async def test_very_long_lines_are_drawn_and_marked(self) -> None:
        left = ["x + " * 2_500 + "left_end"] * 30
        right = ["x + " * 2_500 + "right_end"] * 30
        async with showing(document(left, right)) as (view, pilot):
            await pilot.pause(0.3)
            assert text_on_screen(view)[0].count("›") == 2

    async def test_words_that_differ_are_underlined(self) -> None:
        async with showing(document(["a = tl.load(p)"], ["a = tl.load(q)"])) as (view, pilot):
            await pilot.pause(0.1)
            strip = strips_on_screen(view)[0]
            assert [part.text for part in strip if part.style is not None and part.style.underline] == ["p", "q"]

    async def test_colours_come_after_the_text(self) -> None:
        async with showing(document(["for x in y: pass"], ["for x in z: pass"])) as (view, pilot):
            await pilot.pause(0.3)
            strip = strips_on_screen(view)[0]
            keyword = next(part for part in strip if part.text == "for")
            plain = next(part for part in strip if "x" in part.text)
            assert keyword.style is not None
            assert plain.style is not None
            assert keyword.style.color != plain.style.color


class TestSelection:
    async def test_dragging_selects_on_the_side_where_it_began(self) -> None:
        async with showing(document(["alpha one", "beta"], ["alpha two", "beta"])) as (view, pilot):
            await pilot.mouse_down(DiffView, offset=(view.geometry.gutter + 6, 0))
            await pilot.hover(DiffView, offset=(100, 1))
            await pilot.mouse_up(DiffView, offset=(100, 1))
            assert view.screen.get_selected_text() == "one\nbeta"

    async def test_the_other_side_can_be_selected_too(self) -> None:
        async with showing(document(["alpha one", "beta"], ["alpha two", "beta"])) as (view, pilot):
            right = 60 + view.geometry.gutter
            await pilot.mouse_down(DiffView, offset=(right + 6, 0))
            await pilot.hover(DiffView, offset=(right + 2, 1))
            await pilot.mouse_up(DiffView, offset=(right + 2, 1))
            assert view.screen.get_selected_text() == "two\nbet"

    async def test_text_is_copied_as_it_is_with_the_lines_in_folds(self) -> None:
        lines = [*(f"\tvalue_{i}" for i in range(20)), "end"]
        async with showing(document(lines, [*lines[:-1], "other end"])) as (view, _):
            view.screen.selections = {view: Selection(Offset(0, 0), Offset(RIGHT, view._rows.count - 1))}
            assert view.screen.get_selected_text() == "\n".join(lines)

    async def test_selected_cells_look_selected(self) -> None:
        async with showing(document(["alpha"], ["alpha two"])) as (view, pilot):
            view.screen.selections = {view: Selection(Offset(0, 0), Offset(3, 0))}
            await pilot.pause()
            strip = strips_on_screen(view)[0]
            chosen = view.selection_style.bgcolor
            assert [part.text for part in strip if part.style is not None and part.style.bgcolor == chosen] == ["alp"]
