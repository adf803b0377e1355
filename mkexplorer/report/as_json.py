"""What the command line prints with --json: plain values for json.dumps, by documented schemas.

Every document has schema: its name and version ('mkexplorer.list/1'). A version only ever gains keys; when a key
goes away or changes its meaning, the number rises. Times end in _us (microseconds); what is not known is null.

mkexplorer.list/1:

    schema, place (path), place_kind, counts {multi_kernels, sub_kernels, slower, unsure, picks {state: number},
    loss_us (what the picks cost when each graph runs once)},
    multi_kernels [multi-kernel], diagnostics [{severity, path, line, message, advice}],
    environment [{variable, value, effect, picks_count (false: programs started so go by no picks)}]

A multi-kernel:

    id, name, kind ('multi_kernel' or 'size_hint_multi_kernel'), title, shape, dtype,
    graph (AOT id), phase (forward, backward or inference),
    wrapper (path inside the place), wrapper_ordinal (which text of that file, from 0; null: the whole file),
    wrapper_key, written_by (the torch releases that write such a wrapper), line (of its definition),
    operations [text], source_nodes [text],
    sub_kernels [{index, name, kind, kernel_file, size_key, cold and hot (by L2) {median_us, q1_us, q3_us, n},
    stock_us (torch's own reading, host time included), resources {registers, spills, shared_bytes}, picked, fastest,
    agrees (false: it computes something else than it should; null: not compared)}],
    arguments (those of the first call), calls [{line, arguments}],
    pick {state ('picked', 'pinned', 'none', 'invalid' or 'unknown'), index, path (of its file, inside the place),
    reason (for this state), place_reason (how the path is known, or why not), obstacle (why mkexplorer cannot change
    it; empty if it can), who ('runtime', 'person' or 'tool'), user, when (UTC), why, changes (in its history)},
    verdict {word, best, rival, ratio, low, high, regret}, loss_us (what the pick costs in each run of its graph),
    machine {gpu, driver, torch, triton, source (who recorded the times), who, when (UTC)}

An argument is {name, dtype, shape, stride, offset, expression, origin (the statement that tells)} for a tensor (dtype
as torch spells it: 'torch.bfloat16'; sizes are numbers, or text where they are symbolic) and {name, value, expression}
for a number.

mkexplorer.show/1:

    schema, place, multi_kernel (as above), sub_kernel (its index),
    stage ('source', 'ttir', 'ttgir', 'llir', 'ptx' or 'sass'), configuration (hash; null: the source), text (null where
    none was asked for and the source is not there), metadata and configurations (those of sub_kernel, as below),
    sub_kernels (all) [{index, kernel_path (its file inside the place),
    metadata {decorator, size_hints, reduction_hint, signature, loads, stores, reductions, mutated, persistent,
    grid_type, device, other},
    configurations [{hash, folder, stages {name: path}, block_sizes, num_warps, num_stages, shared_bytes, target,
    triton_version, won, won_reason}]}]

mkexplorer.diff/1:

    schema, place, left and right {id, sub_kernel, name}, stage, normalized, equal,
    changes [{op ('replace', 'delete' or 'insert'), left [first, end], right [first, end], removed, added}]

Line ranges count from 0 in the whole text and exclude their end; removed and added are the lines that were compared
(normalized: without debug positions, those of the right in the left's names).

mkexplorer.bench/1:

    schema, place, results [result, and title, shape, dtype, gb_per_s [number] (by sub-kernel, cold L2), loss_us,
    verdict {word, best, rival, ratio, low, high, regret} (null: none), kept (beside the pick), why_not_kept],
    failed [{multi_kernel, message, advice}], cancelled

A result:

    multi_kernel (id), when (UTC), device ('cuda' or 'interpreter': its times are none of a GPU),
    arguments (from where they came), bytes_moved (each byte once), rounds, gpu_us, wall_us, notes [text],
    sub_kernels [{cold and hot {median_us, q1_us, q3_us, n}, samples_us [number] (cold, by round), stock_us,
    resources {registers, spills, shared_bytes}, configuration {name: number}, agrees, problem}],
    environment {gpu, driver, torch, triton, sm_clock_mhz, throttled [text], copy_gb_per_s,
    contended (how somebody else was seen on the GPU; empty: nobody)}

mkexplorer.audit/1:

    schema, place, limit (a share), counts {picks, slower, above (the limit), wrong (computing something else), unsure,
    unjudged}, loss_us, regret (all picks together; null: none is judged), failed and cancelled as above,
    picks [multi-kernel, and call_loss_us, winner (index), above, wrong, result (null: not measured now)],
    applied (a mkexplorer.changes/1 document; null: nothing was to be applied)

mkexplorer.resources/1, of show --resources:

    schema, place, multi_kernel (id), target, sub_kernels [{index, name, kind, resources {registers, spills,
    shared_bytes}, occupancy (0 to 1), configuration {name: number}, problem}]

mkexplorer.export/1:

    schema, path, bytes, multi_kernels

mkexplorer.changes/1, of pin, clear, undo and picks apply:

    schema, place, dry_run, changes [{multi_kernel (id; null for an orphan), path, action ('pin', 'clear' or 'undo'),
    from held, to held, done, error {message, advice}, now {state, index, reason}}],
    refused [{message, advice}], unmatched [{title, kind, reason}] (picks of a picks.toml), removed [path] (leftovers)

What a pick file holds is {state, index, text}; text is null where there is no file.

mkexplorer.history/1:

    schema, place, problems [text], entries [{id, batch (one command), when (UTC), who, user, host, action,
    multi_kernel (id; null for what the place has no longer), path, from held, to held, why, happened, undone,
    undoes (id), measured {timings and hot [{median_us, q1_us, q3_us, n}], agrees [true, false or null], verdict, best,
    rival, ratio, low, high, source (of the arguments), bytes_moved, call [{name, dtype, shape, stride, offset} or
    {name, value}] (the arguments, where a run time measured)}, gpu, driver, torch, triton}]

mkexplorer.doctor/1:

    schema, place, level ('ok', 'warning' or 'problem': the worst), sections [{title, level,
    findings [{level, what, details [text], fix}]}]
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mkexplorer.catalog.model import (
    Argument,
    CompiledConfig,
    Diagnostic,
    KernelMetadata,
    MultiKernel,
    Resources,
    SubKernel,
    TensorArgument,
    Wrapper,
)
from mkexplorer.measure.model import Device, SubKernelResult
from mkexplorer.measure.verdict import Judgement
from mkexplorer.picks.book import PickBook
from mkexplorer.report.measured import Knowledge, Measurement
from mkexplorer.report.picks_json import Json, pick, timing
from mkexplorer.report.rows import GraphRow, MultiKernelRow, SubKernelRow, count

if TYPE_CHECKING:
    from mkexplorer.analysis.diff import Change
    from mkexplorer.catalog import Catalog


def listing(book: PickBook, graphs: Sequence[GraphRow]) -> dict[str, Json]:
    catalog, counts = book.catalog, count(graphs)
    return {
        "schema": "mkexplorer.list/1",
        "place": catalog.place.path,
        "place_kind": catalog.place.kind.value,
        "counts": {
            "multi_kernels": counts.multi_kernels,
            "sub_kernels": counts.sub_kernels,
            "slower": counts.slower,
            "unsure": counts.unsure,
            "loss_us": counts.loss_us,
            "picks": {state.value: number for state, number in counts.picks.items()},
        },
        "multi_kernels": [
            multi_kernel(row, catalog.wrapper(row.multi_kernel)) for graph in graphs for row in graph.rows
        ],
        "diagnostics": [_diagnostic(diagnostic) for diagnostic in catalog.diagnostics],
        "environment": [asdict(note) for note in book.environment],
    }


@dataclass(frozen=True, slots=True)
class Shown:
    """One text of a sub-kernel; ``configuration`` is the hash of the one that it is of, None for its source."""

    sub_kernel: SubKernel
    stage: str
    text: str
    configuration: str | None = None


def shown(catalog: Catalog, row: MultiKernelRow, chosen: Shown | None = None) -> dict[str, Json]:
    """Everything known of a multi-kernel, and the text that was ``chosen``; else its picked or first source."""
    known, subs = row.multi_kernel, row.multi_kernel.sub_kernels
    first = subs[row.pick.index or 0] if subs else None
    sub = chosen.sub_kernel if chosen is not None else first
    source = catalog.source(known, first) if chosen is None and first is not None else ""
    found = {each.index: _of_sub_kernel(catalog, known, each) for each in subs}
    return {
        "schema": "mkexplorer.show/1",
        "place": catalog.place.path,
        "multi_kernel": multi_kernel(row, catalog.wrapper(known)),
        "sub_kernel": sub.index if sub is not None else None,
        "stage": chosen.stage if chosen is not None else "source",
        "configuration": chosen.configuration if chosen is not None else None,
        "text": chosen.text if chosen is not None else source or None,
        "metadata": found[sub.index]["metadata"] if sub is not None else None,
        "configurations": found[sub.index]["configurations"] if sub is not None else [],
        "sub_kernels": list(found.values()),
    }


def _of_sub_kernel(catalog: Catalog, multi_kernel: MultiKernel, sub: SubKernel) -> dict[str, Json]:
    return {
        "index": sub.index,
        "kernel_path": catalog.kernel_path(sub),
        "metadata": _metadata(catalog.metadata(multi_kernel, sub)),
        "configurations": [_configuration(config) for config in catalog.configs(sub)],
    }


def difference(
    place: str,
    sides: tuple[tuple[MultiKernel, SubKernel], tuple[MultiKernel, SubKernel]],
    lines: tuple[Sequence[str], Sequence[str]],
    numbers: tuple[Sequence[int], Sequence[int]],
    changes: Iterable[Change],
    *,
    stage: str,
    normalized: bool,
) -> dict[str, Json]:
    """``numbers`` says which line of its whole text, from 0, each of the compared ``lines`` was."""
    different = [change for change in changes if change.op != "equal"]
    return {
        "schema": "mkexplorer.diff/1",
        "place": place,
        "left": _side(*sides[0]),
        "right": _side(*sides[1]),
        "stage": stage,
        "normalized": normalized,
        "equal": not different,
        "changes": [
            {
                "op": change.op,
                "left": _lines_of(change.left, numbers[0]),
                "right": _lines_of(change.right, numbers[1]),
                "removed": list(lines[0][change.left.start : change.left.stop]),
                "added": list(lines[1][change.right.start : change.right.stop]),
            }
            for change in different
        ],
    }


def _lines_of(span: range, numbers: Sequence[int]) -> list[Json]:
    """First and end of what a span of the compared lines was in the whole text."""
    if span:
        return [numbers[span.start], numbers[span.stop - 1] + 1]
    after = numbers[span.start - 1] + 1 if span.start else 0
    return [after, after]


def exported(path: str, size: int, multi_kernels: int) -> dict[str, Json]:
    return {"schema": "mkexplorer.export/1", "path": path, "bytes": size, "multi_kernels": multi_kernels}


def multi_kernel(row: MultiKernelRow, wrapper: Wrapper) -> dict[str, Json]:
    known = row.multi_kernel
    is_timed = row.measurement is not None and row.measurement.device is Device.CUDA
    measured = row.measurement.sub_kernels if row.measurement and is_timed else (None,) * len(row.sub_kernels)
    return {
        "id": known.id,
        "name": known.name,
        "kind": known.kind.value,
        "title": row.title,
        "shape": row.shape,
        "dtype": row.dtype,
        "graph": known.graph.aot_id if known.graph is not None else None,
        "phase": known.graph.phase if known.graph is not None else None,
        "wrapper": wrapper.origin.path,
        "wrapper_ordinal": wrapper.origin.ordinal,
        "wrapper_key": known.wrapper_key,
        "written_by": wrapper.written_by,
        "line": known.definition.first,
        "operations": known.operations,
        "source_nodes": known.source_nodes,
        "sub_kernels": [_sub_kernel(sub, found) for sub, found in zip(row.sub_kernels, measured, strict=True)],
        "arguments": [_argument(argument) for argument in known.calls[0].arguments] if known.calls else [],
        "calls": [
            {"line": call.line, "arguments": [_argument(argument) for argument in call.arguments]}
            for call in known.calls
        ],
        "pick": pick(row.record),
        "verdict": verdict(row.judgement),
        "loss_us": row.loss_us,
        "machine": _machine(row.measurement),
    }


def _machine(found: Measurement | None) -> dict[str, Json] | None:
    if found is None:
        return None
    source = found.who if found.knowledge is Knowledge.PLACE else found.knowledge.value
    machine = {"gpu": found.machine.gpu, "driver": found.machine.driver, "torch": found.machine.torch}
    return {**machine, "triton": found.machine.triton, "source": source, "who": found.who, "when": found.when}


def _sub_kernel(row: SubKernelRow, measured: SubKernelResult | None) -> dict[str, Json]:
    sub = row.sub_kernel
    return {
        "index": sub.index,
        "name": sub.name,
        "kind": sub.kind.value,
        "kernel_file": sub.kernel_file,
        "size_key": sub.size_key,
        "cold": timing(row.timing),
        "hot": timing(measured.hot) if measured is not None else None,
        "stock_us": measured.stock_us if measured is not None else None,
        "resources": resources(measured.resources) if measured is not None else None,
        "picked": row.picked,
        "fastest": row.fastest,
        "agrees": measured.agrees if measured is not None else None,
    }


def _argument(argument: Argument) -> dict[str, Json]:
    if isinstance(argument, TensorArgument):
        return {
            "name": argument.name,
            "dtype": argument.dtype,
            "shape": argument.shape,
            "stride": argument.stride,
            "offset": argument.offset,
            "expression": argument.expression,
            "origin": argument.origin,
        }
    return {"name": argument.name, "value": argument.value, "expression": argument.expression}


def resources(found: Resources | None) -> dict[str, Json] | None:
    if found is None:
        return None
    return {"registers": found.registers, "spills": found.spills, "shared_bytes": found.shared_bytes}


def verdict(judgement: Judgement | None) -> dict[str, Json] | None:
    if judgement is None:
        return None
    return {
        "word": judgement.verdict.value,
        "best": judgement.best,
        "rival": judgement.rival,
        "ratio": judgement.ratio,
        "low": judgement.low,
        "high": judgement.high if math.isfinite(judgement.high) else None,
        "regret": judgement.regret,
    }


def _metadata(metadata: KernelMetadata) -> dict[str, Json]:
    return {
        "decorator": metadata.decorator,
        "size_hints": dict(metadata.size_hints),
        "reduction_hint": metadata.reduction_hint,
        "signature": dict(metadata.signature),
        "loads": metadata.loads,
        "stores": metadata.stores,
        "reductions": metadata.reductions,
        "mutated": metadata.mutated,
        "persistent": metadata.persistent,
        "grid_type": metadata.grid_type,
        "device": dict(metadata.device),
        "other": dict(metadata.other),
    }


def _configuration(config: CompiledConfig) -> dict[str, Json]:
    return {
        "hash": config.hash,
        "folder": config.folder,
        "stages": dict(config.stages),
        "block_sizes": dict(config.block_sizes),
        "num_warps": config.num_warps,
        "num_stages": config.num_stages,
        "shared_bytes": config.shared_bytes,
        "target": config.target,
        "triton_version": config.triton_version,
        "won": config.won,
        "won_reason": config.won_reason,
    }


def _side(multi_kernel: MultiKernel, sub: SubKernel) -> dict[str, Json]:
    return {"id": multi_kernel.id, "sub_kernel": sub.index, "name": sub.name}


def _diagnostic(diagnostic: Diagnostic) -> dict[str, Json]:
    return {
        "severity": diagnostic.severity.value,
        "path": diagnostic.path,
        "line": diagnostic.line,
        "message": diagnostic.message,
        "advice": diagnostic.advice,
    }
