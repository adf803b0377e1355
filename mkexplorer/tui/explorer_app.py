"""The app: owns the terminal's side (toasts, clipboard, editor, themes) and remembers what is to be remembered."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App, SuspendNotSupported, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.tui.first_screen import FirstScreen
from mkexplorer.tui.messages import CopyRequested, Failed, Notice, OpenEditor
from mkexplorer.tui.state import UiState
from mkexplorer_widgets.plain_text import split_lines, visible

if TYPE_CHECKING:
    from textual.command import Provider

    from mkexplorer.catalog import Catalog
    from mkexplorer.tui.explorer_screen import ExplorerScreen
    from mkexplorer.tui.pythons import Pythons


def _verbs() -> type[Provider]:
    from mkexplorer.tui.commands import Verbs

    return Verbs


class ExplorerApp(App[None]):
    """``opener`` reads the catalog (it is called in a thread); ``place`` is what the header calls it.

    ``pythons`` tell where its picks are; by default the Python that runs this.
    """

    TITLE = "mkexplorer"
    COMMANDS = App.COMMANDS | {_verbs}
    BINDING_GROUP_TITLE = "App"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit", id="app.quit", tooltip="Leave mkexplorer"),
        Binding(
            "ctrl+s",
            "picture",
            "Save screenshot (SVG)",
            show=False,
            id="app.picture",
            tooltip="Save a picture of the screen in the current directory",
        ),
    ]

    def __init__(
        self,
        opener: Callable[[], Catalog],
        place: str,
        state: UiState,
        problem: str = "",
        pythons: Pythons | None = None,
    ) -> None:
        super().__init__()
        self.animation_level = "none"
        self._opener = opener
        self._place = place
        self._state = state
        self._problem = problem
        self._pythons = pythons
        self._explorer: ExplorerScreen | None = None

    def get_default_screen(self) -> Screen[None]:
        return FirstScreen(self._place)

    def on_mount(self) -> None:
        if self._state.theme in self.available_themes:
            self.theme = self._state.theme
        self.call_after_refresh(self._explore)

    async def _explore(self) -> None:
        """Import and show the real screen, now that the first frame stands."""
        from mkexplorer.tui.explorer_screen import ExplorerScreen
        from mkexplorer.tui.pythons import Pythons

        self._explorer = ExplorerScreen(self._place, self._opener, self._state, self._pythons or Pythons())
        await self.push_screen(self._explorer)
        if self._problem:
            self.notify(visible(self._problem), severity="warning", markup=False)

    @property
    def state(self) -> UiState:
        """What to remember for the next run."""
        state = self._explorer.state if self._explorer is not None else self._state
        return replace(state, theme=self.theme)

    def on_failed(self, event: Failed) -> None:
        from mkexplorer.tui.sheets import error_texts

        text = visible("\n".join(error_texts(event.error)).strip())
        self.notify(text, severity="error", timeout=12, markup=False)

    def on_notice(self, event: Notice) -> None:
        self.notify(visible(event.text), markup=False)

    def on_copy_requested(self, event: CopyRequested) -> None:
        self.copy_to_clipboard(event.text.encode("utf-8", "replace").decode("utf-8"))
        lines = len(split_lines(event.text))
        size = f"{lines} lines" if lines > 1 else f"{len(event.text)} characters"
        self.notify(visible(f"Copied {event.what} ({size}) to the terminal's clipboard."), markup=False)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Leave out what the verbs do as well, or better."""
        ours = {"Quit", "Keys", "Screenshot"}
        return (command for command in super().get_system_commands(screen) if command.title not in ours)

    def action_picture(self) -> None:
        """Save an SVG picture of the screen in the current directory and say where."""
        try:
            path = self.save_screenshot(path=os.getcwd())
        except OSError as error:
            self.post_message(Failed(error))
        else:
            self.notify(visible(f"Saved {path}"), markup=False)

    def on_open_editor(self, event: OpenEditor) -> None:
        from mkexplorer.tui.editor import command_for, run_editor

        try:
            command = command_for(os.environ, event.place, event.path, event.line)
            with self.suspend():
                failure = run_editor(command)
            if failure is not None:
                raise failure
        except MkexplorerError as error:
            self.post_message(Failed(error))
        except SuspendNotSupported:
            self.post_message(
                Failed(MkexplorerError("This terminal cannot be lent to an editor.", "Copy the text with y."))
            )
