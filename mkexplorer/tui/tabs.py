"""Which tabs there are. A tab's module is imported, and its widget made, only when it is first shown."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from textual.widget import Widget

if TYPE_CHECKING:
    from mkexplorer.tui.bench_state import BenchState
    from mkexplorer.tui.selection import Selection


class Tab(Protocol):
    """What every tab is besides a widget."""

    selection: Selection | None


@runtime_checkable
class ShowsBench(Protocol):
    """A tab that also shows how the measurements stand."""

    bench: BenchState


@dataclass(frozen=True, slots=True)
class TabSpec:
    name: str
    title: str
    tooltip: str
    module: str
    class_name: str

    def build(self) -> Widget:
        return cast(Widget, getattr(import_module(self.module), self.class_name)())


TABS = (
    TabSpec("source", "Source", "The Triton source of a sub-kernel", "mkexplorer.tui.source_tab", "SourceTab"),
    TabSpec("diff", "Diff", "Compare with the marked or another sub-kernel", "mkexplorer.tui.diff_tab", "DiffTab"),
    TabSpec("ir", "IR", "What Triton made of it: TTIR to SASS", "mkexplorer.tui.ir_tab", "IrTab"),
    TabSpec("benchmark", "Benchmark", "Which sub-kernel is faster, by how much, and how sure that is",
            "mkexplorer.tui.benchmark_tab", "BenchmarkTab"),
    TabSpec("wrapper", "Wrapper", "The whole module that torch generated", "mkexplorer.tui.wrapper_tab", "WrapperTab"),
    TabSpec("details", "Details", "Everything known, and from where", "mkexplorer.tui.details_tab", "DetailsTab"),
)  # fmt: skip
