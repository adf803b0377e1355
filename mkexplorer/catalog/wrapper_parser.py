"""From the text of one generated wrapper to a `Wrapper`: the only place that knows how its parts hang together.

Works on the text alone, for every form that torch 2.3 to 2.13 writes; never executes it. What is broken
becomes a diagnostic of the wrapper, and everything else in it is still returned.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .arguments import RawCall, Variables, call_site, find_calls
from .definitions import (
    KernelDefinition,
    MultiKernelDefinition,
    Problem,
    between,
    code_hash,
    find_kernels,
    find_multi_kernels,
    kernel_file_of,
    kind_of,
    parameters_of,
)
from .hints import Hints, benchmark_part
from .model import (
    CallSite,
    Diagnostic,
    Graph,
    Kind,
    MultiKernel,
    MultiKernelKind,
    Origin,
    Severity,
    Span,
    SubKernel,
    Wrapper,
)

ID_LETTERS = 7
_AOT_ID = re.compile(r"^# AOT ID: \['([^'\n]{1,200})'\]", re.MULTILINE)
_WRAPPER_FILE = re.compile(r"(c[a-z2-7]{51})\.py\Z")
_SIZE_HINTS = re.compile(r"^ +size_hints=([\[{][^\n]*?[\]}]),", re.MULTILINE)
_OLD_STREAM = re.compile(r"stream=stream\d+\)")
_HEAD = 20_000
_END_OF_DEFINITIONS = "\nasync_compile.wait("
# What `Wrapper.written_by` says of a module that our own multi-kernel system generated, and by what that is known.
OWN = "mkexplorer.multikernel"
_OWN_IMPORT = f"\nfrom {OWN}.runtime import "


def parse_wrapper(text: str, origin: Origin, module: str | None = None) -> Wrapper:
    """``text`` is the generated Python; ``origin`` says where it stands, for messages and for reading again.

    ``module`` is all that torch generated, where ``text`` is only a part of it.
    """
    kernels, problems = find_kernels(text)
    definitions, more_problems = find_multi_kernels(text, kernels.values())
    definitions, repeated = _with_own_names(definitions)
    lines = _line_numbers(text, kernels, definitions, [*problems, *more_problems])
    ends = [*(kernel.source_end for kernel in kernels.values()), *(definition.end for definition in definitions)]
    benchmark = benchmark_part(text, max(ends, default=0))
    calls = _calls(text[:benchmark], kernels, definitions, lines)
    problems += more_problems + repeated
    for definition in definitions:
        problems += _contradictions(definition, kernels, calls)
    key = wrapper_key(module or text, origin)
    graph = _graph(text)
    context = _Context(text, kernels, calls, Hints(text, benchmark), lines)
    return Wrapper(
        key=key,
        origin=origin,
        line_count=lines[len(text)] - text.endswith("\n"),
        graph=graph,
        multi_kernels=tuple(_multi_kernel(context, definition, key, graph) for definition in definitions),
        written_by=_written_by(text, definitions, kernels),
        diagnostics=tuple(_diagnostic(problem, origin, lines) for problem in problems),
    )


@dataclass(frozen=True, slots=True)
class _Context:
    """One wrapper taken apart; ``lines`` maps the offsets that matter to line numbers, counted from 1."""

    text: str
    kernels: Mapping[str, KernelDefinition]
    calls: Mapping[str, Sequence[RawCall]]
    hints: Hints
    lines: Mapping[int, int]


def wrapper_key(module: str, origin: Origin) -> str:
    """Torch's key of the wrapper: its file's stem in a cache, the same hash of the module anywhere else."""
    found = _WRAPPER_FILE.search(origin.path.rpartition("/")[2])
    return found[1] if found and origin.ordinal is None else code_hash(module)


def signature_of(source: str, parameters: Sequence[str]) -> Mapping[str, str]:
    """Parameter to Triton type (``'*bf16'``, ``'i32'``) from the kernel's ``triton_meta``; old releases number them."""
    signature: dict[str, str] = {}
    for entry in between(source, "'signature': {", "}").split(", "):
        name, _, kind = entry.partition(": ")
        if name.startswith("'"):
            signature[name[1:-1]] = kind[1:-1]
        elif name.isdecimal() and len(name) < 6 and int(name) < len(parameters):
            signature[parameters[int(name)]] = kind[1:-1]
    return signature


def _with_own_names(
    definitions: Sequence[MultiKernelDefinition],
) -> tuple[list[MultiKernelDefinition], list[Problem]]:
    """Tells definitions of the same name apart: the second ``multi_kernel_0`` of a module is ``multi_kernel_0~2``.

    Each graph partition and subgraph numbers its own (``SubgraphPythonWrapperCodegen``, torch 2.9 and later).
    """
    seen: dict[str, int] = {}
    problems = []
    own = []
    for definition in definitions:
        count = seen[definition.name] = seen.get(definition.name, 0) + 1
        if count == 1:
            own.append(definition)
            continue
        own.append(definition._replace(name=f"{definition.name}~{count}"))
        message = (
            f"{definition.name} is defined again, here called {own[-1].name}; torch runs the last one for all calls"
        )
        problems.append(Problem(definition.start, message))
    return own, problems


def _calls(
    text: str,
    kernels: Mapping[str, KernelDefinition],
    definitions: Sequence[MultiKernelDefinition],
    lines: Mapping[int, int],
) -> dict[str, list[RawCall]]:
    """The calls by multi-kernel. ``text`` ends where the benchmark part begins.

    A function between two definitions (a partition, a subgraph) calls the multi-kernels defined above it. What
    follows ``async_compile.wait`` is the graph itself: it calls those that no such function called.
    """
    starts = sorted([*(kernel.start for kernel in kernels.values()), *(each.start for each in definitions), len(text)])
    variables = Variables()
    by_name: dict[str, list[RawCall]] = {}
    latest: dict[str, str] = {}
    for definition in definitions:
        latest[_written_name(definition)] = definition.name
        end = starts[bisect_left(starts, definition.end)]
        main = text.find(_END_OF_DEFINITIONS, definition.end, end)
        own_end = main if main >= 0 else end
        if text.find(".run(", definition.end, own_end) >= 0:
            part = text[definition.end : own_end]
            for call in find_calls(part, lines[definition.end], latest, variables):
                by_name.setdefault(latest[call.name], []).append(call)
        if main >= 0:
            first_line = lines[definition.end] + text.count("\n", definition.end, main)
            waiting = {_written_name(each): each.name for each in reversed(definitions) if each.name not in by_name}
            targets = {**latest, **waiting}
            for call in find_calls(text[main:end], first_line, targets, variables):
                by_name.setdefault(targets[call.name], []).append(call)
    return by_name


def _written_name(definition: MultiKernelDefinition) -> str:
    return definition.name.partition("~")[0]


def _line_numbers(
    text: str,
    kernels: Mapping[str, KernelDefinition],
    definitions: Sequence[MultiKernelDefinition],
    problems: Sequence[Problem],
) -> Mapping[int, int]:
    """Counts the line breaks once, from one offset that is needed to the next."""
    offsets = {len(text)}
    offsets.update(offset for kernel in kernels.values() for offset in (kernel.source_start, kernel.source_end))
    offsets.update(offset for definition in definitions for offset in (definition.start, definition.end))
    offsets.update(problem.position for problem in problems)
    lines: dict[int, int] = {}
    line, previous = 1, 0
    for offset in sorted(offsets):
        line += text.count("\n", previous, offset)
        lines[offset] = line
        previous = offset
    return lines


def _multi_kernel(context: _Context, definition: MultiKernelDefinition, key: str, graph: Graph | None) -> MultiKernel:
    first = next((context.kernels[name] for _, name in definition.entries if name in context.kernels), None)
    return MultiKernel(
        id=f"{key[:ID_LETTERS]}/{definition.name}",
        name=definition.name,
        kind=definition.kind,
        wrapper_key=key,
        graph=graph,
        operations=first.operations if first else (),
        source_nodes=first.source_nodes if first else (),
        sub_kernels=tuple(
            _sub_kernel(context, index, name, size_key) for index, (size_key, name) in enumerate(definition.entries)
        ),
        calls=_call_sites(context, definition),
        definition=Span(context.lines[definition.start], context.lines[definition.end]),
    )


def _sub_kernel(context: _Context, index: int, name: str, size_key: str | None) -> SubKernel:
    kernel = context.kernels.get(name)
    if kernel is None:
        return SubKernel(index, name, Kind.OTHER, Span(0, 0), "", None, size_key)
    source = context.text[kernel.source_start : kernel.source_end]
    # The source begins behind the opening quotes and ends with a line break before the closing ones.
    first = context.lines[kernel.source_start] + 1
    span = Span(first, max(first, context.lines[kernel.source_end] - 1))
    file = kernel_file_of(kernel.recorded_path, source)
    return SubKernel(index, name, kind_of(source), span, file, kernel.recorded_path, size_key)


def _call_sites(context: _Context, definition: MultiKernelDefinition) -> tuple[CallSite, ...]:
    first = context.kernels.get(definition.entries[0][1])
    source = context.text[first.source_start : first.source_end] if first else ""
    own = parameters_of(source)
    signature = signature_of(source, own)
    parameters = definition.parameters or _placed(own, definition.first_slices)
    return tuple(
        call_site(call, parameters, signature, context.hints) for call in context.calls.get(definition.name, ())
    )


def _placed(parameters: tuple[str, ...], slices: tuple[tuple[int, int], ...] | None) -> tuple[str, ...]:
    """Parameters of sub-kernel 0 at the positions that the multi-kernel's call has for them."""
    if not slices:
        return parameters
    names: dict[int, str] = {}
    remaining = iter(parameters)
    for begin, end in slices:
        for position in range(begin, min(end, begin + len(parameters))):
            names[position] = next(remaining, f"arg{position}")
    return tuple(names.get(position, f"arg{position}") for position in range(max(names, default=-1) + 1))


def _contradictions(
    definition: MultiKernelDefinition, kernels: Mapping[str, KernelDefinition], calls: Mapping[str, Sequence[RawCall]]
) -> list[Problem]:
    problems = [
        Problem(definition.start, f"{definition.name} lists {name}, which this file does not define")
        for _, name in definition.entries
        if name not in kernels
    ]
    if definition.name not in calls:
        problems.append(
            Problem(definition.start, f"no call of {definition.name} was found, so its arguments are unknown")
        )
    return problems


def _diagnostic(problem: Problem, origin: Origin, lines: Mapping[int, int]) -> Diagnostic:
    return Diagnostic(Severity.WARNING, origin.path, lines[problem.position], problem.message)


def _graph(text: str) -> Graph | None:
    found = _AOT_ID.search(text, 0, _HEAD)
    if not found:
        return None
    phase = found[1].rpartition("_")[2]
    return Graph(found[1], phase if phase in ("forward", "backward", "inference") else None)


def _written_by(
    text: str, definitions: Sequence[MultiKernelDefinition], kernels: Mapping[str, KernelDefinition]
) -> str:
    """Which torch releases write this form (formats that changed in 2.5, 2.6, 2.7, 2.9, 2.10 and 2.12), or `OWN`."""
    if not definitions:
        return "unknown"
    definition = definitions[0]
    if definition.parameters is not None:
        return OWN if text.find(_OWN_IMPORT, 0, _HEAD) >= 0 else "torch 2.3 or 2.4"
    if definition.shape_specialize:
        return "torch 2.9"
    if definition.first_slices is not None or definition.kind is MultiKernelKind.SIZE_HINT:
        return _by_stream(text, definition.end)
    kernel = next((kernels[name] for _, name in definition.entries if name in kernels), None)
    hints = _SIZE_HINTS.search(text, kernel.source_start, kernel.source_end) if kernel else None
    if hints is None:
        return "torch 2.5 to 2.8"
    if hints[1].startswith("["):
        return "torch 2.5"
    return "torch 2.7 or 2.8" if "'r0_'" in hints[1] or text.find(" grid=", definition.end) < 0 else "torch 2.6"


def _by_stream(text: str, start: int) -> str:
    """The name of the stream in a call changed in 2.12."""
    if text.find("stream=raw_stream", start) >= 0:
        return "torch 2.12 or later"
    return "torch 2.10 or 2.11" if _OLD_STREAM.search(text, start) else "torch 2.10 or later"
