"""Finds what a wrapper defines: sub-kernels and multi-kernels, by scanning its text for fixed anchors.

The forms are those that torch 2.3 to 2.13 write (``PythonWrapperCodegen.define_kernel`` and
``MultiKernelState.define_kernel``). Nothing is executed; a text that stops in the middle of a
definition yields a problem instead of that definition.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from .expressions import parse_expression
from .model import Kind, MultiKernelKind

KERNEL_ANCHOR = " = async_compile.triton("
_CALL = "multi_kernel("
_CONSTRUCTORS = {
    " = async_compile.multi_kernel(": MultiKernelKind.TIMED,
    " = async_compile.size_hint_multi_kernel(": MultiKernelKind.SIZE_HINT,
}
# How every release closes a source; so long a needle is found several times as fast as three quotes.
_USUAL_CLOSING = "\n''', device_str="
_BRACKETS = {MultiKernelKind.TIMED: ("[", "]"), MultiKernelKind.SIZE_HINT: ("{", "}")}
_KINDS = {
    "reduction": Kind.LOOPED,
    "persistent_reduction": Kind.PERSISTENT,
    "cooperative_reduction": Kind.COOPERATIVE,
    "template": Kind.TEMPLATE,
}
# No statement that torch writes is longer; looking no further keeps hostile texts linear.
_LINE = 4_096
_STATEMENT = 65_536
_KERNEL_FILE = re.compile(r"c[a-z2-7]{51}\.py\Z")
_WORD = re.compile(r"\w+")
_SHAPE_KEY_LINE = re.compile(r"^\s*(\([^\n]*\)): (\w+),?\s*$", re.MULTILINE)
_SLICES_LINE = re.compile(r"^\s*(\d{1,4}): \[([^\]\n]*)\],?$", re.MULTILINE)
_TAKES = re.compile(r"^TAKES = \(((?:\([\d, ]*\)(?:, )?)+)\)$", re.MULTILINE)
_GROUP = re.compile(r"\(([\d, ]*)\)")
_NUMBER = re.compile(r"\d{1,6}")
_SLICE = re.compile(r"slice\((\d{1,6}), (\d{1,6})(?:, None)?\)")


class Problem(NamedTuple):
    """A definition that the text breaks off or contradicts; ``position`` is an offset into the text."""

    position: int
    message: str


class KernelDefinition(NamedTuple):
    """``start`` is where its comments begin, ``source_start``/``source_end`` cut the kernel's source out."""

    name: str
    start: int
    source_start: int
    source_end: int
    recorded_path: str | None
    operations: tuple[str, ...]
    source_nodes: tuple[str, ...]


class MultiKernelDefinition(NamedTuple):
    """``entries`` are (size key or None, sub-kernel name) in index order.

    ``parameters`` are those of the ``run`` function that torch 2.3 and 2.4 generate, else None.
    ``first_slices`` says which call arguments reach sub-kernel 0 (torch 2.9+): empty for all of them, None
    where the release does not write it.
    """

    name: str
    kind: MultiKernelKind
    start: int
    end: int
    entries: tuple[tuple[str | None, str], ...]
    parameters: tuple[str, ...] | None
    first_slices: tuple[tuple[int, int], ...] | None
    shape_specialize: bool


def code_hash(source: str) -> str:
    """Torch's ``codecache.code_hash`` (same in 2.3 to 2.13): the stem of the file that holds ``source``."""
    digest = hashlib.sha256(source.strip().encode("utf-8", "surrogatepass")).digest()
    return "c" + base64.b32encode(digest).decode("ascii").lower()[:51]


def literal_source(text: str) -> str:
    """The kernel source as torch sees it: the text between triple quotes with its escapes resolved."""
    if "\\" not in text:
        return text
    try:
        value = ast.literal_eval(parse_expression("'''" + text + "'''"))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return text
    return value if isinstance(value, str) else text


def kind_of(source: str) -> Kind:
    return _KINDS.get(between(source, "\n@triton_heuristics.", "("), Kind.OTHER)


def parameters_of(source: str) -> tuple[str, ...]:
    """Names of the kernel's parameters that a call passes: those that are not ``tl.constexpr``."""
    # Helper functions of the kernel may stand above it, so what counts is the function behind the decorator.
    decorator = max(source.find("\n@triton_heuristics."), 0)
    listed = between(source, "\ndef ", "):", decorator).partition("(")[2]
    return tuple(part for part in listed.split(", ") if part and ":" not in part)


def kernel_file_of(recorded_path: str | None, source: str) -> str:
    """Base name of the kernel's own file; the recorded path wins because it costs no hashing."""
    if recorded_path:
        base = recorded_path.replace("\\", "/").rpartition("/")[2]
        if _KERNEL_FILE.match(base):
            return base
    return code_hash(literal_source(source)) + ".py"


def find_kernels(text: str) -> tuple[dict[str, KernelDefinition], list[Problem]]:
    """All ``NAME = async_compile.triton('…', '''…''', …)`` of a wrapper, by name."""
    kernels: dict[str, KernelDefinition] = {}
    problems: list[Problem] = []
    previous_end = usual = 0
    anchor = text.find(KERNEL_ANCHOR)
    while anchor >= 0:
        start = text.rfind("\n", max(previous_end, anchor - _LINE), anchor) + 1 or previous_end
        name = text[start:anchor].strip() if anchor - start <= _LINE else ""
        after = anchor + len(KERNEL_ANCHOR)
        quotes = text.find("'''", after, after + _LINE)
        if quotes >= 0 and text.find("\n", after, quotes) >= 0:
            quotes = -1
        if not name.isidentifier() or quotes < 0:
            if name.isidentifier():
                problems.append(Problem(start, f"the definition of {name} has no source"))
            anchor = text.find(KERNEL_ANCHOR, after)
            continue
        source_start = quotes + 3
        if usual < source_start:
            usual = text.find(_USUAL_CLOSING, source_start) + 1 or len(text)
        source_end = usual if usual < len(text) else _closing_quotes(text, source_start)
        if source_end < 0:
            problems.append(Problem(start, f"the source of {name} is not closed: the file breaks off"))
            break
        kernels[name] = _kernel_definition(text, name, previous_end, start, source_start, source_end)
        previous_end = source_end
        anchor = text.find(KERNEL_ANCHOR, source_end)
    return kernels, problems


def find_multi_kernels(
    text: str, kernels: Iterable[KernelDefinition]
) -> tuple[list[MultiKernelDefinition], list[Problem]]:
    """All multi-kernel definitions in the order of the text; they stand between the ``kernels`` (in text order)."""
    definitions: list[MultiKernelDefinition] = []
    problems: list[Problem] = []
    for anchor, after, kind in _anchors(text, kernels):
        start = text.rfind("\n", max(0, anchor - _LINE), anchor) + 1
        name = text[start:anchor].strip() if anchor - start <= _LINE else ""
        if not name.isidentifier():
            continue
        bracket, closing = _BRACKETS[kind]
        opening = text.find(bracket, after, after + _LINE)
        end = text.find(closing, opening, opening + _STATEMENT) if opening >= 0 else -1
        if end < 0:
            problems.append(Problem(start, f"the definition of {name} is not closed: the file breaks off"))
            continue
        entries = tuple(_entries(text[opening + 1 : end], kind))
        end += 1
        if not entries:
            problems.append(Problem(start, f"{name} lists no sub-kernel"))
            continue
        definitions.append(_multi_kernel_definition(text, name, kind, start, end, entries))
    return definitions, problems


def argument_slices(definition: str) -> dict[int, tuple[tuple[int, int], ...]]:
    """Which arguments of the call reach which sub-kernel (``arg_index``, torch 2.9+); empty where all reach all.

    ``definition`` is the statement that defines the multi-kernel, with the ``arg_index`` before it.
    """
    written = definition.partition("multi_kernel(")[0]
    return {
        int(index): tuple((int(a), int(b)) for a, b in _SLICE.findall(listed))
        for index, listed in _SLICES_LINE.findall(written)
    }


def taken_positions(definition: str) -> list[tuple[int, ...]]:
    """Which arguments of the call reach which sub-kernel (``TAKES``, which only ours have); empty without."""
    found = _TAKES.search(definition)
    return [tuple(map(int, _NUMBER.findall(taken))) for taken in _GROUP.findall(found[1])] if found else []


def between(text: str, before: str, after: str, start: int = 0) -> str:
    """What stands between the first ``before`` behind ``start`` and the next ``after``; empty if either is missing."""
    begin = text.find(before, start)
    if begin < 0:
        return ""
    begin += len(before)
    end = text.find(after, begin, begin + _STATEMENT)
    return text[begin:end] if end >= 0 else ""


def _anchors(text: str, kernels: Iterable[KernelDefinition]) -> Iterator[tuple[int, int, MultiKernelKind]]:
    begin = 0
    for end, resume in [*((kernel.start, kernel.source_end) for kernel in kernels), (len(text), len(text))]:
        position = text.find(_CALL, begin, end)
        while position >= 0:
            after = position + len(_CALL)
            for constructor, kind in _CONSTRUCTORS.items():
                if text.startswith(constructor, after - len(constructor)):
                    yield after - len(constructor), after, kind
            position = text.find(_CALL, after, end)
        begin = resume


def _entries(body: str, kind: MultiKernelKind) -> Iterator[tuple[str | None, str]]:
    if kind is MultiKernelKind.TIMED:
        for name in _WORD.findall(body):
            yield None, name
        return
    for key, name in _SHAPE_KEY_LINE.findall(body):
        yield key, name


def _multi_kernel_definition(
    text: str, name: str, kind: MultiKernelKind, start: int, end: int, entries: tuple[tuple[str | None, str], ...]
) -> MultiKernelDefinition:
    tail = text[end : _end_of_line(text, end)]
    parameters = None
    first_slices = None
    if tail.strip() == ",":
        # torch 2.3 and 2.4 pass a third argument: the source of a `run` function between triple quotes.
        quotes = text.find("'''", end, end + _LINE)
        closing = text.find("'''", quotes + 3, quotes + _STATEMENT) if quotes >= 0 else -1
        if closing >= 0:
            listed = between(text[quotes:closing], "def run(multi_kernel_call, ", "):")
            parameters = tuple(part for part in listed.split(", ") if part) or None
            parenthesis = text.find(")", closing, closing + _LINE)
            end = parenthesis + 1 if parenthesis >= 0 else closing + 3
    elif "arg_index=" in tail:
        # `arg_index` is rebound right before each definition.
        opening = text.rfind("\narg_index = {", max(0, start - _STATEMENT), start)
        if opening >= 0:
            listed = between(text[opening:start], "    0: [", "]")
            # One slice means all arguments in their order, the usual case.
            several = "), " in listed
            first_slices = tuple((int(a), int(b)) for a, b in _SLICE.findall(listed)) if several else ()
            start = opening + 1
    return MultiKernelDefinition(
        name, kind, start, max(end, start), entries, parameters, first_slices, "shape_specialize=" in tail
    )


def _kernel_definition(
    text: str, name: str, previous_end: int, start: int, source_start: int, source_end: int
) -> KernelDefinition:
    # Kernels of other kinds may stand between this one and the previous, so the last comments are its own.
    comment = _last(text, "# kernel path: ", previous_end, start)
    recorded_path = None
    if comment >= 0:
        recorded_path = text[comment + len("# kernel path: ") : _end_of_line(text, comment)].strip()
        previous_end = comment
    nodes = _last(text, "Source Nodes: [", previous_end, start)
    begin = comment if comment >= 0 else start
    line = text[nodes : _end_of_line(text, nodes)] if nodes >= 0 else ""
    source_nodes, _, operations = line.partition("Original ATen: [")
    return KernelDefinition(
        name,
        begin,
        source_start,
        source_end,
        recorded_path,
        _names(operations),
        _names(source_nodes.removeprefix("Source Nodes: [")),
    )


@lru_cache(maxsize=1024)
def _names(listed: str) -> tuple[str, ...]:
    inside = listed.partition("]")[0]
    return tuple(part.strip() for part in inside.split(",") if part.strip())


def _last(text: str, wanted: str, start: int, end: int) -> int:
    """As ``rfind``, but quick where there is one only: Python searches forward several times as fast."""
    found = text.find(wanted, start, end)
    following = found
    while following >= 0:
        found = following
        following = text.find(wanted, found + 1, end)
    return found


def _end_of_line(text: str, position: int) -> int:
    end = text.find("\n", position, position + _STATEMENT)
    return end if end >= 0 else min(len(text), position + _STATEMENT)


def _closing_quotes(text: str, position: int) -> int:
    """Where the triple quotes that close a source stand; an escaped quote does not close."""
    while True:
        position = text.find("'''", position)
        if position < 0:
            return -1
        backslashes = 0
        while text[position - 1 - backslashes] == "\\":
            backslashes += 1
        if backslashes % 2 == 0:
            return position
        position += 1
