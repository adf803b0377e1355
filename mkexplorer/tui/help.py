"""The help page: every key and what panes say of themselves, read from them, so that it is never out of date."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from itertools import groupby

from textual.content import Content
from textual.dom import DOMNode

from mkexplorer.tui.commands import verbs
from mkexplorer.tui.explorer_panes import ExplorerPanes

KEY_WIDTH = 20
TEXT_WIDTH = 63  # fits the page at 80 columns

_SIGNS = (
    ("✓ fastest", "the picked sub-kernel is the fastest"),
    ("⚠ +38%", "the picked one takes 38% longer than the best"),
    ("= SAME", "no difference worth a change"),
    ("? UNSURE", "measured, but not clear"),
    ("– no pick", "measured, but nothing was picked"),
    ("✗ disagrees", "a sub-kernel computes something else than it should"),
    ("✗ invalid pick", "the pick file cannot be used"),
    ("● picked", "the sub-kernel that the run time chose"),
    ("● pinned", "the sub-kernel that a person chose with p"),
    ("– pick unknown", "where its file is cannot be told; Details says why"),
    ("…", "its pick file is being looked for"),
    ("◆ marked", "marked with m, to be compared with another"),
)
_WORDS = (
    ("multi-kernel", "one operation, several equivalent sub-kernels; one is chosen"),
    ("looped", "reads a row in blocks, in a loop"),
    ("persistent", "holds a whole row at once"),
    ("cooperative", "several blocks share one row"),
    ("template", "made from a template (matrix products)"),
    ("wrapper", "the Python module that torch generated for one graph"),
    ("race", "the sub-kernels timed in turns, on the same arguments"),
    ("regret", "median time of the picked ÷ median of the best - 1"),
    ("loss", "regret as time: what the picks cost when each graph runs once"),
)


_MOUSE = (
    ("click", "choose a row, a tab, a key in the last line; an arrow folds"),
    ("double click", "fold or unfold a row, open a sub-kernel"),
    ("drag", "the divider moves; text is selected, ^c copies it"),
)


def help_content(screen: ExplorerPanes) -> Content:
    """Return the page for what is shown now: the tab first, then all around it, then signs and words."""
    groups = {group: list(found) for group, found in groupby(verbs(screen), key=lambda verb: verb.group)}
    in_tab = [group for group, found in groups.items() if screen.work in found[0].owner.ancestors]
    parts = []
    if screen.work.tab is not None and not in_tab:
        title = getattr(type(screen.work.tab), "BINDING_GROUP_TITLE", "") or ""  # its keys are the screen's own
        parts.append(_table(title, (), _about([screen.work.tab])))
    for group in sorted(groups, key=lambda group: group not in in_tab):
        keys = [(verb.keys, verb.help) for verb in groups[group]]
        parts.append(_table(f"{group}: keys", keys, _about([verb.owner for verb in groups[group]])))
    parts += [_table("Mouse", _MOUSE), _table("Signs", _SIGNS), _table("Words", _WORDS)]
    return Content("\n\n").join(parts)


def _about(widgets: Sequence[DOMNode]) -> list[str]:
    """What widgets say about themselves, their Markdown marks left out."""
    texts = dict.fromkeys(str(type(widget).__dict__.get("HELP", "")) for widget in widgets)
    plain = "\n\n".join(re.sub(r"\*\*|`", "", text).replace("\n- ", "\n\n- ") for text in texts)
    return [line for part in plain.split("\n\n") for line in textwrap.wrap(part.strip(), TEXT_WIDTH)]


def _table(title: str, rows: Sequence[tuple[str, str]], about: Sequence[str] = ()) -> Content:
    lines = [Content.styled(title, "bold $text-primary"), *(Content(f"  {line}") for line in about)]
    for left, right in rows:
        first, *more = textwrap.wrap(right, TEXT_WIDTH - KEY_WIDTH) or [""]
        lines.append(Content.assemble((f"  {left:<{KEY_WIDTH}}", "bold"), first))
        lines += [Content(" " * (KEY_WIDTH + 2) + line) for line in more]
    return Content("\n").join(lines)
