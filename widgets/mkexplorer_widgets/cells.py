"""Text in exactly so many terminal cells, whatever it holds."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from mkexplorer_widgets.plain_text import visible


def one_line(text: str) -> str:
    """Return ``text`` fit to stand in one line: no control in it, line feeds shown as ``␊``."""
    return visible(text).replace("\n", "␊")


def fit(text: str, width: int, right: bool = False) -> str:
    """Return ``text``, which must be one line, in exactly ``width`` cells; a cut one ends in an ellipsis."""
    if width <= 0:
        return ""
    taken = cell_len(text)
    if taken > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - taken) + text if right else text + " " * (width - taken)
