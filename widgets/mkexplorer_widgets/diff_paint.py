"""Painting rows of a diff: the styles, and the segments of one side of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.strip import Strip
from textual.widget import Widget

from mkexplorer_widgets.code_document import Piece, ShownLine
from mkexplorer_widgets.code_paint import Mark, segments, token_styles
from mkexplorer_widgets.highlight import Span

# The mouse asks which character is under it; a column of the right side is told by this much added to it.
RIGHT = 1 << 30

NO_LINE = "╱"


@dataclass(frozen=True, slots=True)
class Paint:
    """How one kind of line looks: its text, its number and sign, its marked words."""

    sign: str
    text: RichStyle
    gutter: RichStyle
    words: RichStyle


@dataclass(frozen=True, slots=True)
class DiffPalette:
    """The styles of a view in its theme's colours. It is to be made anew after a style update."""

    tokens: dict[str, RichStyle]
    lines: dict[tuple[str, bool], Paint]
    text: RichStyle
    fold: dict[bool, RichStyle]
    empty: RichStyle
    divider: RichStyle
    selection: RichStyle

    @classmethod
    def of_view(cls, view: Widget) -> DiffPalette:
        def style(*components: str, partial: bool = False) -> RichStyle:
            names = (f"diff-view--{component}" for component in components if component)
            return view.get_visual_style(*names, partial=partial).rich_style

        def paint(sign: str, kind: str, cursor: bool) -> Paint:
            over = "cursor" if cursor else ""
            words = style(kind, over, f"{kind}-words") if kind else style(over)
            return Paint(
                sign=sign,
                text=style(kind, over),
                gutter=style(kind, over, f"{kind}-gutter" if kind else "gutter", f"{over}-gutter" if over else ""),
                words=RichStyle(bgcolor=words.bgcolor, underline=words.underline, bold=words.bold),
            )

        signs = {"equal": (" ", ""), "delete": ("-", "deleted"), "insert": ("+", "inserted")}
        return cls(
            tokens=token_styles(view),
            lines={(kind, on): paint(*signs[kind], on) for kind in signs for on in (False, True)},
            text=style(),
            fold={False: style("fold"), True: style("fold", "cursor")},
            empty=style("empty"),
            divider=style("divider"),
            selection=view.selection_style,
        )


def side_segments(
    line: ShownLine, piece: Piece, spans: Sequence[Span], words: Sequence[tuple[int, int]], paint: Paint,
    palette: DiffPalette, selected: tuple[int, int] | None,
) -> list[Segment]:  # fmt: skip
    """The text of one side of a row."""
    marks: list[Mark] = [(start, end, paint.words) for start, end in words]
    if selected is not None:
        marks.append((*selected, palette.selection))
    return list(Segment.apply_style(segments(line, piece, spans, palette.tokens, marks), paint.text))


def offset_strip(line: ShownLine | None, piece: Piece, row: int, base: int, before: int, width: int) -> Strip:
    """Cells that tell the mouse which shown column of a row they are of; the ``before`` ones stand for the first."""
    start = RichStyle.from_meta({"offset": (base + piece.start, row)})
    text = line.text[piece.start : piece.end] if line is not None else ""
    end = RichStyle.from_meta({"offset": (base + piece.start + len(text), row)})
    blank = [Segment(" ", start)] * (before + piece.left)
    filled = Strip([*blank, Segment(text, start)])
    missing = width - filled.cell_length
    return Strip([*filled, *([Segment(" ", end)] * missing)])
