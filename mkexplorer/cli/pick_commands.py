"""The commands that change picks, tell what changed them, and carry them to another cache."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import MultiKernel
from mkexplorer.cli.books import read_book
from mkexplorer.cli.changing import CANNOT, DONE, NOTHING, Change, declined, sentence
from mkexplorer.cli.parser import Given
from mkexplorer.cli.targets import find_target, sub_kernel_named
from mkexplorer.cli.terminal import agreed, look_of, put, put_json, tell
from mkexplorer.picks import plans
from mkexplorer.picks.changes import full_id
from mkexplorer.picks.content import contents_of
from mkexplorer.picks.files import read_histories
from mkexplorer.picks.model import PickFile, PickState
from mkexplorer.picks.orphans import find_leftovers
from mkexplorer.picks.travel import match_picks, read_picks, travelling_pick, write_picks
from mkexplorer.report import as_text, picks_json, rows, titles
from mkexplorer.report.changes import (
    Namer,
    history_rows,
    shared_notes,
)


def _pin(given: Given, catalog: Catalog) -> int:
    target = find_target(catalog, given.targets[0])
    multi_kernel, chosen = target.multi_kernel, target.sub_kernel
    if (chosen is None) == (not given.wanted):
        known = ", ".join(f"{each.index} ({each.kind.value} {each.name})" for each in multi_kernel.sub_kernels)
        raise MkexplorerError(f"{multi_kernel.id}: which sub-kernel is to be pinned?", f"Give one of {known}.")
    chosen = chosen or sub_kernel_named(multi_kernel, given.wanted)
    book = read_book(given, catalog)
    plan = plans.pins(book, [(multi_kernel, chosen.index)], given.why)
    tell(shared_notes(book, plan.changes))
    return Change(given, catalog, plan).run(f"{multi_kernel.id}: sub-kernel {chosen.index} is pinned already.")


def _clear(given: Given, catalog: Catalog) -> int:
    if given.which == "leftovers":
        return _clear_leftovers(given, catalog)
    chosen = [catalog.find(text) for text in given.targets]
    book = read_book(given, catalog)
    every = {"all": plans.clears_of_all, "invalid": plans.clears_of_invalid, "orphans": plans.clears_of_orphans}
    if given.which:
        plan = every[given.which](book, given.why)
    else:
        plan = plans.clears(book, chosen, given.why)
        tell(shared_notes(book, plan.changes))
    return Change(given, catalog, plan).run("There is nothing to clear.")


def _clear_leftovers(given: Given, catalog: Catalog) -> int:
    leftovers = find_leftovers(catalog.store)
    would = f"remove what was left beside {len(leftovers)} {'pick' if len(leftovers) == 1 else 'picks'}"
    if leftovers and not (given.yes or given.dry_run) and not agreed(f"{would.capitalize()}?"):
        return declined()
    done = [] if given.dry_run else list(plans.remove_leftovers(catalog.store, leftovers))
    if given.json:
        put_json(picks_json.removed(catalog.place.path, given.dry_run, done))
    elif leftovers and given.dry_run:
        put([f"would {would}"])
    else:
        put(f"{as_text.one_line(path)}: what was left beside it is gone" for path, error in done if not error)
    tell(sentence(error) for _, error in done if error)
    if not leftovers:
        tell(["There is nothing to clear."])
        return NOTHING
    return CANNOT if any(error for _, error in done) else DONE


def _undo(given: Given, catalog: Catalog) -> int:
    return Change(given, catalog, plans.last_undo(catalog, given.why)).run("There is no change to undo.")


def _history(given: Given, catalog: Catalog) -> int:
    chosen = [catalog.find(text) for text in given.targets]
    files = _files_of(given, catalog, chosen) if chosen else list(read_histories(catalog.store))
    namer = Namer(catalog)
    entries = history_rows(namer, files)
    problems = [f"{file.path}.json: {problem}" for file in files for problem in file.history.problems]
    if given.json:
        put_json(picks_json.history(catalog.place.path, namer, entries, problems))
    elif entries:
        put(as_text.history_table(entries, look_of(sys.stdout, given.color)))
    tell(problems)
    if not entries:
        tell(["No pick was changed by mkexplorer here."])
    return DONE if entries else NOTHING


def _files_of(given: Given, catalog: Catalog, chosen: Sequence[MultiKernel]) -> list[PickFile]:
    """Their pick files, by what the histories say, so that mostly no Python has to tell where they are."""
    names = {full_id(each) for each in chosen}
    histories = list(read_histories(catalog.store))
    named = {entry.multi_kernel for file in histories for entry in file.history.entries}
    if names <= named:
        return [file for file in histories if any(entry.multi_kernel in names for entry in file.history.entries)]
    book = read_book(given, catalog)
    return list({record.file.path: record.file for record in map(book.of, chosen)}.values())


def _export(given: Given, catalog: Catalog) -> int:
    book = read_book(given, catalog)
    travelling = []
    problems = list(rows.unknown_picks(rows.graph_rows(catalog, book)))
    for multi_kernel in catalog.multi_kernels:
        pick = book.of(multi_kernel).pick
        if pick.state is PickState.INVALID:
            problems.append(f"{multi_kernel.id}: {pick.state.value}: {pick.reason}")
        if pick.index is None:
            continue
        try:
            contents = contents_of(catalog, multi_kernel)
            travelling.append(travelling_pick(titles.full_title(multi_kernel), multi_kernel, contents, pick.index))
        except MkexplorerError as error:
            problems.append(sentence(error))
    tell(problems)
    if not travelling:
        tell(["There are no picks to export."])
        return NOTHING
    put(write_picks(travelling).splitlines())
    return DONE


def _apply(given: Given, catalog: Catalog) -> int:
    try:
        text = sys.stdin.read() if given.file == "-" else Path(given.file).read_text(encoding="utf-8")
        picks = read_picks(text)
    except UnicodeDecodeError as error:
        raise MkexplorerError(
            f"{given.file}: is no text", "Give a file that `mkexplorer picks export` wrote."
        ) from error
    except MkexplorerError as error:
        raise MkexplorerError(f"{given.file} {error.message}", error.advice) from error
    book = read_book(given, catalog)
    matches = match_picks(picks, [(each, contents_of(catalog, each)) for each in catalog.multi_kernels])
    why = given.why or f"from {given.file}"
    plan = plans.pins(book, [(each.multi_kernel, each.index) for each in matches.found], why)
    tell(f"{pick.title} ({pick.kind}): {reason}" for pick, reason in matches.unmatched)
    code = Change(given, catalog, plan, matches).run("All picks of the file are pinned already.")
    in_force = code == DONE or (not plan.changes and not plan.refusals)
    return code if not in_force else NOTHING if matches.unmatched or not picks else DONE


COMMANDS: Mapping[str, Callable[[Given, Catalog], int]] = {
    "pin": _pin,
    "clear": _clear,
    "undo": _undo,
    "history": _history,
    "picks export": _export,
    "picks apply": _apply,
}
