"""The line of the queue keeps its words when room is short."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult

from mkexplorer.tui.bench_line import BenchLine

TEXT = "measuring 3/41 layer_norm 4096×4096 bf16 · racing, 12 of 48"


class LineApp(App[None]):
    def compose(self) -> ComposeResult:
        yield BenchLine()

    @property
    def line(self) -> BenchLine:
        return self.query_one(BenchLine)

    def shown(self) -> str:
        return self.line.render_line(0).text.rstrip()


@pytest.mark.parametrize("width", [40, 62, 70, 74, 80, 120])
async def test_it_fits_and_says_what_is_measured(width: int) -> None:
    app = LineApp()
    async with app.run_test(size=(width, 3)) as pilot:
        app.line.show(TEXT, 0.5)
        await pilot.pause()
        assert len(app.shown()) <= width
        assert "measuring 3/41 layer_norm" in app.shown()
        if width >= 74:
            assert TEXT in app.shown()
            assert app.shown().endswith("esc stops")


async def test_where_there_is_room_a_bar_tells_how_much_is_done() -> None:
    app = LineApp()
    async with app.run_test(size=(120, 3)) as pilot:
        app.line.show(TEXT, 0.26)
        await pilot.pause()
        segments = [segment.text for segment in app.line.render_line(0)]
        assert (segments[0], segments[1]) == ("━" * 6, "━" * 18)


async def test_with_nothing_to_tell_it_is_gone() -> None:
    app = LineApp()
    async with app.run_test(size=(80, 3)) as pilot:
        app.line.show("x", 0.5)
        await pilot.pause()
        assert app.line.display
        app.line.show("", 1.0)
        await pilot.pause()
        assert not app.line.display


async def test_text_is_text() -> None:
    app = LineApp()
    async with app.run_test(size=(80, 3)) as pilot:
        app.line.show("[/x]\x1b[31m", 0.5)
        await pilot.pause()
        assert "[/x]␛[31m" in app.shown()
