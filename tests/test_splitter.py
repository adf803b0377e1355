"""The divider tells the ratio that mouse or keyboard ask for; the owner lays out."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult
from textual.containers import Container
from textual.widgets import Static

from mkexplorer_widgets.splitter import Direction, Splitter


class SplitApp(App[None]):
    CSS = """
    Container { layout: horizontal; }
    Container.-rows { layout: vertical; }
    #first { width: 50%; height: 100%; }
    .-rows #first { width: 100%; height: 50%; }
    #second { width: 1fr; height: 1fr; }
    """

    def __init__(self, direction: Direction = "columns") -> None:
        super().__init__()
        self.direction: Direction = direction
        self.ratios: list[float] = []

    def compose(self) -> ComposeResult:
        with Container(classes="-rows" if self.direction == "rows" else ""):
            yield Static(id="first")
            yield Splitter()
            yield Static(id="second")

    def on_mount(self) -> None:
        self.splitter.direction = self.direction

    @property
    def splitter(self) -> Splitter:
        return self.query_one(Splitter)

    def on_splitter_moved(self, message: Splitter.Moved) -> None:
        assert message.control is self.splitter
        self.ratios.append(message.ratio)


async def test_dragging_follows_the_mouse_beyond_the_divider() -> None:
    app = SplitApp()
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.mouse_down(Splitter, offset=(0, 3))
        await pilot.hover(offset=(30, 8))
        await pilot.mouse_up(offset=(30, 8))
        assert app.ratios == [0.3]
        await pilot.hover(offset=(70, 8))
        assert app.ratios == [0.3]


async def test_rows_are_dragged_up_and_down() -> None:
    app = SplitApp("rows")
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.mouse_down(Splitter, offset=(50, 0))
        await pilot.hover(offset=(2, 5))
        await pilot.mouse_up(offset=(2, 5))
        assert app.ratios == [0.25]


@pytest.mark.parametrize(("key", "ratio"), [("left", 0.45), ("right", 0.55), ("up", 0.45), ("down", 0.55)])
async def test_keys_move_it_a_step(key: str, ratio: float) -> None:
    app = SplitApp()
    async with app.run_test(size=(100, 20)) as pilot:
        app.splitter.focus()
        await pilot.press(key)
        assert app.ratios == [ratio]


async def test_no_pane_can_be_squeezed_away() -> None:
    app = SplitApp()
    async with app.run_test(size=(100, 20)) as pilot:
        app.splitter.focus()
        await pilot.press(*["left"] * 20)
        assert app.splitter.ratio == Splitter.LEAST
        await pilot.press(*["right"] * 40)
        assert app.splitter.ratio == Splitter.MOST


async def test_it_is_a_line_of_its_direction() -> None:
    app = SplitApp()
    async with app.run_test(size=(100, 20)) as pilot:
        assert app.splitter.render_line(0).text == "│"
        app.splitter.direction = "rows"
        await pilot.pause()
        assert set(app.splitter.render_line(0).text) == {"─"}
