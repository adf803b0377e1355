"""The first line of the screen: what is open, how it fares, on what machine it was made."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from mkexplorer_widgets.plain_text import visible

GAP = "   "
SHORTEST_PLACE, ENOUGH_OF_PLACE = 12, 24


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """``machine`` is 'torch 2.11.0 · NVIDIA H100', ``loss`` 'loses 42.1 µs per run'.

    ``problems`` counts what could not be used in the place. ``doing`` is what goes on in the background;
    ``picks_ignored`` by programs that are started from here; ``unknown_picks`` counts those whose files cannot be told.
    """

    place: str
    counts: str = ""
    machine: str = ""
    problems: int = 0
    following: bool = False
    doing: str = ""
    picks_ignored: bool = False
    unknown_picks: int = 0
    loss: str = ""


def header_content(facts: HeaderFacts, width: int) -> Content:
    """Return the line for ``width`` cells.

    When room is short first the machine goes, then the place's beginning, then what is lost, then that it is followed.
    """
    status = [("● following", "$text-success")] if facts.following else []
    if facts.problems:
        noun = "problem" if facts.problems == 1 else "problems"
        status.insert(0, (f"⚠ {facts.problems} {noun} (!)", "$text-warning"))
    if facts.picks_ignored:
        status.insert(0, ("⚠ picks are ignored (D)", "$text-warning"))
    if facts.doing:
        status.insert(0, (facts.doing, "$text-primary"))
    elif facts.unknown_picks:
        noun = "pick" if facts.unknown_picks == 1 else "picks"
        status.insert(0, (f"{facts.unknown_picks} {noun} unknown (D)", "$text-warning"))
    said = [(text, "") for text in (facts.counts, facts.loss, facts.machine) if text] + status
    room = width - len("mkexplorer" + GAP)
    place = visible(facts.place).replace("\n", " ")
    if facts.machine and cell_len(place) + _length(said) > room:
        said.remove((facts.machine, ""))
    if facts.loss and min(cell_len(place), ENOUGH_OF_PLACE) + _length(said) > room:
        said.remove((facts.loss, ""))
    if facts.following and len(status) > 1 and SHORTEST_PLACE + _length(said) > room:
        said.remove(status[-1])
    place = _shortened(place, max(SHORTEST_PLACE, room - _length(said)))
    parts: list[Content] = [Content.styled("mkexplorer", "bold $text-primary"), Content.styled(place, "bold")]
    if said:
        parts.append(Content(" · ").join([Content.styled(visible(text), style) for text, style in said]))
    return Content(GAP).join(parts)


def _length(said: list[tuple[str, str]]) -> int:
    return sum(cell_len(text) + len(" · ") for text, _ in said)


def _shortened(path: str, width: int) -> str:
    """Keep the end of a path, where places differ."""
    if cell_len(path) <= width:
        return path
    while path and cell_len(path) > width - 1:
        path = path[1:]
    return "…" + path
