"""Painting lines of code: which of a text's lines have colours already, and the segments a line is drawn with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.cache import LRUCache
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget

from mkexplorer_widgets import highlight
from mkexplorer_widgets.code_document import CodeDocument, Piece, ShownLine
from mkexplorer_widgets.highlight import BLOCK, Span

Mark = tuple[int, int, RichStyle]
_Styled = tuple[int, int, RichStyle | None]

_KEPT_BLOCKS = 64
_KEPT_LINES = 1_024


class ColouredText:
    """The shown lines of a document, and the colours of those blocks that were lexed."""

    def __init__(self, document: CodeDocument) -> None:
        self.document = document
        self._lines: LRUCache[int, ShownLine] = LRUCache(_KEPT_LINES)
        self._blocks: LRUCache[int, list[list[Span]]] = LRUCache(_KEPT_BLOCKS)

    def line(self, number: int) -> ShownLine:
        if (line := self._lines.get(number)) is None:
            line = self._lines[number] = ShownLine(self.document.lines[number])
        return line

    def spans(self, number: int) -> list[Span] | None:
        """The colours of a line, or None where it was not lexed yet."""
        block = self._blocks.get(number // BLOCK)
        return None if block is None else block[number % BLOCK]

    def next_block(self, first: int, last: int) -> int | None:
        """The block to lex next while lines ``first`` to ``last`` are seen: a seen one, else one right beside them."""
        if self.document.language == "text" or not self.document.lines:
            return None
        begin, end, last_block = first // BLOCK, last // BLOCK, (len(self.document.lines) - 1) // BLOCK
        candidates: list[int] = [*range(begin, end + 1), end + 1, begin - 1]
        for block in candidates:
            if 0 <= block <= last_block and block not in self._blocks:
                return block
        return None

    def lex(self, block: int) -> Iterator[None]:
        """Lex one block in steps of a line; the colours are there after the last step."""
        lines, language = self.document.lines, self.document.language
        start = highlight.block_start(lines, block, language)
        shown = [self.line(number).text for number in range(start, min((block + 1) * BLOCK, len(lines)))]
        found: list[list[Span]] = []
        for spans in highlight.iter_spans(shown, language):
            found.append(spans)
            yield
        self._blocks[block] = found[block * BLOCK - start :]


@dataclass(frozen=True, slots=True)
class Palette:
    """The styles of a view in its theme's colours. It is to be made anew after a style update."""

    tokens: dict[str, RichStyle]
    text: RichStyle
    cursor: RichStyle
    gutter: RichStyle
    cursor_gutter: RichStyle
    match: RichStyle
    current_match: RichStyle
    selection: RichStyle

    @classmethod
    def of_view(cls, view: Widget) -> Palette:
        def style(*components: str) -> RichStyle:
            return view.get_visual_style(*(f"code-view--{component}" for component in components)).rich_style

        return cls(
            tokens=token_styles(view),
            text=style(),
            cursor=style("cursor"),
            gutter=style("gutter"),
            cursor_gutter=style("cursor", "cursor-gutter"),
            match=style("match"),
            current_match=style("current-match"),
            selection=view.selection_style,
        )


def token_styles(widget: Widget) -> dict[str, RichStyle]:
    """The styles of `highlight.STYLES` in the theme's colours, seen on the widget's background but without one."""
    background = widget.visual_style.background_style
    return {name: _foreground(background + Style.parse(text)) for name, text in highlight.STYLES.items()}


def _foreground(style: Style) -> RichStyle:
    rich_style = style.rich_style
    return RichStyle(color=rich_style.color, bold=rich_style.bold, italic=rich_style.italic)


def segments(
    line: ShownLine, piece: Piece, spans: Sequence[Span], styles: dict[str, RichStyle], marks: Sequence[Mark] = ()
) -> list[Segment]:
    """A piece of a line as segments. ``marks`` (shown columns, style) go on top, later ones over earlier ones."""
    styled: list[_Styled] = []
    position = piece.start
    for start, end, name in spans:
        if end <= position:
            continue
        if start >= piece.end:
            break
        if start > position:
            styled.append((position, start, None))
        styled.append((max(start, position), min(end, piece.end), styles[name]))
        position = min(end, piece.end)
    if position < piece.end:
        styled.append((position, piece.end, None))
    for layer in _layers(marks):
        styled = list(_overlay(styled, layer))
    text = line.text
    drawn = [Segment(text[start:end], style) for start, end, style in styled]
    if piece.left:
        drawn.insert(0, Segment(" " * piece.left))
    if piece.right:
        drawn.append(Segment(" " * piece.right))
    return drawn


def with_offsets(line: ShownLine, piece: Piece, number: int, gutter_width: int) -> Strip:
    """A row whose cells tell the mouse which shown column (and line) they are of; the gutter stands for the first."""
    text = line.text[piece.start : piece.end]
    at_start = RichStyle.from_meta({"offset": (piece.start, number)})
    return Strip([*([Segment(" ", at_start)] * (gutter_width + piece.left)), Segment(text, at_start)])


def _layers(marks: Sequence[Mark]) -> list[list[Mark]]:
    """The marks in runs of which each goes from left to right without overlap."""
    layers: list[list[Mark]] = []
    for mark in marks:
        if not layers or mark[0] < layers[-1][-1][1]:
            layers.append([])
        layers[-1].append(mark)
    return layers


def _overlay(styled: list[_Styled], layer: list[Mark]) -> Iterator[_Styled]:
    """Both in one pass: a line may have as many matches as characters."""
    at = 0
    for start, end, style in styled:
        while start < end:
            while at < len(layer) and layer[at][1] <= start:
                at += 1
            if at == len(layer) or layer[at][0] >= end:
                yield start, end, style
                break
            mark_start, mark_end, mark_style = layer[at]
            if start < mark_start:
                yield start, mark_start, style
                start = mark_start
            stop = min(end, mark_end)
            yield start, stop, mark_style if style is None else style + mark_style
            start = stop
