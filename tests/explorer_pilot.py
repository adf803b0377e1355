"""Runs the app on a fake or real catalog and waits for what it does in threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from textual.pilot import Pilot
from textual.screen import Screen

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.tui.commands import verbs
from mkexplorer.tui.explorer_app import ExplorerApp
from mkexplorer.tui.explorer_screen import ExplorerScreen
from mkexplorer.tui.picks import LOOKING
from mkexplorer.tui.pythons import NoPython, Pythons
from mkexplorer.tui.state import UiState

WAIT_S = 20.0
WIDE, NARROW = (120, 40), (80, 24)


@dataclass
class Session:
    """A running app."""

    app: ExplorerApp
    pilot: Pilot[None]

    @property
    def explorer(self) -> ExplorerScreen:
        return next(screen for screen in self.app.screen_stack if isinstance(screen, ExplorerScreen))

    @property
    def knows_picks(self) -> bool:
        """Nothing is looked for any more."""
        book = self.explorer.book
        return book is None or all(record.place_reason != LOOKING for record in book.records.values())

    @property
    def cursor_text(self) -> str:
        outline = self.explorer.kernels.outline
        return outline.render_line(outline.cursor - outline.scroll_offset.y).text.strip()

    @property
    def list_texts(self) -> list[str]:
        outline = self.explorer.kernels.outline
        lines = (outline.render_line(y).text.rstrip() for y in range(outline.size.height))
        return [line for line in lines if line]

    @property
    def toasts(self) -> list[str]:
        return [notification.message for notification in self.app._notifications]

    def screen_text(self, screen: Screen[Any] | None = None) -> str:
        """All that is on the screen, as plain lines."""
        strips = (screen or self.app.screen)._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    @property
    def last_line(self) -> str:
        return self.screen_text().splitlines()[-1]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what a thread brings, and until it is drawn; fails after a while with the screen as it is."""
        deadline = asyncio.get_running_loop().time() + WAIT_S
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"never came true; the screen:\n{self.screen_text()}")
            await self.pilot.pause(0.01)
        await self.pilot.pause()

    async def shows(self, text: str) -> None:
        await self.until(lambda: text in self.screen_text())


def opener_of(what: Catalog | MkexplorerError) -> Callable[[], Catalog]:
    def open_it() -> Catalog:
        if isinstance(what, MkexplorerError):
            raise what
        return what

    return open_it


@asynccontextmanager
async def explore_while_reading(
    opener: Callable[[], Catalog], pythons: Pythons | None = None
) -> AsyncIterator[Session]:
    """Run the app while ``opener`` may not have answered yet."""
    app = ExplorerApp(opener, "PLACE", UiState(tab="details", follow=False), pythons=pythons or NoPython())
    async with app.run_test(size=WIDE) as pilot:
        session = Session(app, pilot)
        await session.until(lambda: isinstance(app.screen, ExplorerScreen))
        yield session


@asynccontextmanager
async def explore(
    what: Catalog | MkexplorerError,
    size: tuple[int, int] = WIDE,
    state: UiState | None = None,
    problem: str = "",
    pythons: Pythons | None = None,
) -> AsyncIterator[Session]:
    """Run the app on ``what`` (an error: opening fails with it) until it shows something, and knows the picks.

    Unless ``pythons`` tell of one, no Python is started to find picks.
    """
    state = state or UiState(tab="details", follow=False)
    app = ExplorerApp(opener_of(what), "PLACE", state, problem, pythons or NoPython())
    async with app.run_test(size=size) as pilot:
        session = Session(app, pilot)
        await session.until(lambda: isinstance(app.screen, ExplorerScreen))
        explorer = session.explorer
        await session.until(lambda: bool(explorer.kernels.outline.rows) or explorer.has_class("-sheet"))
        await session.until(lambda: session.knows_picks)
        await pilot.pause()
        yield session


def offered(session: Session) -> set[str]:
    """What footer and palette offer."""
    return {verb.binding.description for verb in verbs(session.explorer) if verb.valid}
