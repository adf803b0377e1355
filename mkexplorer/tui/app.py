"""Starts the app. Imports Textual only inside `app_on`, with the garbage collector at rest until the place is read."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog
    from mkexplorer.tui.explorer_app import ExplorerApp


@dataclass(frozen=True, slots=True)
class Start:
    """How the explorer comes up.

    ``place`` None means torch's own cache directory of this user; ``sample`` the recorded one that comes along.
    ``theme`` and ``follow`` win over what the last run left. ``python`` is the one with the torch that wrote the cache,
    by default the one that runs this; with ``no_python`` none is started.
    """

    place: str | None = None
    sample: bool = False
    theme: str | None = None
    follow: bool | None = None
    python: str | None = None
    no_python: bool = False


def run(start: Start) -> int:
    """Run the explorer until the person quits; returns the exit code."""
    app = app_on(start)
    app.run()
    from mkexplorer.tui.state import save_state, state_path

    path = state_path()
    try:
        save_state(path, app.state)
    except OSError as error:
        print(f"mkexplorer: {path} cannot be written: {error}", file=sys.stderr)
    return app.return_code or 0


def app_on(start: Start) -> ExplorerApp:
    """The explorer, ready to be run."""
    gc.disable()
    from mkexplorer.tui.explorer_app import ExplorerApp
    from mkexplorer.tui.pythons import NoPython, Pythons
    from mkexplorer.tui.state import load_state, state_path

    state, problem = load_state(state_path())
    follow = state.follow if start.follow is None else start.follow
    state = replace(state, theme=start.theme or state.theme, follow=follow)
    pythons = NoPython(start.python) if start.no_python else Pythons(start.python)
    return ExplorerApp(_opener(start), _label(start), state, problem, pythons)


def _opener(start: Start) -> Callable[[], Catalog]:
    def open_it() -> Catalog:
        from mkexplorer.catalog import open_catalog
        from mkexplorer.catalog.places import sample_path

        return open_catalog(sample_path() if start.sample else start.place)

    return open_it


def _label(start: Start) -> str:
    """What the header calls the place before and after it is read."""
    if start.sample:
        return "the sample"
    place = start.place
    if place is None:
        from mkexplorer.catalog.places import default_place

        place = str(default_place())
    home = os.path.expanduser("~")
    full = os.path.abspath(place)
    return f"~{full.removeprefix(home)}" if full.startswith(home + os.sep) else full
