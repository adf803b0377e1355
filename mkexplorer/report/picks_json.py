"""Picks, their changes and their histories as plain values for json.dumps; `as_json` documents the schemas."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import Argument, ScalarArgument, Timing
from mkexplorer.picks.book import PickRecord
from mkexplorer.picks.model import Held, Measured, PickState, Who
from mkexplorer.picks.plans import Outcome, Plan
from mkexplorer.picks.travel import TravellingPick
from mkexplorer.report.changes import HistoryRow, Namer
from mkexplorer.report.findings import CheckupSection, worst

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None


def pick(record: PickRecord) -> dict[str, Json]:
    found, entry = record.pick, record.set_by
    by_runtime = entry is None and found.state is PickState.PICKED
    return {
        "state": found.state.value,
        "index": found.index,
        "path": found.path,
        "reason": found.reason,
        "place_reason": record.place_reason,
        "obstacle": record.file.obstacle,
        "who": entry.who.value if entry else Who.RUNTIME.value if by_runtime else None,
        "user": entry.machine.user if entry else None,
        "when": record.when,
        "why": entry.why if entry else "",
        "changes": len(record.file.history.changes),
    }


def timing(found: Timing | None) -> dict[str, Json] | None:
    if found is None:
        return None
    return {"median_us": found.median_us, "q1_us": found.q1_us, "q3_us": found.q3_us, "n": found.n}


def changed(
    place: str,
    namer: Namer,
    plan: Plan,
    outcomes: Sequence[Outcome] | None,
    unmatched: Iterable[tuple[TravellingPick, str]] = (),
) -> dict[str, Json]:
    """``outcomes`` are None for a plan that is only looked at."""
    made = {each.change.path: each for each in outcomes or ()}
    return {
        "schema": "mkexplorer.changes/1",
        "place": place,
        "dry_run": outcomes is None,
        "changes": [
            {
                "multi_kernel": _id(namer, each.multi_kernel),
                "path": each.path,
                "action": each.action.value,
                "from": _held(each.before),
                "to": _held(each.after),
                **_outcome(made.get(each.path)),
            }
            for each in plan.changes
        ],
        "refused": [_error(error) for error in plan.refusals],
        "unmatched": [{"title": each.title, "kind": each.kind, "reason": reason} for each, reason in unmatched],
        "removed": [],
    }


def removed(place: str, dry_run: bool, found: Sequence[tuple[str, MkexplorerError | None]]) -> dict[str, Json]:
    """``found`` are leftovers, each with what kept it from being removed."""
    return {
        "schema": "mkexplorer.changes/1",
        "place": place,
        "dry_run": dry_run,
        "changes": [],
        "refused": [_error(error) for _, error in found if error],
        "unmatched": [],
        "removed": [path for path, error in found if not error],
    }


def history(place: str, namer: Namer, rows: Iterable[HistoryRow], problems: Iterable[str]) -> dict[str, Json]:
    return {
        "schema": "mkexplorer.history/1",
        "place": place,
        "problems": list(problems),
        "entries": [_entry(namer, row) for row in rows],
    }


def checkup(place: str | None, sections: Sequence[CheckupSection]) -> dict[str, Json]:
    return {
        "schema": "mkexplorer.doctor/1",
        "place": place,
        "level": worst(section.level for section in sections).value,
        "sections": [
            {
                "title": section.title,
                "level": section.level.value,
                "findings": [
                    {"level": each.level.value, "what": each.what, "details": each.details, "fix": each.fix}
                    for each in section.findings
                ],
            }
            for section in sections
        ],
    }


def _entry(namer: Namer, row: HistoryRow) -> dict[str, Json]:
    entry = row.entry
    return {
        "id": entry.id,
        "batch": entry.batch,
        "when": entry.when,
        "who": entry.who.value,
        "action": entry.action.value,
        "multi_kernel": _id(namer, entry.multi_kernel),
        "path": row.path,
        "from": _held(entry.before),
        "to": _held(entry.after),
        "why": entry.why,
        "happened": entry.happened,
        "undone": row.is_undone,
        "undoes": entry.undoes,
        "measured": _measured(entry.measured),
        **asdict(entry.machine),
    }


def _id(namer: Namer, name: str) -> str | None:
    found = namer.find(name)
    return found.id if found else None


def _held(held: Held) -> dict[str, Json]:
    text = held.content.decode("utf-8", "replace") if held.content is not None else None
    return {"state": held.state.value, "index": held.index, "text": text}


def _outcome(outcome: Outcome | None) -> dict[str, Json]:
    if outcome is None:
        return {"done": False, "error": None, "now": None}
    now = outcome.now.pick
    return {
        "done": outcome.error is None,
        "error": _error(outcome.error) if outcome.error else None,
        "now": {"state": now.state.value, "index": now.index, "reason": now.reason},
    }


def _error(error: MkexplorerError) -> dict[str, Json]:
    return {"message": error.message, "advice": error.advice}


def _measured(measured: Measured | None) -> dict[str, Json] | None:
    if measured is None:
        return None
    judgement = measured.judgement
    return {
        "timings": [timing(each.cold) for each in measured.sub_kernels],
        "hot": [timing(each.hot) for each in measured.sub_kernels],
        "agrees": [each.agrees for each in measured.sub_kernels],
        "verdict": judgement.verdict.value if judgement else None,
        "best": judgement.best if judgement else None,
        "rival": judgement.rival if judgement else None,
        "ratio": judgement.ratio if judgement else None,
        "low": judgement.low if judgement else None,
        "high": judgement.high if judgement and math.isfinite(judgement.high) else None,
        "source": measured.source,
        "bytes_moved": measured.bytes_moved,
        "call": [_argument(each) for each in measured.arguments],
    }


def _argument(argument: Argument) -> dict[str, Json]:
    if isinstance(argument, ScalarArgument):
        return {"name": argument.name, "value": argument.value}
    return {
        "name": argument.name,
        "dtype": argument.dtype,
        "shape": list(argument.shape or ()),
        "stride": list(argument.stride or ()),
        "offset": argument.offset,
    }
