"""Pages over the screen that ask before picks change: which sub-kernel to pin, and whether to do what is planned."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from mkexplorer.report import bench_text
from mkexplorer.report.rows import MultiKernelRow, SubKernelRow, time_text
from mkexplorer_widgets.outline import Cell, Outline, OutlineRow
from mkexplorer_widgets.plain_text import visible


class PinDialog(ModalScreen[int | None]):
    """Dismissed with the index of the sub-kernel to pin, or with None. The fastest comes first."""

    DEFAULT_CSS = """
    PinDialog {
        align: center middle;
        Vertical {
            width: 90%;
            max-width: 76;
            height: auto;
            max-height: 90%;
            padding: 1 2;
            border: round $primary;
            background: $surface;
            border-title-color: $text-primary;
            border-subtitle-color: $text-muted;
        }
        Outline { height: auto; max-height: 12; }
        Static { margin-top: 1; color: $foreground 60%; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", id="pin.close", tooltip="Back without a change"),
        *(Binding(str(n), f"choose({n})", f"Pin {n}", show=False, id=f"pin.choose_{n}") for n in range(10)),
    ]

    def __init__(self, row: MultiKernelRow) -> None:
        super().__init__()
        self._row = row

    def compose(self) -> ComposeResult:
        with Vertical() as page:
            page.border_title = Content(visible(f"Pin {self._row.title} {self._row.shape} {self._row.dtype}".strip()))
            page.border_subtitle = Content("enter or its number pins · esc closes")
            outline = Outline()
            outline.styles.height = min(12, len(self._row.sub_kernels))
            yield outline
            yield Static(self._said())

    def _said(self) -> Content:
        """What was measured, where it was, and what a pin does."""
        effect = Content("Programs that start from now on use it, without measuring.")
        found = self._row.measurement
        if found is None:
            return effect
        said = bench_text.verdict_sentence(self._row.multi_kernel, found)
        return Content.assemble((f"{visible(said)}.".replace("\n", " "), "$foreground"), "\n", effect)

    def on_mount(self) -> None:
        self.query_one(Outline).set_rows([_row(sub) for sub in fastest_first(self._row)])

    def action_choose(self, index: int) -> None:
        if any(sub.sub_kernel.index == index for sub in self._row.sub_kernels):
            self.dismiss(index)

    def on_outline_selected(self, event: Outline.Selected) -> None:
        event.stop()
        assert isinstance(event.key, int)
        self.dismiss(event.key)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(None)


class ConfirmDialog(ModalScreen[bool]):
    """Shows what is going to happen; dismissed with True only by y or its button."""

    DEFAULT_CSS = """
    ConfirmDialog {
        align: center middle;
        Vertical {
            width: 90%;
            max-width: 100;
            height: auto;
            max-height: 90%;
            padding: 1 2;
            border: round $warning;
            background: $surface;
            border-title-color: $text-warning;
            border-subtitle-color: $text-muted;
        }
        VerticalScroll { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
        Horizontal { height: 1; margin-top: 1; dock: bottom; }
        Button { margin-right: 2; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "Yes", id="confirm.yes", tooltip="Do it"),
        Binding("n,escape,q", "dismiss(False)", "No", id="confirm.no", tooltip="Change nothing"),
        *(
            Binding(key, f"scroll({way!r})", way.replace("_", " ").capitalize(), show=False, id=f"confirm.{way}")
            for key, way in (("up,k", "up"), ("down,j", "down"), ("pageup", "page_up"), ("pagedown", "page_down"))
        ),
    ]

    def __init__(self, heading: str, content: Content) -> None:
        super().__init__()
        self._heading = heading
        self._content = content

    def compose(self) -> ComposeResult:
        with Vertical() as page:
            page.border_title = Content(visible(f"{self._heading}?"))
            page.border_subtitle = Content("y does it · esc changes nothing")
            with VerticalScroll(can_focus=False):
                yield Static(self._content)
            with Horizontal():
                yield Button("Yes (y)", id="yes", variant="warning", compact=True)
                yield Button("No (esc)", id="no", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no", Button).focus()

    def action_scroll(self, way: str) -> None:
        getattr(self.query_one(VerticalScroll), f"scroll_{way}")(animate=False)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(event.button.id == "yes")

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(False)


def fastest_first(row: MultiKernelRow) -> list[SubKernelRow]:
    """The surely fastest, then by time; what was not measured last."""

    def key(sub: SubKernelRow) -> tuple[bool, float, int]:
        return not sub.fastest, sub.time_us if sub.time_us is not None else float("inf"), sub.sub_kernel.index

    return sorted(row.sub_kernels, key=key)


def _row(sub: SubKernelRow) -> OutlineRow:
    cells = (
        Cell(f"{sub.sub_kernel.index} {sub.sub_kernel.kind.value}", "strong"),
        Cell(time_text(sub.time_us)),
        Cell(sub.note, "good" if sub.fastest else "plain"),
        Cell(sub.sub_kernel.name, "dim"),
    )
    return OutlineRow(sub.sub_kernel.index, 0, cells)
