"""What each command does: open the place, ask the core, print what the report says."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.catalog.errors import MkexplorerError, UnknownId
from mkexplorer.catalog.model import SubKernel
from mkexplorer.cli.books import read_book
from mkexplorer.cli.options import STAGES
from mkexplorer.cli.parser import Given, did_you_mean
from mkexplorer.cli.targets import SOURCE, Target, find_target, text_of, with_sub_kernel
from mkexplorer.cli.terminal import is_interactive, look_of, put, put_json, tell
from mkexplorer.report import as_json, as_text, rows
from mkexplorer_widgets.lexers import language_of
from mkexplorer_widgets.plain_text import split_lines, visible

FOUND, NOT_FOUND, DIFFERENT = 0, 1, 1


def run(given: Given) -> int:
    """Run the command and return the exit code."""
    return _COMMANDS[given.command](given)


def _open(given: Given) -> int:
    if not is_interactive():
        return _list(given)
    from mkexplorer.tui.app import run as run_app

    return run_app(given.place, sample=given.sample, theme=given.theme, follow=given.follow)


def _list(given: Given) -> int:
    catalog = open_catalog(_place(given))
    book = read_book(given, catalog)
    graphs = rows.filter_rows(rows.graph_rows(catalog, book), given.filter)
    graphs = rows.sort_rows(graphs, rows.Order(given.sort))
    if given.json:
        put_json(as_json.listing(book, graphs))
    elif graphs:
        look = look_of(sys.stdout, given.color)
        summary = " · ".join(
            part for part in (rows.counts_text(rows.count(graphs)), rows.machine_text(catalog)) if part
        )
        put([*as_text.table(graphs, look), "", as_text.one_line(summary)])
    tell(as_text.diagnostic(found) for found in catalog.diagnostics)
    tell(rows.unknown_picks(graphs))
    tell(as_text.environment_note(note) for note in book.environment)
    if graphs:
        return FOUND
    if catalog.multi_kernels:
        tell([f"No multi-kernel holds {given.filter!r}; there are {len(catalog.multi_kernels)}."])
    else:
        tell([f"No multi-kernels in {catalog.place.path} ({catalog.place.kind.value}).", _HOW_TO_MAKE_ONE])
    return NOT_FOUND


_HOW_TO_MAKE_ONE = "torch.compile makes them with TORCHINDUCTOR_MULTI_KERNEL=1; --sample shows what that looks like."


def _show(given: Given) -> int:
    catalog = open_catalog(_place(given))
    try:
        target = find_target(catalog, given.targets[0], given.sub)
    except UnknownId as error:
        tell([f"mkexplorer: {error.message}", error.advice])
        return NOT_FOUND
    book = read_book(given, catalog)
    evidence = catalog.evidence(target.multi_kernel)
    row = rows.multi_kernel_row(target.multi_kernel, evidence, book.of(target.multi_kernel))
    if target.sub_kernel is None and given.stage is None and not given.json:
        from mkexplorer.report.details import details, without_repeats

        sections = without_repeats(details(catalog, row, book.environment), len(row.sub_kernels))
        put(as_text.details(sections, look_of(sys.stdout, given.color)))
        return FOUND
    stage = given.stage or SOURCE
    target = with_sub_kernel(target, book)
    text = _text(catalog, target, stage)
    if given.json:
        put_json(as_json.shown(catalog, row, _sub_kernel(target), stage, text))
    else:
        put(_coloured(text, stage, given.color))
    return FOUND


def _diff(given: Given) -> int:
    from mkexplorer.analysis.diff import diff_lines, unified_text

    catalog = open_catalog(_place(given))
    left, right = _sides(given, catalog)
    stage = given.stage or SOURCE
    texts = [_text(catalog, side, stage) for side in (left, right)]
    if given.normalize:
        from mkexplorer.analysis.normalize import even_out

        texts = [even_out(text, _language(stage)) for text in texts]
    lines = (split_lines(texts[0]), split_lines(texts[1]))
    if given.json:
        sides = ((left.multi_kernel, _sub_kernel(left)), (right.multi_kernel, _sub_kernel(right)))
        changes = diff_lines(*lines)
        put_json(as_json.difference(catalog.place.path, sides, lines, changes, stage=stage, normalized=given.normalize))
    else:
        names = (_side_name(left, stage), _side_name(right, stage))
        put(as_text.difference(unified_text(*lines, *names), look_of(sys.stdout, given.color)))
    return FOUND if lines[0] == lines[1] else DIFFERENT


def _sides(given: Given, catalog: Catalog) -> tuple[Target, Target]:
    texts = given.targets
    first = find_target(catalog, texts[0])
    if len(texts) == 2:
        second = find_target(catalog, texts[1])
        if first.sub_kernel and second.sub_kernel:
            return first, second
        book = read_book(given, catalog)
        return with_sub_kernel(first, book), with_sub_kernel(second, book)
    if first.sub_kernel is not None:
        raise MkexplorerError(f"{texts[0]} is one sub-kernel", "Give the id alone, or a second one to compare it with.")
    if len(first.multi_kernel.sub_kernels) < 2:
        raise MkexplorerError(f"{first.multi_kernel.id} has no two sub-kernels to compare", "Give a second id.")
    zero, one = first.multi_kernel.sub_kernels[:2]
    return Target(first.multi_kernel, zero), Target(first.multi_kernel, one)


def _export(given: Given) -> int:
    from mkexplorer.catalog.export import export_bundle

    catalog = open_catalog(_place(given))
    chosen = [catalog.find(text) for text in given.only] or list(catalog.multi_kernels)
    if not chosen:
        tell([f"No multi-kernels in {catalog.place.path}: nothing to export."])
        return NOT_FOUND
    export_bundle(catalog, given.output, chosen)
    size = os.path.getsize(given.output)
    if given.json:
        put_json(as_json.exported(given.output, size, len(chosen)))
    else:
        noun = "multi-kernel" if len(chosen) == 1 else "multi-kernels"
        put([visible(f"{given.output}: {len(chosen)} {noun}, {size / 1e6:.2f} MB")])
    return FOUND


def _completion(given: Given) -> int:
    import shtab

    from mkexplorer.cli.parser import make_parser

    parser, commands = make_parser()
    for command in commands.values():
        for action in command._actions:  # argparse has no other way to reach them, and shtab reads them so too
            if action.metavar in ("PLACE", "FILE"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # the attribute that shtab looks for
    put([shtab.complete(parser, given.shell)])
    return FOUND


def _with_picks(given: Given) -> int:
    from mkexplorer.cli.pick_commands import COMMANDS

    return COMMANDS[given.command](given, open_catalog(_place(given)))


def _doctor(given: Given) -> int:
    from mkexplorer.cli.doctor import examine

    return examine(given, _place(given))


_COMMANDS: Mapping[str, Callable[[Given], int]] = {
    "open": _open,
    "list": _list,
    "show": _show,
    "diff": _diff,
    "pin": _with_picks,
    "clear": _with_picks,
    "undo": _with_picks,
    "history": _with_picks,
    "picks export": _with_picks,
    "picks apply": _with_picks,
    "doctor": _doctor,
    "export": _export,
    "completion": _completion,
}


def _place(given: Given) -> str | None:
    if not given.sample:
        return given.place
    from mkexplorer.catalog.places import sample_path

    return str(sample_path())


def _text(catalog: Catalog, target: Target, stage: str) -> str:
    try:
        return text_of(catalog, target, stage)
    except MkexplorerError as error:
        meant = did_you_mean(stage, STAGES) if stage not in STAGES and stage != SOURCE else ""
        raise MkexplorerError(f"{error.message}{meant}", error.advice) from error


def _sub_kernel(target: Target) -> SubKernel:
    assert target.sub_kernel is not None
    return target.sub_kernel


def _side_name(target: Target, stage: str) -> str:
    sub = _sub_kernel(target)
    return f"{target.multi_kernel.id}:{sub.index} {sub.kind.value} {sub.name} ({stage})"


def _coloured(text: str, stage: str, color: str) -> Iterable[str]:
    lines = split_lines(visible(text))
    look = look_of(sys.stdout, color)
    if not look.colour:
        return lines
    from mkexplorer_widgets.highlight import iter_spans

    spans = iter_spans(lines, _language(stage))
    return (as_text.coloured(line, found, look) for line, found in zip(lines, spans, strict=True))


def _language(stage: str) -> str:
    return "python" if stage == SOURCE else language_of(stage)
