"""The commands that measure: bench, audit, and what an offline compile tells of a sub-kernel."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import MultiKernel
from mkexplorer.cli.books import read_book
from mkexplorer.cli.changing import CANNOT, DONE, NOTHING, Change, declined, sentence
from mkexplorer.cli.measuring import Measuring, bencher_for, check_consent
from mkexplorer.cli.parser import Given
from mkexplorer.cli.terminal import ProgressLine, can_ask, look_of, put, put_json, tell
from mkexplorer.measure.errors import BenchUnusable
from mkexplorer.measure.model import Device
from mkexplorer.measure.requests import kernels_under_test
from mkexplorer.picks import plans
from mkexplorer.picks.book import PickBook
from mkexplorer.report import bench_as_text, bench_json, rows
from mkexplorer.report.audit import Audit, audit, limit_of, winners
from mkexplorer.report.bench_json import Benched
from mkexplorer.report.measured import of_result
from mkexplorer.report.picks_json import Json
from mkexplorer.report.rows import MultiKernelRow

_FAILED, _ABOVE, _CANCELLED = 1, 1, 130


def _bench(given: Given, catalog: Catalog) -> int:
    wanted = [catalog.find(text) for text in given.targets] if given.targets else list(catalog.multi_kernels)
    if not wanted:
        tell([f"No multi-kernels in {catalog.place.path}: nothing to measure."])
        return NOTHING
    book = read_book(given, catalog)
    measuring = Measuring(given, catalog, book, Device(given.device) if given.device else None, reports=given.json)
    done: list[Benched] = []
    for multi_kernel in measuring.run(wanted):
        result = measuring.results.get(multi_kernel.id)
        if result is None:
            tell([] if given.json else [f"{multi_kernel.id}: {sentence(measuring.failed[-1].error)}"])
            continue
        record = book.of(multi_kernel)
        row = rows.measured_row(multi_kernel, record, of_result(result, record.pick.index))
        done.append(Benched(row, result, measuring.why_not_kept.get(multi_kernel.id, "")))
        if not given.json:
            put(bench_as_text.benched(row, look_of(sys.stdout, given.color)))
    if given.json:
        failed, is_cancelled = measuring.failed, measuring.is_cancelled
        put_json(bench_json.benched(catalog.place.path, done, failed, is_cancelled=is_cancelled))
    else:
        put(_summary(done, len(wanted)))
    measuring.tell_what_is_not_kept()
    if measuring.is_cancelled:
        return _CANCELLED
    return _FAILED if measuring.failed or any(map(_has_fault, done)) else DONE


def _summary(done: Sequence[Benched], wanted: int) -> Iterable[str]:
    """The machines, once each; how much was measured, and what the picks cost."""
    found = [each.row.measurement for each in done if each.row.measurement is not None]
    yield from dict.fromkeys(map(bench_as_text.machine, found))
    slower = sum(each.row.judgement is not None and each.row.judgement.pick_is_slower for each in done)
    parts = (
        f"{sum(any(sub.cold for sub in each.result.sub_kernels) for each in done)} of {wanted} measured",
        f"{slower} slower than {'it' if slower == 1 else 'they'} could be" if slower else "",
        rows.loss_text(sum(each.row.loss_us for each in done)),
    )
    yield " · ".join(part for part in parts if part)


def _has_fault(each: Benched) -> bool:
    """Some sub-kernel computes something else than it should, or could not be run."""
    return any(sub.agrees is False or (sub.cold is None and sub.problem) for sub in each.result.sub_kernels)


def _audit(given: Given, catalog: Catalog) -> int:
    limit = limit_of(given.fail_above)
    if given.apply and not (given.yes or given.dry_run) and not can_ask():
        message = "--apply asks before it pins, and there is no terminal to ask on"
        raise MkexplorerError(message, "Look with --dry-run, then run it with --yes.")
    book = read_book(given, catalog)
    known = [each for each in catalog.multi_kernels if book.of(each).pick.index is not None]
    unknown = list(rows.unknown_picks(rows.graph_rows(catalog, book)))
    if not known:
        advice = "; ".join(unknown) or "The programs that it is of have not chosen yet."
        raise MkexplorerError(f"{catalog.place.path}: no pick is known, so there is nothing to audit", advice)
    measuring = Measuring(given, catalog, book, Device.CUDA, reports=True)
    if not given.recorded:
        _measure_all(measuring, known)
        book = book.reread()
    found = _judged(catalog, book, measuring, limit)
    if not given.json:
        put(bench_as_text.audited(found, look_of(sys.stdout, given.color)))
    tell(f"{each.multi_kernel.id}: {sentence(each.error)}" for each in measuring.failed)
    tell(unknown)
    measuring.tell_what_is_not_kept()
    change = Change(given, catalog, plans.winners(book, winners(found)))
    code, applied = _applied(given, change) if given.apply and not measuring.is_cancelled else (DONE, None)
    if given.apply and not given.dry_run:
        found = _judged(catalog, book.reread(), measuring, limit)
    if given.json:
        results, failed, is_cancelled = measuring.results, measuring.failed, measuring.is_cancelled
        put_json(bench_json.audited(catalog, found, results, failed, applied, is_cancelled=is_cancelled))
    if measuring.is_cancelled:
        return _CANCELLED
    return code or (_ABOVE if found.bad else CANNOT if found.unjudged else DONE)


def _measure_all(measuring: Measuring, wanted: Sequence[MultiKernel]) -> None:
    try:
        for _ in measuring.run(wanted):
            pass
    except BenchUnusable as error:
        advice = "Audit with --python and a Python whose torch has a GPU, or judge what was measured with --recorded."
        raise MkexplorerError(error.message, advice) from error


def _judged(catalog: Catalog, book: PickBook, measuring: Measuring, limit: float) -> Audit:
    return audit(rows.graph_rows(catalog, book, measuring.results), limit)


def _applied(given: Given, change: Change) -> tuple[int, Mapping[str, Json] | None]:
    """Pins the winners; the exit code if that went wrong, and the document of what was changed."""
    tell(sentence(refusal) for refusal in change.plan.refusals)
    if not change.is_agreed():
        return declined(), None
    outcomes = change.carry_out()
    if not given.json:
        put(change.lines(outcomes))
    change.tell_errors(outcomes)
    if not change.plan.changes:
        tell(["There is nothing to pin."])
    has_failed = bool(change.plan.refusals) or any(each.error for each in outcomes or ())
    return (CANNOT if has_failed else DONE), change.as_json(outcomes)


def show_resources(given: Given, catalog: Catalog, row: MultiKernelRow) -> int:
    """What the sub-kernels take of a GPU that need not be here."""
    check_consent(given, catalog)
    target = given.target or _compiled_target(catalog, row.multi_kernel)
    with bencher_for(given, None) as bencher, ProgressLine() as line:
        line.show(f"compiling {row.title} for {target}")
        reports = bencher.resources(kernels_under_test(catalog, row.multi_kernel), target)
    if given.json:
        put_json(bench_json.resources(catalog.place.path, row, target, reports))
    else:
        put(bench_as_text.resources(row, reports, look_of(sys.stdout, given.color)))
    return _FAILED if all(each.problem for each in reports) else DONE


def _compiled_target(catalog: Catalog, multi_kernel: MultiKernel) -> str:
    """What its kernels were compiled for. Raises `MkexplorerError` where nothing tells."""
    for sub in multi_kernel.sub_kernels:
        for config in catalog.configs(sub):
            if config.target:
                return config.target
    message = f"{multi_kernel.id}: this place does not record for which GPU it was compiled"
    raise MkexplorerError(message, "Name one, like --target sm_90.")


COMMANDS: Mapping[str, Callable[[Given, Catalog], int]] = {"bench": _bench, "audit": _audit}
