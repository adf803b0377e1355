"""The last line: the keys of the moment, each whole or not at all, the ways out always."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

# They stand last, and give way to nothing.
KEPT = ("escape", "question_mark", "f1", "q")  # in a field ? is a letter, and f1 helps
PALETTE_CLASS = "-command-palette"


class KeyFooter(Footer):
    """Textual's footer, which cuts off what does not fit, with whole entries only."""

    def __init__(self) -> None:
        super().__init__(compact=True)

    def compose(self) -> ComposeResult:
        keys = [widget for widget in super().compose() if isinstance(widget, FooterKey)]
        yield from fitting(keys, self.size.width)

    async def on_resize(self, event: events.Resize) -> None:
        await self.recompose()


def fitting(keys: Sequence[FooterKey], width: int) -> Iterable[Widget]:
    """Return as many ``keys`` as ``width`` cells hold: first those that are kept, then the palette's, then the rest."""
    kept = [key for key in keys if key.key in KEPT]
    palette = [key for key in keys if key.has_class(PALETTE_CLASS)]
    others = [key for key in keys if key not in kept and key not in palette]
    room = width - sum(map(_width, kept))
    if palette and _width(palette[0]) <= room:
        room -= _width(palette[0])
    else:
        palette = []
    shown = []
    for key in others:
        room -= _width(key)
        if room < 0:
            break
        shown.append(key)
    return [*shown, *sorted(kept, key=lambda key: KEPT.index(key.key)), *palette]


def _width(key: FooterKey) -> int:
    """Key, space, description, and the gap to the next one (or the palette's rule)."""
    return cell_len(key.key_display) + 1 + cell_len(key.description) + 1
