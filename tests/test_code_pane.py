"""The bar below a listing: search as one types, go to a line, and back to reading."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input, Static

from mkexplorer_widgets.code_document import CodeDocument
from mkexplorer_widgets.code_pane import CodePane, outcome_text
from mkexplorer_widgets.code_view import CodeView

LINES = ["first", "tmp1", "other", "tmp2", "tmp1 again", "last"]


class Host(App[None]):
    def compose(self) -> ComposeResult:
        yield CodePane()


@dataclass
class Reader:
    pane: CodePane
    pilot: Pilot[None]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.app.workers.wait_for_complete()
        await self.pilot.pause()

    @property
    def view(self) -> CodeView:
        return self.pane.view

    @property
    def outcome(self) -> str:
        return str(self.pane.query_one("#outcome", Static).content)

    @property
    def has_bar(self) -> bool:
        return bool(self.pane.query(Input))


@asynccontextmanager
async def reading() -> AsyncIterator[Reader]:
    app = Host()
    async with app.run_test(size=(60, 12)) as pilot:
        pane = app.query_one(CodePane)
        pane.view.show(CodeDocument(LINES, first_number=10))
        pane.view.focus()
        await pilot.pause()
        yield Reader(pane, pilot)


async def test_the_search_follows_what_is_typed_from_where_it_began() -> None:
    async with reading() as reader:
        await reader.press("down", "down", "slash", "t", "m", "p")
        assert (reader.view.cursor_line, reader.outcome) == (3, "2 of 3")

        await reader.press("1")
        assert (reader.view.cursor_line, reader.outcome) == (4, "2 of 2")


async def test_enter_goes_back_to_reading_with_the_matches_to_step_through() -> None:
    async with reading() as reader:
        await reader.press("slash", "t", "m", "p", "enter", "n")
        assert (reader.view.cursor_line, reader.outcome, reader.view.has_focus) == (3, "2 of 3", True)

        await reader.press("N", "N")
        assert (reader.view.cursor_line, reader.outcome) == (4, "3 of 3")


@pytest.mark.parametrize("leave", ["escape", "enter escape"])
async def test_escape_ends_the_search(leave: str) -> None:
    async with reading() as reader:
        await reader.press("slash", "t", "m", "p", *leave.split())

        assert (reader.has_bar, reader.view.has_focus) == (False, True)
        cursor = reader.view.cursor_line
        await reader.press("n")
        assert reader.view.cursor_line == cursor


async def test_a_search_can_be_changed() -> None:
    async with reading() as reader:
        await reader.press("slash", "t", "m", "p", "enter", "slash", "l", "a", "s", "t")

        assert (reader.view.cursor_line, reader.outcome) == (5, "1 of 1")


async def test_a_line_is_gone_to_by_its_number() -> None:
    async with reading() as reader:
        await reader.press("colon")
        assert reader.outcome == "lines 10 to 15"

        await reader.press("x", "1", "3", "enter")
        assert (reader.view.cursor_line, reader.has_bar, reader.view.has_focus) == (3, False, True)


@pytest.mark.parametrize("number", ["", "9", "16", "0", "999999999999999"])
async def test_what_is_no_line_is_told_and_asked_again(number: str) -> None:
    async with reading() as reader:
        cursor = reader.view.cursor_line
        await reader.press("colon", *number, "enter")
        assert (reader.outcome, reader.has_bar) == ("only lines 10 to 15; esc closes", True)
        assert reader.view.cursor_line == cursor

        await reader.press("1", "2", "enter")
        assert (reader.view.cursor_line, reader.has_bar) == (2, False)


async def test_asking_for_a_line_ends_a_search() -> None:
    async with reading() as reader:
        await reader.press("slash", "t", "m", "p", "enter", "colon", "1", "5", "enter")

        assert (reader.view.cursor_line, reader.has_bar) == (5, False)


async def test_wrap_is_switched_on_and_off() -> None:
    async with reading() as reader:
        await reader.press("w")
        assert reader.view.wrap

        await reader.press("w")
        assert not reader.view.wrap


@pytest.mark.parametrize(
    ("count", "position", "complete", "error", "text"),
    [
        (17, 3, True, "", "3 of 17"),
        (10_000, 1, False, "", "1 of 10,000+"),
        (17, 0, True, "", "17 matches"),
        (0, 0, True, "", "no match"),
        (0, 0, True, "takes too long: make it simpler", "takes too long: make it simpler"),
    ],
)
def test_what_came_of_a_search_is_told_in_few_words(
    count: int, position: int, complete: bool, error: str, text: str
) -> None:
    assert outcome_text(CodeView.MatchesFound(CodeView(), count, position, complete, error)) == text
