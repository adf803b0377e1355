"""The keys of the screen: what they are called, what they do, and which of them the last line shows."""

from __future__ import annotations

from textual.binding import Binding

from mkexplorer.tui.bench_verbs import BENCH_ALL_BINDING, BENCH_BINDINGS
from mkexplorer.tui.kernel_list import FILTER_HELP
from mkexplorer.tui.pick_verbs import PICK_BINDINGS
from mkexplorer.tui.tabs import TABS, TabSpec


def _binding(key: str, action: str, description: str, tooltip: str, show: bool = False) -> Binding:
    return Binding(key, action, description, show=show, id=f"explorer.{key.partition(',')[0]}", tooltip=tooltip)


def _tab_binding(number: int, spec: TabSpec) -> Binding:
    is_diff = spec.name == "diff"
    key = f"d,{number}" if is_diff else str(number)
    return _binding(key, f"tab({spec.name!r})", spec.title, spec.tooltip, show=is_diff)


EXPLORER_BINDINGS = (
    _binding("slash", "filter", "Filter", FILTER_HELP),
    _binding("s", "sort", "Sort", "Next order: graph, operation, size, time, regret, loss", show=True),
    *(_tab_binding(at, spec) for at, spec in enumerate(TABS, start=1)),
    *BENCH_BINDINGS,
    *PICK_BINDINGS,
    BENCH_ALL_BINDING,
    _binding("m", "mark", "Mark", "Remember this sub-kernel, to compare another one with it", show=True),
    _binding("y", "copy", "Copy", "Copy what the tab shows", show=True),
    _binding("e", "edit", "Edit", "Open the file in $VISUAL or $EDITOR", show=True),
    _binding("f", "follow", "Follow", "Watch the place while a program compiles, or stop watching"),
    _binding("plus,equals_sign,ctrl+right", "divide(1)", "Wider list", "Move the divider right or down"),
    _binding("minus,ctrl+left", "divide(-1)", "Narrower list", "Move the divider left or up"),
    _binding("backslash", "sidebar", "Hide/show list", "Give the whole screen to the tab, or take it back"),
    _binding("exclamation_mark", "problems", "Problems", "What in this place could not be used, and why"),
    _binding("r", "retry", "Try again", "Open the place again"),
    _binding("escape", "to_list", "To the list", "Leave the tab for the list", show=True),
    _binding("question_mark,f1", "help", "Help", "All keys, signs and words", show=True),
)
