"""Remembers what was parsed, so that a cache of ten thousand wrappers opens again within a second.

One JSON file per place, in the user's cache folder. An entry counts only while its file has the same size
and modification time; an index that is damaged or was made by another parser counts as empty.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .model import (
    Argument,
    CallSite,
    Diagnostic,
    Graph,
    Kind,
    MultiKernel,
    MultiKernelKind,
    Origin,
    ScalarArgument,
    Severity,
    Span,
    SubKernel,
    TensorArgument,
    Wrapper,
)

_KINDS = {kind.value: kind for kind in Kind}
_MULTI_KERNEL_KINDS = {kind.value: kind for kind in MultiKernelKind}


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What one file held when it had this size (bytes) and modification time (ns); often no wrapper at all."""

    path: str
    size: int
    mtime_ns: int
    wrappers: tuple[Wrapper, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


@cache
def parser_version() -> str:
    """Changes with every change of this package's code, so that no index outlives the parser that made it."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def index_path(place: str) -> Path:
    """Where the index of a place is kept: in ``$XDG_CACHE_HOME/mkexplorer``, or below ``~/.cache``."""
    home = os.path.expanduser("~")
    # Who has no home has no index: nothing can be read or made below a device.
    cache = os.path.join(home if os.path.isabs(home) else os.devnull, ".cache")
    root = Path(os.environ.get("XDG_CACHE_HOME") or cache)
    name = hashlib.sha256(os.fsencode(place)).hexdigest()[:24]
    return root / "mkexplorer" / f"index-{name}.json"


def load_index(path: Path) -> dict[str, ParsedFile]:
    """The remembered files by path; empty if there is no index or it cannot be used."""
    try:
        record = json.loads(path.read_bytes())
        if record["parser"] != parser_version():
            return {}
        return {entry[0]: _parsed_file(entry) for entry in record["files"]}
    except (OSError, ValueError, KeyError, IndexError, TypeError, RecursionError):
        return {}


def save_index(path: Path, files: Mapping[str, ParsedFile]) -> None:
    """Replaces the index in one step, so that a reader sees the old or the new one. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"parser": parser_version(), "files": [_file_record(file) for file in files.values()]}
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass") as stream:
            # One call of `dumps` runs in C; `dump` would go through Python for every element.
            stream.write(json.dumps(record, separators=(",", ":")))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _file_record(file: ParsedFile) -> list[Any]:
    record: list[Any] = [file.path, file.size, file.mtime_ns]
    if file.wrappers or file.diagnostics:
        record.append([_wrapper_record(wrapper) for wrapper in file.wrappers])
        record.append(_diagnostic_records(file.diagnostics))
    return record


def _parsed_file(record: list[Any]) -> ParsedFile:
    if len(record) == 3:
        return ParsedFile(*record)
    path, size, mtime_ns, wrappers, diagnostics = record
    return ParsedFile(
        path,
        size,
        mtime_ns,
        tuple(_wrapper(path, wrapper) for wrapper in wrappers),
        _diagnostics(path, diagnostics),
    )


def _wrapper_record(wrapper: Wrapper) -> list[Any]:
    graph = wrapper.graph
    return [
        wrapper.key,
        wrapper.origin.ordinal,
        wrapper.line_count,
        [graph.aot_id, graph.phase] if graph else None,
        wrapper.written_by,
        [_multi_kernel_record(multi_kernel) for multi_kernel in wrapper.multi_kernels],
        _diagnostic_records(wrapper.diagnostics),
    ]


def _wrapper(path: str, record: list[Any]) -> Wrapper:
    key, ordinal, line_count, graph_record, written_by, multi_kernels, diagnostics = record
    graph = Graph(*graph_record) if graph_record else None
    return Wrapper(
        key,
        Origin(path, ordinal),
        line_count,
        graph,
        tuple(_multi_kernel(key, graph, multi_kernel) for multi_kernel in multi_kernels),
        written_by,
        _diagnostics(path, diagnostics),
    )


def _multi_kernel_record(multi_kernel: MultiKernel) -> list[Any]:
    return [
        multi_kernel.id,
        multi_kernel.name,
        multi_kernel.kind.value,
        multi_kernel.operations,
        multi_kernel.source_nodes,
        [_sub_kernel_record(sub_kernel) for sub_kernel in multi_kernel.sub_kernels],
        [_call_record(call) for call in multi_kernel.calls],
        multi_kernel.definition.first,
        multi_kernel.definition.last,
    ]


def _multi_kernel(key: str, graph: Graph | None, record: list[Any]) -> MultiKernel:
    identity, name, kind, operations, source_nodes, sub_kernels, calls, first, last = record
    return MultiKernel(
        identity,
        name,
        _MULTI_KERNEL_KINDS[kind],
        key,
        graph,
        tuple(operations),
        tuple(source_nodes),
        tuple(_sub_kernel(index, sub_kernel) for index, sub_kernel in enumerate(sub_kernels)),
        tuple(_call(call) for call in calls),
        Span(first, last),
    )


def _sub_kernel_record(sub_kernel: SubKernel) -> list[Any]:
    return [
        sub_kernel.name,
        sub_kernel.kind.value,
        sub_kernel.source.first,
        sub_kernel.source.last,
        sub_kernel.kernel_file,
        sub_kernel.recorded_path,
        sub_kernel.size_key,
    ]


def _sub_kernel(index: int, record: list[Any]) -> SubKernel:
    name, kind, first, last, kernel_file, recorded_path, size_key = record
    return SubKernel(index, name, _KINDS[kind], Span(first, last), kernel_file, recorded_path, size_key)


def _call_record(call: CallSite) -> list[Any]:
    return [call.line, [_argument_record(argument) for argument in call.arguments], call.grid, call.stream]


def _call(record: list[Any]) -> CallSite:
    line, arguments, grid, stream = record
    return CallSite(line, tuple([_argument(argument) for argument in arguments]), grid, stream)


def _argument_record(argument: Argument) -> list[Any]:
    if isinstance(argument, ScalarArgument):
        return [argument.name, argument.expression, argument.value]
    return [
        argument.name,
        argument.expression,
        argument.dtype,
        argument.shape,
        argument.stride,
        argument.offset,
        argument.origin,
    ]


def _argument(record: list[Any]) -> Argument:
    if len(record) == 3:
        return ScalarArgument(*record)
    name, expression, dtype, shape, stride, offset, origin = record
    return TensorArgument(
        name,
        expression,
        dtype,
        None if shape is None else tuple(shape),
        None if stride is None else tuple(stride),
        offset,
        origin,
    )


def _diagnostic_records(diagnostics: Iterable[Diagnostic]) -> list[Any]:
    return [[d.severity.value, d.line, d.message, d.advice] for d in diagnostics]


def _diagnostics(path: str, records: list[Any]) -> tuple[Diagnostic, ...]:
    return tuple(
        Diagnostic(Severity(severity), path, line, message, advice) for severity, line, message, advice in records
    )
