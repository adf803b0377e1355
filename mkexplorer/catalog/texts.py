"""Finds the generated Python inside the files that hold it, as text: nothing is unpickled or executed.

A file is one wrapper, or several (logs), or holds one in a string (FX graph cache entries, cpp-wrapper
modules). Which it is follows from the place and the file's path. Only texts with a multi-kernel count.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from .errors import PlaceError
from .model import Origin, Place, PlaceKind
from .store import READ_LIMIT, Store

_MARKERS = (b"async_compile.multi_kernel(", b"async_compile.size_hint_multi_kernel(")
_MARKER = re.compile(b"|".join(map(re.escape, _MARKERS)))

# A JIT cpp-wrapper module starts with the code that tunes its kernels, in a string ('"""' in 2.6, then 'r"""').
_TUNING_BLOCK = re.compile(r'\s*r?"""\nCompile-time auto-tuning block: ?\n')
# The first line of every generated module since torch 2.0, with the line that 2.6 puts above it.
_FIRST_LINES = rb"^(?:# AOT ID: \[[^\n]*\n)?from ctypes import c_void_p"
_MODULE_START = re.compile(_FIRST_LINES, re.MULTILINE)
_TEXT_START = re.compile(_FIRST_LINES + rb'|^r?"""\nCompile-time auto-tuning block', re.MULTILINE)
_WRAPPER_END = re.compile(rb"^(?:    compiled_module_main\([^\n]*\n|(?=Output code written to: ))", re.MULTILINE)

# Opcode and length of a string in a pickle. Texts hold no byte below 9, so no length of 128 MiB or more can be meant.
_BINUNICODE = re.compile(rb"X(?=(...[\x00-\x07]))", re.DOTALL)
OUTPUT_CODE = b"[__output_code]"
_FIRST_LINE = b"Output code:"
# What is the same in every line of one process: what a launcher put in front ('[rank0]:', '3: '), and the process id.
_STREAM = re.compile(rb"(.*?)[A-Z]\d{4} \d\d:\d\d:\d\d\.\d+ (\d+) ")
# What a container or a build service adds to that, another in every line: '2026-01-31T12:00:00.1Z', 'Jan 31 12:00:00'.
_CLOCK = re.compile(rb"(?:\d{4}-\d\d-\d\d[T ]|[A-Z][a-z]{2} [ \d]\d )?\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
# Colours, and 'erase to the end of the line', which comes with them.
_COLOUR = re.compile(rb"\x1b\[[\d;]*[mK]")
_TRACE_NAMES = (b'"inductor_output_code"', b'"inductor_autotune_at_compile_time_code"')


class Form(Enum):
    """How a file holds its wrappers."""

    MODULE = "Python module"
    PICKLE = "FX graph cache entry"
    LOG = "TORCH_LOGS text"
    TRACE = "TORCH_TRACE log"


LOG_LIMIT = 512 << 20
_LIMITS = {Form.MODULE: READ_LIMIT, Form.PICKLE: 127 << 20, Form.LOG: LOG_LIMIT, Form.TRACE: LOG_LIMIT}


class FoundText(NamedTuple):
    """A wrapper in a file: ``module`` is all that torch generated and hashed, ``text`` the Python in it to be read.

    The two differ for a cpp-wrapper module only; ``text`` has its lines where ``module`` has them.
    """

    origin: Origin
    text: str
    module: str


def form_of(place: Place, path: str) -> Form:
    if place.kind is PlaceKind.LOG:
        return Form.LOG
    if place.kind is PlaceKind.TRACE:
        return Form.TRACE
    return Form.PICKLE if path.startswith("fxgraph/") else Form.MODULE


def read_wrappers(store: Store, place: Place, path: str) -> list[FoundText]:
    """Every wrapper with a multi-kernel in the file, with the origin by which ``read_wrapper`` finds it again."""
    form = form_of(place, path)
    data = store.read_bytes(path, limit=_LIMITS[form])
    return [
        FoundText(Origin(path, None if form is Form.MODULE else ordinal), generated_python(module), module)
        for ordinal, module in enumerate(extract(form, data))
    ]


def read_wrapper(store: Store, place: Place, origin: Origin) -> str:
    """The text that ``read_wrappers`` found at ``origin``; raises ``PlaceError`` where it is no longer there."""
    for found in read_wrappers(store, place, origin.path):
        if found.origin == origin:
            return found.text
    raise PlaceError(f"{origin.path}: the wrapper is no longer in this file", "The file changed; open the place again.")


def extract(form: Form, data: bytes) -> list[str]:
    """The generated modules in ``data`` that hold a multi-kernel, in the order of the file."""
    if not _has_marker(data):
        return []
    match form:
        case Form.MODULE:
            found = iter([data])
        case Form.PICKLE:
            found = _strings_of_pickle(data)
        case Form.LOG:
            found = _texts_of_log(data)
        case Form.TRACE:
            found = _texts_of_trace(data)
    return [text.decode("utf-8", "replace") for text in found if _has_marker(text)]


def generated_python(module: str) -> str:
    """The module itself, or of a cpp-wrapper module the tuning block, which alone names the multi-kernels."""
    opening = _TUNING_BLOCK.match(module)
    if opening is None:
        return module
    block = module[opening.end() :].partition('"""')[0]
    # torch escapes quotes to keep its own string whole
    return "\n" * opening[0].count("\n") + block.replace('\\"\\"\\"', '"""')


def plain_log(data: bytes) -> bytes:
    """Without colours, and with the line ends that torch wrote."""
    return _COLOUR.sub(b"", data).replace(b"\r\n", b"\n")


def count_modules(data: bytes) -> int:
    """How many generated modules start in ``data``."""
    return sum(1 for _ in _MODULE_START.finditer(data))


def starts_as_module(data: bytes) -> bool:
    return _TEXT_START.match(data.lstrip()) is not None


def _has_marker(data: bytes) -> bool:
    return any(marker in data for marker in _MARKERS)


def _strings_of_pickle(data: bytes) -> Iterator[bytes]:
    """The strings of a pickle (protocol 1 and later) that hold a marker, cut at the length that stands before each."""
    done = 0
    while marker := _MARKER.search(data, done):
        string = _string_around(data, done, marker.start())
        if string is not None:
            yield data[string.start : string.stop]
        done = string.stop if string is not None else marker.end()


def _string_around(data: bytes, first: int, marker: int) -> range | None:
    """Where the string that holds the position ``marker`` starts and stops, looking no further back than ``first``.

    It is the last one before the marker that reaches it: bytes of a text, read as a length, are beyond every file.
    """
    found = None
    for opcode in _BINUNICODE.finditer(data, first, marker):
        start = opcode.end() + 4
        stop = start + int.from_bytes(opcode[1], "little")
        if start <= marker < stop <= len(data):
            found = range(start, stop)
    return found


def _texts_of_log(data: bytes) -> Iterator[bytes]:
    data = plain_log(data)
    return _texts_of_prefixed_log(data) if OUTPUT_CODE in data else _texts_of_bare_log(data)


def _texts_of_prefixed_log(data: bytes) -> Iterator[bytes]:
    """``TORCH_LOGS=output_code`` puts the same prefix before every line of one record; processes interleave."""
    open_records: dict[bytes, tuple[bytes, list[bytes]]] = {}
    done: list[list[bytes]] = []
    for line in io.BytesIO(data):
        prefix, tag, rest = line.partition(OUTPUT_CODE)
        if not tag:
            continue
        rest = rest.removeprefix(b" ").removesuffix(b"\n")
        prefix, stream = _prefix_and_stream(prefix)
        known_prefix, lines = open_records.get(stream, (b"", []))
        if rest.startswith(_FIRST_LINE):
            done.append(lines := [])
            open_records[stream] = (prefix, lines)
        elif prefix == known_prefix:
            lines.append(rest)
        else:
            open_records.pop(stream, None)
    return (b"\n".join(lines) for lines in done)


def _prefix_and_stream(prefix: bytes) -> tuple[bytes, bytes]:
    """What is the same in every line of one record, and what in every line of one process."""
    match = _STREAM.match(prefix)
    if match is None:
        return prefix, b""
    front = _CLOCK.sub(b"", match[1])
    return front + prefix[match.end(1) :], front + b"\0" + match[2]


def _texts_of_bare_log(data: bytes) -> Iterator[bytes]:
    """Modules one after the other, without prefixes: as pasted, or printed through a formatter of one's own."""
    starts = [match.start() for match in _TEXT_START.finditer(data)] or [0]
    for start, stop in zip(starts, [*starts[1:], len(data)], strict=True):
        ending = _WRAPPER_END.search(data, start, stop)
        yield data[start : ending.end() if ending else stop]


def _texts_of_trace(data: bytes) -> Iterator[bytes]:
    """A header line with JSON, then its payload, each line after one TAB. A payload may break off at the end."""
    lines: list[bytes] | None = None
    for line in io.BytesIO(data):
        if line.startswith(b"\t"):
            if lines is not None:
                lines.append(line[1:].removesuffix(b"\n"))
            continue
        if lines is not None:
            yield b"\n".join(lines)
        lines = [] if _announces_code(line) else None
    if lines is not None:
        yield b"\n".join(lines)


def _announces_code(header: bytes) -> bool:
    if not any(name in header for name in _TRACE_NAMES):
        return False
    try:
        record = json.loads(header[header.index(b"] {") + 2 :])
    except (ValueError, RecursionError):
        return False
    if not isinstance(record, dict) or "has_payload" not in record:
        return False
    artifact = record.get("artifact")
    return "inductor_output_code" in record or (
        isinstance(artifact, dict) and artifact.get("name") == "inductor_autotune_at_compile_time_code"
    )
