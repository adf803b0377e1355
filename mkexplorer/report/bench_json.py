"""Measurements and audits as plain values for json.dumps; `as_json` documents the schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import MultiKernel
from mkexplorer.measure.model import BenchResult, Device
from mkexplorer.measure.records import as_record
from mkexplorer.measure.resources import ResourceReport
from mkexplorer.report.as_json import multi_kernel, verdict
from mkexplorer.report.audit import Audit
from mkexplorer.report.picks_json import Json
from mkexplorer.report.rows import MultiKernelRow


@dataclass(frozen=True, slots=True)
class Benched:
    """One result with its row; ``why_not_kept`` is '' where it is evidence beside the pick now."""

    row: MultiKernelRow
    result: BenchResult
    why_not_kept: str = ""


@dataclass(frozen=True, slots=True)
class Unmeasured:
    multi_kernel: MultiKernel
    error: MkexplorerError


def benched(
    place: str, results: Iterable[Benched], failed: Iterable[Unmeasured], *, is_cancelled: bool
) -> dict[str, object]:
    return {
        "schema": "mkexplorer.bench/1",
        "place": place,
        "results": [_result(each) for each in results],
        "failed": [_failure(each) for each in failed],
        "cancelled": is_cancelled,
    }


def audited(
    catalog: Catalog,
    found: Audit,
    results: Mapping[str, BenchResult],
    failed: Iterable[Unmeasured],
    applied: Mapping[str, Json] | None,
    *,
    is_cancelled: bool,
) -> dict[str, object]:
    """``applied`` is the document of the changes that were made, or would be."""
    return {
        "schema": "mkexplorer.audit/1",
        "place": catalog.place.path,
        "limit": found.limit,
        "counts": {
            "picks": len(found.rows),
            "slower": found.slower,
            "above": sum(each.is_above for each in found.rows),
            "wrong": sum(each.is_wrong for each in found.rows),
            "unsure": found.unsure,
            "unjudged": found.unjudged,
        },
        "loss_us": found.loss_us,
        "regret": found.regret,
        "picks": [
            {
                **multi_kernel(each.row, catalog.wrapper(each.row.multi_kernel)),
                "call_loss_us": each.row.call_loss_us,
                "winner": each.row.winner,
                "above": each.is_above,
                "wrong": each.is_wrong,
                "result": _record(results.get(each.row.multi_kernel.id)),
            }
            for each in found.rows
        ],
        "failed": [_failure(each) for each in failed],
        "applied": applied,
        "cancelled": is_cancelled,
    }


def resources(place: str, row: MultiKernelRow, target: str, reports: Sequence[ResourceReport]) -> dict[str, object]:
    return {
        "schema": "mkexplorer.resources/1",
        "place": place,
        "multi_kernel": row.multi_kernel.id,
        "target": target,
        "sub_kernels": [
            {
                "index": sub.sub_kernel.index,
                "name": sub.sub_kernel.name,
                "kind": sub.sub_kernel.kind.value,
                "resources": asdict(report.resources) if report.resources else None,
                "occupancy": report.occupancy,
                "configuration": dict(report.configuration),
                "problem": report.problem,
            }
            for sub, report in zip(row.sub_kernels, reports, strict=True)
        ],
    }


def _result(each: Benched) -> dict[str, object]:
    row, record = each.row, as_record(each.result)
    is_gpu, moved = each.result.device is Device.CUDA, each.result.bytes_moved
    timings = [sub.cold if is_gpu else None for sub in each.result.sub_kernels]
    return {
        **{key: value for key, value in record.items() if key != "judgement"},
        "title": row.title,
        "shape": row.shape,
        "dtype": row.dtype,
        "gb_per_s": [moved / timing.median_us / 1000 if moved and timing else None for timing in timings],
        "verdict": verdict(row.judgement),
        "loss_us": row.loss_us,
        "kept": not each.why_not_kept,
        "why_not_kept": each.why_not_kept,
    }


def _record(result: BenchResult | None) -> dict[str, object] | None:
    return as_record(result) if result else None


def _failure(each: Unmeasured) -> dict[str, object]:
    return {"multi_kernel": each.multi_kernel.id, "message": each.error.message, "advice": each.error.advice}
