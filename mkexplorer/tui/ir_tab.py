"""The tab that shows what Triton made of a sub-kernel: every stage of every compiled configuration."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import CompiledConfig, MultiKernel, SubKernel
from mkexplorer.report.configurations import best_config, config_text, nothing_compiled
from mkexplorer.tui.chip_bar import ChipBar
from mkexplorer.tui.choice import ChoiceDialog
from mkexplorer.tui.comparison import (
    METADATA,
    STAGES,
    Subject,
    read,
    subject_text,
    won_text,
)
from mkexplorer.tui.diff_panel import DiffPanel, SideName
from mkexplorer.tui.diff_tab import sub_kernels_of, subject_row
from mkexplorer.tui.messages import CopyRequested, EditRequested
from mkexplorer.tui.selection import Selection
from mkexplorer.tui.sentence import Sentence
from mkexplorer_widgets.code_document import CodeDocument
from mkexplorer_widgets.code_pane import CodePane
from mkexplorer_widgets.outline import Cell, OutlineRow
from mkexplorer_widgets.plain_text import visible

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog


class ConfigLine(Static):
    """Which configuration is shown; a click goes to the next one."""

    DEFAULT_CSS = """
    ConfigLine { height: 1; padding: 0 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    ConfigLine:hover { background: $boost; }
    """

    class Clicked(Message):
        pass

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.post_message(self.Clicked())


class IrTab(Vertical):
    """Follows ``selection``. The stage stays when another sub-kernel is chosen; the configuration is its best one."""

    HELP = """\
What Triton made of the sub-kernel. `i` `I` go through the stages, `o` `O` through the compiled configurations; the
one that won is shown first. `a` compares with another stage, configuration or sub-kernel; `esc` ends that.
SASS is read from the cubin by `cuobjdump` or `nvdisasm`, which Triton brings.
"""
    BINDING_GROUP_TITLE = "IR"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "stage(1)", "Stage", id="ir.stage", tooltip="The next stage: ttir, ttgir, llir, ptx, sass"),
        Binding("I", "stage(-1)", "Stage back", show=False, id="ir.stage_back", tooltip="The stage before"),
        Binding("o", "config(1)", "Configuration", id="ir.config", tooltip="The next compiled configuration"),
        Binding("O", "config(-1)", "Configuration back", show=False, id="ir.config_back", tooltip="The one before"),
        Binding("a", "against", "Diff against…", id="ir.against",
                tooltip="Compare with another stage, configuration or sub-kernel"),
        Binding("escape", "back", "Back", id="ir.back", tooltip="End the comparison"),
        Binding("y", "copy", "Copy", show=False, id="ir.copy", tooltip="Copy the text, or the differences"),
        Binding("e", "edit", "Edit", show=False, id="ir.edit", tooltip="Open the stage's file"),
    ]  # fmt: skip
    DEFAULT_CSS = """
    IrTab {
        DiffPanel { display: none; }
        &.-diff {
            #text, ConfigLine { display: none; }
            DiffPanel { display: block; }
        }
    }
    """

    selection: reactive[Selection | None] = reactive(None)

    @dataclass
    class Read(Message):
        """The configurations of a sub-kernel, and the text of one stage or why there is none."""

        subject: Subject
        configs: tuple[CompiledConfig, ...]
        document: CodeDocument | None
        error: MkexplorerError | OSError | None

    def __init__(self) -> None:
        super().__init__()
        self._subject: Subject | None = None
        self._configs: tuple[CompiledConfig, ...] = ()
        self._document: CodeDocument | None = None
        self._against: Subject | None = None

    def compose(self) -> ComposeResult:
        yield ChipBar(STAGES)
        yield ConfigLine()
        with Vertical(id="text"):
            yield CodePane()
            yield Sentence()

    @property
    def code(self) -> CodePane:
        return self.query_one(CodePane)

    @property
    def sentence(self) -> Sentence:
        return self.query_one("#text Sentence", Sentence)

    @property
    def panel(self) -> DiffPanel:
        return self.query_one(DiffPanel)

    # ------------------------------------------------------------------------------------------------------- reading

    def watch_selection(self, old: Selection | None, new: Selection | None) -> None:
        chosen = _chosen(new)
        if chosen is None:
            self._subject = None
            self._say("Choose a multi-kernel in the list; what Triton made of its sub-kernels appears here.")
            return
        before = self._subject
        stage = before.stage if before is not None else STAGES[0]
        if before is not None and (before.multi_kernel.id, before.sub_kernel) == (chosen[0].id, chosen[1]):
            self._go(replace(before, multi_kernel=chosen[0]))
            return
        self.action_back()
        self._configs = ()
        self._go(Subject(*chosen, stage))

    def _go(self, subject: Subject) -> None:
        """Show another text; the one that is there stays until it is read."""
        self._subject = subject
        self.query_one(ChipBar).chosen = subject.stage
        if self.selection is not None:
            self._read(self.selection.catalog, subject)

    @work(thread=True, exclusive=True, group="ir", exit_on_error=False)
    def _read(self, catalog: Catalog, subject: Subject) -> None:
        configs: tuple[CompiledConfig, ...] = ()
        try:
            configs = catalog.configs(subject.sub_kernel)
            config = subject.config if subject.config in configs else best_config(configs)
            if config is None:
                raise nothing_compiled(catalog.wrapper(subject.multi_kernel), subject.sub_kernel)
            document = read(catalog, replace(subject, config=config))
        except (MkexplorerError, OSError) as error:
            self.post_message(self.Read(subject, configs, None, error))
            return
        self.post_message(self.Read(subject, configs, document, None))

    def on_ir_tab_read(self, event: Read) -> None:
        event.stop()
        if event.subject is not self._subject:
            return
        self._configs, self._document = event.configs, event.document
        config = event.subject.config if event.subject.config in event.configs else best_config(event.configs)
        self._subject = replace(event.subject, config=config)
        self._show_config(config)
        if event.document is None:
            self._say(f"{event.error}.", getattr(event.error, "advice", ""))
        else:
            self.code.view.show(event.document)
            self.sentence.make_way(self.code, self.code.view)
        if self._against is not None:
            self._compare(self._against)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.group == "ir" and event.state is WorkerState.ERROR:
            error = event.worker.error
            self._say(f"Reading failed: {type(error).__name__}: {error}.", "This is a defect of mkexplorer.")

    def _show_config(self, config: CompiledConfig | None) -> None:
        line = self.query_one(ConfigLine)
        kept = dict(config.stages) if config is not None else {}
        usable = {stage for stage in STAGES if stage in kept or (stage == "sass" and "cubin" in kept)}
        self.query_one(ChipBar).usable = frozenset(usable | {METADATA} if config is not None else usable)
        if config is None:
            line.update("")
            return
        at = self._configs.index(config) + 1
        many = f"configuration {at} of {len(self._configs)}" if len(self._configs) > 1 else "the only configuration"
        tone = {True: "$text-success", False: "$text-muted", None: "$text-warning"}[config.won]
        words = Content.assemble(f"{many} · ", (won_text(config), tone), visible(f" · {config_text(config)}"))
        line.update(words)
        line.tooltip = Content(visible(config.won_reason)) if config.won_reason else None

    def _say(self, text: str, advice: str = "") -> None:
        self._document = None
        self.sentence.say(text, advice, self.code)

    # ------------------------------------------------------------------------------------------ stage, configuration

    def action_stage(self, by: int) -> None:
        if self._subject is not None:
            self._to_stage(STAGES[(STAGES.index(self._subject.stage) + by) % len(STAGES)])

    def on_chip_bar_chosen(self, event: ChipBar.Chosen) -> None:
        event.stop()
        self._to_stage(event.name)

    def _to_stage(self, stage: str) -> None:
        """The other side of a comparison of equal stages goes along."""
        if self._subject is None:
            return
        if self._against is not None and self._against.stage == self._subject.stage:
            self._against = replace(self._against, stage=stage)
        self._go(replace(self._subject, stage=stage))

    def action_config(self, by: int) -> None:
        subject = self._subject
        if subject is not None and subject.config in self._configs:
            at = self._configs.index(subject.config) + by
            self._go(replace(subject, config=self._configs[at % len(self._configs)]))

    def on_config_line_clicked(self, event: ConfigLine.Clicked) -> None:
        event.stop()
        self.action_config(1)

    # ----------------------------------------------------------------------------------------------------- comparing

    def action_against(self) -> None:
        """Choose what to compare with."""
        selection, subject = self.selection, self._subject
        if selection is None or subject is None or subject.config is None:
            return
        subjects, rows = _choices(subject, self._configs, sub_kernels_of(selection.catalog, subject.multi_kernel))

        def chosen(key: Hashable) -> None:
            if isinstance(key, int):
                self._compare(subjects[key])

        self.app.push_screen(ChoiceDialog(f"Compare {subject_text(subject)} with:", rows), chosen)

    def on_side_name_clicked(self, event: SideName.Clicked) -> None:
        event.stop()
        self.action_against()

    def _compare(self, other: Subject) -> None:
        if self.selection is None or self._subject is None:
            return
        self._against = other
        was_focused = self.has_focus_within
        if not self.query(DiffPanel):
            self.mount(DiffPanel())
            self.call_after_refresh(self._compare, other)
            return
        self.add_class("-diff")
        self.panel.compare(self.selection.catalog, self._subject, other)
        if was_focused:
            self.panel.take_focus()
        self.refresh_bindings()

    def action_back(self) -> None:
        """End the comparison."""
        if self._against is None:
            return
        self._against = None
        was_focused = self.has_focus_within
        self.remove_class("-diff")
        if was_focused:
            (self.code.view if self.code.display else self.sentence).focus()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "back" or self._against is not None

    # -------------------------------------------------------------------------------------------------- for the screen

    def action_copy(self) -> None:
        if self._against is not None:
            self.panel.action_copy()
        elif self._document is not None and self._subject is not None:
            text = "".join(f"{line}\n" for line in self._document.lines)
            self.post_message(CopyRequested(text, f"the {self._subject.stage} of {self._subject.sub_kernel.name}"))

    def action_edit(self) -> None:
        subject = self._subject
        if subject is None or subject.config is None:
            return
        path = dict(subject.config.stages).get(subject.stage)
        if path is not None:
            self.post_message(EditRequested(path, self.code.view.cursor_line + 1))


def _chosen(selection: Selection | None) -> tuple[MultiKernel, SubKernel] | None:
    """The sub-kernel under the cursor; of a multi-kernel's own row the picked or the first one."""
    if selection is None or selection.multi_kernel is None:
        return None
    multi_kernel = selection.multi_kernel
    if selection.sub_kernel is not None:
        return multi_kernel, selection.sub_kernel
    picked = selection.picked
    subs = multi_kernel.sub_kernels
    sub = next((sub for sub in subs if sub.index == picked), subs[0] if subs else None)
    return None if sub is None else (multi_kernel, sub)


def _choices(
    subject: Subject, configs: tuple[CompiledConfig, ...], sub_kernels: list[Subject]
) -> tuple[list[Subject], list[OutlineRow]]:
    """What a text can be compared with: other configurations, other stages, other sub-kernels; and their rows."""
    subjects: list[Subject] = []
    rows: list[OutlineRow] = []
    for config in configs:
        if config != subject.config:
            words = Cell(f"{config_text(config)} · {won_text(config)}")
            rows.append(OutlineRow(len(subjects), 0, (Cell("this kernel", "strong"), Cell("configuration"), words)))
            subjects.append(replace(subject, config=config))
    for stage in STAGES:
        if stage != subject.stage:
            rows.append(OutlineRow(len(subjects), 0, (Cell("this kernel", "strong"), Cell("stage"), Cell(stage))))
            subjects.append(replace(subject, stage=stage))
    for other in sub_kernels:
        if (other.multi_kernel.id, other.sub_kernel.index) != (subject.multi_kernel.id, subject.sub_kernel.index):
            rows.append(subject_row(len(subjects), other))
            subjects.append(replace(other, stage=subject.stage))
    return subjects, rows
