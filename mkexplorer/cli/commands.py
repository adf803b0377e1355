"""What each command does: open the place, ask the core, print what the report says."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import SubKernel
from mkexplorer.cli.books import read_book
from mkexplorer.cli.parser import Given, did_you_mean
from mkexplorer.cli.targets import SOURCE, Target, configuration_of, find_target, text_of, with_sub_kernel
from mkexplorer.cli.terminal import look_of, put, put_json, tell
from mkexplorer.report import as_json, as_text, rows
from mkexplorer.report.configurations import best_config
from mkexplorer.report.stages import STAGES
from mkexplorer_widgets.lexers import language_of
from mkexplorer_widgets.plain_text import split_lines, visible

FOUND, NOT_FOUND, DIFFERENT = 0, 1, 1


def run(given: Given) -> int:
    """Run the command and return the exit code."""
    return _COMMANDS[given.command](given)


def _list(given: Given) -> int:
    catalog = open_catalog(_place(given))
    book = read_book(given, catalog)
    graphs = rows.filter_rows(rows.graph_rows(catalog, book), given.filter)
    graphs = rows.sort_rows(graphs, rows.Order(given.sort))
    if given.json:
        put_json(as_json.listing(book, graphs))
    elif graphs:
        look = look_of(sys.stdout, given.color)
        counts = rows.count(graphs)
        said = (rows.counts_text(counts), rows.loss_text(counts.loss_us))
        machine = as_text.one_line(rows.machine_text(catalog))
        summary = (" · ".join(part for part in said if part), *([machine] if machine else []))
        put([*as_text.table(graphs, look), "", *summary])
    tell(as_text.diagnostic(found, catalog.place) for found in catalog.diagnostics)
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
    target = find_target(catalog, given.targets[0], given.sub)
    book = read_book(given, catalog)
    evidence = catalog.evidence(target.multi_kernel)
    row = rows.multi_kernel_row(target.multi_kernel, evidence, book.of(target.multi_kernel))
    if given.resources:
        from mkexplorer.cli.bench_commands import show_resources

        return show_resources(given, catalog, row)
    if target.sub_kernel is None and given.stage is None:
        if given.json:
            put_json(as_json.shown(catalog, row))
            return FOUND
        from mkexplorer.report.details import details, without_repeats

        sections = without_repeats(details(catalog, row, book.environment), len(row.sub_kernels))
        put(as_text.details(sections, look_of(sys.stdout, given.color)))
        return FOUND
    stage = given.stage or SOURCE
    target = with_sub_kernel(target, book)
    text = _text(catalog, target, stage)
    if given.json:
        shown = as_json.Shown(_sub_kernel(target), stage, text, _configuration_hash(catalog, target, stage))
        put_json(as_json.shown(catalog, row, shown))
    else:
        put(_coloured(text, stage, given.color))
    return FOUND


def _diff(given: Given) -> int:
    from mkexplorer.analysis.diff import diff_lines, unified_text

    catalog = open_catalog(_place(given))
    left, right = _sides(given, catalog)
    stage = given.stage or SOURCE
    lines = (split_lines(_text(catalog, left, stage)), split_lines(_text(catalog, right, stage)))
    numbers: tuple[Sequence[int], Sequence[int]] = (range(len(lines[0])), range(len(lines[1])))
    if given.normalize:
        from mkexplorer.analysis.normalize import even_out_pair

        evened = even_out_pair(*lines, _language(stage))
        lines = (list(evened[0].lines), list(evened[1].lines))
        numbers = (evened[0].numbers, evened[1].numbers)
    if given.json:
        sides = ((left.multi_kernel, _sub_kernel(left)), (right.multi_kernel, _sub_kernel(right)))
        changes = diff_lines(*lines)
        put_json(
            as_json.difference(
                catalog.place.path, sides, lines, numbers, changes, stage=stage, normalized=given.normalize
            )
        )
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
            if action.metavar == "STAGE":
                action.choices = STAGES  # to propose; any other stage that is kept can be typed too
    put([_with_places(shtab.complete(parser, given.shell), given.shell)])
    return FOUND


def _with_picks(given: Given) -> int:
    from mkexplorer.cli.pick_commands import COMMANDS

    return COMMANDS[given.command](given, open_catalog(_place(given)))


def _measuring(given: Given) -> int:
    from mkexplorer.cli.bench_commands import COMMANDS

    return COMMANDS[given.command](given, open_catalog(_place(given)))


def _doctor(given: Given) -> int:
    from mkexplorer.cli.doctor import examine

    return examine(given, _place(given))


def _with_places(script: str, shell: str) -> str:
    """Where a command stands, a place can stand too; shtab proposes commands only."""
    if shell == "bash":
        return f"{script}\n_shtab_mkexplorer_pos_0_COMPGEN=_shtab_compgen_files"
    if shell == "fish":
        paths = "(__fish_complete_path (commandline -ct))"
        return f"{script}\ncomplete -c mkexplorer -n __fish_use_subcommand -ka '{paths}'"
    commands = "  _describe 'mkexplorer commands' _commands\n"
    return script.replace(commands, f"{commands}  _files\n")


_COMMANDS: Mapping[str, Callable[[Given], int]] = {
    "open": _list,  # where there is no terminal for the app
    "list": _list,
    "show": _show,
    "diff": _diff,
    "bench": _measuring,
    "audit": _measuring,
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
        text = text_of(catalog, target, stage)
    except MkexplorerError as error:
        meant = did_you_mean(stage, STAGES) if stage not in STAGES and stage != SOURCE else ""
        raise MkexplorerError(f"{error.message}{meant}", error.advice) from error
    if stage != SOURCE and not target.config:
        _tell_of_guess(catalog, target)
    return text


def _tell_of_guess(catalog: Catalog, target: Target) -> None:
    """Say so where the text is of a configuration that is not known to have won."""
    sub = _sub_kernel(target)
    configs = catalog.configs(sub)
    config = best_config(configs)
    if config is not None and not config.won:
        name = f"{target.multi_kernel.id}:{sub.index}"
        which = f"this is {config.hash[:8]}, the first of {len(configs)}; `mkexplorer show {name} --json` lists them"
        tell([f"{name}: which configuration won is not recorded: {which}."])


def _configuration_hash(catalog: Catalog, target: Target, stage: str) -> str | None:
    return None if stage == SOURCE else configuration_of(catalog, target, _sub_kernel(target)).hash


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
