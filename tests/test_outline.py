"""The outline draws only what is seen, keeps the cursor by key, and says what a person did to it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from rich.color import Color as RichColour
from textual.app import App, ComposeResult
from textual.message import Message
from textual.strip import Strip

from mkexplorer_widgets.outline import Cell, Outline, OutlineRow, fitted_widths, natural_widths


def row(key: str, depth: int = 0, *texts: str, expandable: bool = False, expanded: bool = False) -> OutlineRow:
    return OutlineRow(key, depth, tuple(Cell(text) for text in texts or (key,)), expandable, expanded)


TREE = (
    row("g", 0, expandable=True, expanded=True),
    row("a", 1, expandable=True, expanded=True),
    row("a0", 2),
    row("a1", 2),
    row("b", 1, expandable=True),
)


class OutlineApp(App[None]):
    """An outline of given rows that records what it says."""

    def __init__(self, rows: Sequence[OutlineRow]) -> None:
        super().__init__()
        self.initial = rows
        self.said: list[tuple[str, object]] = []

    def compose(self) -> ComposeResult:
        yield Outline(empty_text="nothing here")

    def on_mount(self) -> None:
        self.outline.set_rows(self.initial)
        self.outline.focus()

    @property
    def outline(self) -> Outline:
        return self.query_one(Outline)

    def on_outline_highlighted(self, message: Outline.Highlighted) -> None:
        self.said.append(("highlighted", message.key))

    def on_outline_selected(self, message: Outline.Selected) -> None:
        self.said.append(("selected", message.key))

    def on_outline_toggled(self, message: Outline.Toggled) -> None:
        self.said.append(("toggled", message.key))

    def line(self, y: int) -> str:
        return self.outline.render_line(y).text.rstrip()


def numbered(count: int) -> list[OutlineRow]:
    return [row(f"r{at}") for at in range(count)]


class TestColumns:
    def test_a_column_is_as_wide_as_its_widest_text_and_indent(self) -> None:
        rows = [row("a", 0, "abc", "de", "last"), row("b", 2, "ab", "d", "a very long last cell")]
        assert natural_widths(rows) == [6, 2]

    def test_wide_characters_count_twice(self) -> None:
        assert natural_widths([row("a", 0, "漢字", "x")]) == [2 + 4]

    def test_nothing_shrinks_when_there_is_room(self) -> None:
        assert fitted_widths([20, 10], 40) == [20, 10]

    def test_the_widest_shrink_first(self) -> None:
        assert fitted_widths([30, 10, 4], 40) == [23, 10, 4]
        assert fitted_widths([30, 28], 34) == [16, 16]

    def test_columns_never_vanish(self) -> None:
        assert fitted_widths([30, 28], 0) == [4, 4]


class TestDrawing:
    async def test_rows_show_depth_and_whether_they_unfold(self) -> None:
        app = OutlineApp(TREE)
        async with app.run_test(size=(30, 8)):
            assert [app.line(y) for y in range(6)] == ["▾ g", " ▾ a", "    a0", "    a1", " ▸ b", ""]

    async def test_columns_line_up(self) -> None:
        rows = [row("a", 0, "softmax", "16×16", "ok"), row("b", 1, "sum", "4×4096", "slow")]
        app = OutlineApp(rows)
        async with app.run_test(size=(40, 4)):
            assert app.line(0) == "  softmax 16×16  ok"
            assert app.line(1) == "   sum    4×4096 slow"

    async def test_a_cut_text_ends_in_an_ellipsis_and_the_last_column_stays(self) -> None:
        app = OutlineApp([row("a", 0, "a_very_long_name_of_a_fused_kernel", "4096×4096", "+38%")])
        async with app.run_test(size=(32, 4)):
            assert app.line(0) == "  a_very_l… 4096×4096 +38%"

    async def test_hostile_text_is_text(self) -> None:
        app = OutlineApp([row("a", 0, "[b]x[/]\x1b[31m\ty\nz"), row("b", 0, "漢" * 50), row("c", 0, "x" * 10_000)])
        async with app.run_test(size=(30, 4)):
            assert app.line(0) == "  [b]x[/]␛[31m    y␊z"
            assert app.outline.render_line(1).cell_length == 30
            assert app.line(1).endswith("…")
            assert len(app.line(2)) == 30

    async def test_without_rows_it_says_so(self) -> None:
        app = OutlineApp([])
        async with app.run_test(size=(30, 4)) as pilot:
            assert app.line(0) == " nothing here"
            app.outline.show_message("reading…")
            await pilot.pause()
            assert app.line(0) == " reading…"


class TestMoving:
    @pytest.mark.parametrize(
        ("keys", "key"),
        [
            (["down"], "a"),
            (["j", "j", "k"], "a"),
            (["up"], "g"),
            (["end"], "b"),
            (["end", "down"], "b"),
            (["end", "home"], "g"),
            (["down", "down", "left"], "a"),
            (["right"], "a"),
        ],
    )
    async def test_keys(self, keys: list[str], key: str) -> None:
        app = OutlineApp(TREE)
        async with app.run_test(size=(30, 8)) as pilot:
            await pilot.press(*keys)
            assert app.outline.cursor_row is not None
            assert app.outline.cursor_row.key == key

    async def test_a_page_is_what_is_seen_less_one_line(self) -> None:
        app = OutlineApp(numbered(100))
        async with app.run_test(size=(30, 10)) as pilot:
            await pilot.press("pagedown", "pagedown")
            assert app.outline.cursor == 18
            assert app.outline.scroll_offset.y == 9
            await pilot.press("pageup")
            assert app.outline.cursor == 9

    async def test_every_move_is_told(self) -> None:
        app = OutlineApp(TREE)
        async with app.run_test(size=(30, 8)) as pilot:
            await pilot.press("down", "down", "up")
            assert app.said == [("highlighted", key) for key in ("g", "a", "a0", "a")]

    async def test_enter_selects_and_space_left_right_toggle(self) -> None:
        app = OutlineApp(TREE)
        async with app.run_test(size=(30, 8)) as pilot:
            await pilot.press("enter", "space", "left", "end")
            app.said.clear()
            await pilot.press("right", "space")
            assert app.said == [("toggled", "b"), ("toggled", "b")]

    async def test_the_mouse_moves_toggles_and_opens(self) -> None:
        app = OutlineApp(TREE)
        async with app.run_test(size=(30, 8)) as pilot:
            await pilot.click(Outline, offset=(10, 2))
            assert app.said[-1] == ("highlighted", "a0")
            await pilot.click(Outline, offset=(1, 1))
            assert app.said[-1] == ("toggled", "a")
            await pilot.click(Outline, offset=(10, 3), times=2)
            assert app.said[-1] == ("selected", "a1")
            await pilot.click(Outline, offset=(10, 7))
            assert app.outline.cursor == 3

    async def test_a_move_within_the_screen_draws_two_rows_only(self) -> None:
        app = OutlineApp(numbered(100))
        async with app.run_test(size=(30, 10)) as pilot:
            await pilot.press("down")
            drawn: list[int] = []
            render_line = app.outline.render_line

            def counted(y: int) -> Strip:
                drawn.append(y)
                return render_line(y)

            app.outline.render_line = counted  # type: ignore[method-assign]  # to count
            await pilot.press("down")
            assert drawn == [1, 2]


class TestNewRows:
    async def test_the_cursors_row_is_seen_when_few_rows_become_many(self) -> None:
        app = OutlineApp([row("r80")])
        async with app.run_test(size=(20, 10)) as pilot:
            app.outline.set_rows(numbered(100))
            await pilot.pause()
            assert app.outline.cursor == 80
            assert "r80" in [app.line(y).strip() for y in range(10)]

    async def test_the_cursor_stays_on_its_key_and_nothing_is_told(self) -> None:
        app = OutlineApp(numbered(50))
        async with app.run_test(size=(30, 10)) as pilot:
            app.outline.move_to("r30")
            await pilot.pause()
            app.said.clear()
            top = app.outline.scroll_offset.y
            app.outline.set_rows([row("new1"), row("new2"), *numbered(50)])
            await pilot.pause()
            assert app.outline.cursor == 32
            assert app.outline.scroll_offset.y == top + 2
            assert app.said == []

    async def test_a_scrolled_away_view_does_not_jump(self) -> None:
        app = OutlineApp(numbered(100))
        async with app.run_test(size=(30, 10)) as pilot:
            app.outline.scroll_to(y=40, animate=False, immediate=True)
            await pilot.pause()
            app.outline.set_rows([row("new"), *numbered(100)])
            await pilot.pause()
            assert app.outline.cursor == 1
            assert app.outline.scroll_offset.y == 41

    async def test_a_vanished_row_leaves_the_cursor_on_the_nearest_above(self) -> None:
        app = OutlineApp(TREE)
        async with app.run_test(size=(30, 8)) as pilot:
            app.outline.move_to("a1")
            await pilot.pause()
            app.outline.set_rows([TREE[0], row("a", 1, expandable=True), TREE[4]])
            await pilot.pause()
            assert app.outline.cursor == 1
            assert app.said[-1] == ("highlighted", "a")

    async def test_no_rows_left_is_told(self) -> None:
        app = OutlineApp(TREE)
        async with app.run_test(size=(30, 8)) as pilot:
            app.outline.set_rows([])
            await pilot.press("down", "enter", "space", "left", "pagedown")
            assert app.said[-1] == ("highlighted", None)

    async def test_a_changed_text_is_redrawn(self) -> None:
        app = OutlineApp(TREE)
        async with app.run_test(size=(30, 8)) as pilot:
            app.outline.set_rows([row("g", 0, "other"), *TREE[1:]])
            await pilot.pause()
            assert app.line(0) == "  other"


async def test_the_theme_changes_what_is_drawn() -> None:
    app = OutlineApp([OutlineRow("a", 0, (Cell("x", "good"),)), row("b")])
    async with app.run_test(size=(30, 4)) as pilot:
        await pilot.press("down")
        before = [segment.style for segment in app.outline.render_line(0)]
        app.theme = "textual-light"
        await pilot.pause()
        assert [segment.style for segment in app.outline.render_line(0)] != before


def test_its_messages_name_their_sender() -> None:
    outline = Outline()
    messages: list[Message] = [
        outline.Highlighted(outline, 1),
        outline.Selected(outline, 1),
        outline.Toggled(outline, 1),
    ]
    assert all(message.control is outline for message in messages)


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "gruvbox", "solarized-light"])
async def test_a_dim_text_stands_between_the_text_and_the_background(theme: str) -> None:
    app = OutlineApp([row("first"), OutlineRow("a", 0, (Cell("x", "dim"),)), row("b")])
    async with app.run_test(size=(30, 4)) as pilot:
        app.theme = theme
        await pilot.pause()
        dim, plain = (next(s.style for s in app.outline.render_line(y) if s.text.strip()) for y in (1, 2))
        assert dim is not None
        assert plain is not None

        def brightness(colour: RichColour | None) -> int:
            assert colour is not None
            return sum(colour.get_truecolor())

        ordered = [brightness(plain.bgcolor), brightness(dim.color), brightness(plain.color)]
        assert ordered in (sorted(ordered), sorted(ordered, reverse=True))
