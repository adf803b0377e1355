"""The help page: signs and words, then every key, read from the bindings so that it is never out of date."""

from __future__ import annotations

from itertools import groupby

from textual.content import Content

from mkexplorer.tui.commands import verbs
from mkexplorer.tui.explorer_screen import ExplorerScreen

KEY_WIDTH = 22

_SIGNS = (
    ("✓ fastest", "the picked sub-kernel is the fastest"),
    ("⚠ +38%", "the picked one takes 38% longer than the best"),
    ("= SAME", "no difference worth a change"),
    ("? UNSURE", "measured, but not clear"),
    ("– no pick", "measured, but nothing was picked"),
    ("✗ invalid pick", "the pick file cannot be used"),
    ("● picked", "the sub-kernel that the run time chose"),
    ("◆ marked", "marked with m, to be compared with another"),
)
_WORDS = (
    ("multi-kernel", "one operation, several equivalent sub-kernels; one is chosen"),
    ("looped", "reads a row in blocks, in a loop"),
    ("persistent", "holds a whole row at once"),
    ("cooperative", "several blocks share one row"),
    ("template", "made from a template (matrix products)"),
    ("wrapper", "the Python module that torch generated for one graph"),
    ("regret", "median time of the picked ÷ median of the best - 1"),
)


def help_content(screen: ExplorerScreen) -> Content:
    """Return the page for the panes that are shown now."""
    parts = [_table("Signs", _SIGNS), _table("Words", _WORDS)]
    for group, found in groupby(verbs(screen), key=lambda verb: verb.group):
        parts.append(_table(f"Keys: {group}", [(verb.keys, verb.help) for verb in found]))
    mouse = (
        ("click", "choose a row, a tab, a key in the last line; an arrow folds"),
        ("double click", "fold or unfold a row, open a sub-kernel"),
        ("drag", "the divider moves; text is selected, ^c copies it"),
    )
    parts.append(_table("Mouse", mouse))
    return Content("\n\n").join(parts)


def _table(title: str, rows: tuple[tuple[str, str], ...] | list[tuple[str, str]]) -> Content:
    lines = [Content.styled(title, "bold $text-primary")]
    for left, right in rows:
        lines.append(Content.assemble((f"  {left:<{KEY_WIDTH}}", "bold"), " ", right))
    return Content("\n").join(lines)
