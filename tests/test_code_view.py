"""A listing as a person reads it: by keys and mouse, searched, wrapped, coloured, copied."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot
from textual.strip import Strip

from mkexplorer_widgets import code_paint
from mkexplorer_widgets.code_document import CodeDocument, ShownLine
from mkexplorer_widgets.code_view import CodeView

HEIGHT = 10
KERNEL = [
    "@triton.jit",
    "def kernel(in_ptr0, XBLOCK: tl.constexpr):",
    "    x = tl.load(in_ptr0)  # read",
    "    tmp = x + 1.0",
]


class Host(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.animation_level = "none"
        self.heard: list[Message] = []

    def compose(self) -> ComposeResult:
        yield CodeView()

    def on_code_view_matches_found(self, event: CodeView.MatchesFound) -> None:
        self.heard.append(event)

    def on_code_view_cursor_moved(self, event: CodeView.CursorMoved) -> None:
        self.heard.append(event)


@dataclass
class Reader:
    """Somebody in front of a code view."""

    app: Host
    view: CodeView
    pilot: Pilot[None]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def settle(self) -> None:
        await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    async def show(self, document: CodeDocument) -> None:
        self.view.show(document)
        await self.settle()

    async def find(self, query: str) -> CodeView.MatchesFound:
        self.view.find(query)
        await self.settle()
        return self.outcome

    @property
    def outcome(self) -> CodeView.MatchesFound:
        return next(message for message in reversed(self.app.heard) if isinstance(message, CodeView.MatchesFound))

    @property
    def strips(self) -> list[Strip]:
        return self.view.render_lines(self.view.size.region)

    @property
    def rows(self) -> list[str]:
        return [strip.text.rstrip() for strip in self.strips]

    def pieces(self, row: int, style: str) -> list[str]:
        """The texts on a row that are drawn in the style of a component."""
        wanted = self.view.get_component_styles(f"code-view--{style}").background.rich_color
        return [segment.text for segment in self.strips[row] if segment.style and segment.style.bgcolor == wanted]

    def colours(self, row: int) -> set[str]:
        return {str(segment.style.color) for segment in self.strips[row] if segment.style and segment.text.strip()}


@asynccontextmanager
async def reading(document: CodeDocument | None = None, width: int = 60) -> AsyncIterator[Reader]:
    app = Host()
    async with app.run_test(size=(width, HEIGHT)) as pilot:
        view = app.query_one(CodeView)
        view.focus()
        reader = Reader(app, view, pilot)
        if document is not None:
            await reader.show(document)
        yield reader


def numbered(count: int) -> CodeDocument:
    return CodeDocument([f"line {number}" for number in range(1, count + 1)])


def wheel_down(view: CodeView) -> events.MouseScrollDown:
    return events.MouseScrollDown(view, 5, 5, 0, 1, 0, False, False, False)


class TestShowing:
    async def test_lines_stand_beside_their_numbers(self) -> None:
        async with reading(CodeDocument(KERNEL, "python", first_number=99)) as reader:
            assert reader.rows[:2] == ["  99 @triton.jit", " 100 def kernel(in_ptr0, XBLOCK: tl.constexpr):"]

    async def test_hostile_text_shows_as_text(self) -> None:
        hostile = ["[bold]x[/bold] [/nope]", "\x1b[31mred\x07", "\tafter a tab", "漢字 wide", "user\u202egnp", "\ud800"]
        async with reading(CodeDocument(hostile, "python")) as reader:
            assert [row[3:] for row in reader.rows[:6]] == [
                "[bold]x[/bold] [/nope]",
                "␛[31mred␇",
                "    after a tab",
                "漢字 wide",
                "user<U+202E>gnp",
                "<U+D800>",
            ]
            assert {strip.cell_length for strip in reader.strips} == {reader.view.size.width}

    async def test_a_text_is_plain_first_and_coloured_next(self) -> None:
        async with reading() as reader:
            reader.view.show(CodeDocument(KERNEL, "python"))
            plain = reader.colours(2)
            await reader.settle()

            assert len(plain) == 2  # the number and the text
            assert len(reader.colours(2)) > 2

    async def test_colours_follow_the_theme(self) -> None:
        async with reading(CodeDocument(KERNEL, "python")) as reader:
            before = reader.colours(2)
            reader.app.theme = "solarized-light"
            await reader.settle()

            assert reader.colours(2).isdisjoint(before)

    async def test_lines_far_down_get_their_colours_once_they_are_seen(self) -> None:
        async with reading(CodeDocument(KERNEL * 500, "python")) as reader:
            await reader.press("end")

            assert len(reader.colours(HEIGHT - 2)) > 2

    async def test_of_a_long_text_only_what_is_near_the_screen_is_looked_at_closely(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[str] = []

        class Counted(ShownLine):
            def __init__(self, raw: str) -> None:
                made.append(raw)
                super().__init__(raw)

        monkeypatch.setattr(code_paint, "ShownLine", Counted)
        async with reading(CodeDocument(KERNEL * 25_000, "python")) as reader:
            await reader.press("end")

            assert 0 < len(made) < 1_000

    async def test_an_empty_text_can_be_shown_and_everything_done_with_it(self) -> None:
        async with reading(CodeDocument(())) as reader:
            await reader.press("down", "pagedown", "G", "g", "right")
            await reader.find("x")
            reader.view.go_to_line(3)
            reader.view.wrap = True
            await reader.settle()

            assert (reader.view.cursor_line, reader.view.cursor_text) == (0, "")

    async def test_a_text_that_is_shown_again_stands_where_it_stood(self) -> None:
        def first() -> CodeDocument:
            return CodeDocument(numbered(100).lines, key="first")

        async with reading(first()) as reader:
            reader.view.go_to_line(50)
            await reader.settle()
            rows = reader.rows
            await reader.show(CodeDocument(["other"], key="other"))
            await reader.show(first())

            assert (reader.view.cursor_line, reader.rows) == (49, rows)

    async def test_a_text_begins_where_its_document_says(self) -> None:
        async with reading(CodeDocument(numbered(100).lines, key="new", start=20)) as reader:
            assert (reader.view.cursor_line, reader.rows[0]) == (20, "  21 line 21")


class TestMoving:
    @pytest.mark.parametrize(
        ("keys", "line"),
        [
            ("down j", 2),
            ("up", 0),
            ("j j k", 1),
            ("pagedown", HEIGHT - 1),
            ("pagedown pageup", 0),
            ("end", 99),
            ("G g", 0),
            ("end home down", 1),
            ("end pagedown down", 99),
            ("space space", 2 * (HEIGHT - 1)),
        ],
    )
    async def test_keys_move_the_cursor(self, keys: str, line: int) -> None:
        async with reading(numbered(100)) as reader:
            await reader.press(*keys.split())

            assert reader.view.cursor_line == line
            assert any(row.endswith(f" line {line + 1}") for row in reader.rows)

    async def test_the_cursor_tells_where_it_is(self) -> None:
        async with reading(numbered(100)) as reader:
            reader.app.heard.clear()
            await reader.press("down", "up", "up")

            assert [event.line for event in reader.app.heard if isinstance(event, CodeView.CursorMoved)] == [1, 0]

    async def test_a_page_shows_the_next_lines_and_keeps_the_cursors_place_on_screen(self) -> None:
        async with reading(numbered(100)) as reader:
            await reader.press("down", "down", "pagedown")

            assert reader.rows[0].endswith("line 10")
            assert reader.view.cursor_line == 11

    @pytest.mark.parametrize(("number", "line"), [(60, 20), (1, 0), (10_000, 99)])
    async def test_a_line_is_gone_to_by_the_documents_numbers(self, number: int, line: int) -> None:
        async with reading(CodeDocument(numbered(100).lines, first_number=40)) as reader:
            reader.view.go_to_line(number)
            await reader.settle()

            assert reader.view.cursor_line == line
            assert any(row.endswith(f" line {line + 1}") for row in reader.rows)

    async def test_the_wheel_leaves_the_cursor_and_keys_take_it_up_where_one_reads(self) -> None:
        async with reading(numbered(100)) as reader:
            reader.view.post_message(wheel_down(reader.view))
            await reader.pilot.pause()
            top = reader.view.scroll_offset.y
            assert (top > 0, reader.view.cursor_line) == (True, 0)

            await reader.press("down")
            assert reader.view.cursor_line == top + 1

    async def test_long_lines_are_scrolled_sideways(self) -> None:
        async with reading(CodeDocument(["0123456789" * 1_000, "short"])) as reader:
            await reader.press("right")
            assert reader.rows[0].startswith(" 1 89012345")
            assert reader.rows[1] == " 2"

            await reader.press("left", "left")
            assert reader.rows[0].startswith(" 1 01234567")

    async def test_a_click_moves_the_cursor(self) -> None:
        async with reading(numbered(100)) as reader:
            await reader.pilot.click(CodeView, offset=(10, 4))

            assert reader.view.cursor_line == 4


class TestSearching:
    async def test_all_matches_are_marked_and_the_first_one_is_current(self) -> None:
        async with reading(CodeDocument(["x = tmp1", "tmp2", "", "tmp3 tmp4"])) as reader:
            outcome = await reader.find("tmp")

            assert (outcome.count, outcome.position, outcome.complete) == (4, 1, True)
            assert reader.pieces(0, "current-match") == ["tmp"]
            assert reader.pieces(1, "match") == ["tmp"]
            assert reader.pieces(3, "match") == ["tmp", "tmp"]

    async def test_next_and_previous_go_from_match_to_match_round_the_end(self) -> None:
        async with reading(CodeDocument(["tmp1", "tmp2", "", "tmp3 tmp4"])) as reader:
            await reader.find("tmp")
            visited = []
            for go in [reader.view.find_next] * 4 + [reader.view.find_previous]:
                go()
                await reader.settle()
                visited.append((reader.outcome.position, reader.view.cursor_line))

            assert visited == [(2, 1), (3, 3), (4, 3), (1, 0), (4, 3)]

    async def test_a_match_far_away_is_brought_on_screen(self) -> None:
        lines = ["x"] * 90 + [f"{'.' * 500}needle"]
        async with reading(CodeDocument(lines)) as reader:
            await reader.find("needle")

            assert any("needle" in row for row in reader.rows)

    async def test_marks_stand_on_what_was_found_whatever_is_before_it(self) -> None:
        async with reading(CodeDocument(["\t\x1b漢tmp漢\u202etmp"])) as reader:
            await reader.find("tmp")

            assert (reader.pieces(0, "current-match"), reader.pieces(0, "match")) == (["tmp"], ["tmp"])

    async def test_of_a_line_full_of_matches_each_is_marked(self) -> None:
        async with reading(CodeDocument(["ab" * 5_000]), width=24) as reader:
            await reader.find("a")
            await reader.press("right")

            assert reader.pieces(0, "match") == ["a"] * 10
            reader.view.wrap = True
            await reader.settle()
            assert reader.pieces(5, "match") == ["a"] * 10

    async def test_an_empty_search_ends_it(self) -> None:
        async with reading(CodeDocument(["tmp"])) as reader:
            await reader.find("tmp")
            outcome = await reader.find("")

            assert outcome.count == 0
            assert reader.pieces(0, "current-match") == []

    async def test_a_broken_expression_says_so(self) -> None:
        async with reading(CodeDocument(["tmp"])) as reader:
            outcome = await reader.find("/(/")

            assert "not an expression" in outcome.error

    async def test_another_text_is_searched_too_without_moving_its_cursor(self) -> None:
        async with reading(CodeDocument(["tmp"])) as reader:
            await reader.find("tmp")
            await reader.show(CodeDocument(["", "tmp"]))

            assert (reader.view.cursor_line, reader.outcome.count, reader.outcome.position) == (0, 1, 0)
            assert reader.pieces(1, "match") == ["tmp"]


class TestWrapping:
    async def test_long_lines_go_on_in_further_rows(self) -> None:
        async with reading(CodeDocument(["a" * 80, "next"]), width=54) as reader:
            reader.view.wrap = True
            await reader.settle()

            assert reader.rows[:3] == [" 1 " + "a" * 50, " · " + "a" * 30, " 2 next"]

    async def test_the_cursor_goes_from_line_to_line(self) -> None:
        async with reading(CodeDocument(["a" * 80, "next"]), width=54) as reader:
            reader.view.wrap = True
            await reader.press("down")

            assert reader.view.cursor_line == 1

    async def test_the_line_at_the_top_stays_there(self) -> None:
        lines = [f"{number} {'x' * 100}" for number in range(1, 6_001)]
        async with reading(CodeDocument(lines), width=56) as reader:
            reader.view.scroll_to(y=4_999, animate=False, immediate=True)
            reader.view.wrap = True
            await reader.settle()
            assert reader.rows[0].startswith(" 5000 5000 x")

            reader.view.wrap = False
            await reader.settle()
            assert reader.rows[0].startswith(" 5000 5000 x")

    async def test_a_match_in_the_middle_of_a_very_long_line_is_brought_on_screen(self) -> None:
        async with reading(CodeDocument(["." * 5_000 + "needle" + "." * 5_000])) as reader:
            reader.view.wrap = True
            await reader.find("needle")

            assert any("needle" in row for row in reader.rows)

    async def test_a_narrower_view_wraps_anew(self) -> None:
        async with reading(CodeDocument(["a" * 80, "next"]), width=54) as reader:
            reader.view.wrap = True
            await reader.pilot.resize_terminal(34, HEIGHT)
            await reader.settle()

            assert reader.rows[:4] == [" 1 " + "a" * 30, " · " + "a" * 30, " · " + "a" * 20, " 2 next"]


class TestCopying:
    async def select(self, reader: Reader, start: tuple[int, int], end: tuple[int, int]) -> str | None:
        """What ctrl+c would copy after a drag with the mouse."""
        await reader.pilot.mouse_down(CodeView, offset=start)
        await reader.pilot.hover(CodeView, offset=end)
        await reader.pilot.mouse_up(CodeView, offset=end)
        await reader.pilot.pause()
        return reader.app.screen.get_selected_text()

    async def test_a_drag_selects_text_without_line_numbers(self) -> None:
        async with reading(CodeDocument(["first line", "second line", "third line"])) as reader:
            assert await self.select(reader, (9, 0), (5, 2)) == "line\nsecond line\nthi"

    async def test_a_drag_from_the_numbers_takes_the_line_from_its_start(self) -> None:
        async with reading(CodeDocument(["first line", "second line"])) as reader:
            assert await self.select(reader, (0, 0), (8, 1)) == "first line\nsecond"

    async def test_what_is_copied_is_the_text_as_it_is(self) -> None:
        async with reading(CodeDocument(["\tmov.b32 \x1b[0m %r1;"])) as reader:
            assert await self.select(reader, (3, 0), (55, 0)) == "\tmov.b32 \x1b[0m %r1;"

    async def test_a_selection_in_a_scrolled_text_is_of_what_is_seen(self) -> None:
        async with reading(CodeDocument(["0123456789" * 100])) as reader:
            await reader.press("right")

            assert await self.select(reader, (3, 0), (6, 0)) == "8901"

    async def test_a_selection_is_marked(self) -> None:
        async with reading(CodeDocument(["first line"])) as reader:
            await self.select(reader, (3, 0), (7, 0))
            selected = reader.app.screen.get_component_rich_style("screen--selection").bgcolor

            assert [part.text for part in reader.strips[0] if part.style and part.style.bgcolor == selected] == [
                "first"
            ]

    async def test_another_text_starts_without_a_selection(self) -> None:
        async with reading(CodeDocument(["first line"])) as reader:
            await self.select(reader, (3, 0), (7, 0))
            await reader.show(CodeDocument(["x"]))

            assert reader.app.screen.get_selected_text() is None

    async def test_the_cursors_line_is_there_to_copy(self) -> None:
        async with reading(CodeDocument(["a", "\tb"])) as reader:
            await reader.press("down")

            assert reader.view.cursor_text == "\tb"
