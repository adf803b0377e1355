"""Starts the app. Imports Textual only inside `app_on`, with the garbage collector at rest until the place is read."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog
    from mkexplorer.tui.explorer_app import ExplorerApp


def run(
    place: str | None,
    *,
    sample: bool = False,
    theme: str | None = None,
    follow: bool | None = None,
    python: str | None = None,
    no_python: bool = False,
) -> int:
    """Run the explorer until the person quits; returns the exit code."""
    app = app_on(place, sample=sample, theme=theme, follow=follow, python=python, no_python=no_python)
    app.run()
    from mkexplorer.tui.state import save_state, state_path

    path = state_path()
    try:
        save_state(path, app.state)
    except OSError as error:
        print(f"mkexplorer: {path} cannot be written: {error}", file=sys.stderr)
    return app.return_code or 0


def app_on(
    place: str | None,
    *,
    sample: bool = False,
    theme: str | None = None,
    follow: bool | None = None,
    python: str | None = None,
    no_python: bool = False,
) -> ExplorerApp:
    """The explorer, ready to be run.

    ``place`` None means torch's own cache directory of this user; ``sample`` the recorded one that comes along.
    ``theme`` and ``follow`` win over what the last run left. ``python`` is the one with the torch that wrote the cache,
    by default the one that runs this; with ``no_python`` none is started.
    """
    gc.disable()
    from dataclasses import replace

    from mkexplorer.tui.explorer_app import ExplorerApp
    from mkexplorer.tui.pythons import NoPython, Pythons
    from mkexplorer.tui.state import load_state, state_path

    state, problem = load_state(state_path())
    state = replace(state, theme=theme or state.theme, follow=state.follow if follow is None else follow)
    pythons = NoPython(python) if no_python else Pythons(python)
    return ExplorerApp(_opener(place, sample), _label(place, sample), state, problem, pythons)


def _opener(place: str | None, sample: bool) -> Callable[[], Catalog]:
    def open_it() -> Catalog:
        from mkexplorer.catalog import open_catalog
        from mkexplorer.catalog.places import sample_path

        return open_catalog(sample_path() if sample else place)

    return open_it


def _label(place: str | None, sample: bool) -> str:
    """What the header calls the place before and after it is read."""
    if sample:
        return "the sample"
    if place is None:
        from mkexplorer.catalog.places import default_place

        place = str(default_place())
    home = os.path.expanduser("~")
    full = os.path.abspath(place)
    return f"~{full.removeprefix(home)}" if full.startswith(home + os.sep) else full
