"""What can be compared with what: a sub-kernel's source, or one stage of one of its compiled configurations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mkexplorer.analysis.diff import (
    Change,
    Row,
    Totals,
    diff_lines,
    split_rows,
    totals,
    unified_lines,
    unified_rows,
    word_marks,
)
from mkexplorer.analysis.normalize import Evened, even_out_pair
from mkexplorer.catalog.model import CompiledConfig, MultiKernel, SubKernel
from mkexplorer.report.configurations import best_config, config_text, no_source, nothing_compiled
from mkexplorer.report.stages import STAGES as TEXT_STAGES
from mkexplorer.report.titles import dtype_text, shape_text, title
from mkexplorer.tui.source_tab import FIRST_NUMBER
from mkexplorer_widgets.code_document import CodeDocument
from mkexplorer_widgets.diff_document import DiffDocument, DiffRow, widest_line
from mkexplorer_widgets.lexers import language_of
from mkexplorer_widgets.plain_text import split_lines

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog
    from mkexplorer.tui.selection import Selection

SOURCE = "source"
METADATA = "metadata"
STAGES = (*TEXT_STAGES, METADATA)

CONTEXT = 3


@dataclass(frozen=True, slots=True)
class Subject:
    """One text to look at. ``config`` None stands for the configuration that won (the first where none is known to)."""

    multi_kernel: MultiKernel
    sub_kernel: SubKernel
    stage: str = SOURCE
    config: CompiledConfig | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """``left`` and ``right`` with the configurations that were read; ``document`` is what the view shows."""

    left: Subject
    right: Subject
    document: DiffDocument
    totals: Totals
    changes: tuple[Change, ...]

    def patch(self) -> str:
        """The same as text."""
        names = subject_text(self.left, self.right), subject_text(self.right, self.left)
        lines = unified_lines(self.changes, self.document.left.lines, self.document.right.lines, *names, CONTEXT)
        return "".join(f"{line}\n" for line in lines)


def default_pair(selection: Selection) -> tuple[Subject, Subject] | None:
    """What a selection is about: the marked sub-kernel and this one; else the picked one and this one; else 0 and 1.

    On a multi-kernel's own row this one is what the other tabs show there. None where there are no two sub-kernels.
    """
    multi_kernel = selection.multi_kernel
    if multi_kernel is None:
        return None
    subs = multi_kernel.sub_kernels
    if not subs:
        return None
    shown = selection.sub_kernel or subs[selection.picked or 0]
    if selection.mark is not None and selection.mark != (multi_kernel, shown):
        return Subject(*selection.mark), Subject(multi_kernel, shown)
    if len(subs) < 2:
        return None
    current = selection.sub_kernel or subs[0]
    other = subs[0] if current.index != subs[0].index else subs[1]
    picked = selection.picked
    if selection.sub_kernel is not None:
        other = next((sub for sub in subs if sub.index == picked != current.index), other)
    first, second = sorted((current, other), key=lambda sub: sub.index)
    return Subject(multi_kernel, first), Subject(multi_kernel, second)


def with_config(catalog: Catalog, subject: Subject) -> Subject:
    """The subject with the configuration that it stands for; raises `MkexplorerError` where nothing is compiled."""
    if subject.stage == SOURCE or subject.config is not None:
        return subject
    config = best_config(catalog.configs(subject.sub_kernel))
    if config is None:
        raise nothing_compiled(catalog.wrapper(subject.multi_kernel), subject.sub_kernel)
    return replace(subject, config=config)


def read(catalog: Catalog, subject: Subject) -> CodeDocument:
    """The text of a subject (one with its configuration); raises `MkexplorerError` where the place has it not."""
    config = subject.config
    if subject.stage == SOURCE or config is None:
        source = catalog.source(subject.multi_kernel, subject.sub_kernel)
        if not source:
            raise no_source(subject.sub_kernel)
        return CodeDocument(split_lines(source), "python", FIRST_NUMBER)
    if subject.stage == METADATA:
        return CodeDocument(config_lines(config), "text", key=(config.hash, METADATA))
    lines = split_lines(catalog.read_stage(config, subject.stage))
    module = next((number for number, line in enumerate(lines) if line.startswith("module")), 0)  # after MLIR's #loc
    return CodeDocument(lines, language_of(subject.stage), key=(config.hash, subject.stage), start=module)


def file_of(catalog: Catalog, subject: Subject, number: int) -> tuple[str, int]:
    """The file that holds a subject's text, relative to the place, and there the line that is shown as ``number``."""
    if subject.stage != SOURCE and subject.config is not None:
        return dict(subject.config.stages).get(subject.stage, subject.config.folder), number
    path = catalog.kernel_path(subject.sub_kernel)
    if path is not None:
        return path, number
    origin = catalog.wrapper(subject.multi_kernel).origin
    return origin.path, subject.sub_kernel.source.first + number - FIRST_NUMBER if origin.ordinal is None else 1


def compare(catalog: Catalog, left: Subject, right: Subject, evened: bool, cancelled: Callable[[], bool]) -> Comparison:
    """Read and compare two subjects; raises `MkexplorerError`, or `DiffCancelled` once ``cancelled`` says so."""
    left, right = with_config(catalog, left), with_config(catalog, right)
    one, other = read(catalog, left), read(catalog, right)
    numbers: tuple[list[int] | None, list[int] | None] = (None, None)
    if evened and _are_alike(one.language, other.language):
        even_one, even_other = even_out_pair(one.lines, other.lines, one.language, cancelled)
        numbers = (_numbers(even_one, one.first_number), _numbers(even_other, other.first_number))
        one, other = CodeDocument(even_one.lines, one.language), CodeDocument(even_other.lines, other.language)
    changes = diff_lines(one.lines, other.lines, cancelled)
    document = DiffDocument(
        one,
        other,
        _plain(split_rows(changes, CONTEXT)),
        _plain(unified_rows(changes, CONTEXT)),
        word_marks,
        widest_line(one.lines, other.lines),
        *numbers,
        key=(left, right, evened),
    )
    return Comparison(left, right, document, totals(changes), changes)


def _plain(rows: Sequence[Row]) -> list[DiffRow]:
    return [(row.kind, row.left, row.right, row.hidden, row.partner) for row in rows]


def _are_alike(language: str, other: str) -> bool:
    mlir = {"ttir", "ttgir"}
    return language == other or {language, other} <= mlir


def _numbers(text: Evened, first: int) -> list[int]:
    return [first + number for number in text.numbers]


# ------------------------------------------------------------------------------------------------------------- words


def subject_text(subject: Subject, other: Subject | None = None) -> str:
    """What a subject is called beside ``other``: first what tells the two apart."""
    sub, stage, config = subject.sub_kernel, subject.stage, subject.config
    facts = [
        (" ".join(filter(None, multi_kernel_words(subject.multi_kernel))), _differ(subject, other, "multi_kernel")),
        (f"{sub.index} {sub.kind.value}", _differ(subject, other, "sub_kernel")),
        (stage, stage != SOURCE and _differ(subject, other, "stage")),
        (config_text(config) if config is not None else "", _differ(subject, other, "config")),
    ]
    telling = [text for text, tells in facts if text and tells]
    same = [text for text, tells in facts[1:] if text and text != SOURCE and not tells]
    return " · ".join([*telling, *same, sub.name])


def _differ(subject: Subject, other: Subject | None, name: str) -> bool:
    return other is None or getattr(subject, name) != getattr(other, name)


def multi_kernel_words(multi_kernel: MultiKernel) -> tuple[str, str, str]:
    return title(multi_kernel), shape_text(multi_kernel), dtype_text(multi_kernel)


def won_text(config: CompiledConfig) -> str:
    if config.won is None:
        return "? whether it won is not recorded"
    return "✓ won" if config.won else "lost"


def config_lines(config: CompiledConfig) -> list[str]:
    """Everything known of a configuration, a line each, so that two can be compared."""
    facts: list[tuple[str, object]] = [
        ("won", {True: "yes", False: "no", None: "not recorded"}[config.won]),
        ("because", config.won_reason),
        *config.block_sizes,
        ("warps", config.num_warps),
        ("stages", config.num_stages),
        ("shared memory, bytes", config.shared_bytes),
        ("target", config.target),
        ("triton", config.triton_version),
        ("kernel file", config.kernel_file),
        ("folder", config.folder),
        ("hash", config.hash),
        *((f"file of {stage}", path) for stage, path in config.stages),
    ]
    return [f"{name + ':':24}{'not recorded' if value in (None, '') else value}" for name, value in facts]
