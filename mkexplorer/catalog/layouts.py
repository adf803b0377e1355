"""What a tensor expression of a wrapper tells of its layout: the calls that allocate, view and check tensors.

The forms are those of ``PythonWrapperCodegen`` in torch 2.3 to 2.13.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from .model import Size

# As the signatures of kernels and the comments of graphs abbreviate them.
DTYPES = {
    "bf16": "bfloat16",
    "fp16": "float16",
    "f16": "float16",
    "fp32": "float32",
    "f32": "float32",
    "fp64": "float64",
    "f64": "float64",
    "i1": "bool",
    "b8": "bool",
    "i8": "int8",
    "u8": "uint8",
    "i16": "int16",
    "u16": "uint16",
    "i32": "int32",
    "u32": "uint32",
    "i64": "int64",
    "u64": "uint64",
    "fp8e4nv": "float8_e4m3fn",
    "f8e4m3fn": "float8_e4m3fn",
    "fp8e5": "float8_e5m2",
    "f8e5m2": "float8_e5m2",
    "fp8e4b8": "float8_e4m3fnuz",
    "f8e4m3fnuz": "float8_e4m3fnuz",
    "fp8e5b16": "float8_e5m2fnuz",
    "f8e5m2fnuz": "float8_e5m2fnuz",
    "c32": "complex32",
    "c64": "complex64",
    "c128": "complex128",
}
_INTEGER = re.compile(r"-?\d{1,18}\Z")
_LAYOUT_CALL = re.compile(
    r"(?:(?:torch\.)?\w*empty_strided\w*|rand_strided|generate_example_value"
    r"|reinterpret_tensor|assert_size_stride|alloc_from_pool)\Z"
)
# The usual form of those calls, read at once: no bracket inside the shape and the stride.
_PLAIN_CALL = re.compile(r"([\w.]+)\((?:(\w+), )?\(([^()]*)\), \(([^()]*)\)(?:, ([^()]*))?\)\Z")
_BRACKET = re.compile(r"[(\[{]")
_SPLIT = re.compile(r"[,()\[\]{}]")
_BITS = re.compile(r"[a-z]+(\d+)")


class Layout(NamedTuple):
    """What is known of a tensor at one point of the wrapper. (A NamedTuple: one is made for every argument parsed.)

    ``offset`` counts elements from the start of the storage. ``root`` is the variable that first held that
    storage, ``how`` the kind of statement that told the layout.
    """

    dtype: str | None
    shape: tuple[Size, ...] | None
    stride: tuple[Size, ...] | None
    offset: Size
    root: str
    how: str


class StridedCall(NamedTuple):
    """``function(base, (shape), (stride), rest)``; ``base`` is empty for an allocation."""

    function: str
    base: str
    shape: str
    stride: str
    rest: str

    @property
    def dtype(self) -> str | None:
        """The dtype among the other arguments: positional or a keyword."""
        parts = self.rest.replace("dtype=", "").split(", ")
        return next((part for part in parts if dtype_of(part)), None)


def strided_call(expression: str) -> StridedCall | None:
    """Reads every call that names a shape and a stride; None for any other expression."""
    plain = _PLAIN_CALL.match(expression)
    if plain:
        function, base, shape, stride, rest = plain.groups("")
        return StridedCall(function, base, shape, stride, rest) if _LAYOUT_CALL.match(function) else None
    function, _, rest = expression.partition("(")
    if not _LAYOUT_CALL.match(function):
        return None
    made, restrided, view = rest.rpartition(").as_strided(")
    parts = split_arguments(made or rest.rpartition(")")[0])
    if function == "alloc_from_pool" and len(parts) >= 5:
        pool, offset, dtype, shape, stride = parts[:5]
        return StridedCall(function, pool, shape, stride, f"{offset}, {dtype}")
    base = parts.pop(0) if function in ("reinterpret_tensor", "assert_size_stride") and parts else ""
    if len(parts) < 2:
        return None
    shape, stride, *others = parts
    again = split_arguments(view.rpartition(")")[0]) if restrided else []
    if len(again) == 2:
        shape, stride = again
    return StridedCall(function, base, shape, stride, ", ".join(others))


def split_arguments(text: str) -> list[str]:
    """Parts of ``a, (b, c), d=e`` at the commas outside every bracket."""
    if not _BRACKET.search(text):
        return [part for piece in text.split(",") if (part := piece.strip())]
    parts: list[str] = []
    depth = begin = 0
    for found in _SPLIT.finditer(text):
        mark = found[0]
        if mark == ",":
            if depth == 0:
                parts.append(text[begin : found.start()].strip())
                begin = found.end()
        elif mark in "([{":
            depth += 1
        else:
            depth -= 1
    last = text[begin:].strip()
    return [*parts, last] if last else parts


def dtype_of(text: str) -> str | None:
    return text if text.startswith("torch.") and text[6:].isidentifier() else None


def item_size(dtype: str | None) -> int | None:
    """Bytes of one element; None for a dtype that is not known."""
    name = (dtype or "").removeprefix("torch.")
    if name == "bool":
        return 1
    bits = _BITS.match("bfloat16" if name == "bfloat16" else name)
    return int(bits[1]) // 8 if bits and len(bits[1]) < 4 else None


def in_elements(offset_bytes: Size, dtype: str | None) -> Size:
    """An offset in bytes as one in elements; a symbolic one stays an expression."""
    size = item_size(dtype)
    if isinstance(offset_bytes, int) and size:
        return offset_bytes // size
    return offset_bytes if offset_bytes == 0 else f"({offset_bytes}) // {size or 'itemsize'}"


def added(offset: Size, more: Size) -> Size:
    if isinstance(offset, int) and isinstance(more, int):
        return offset + more
    return more if offset == 0 else offset if more == 0 else f"{offset} + {more}"


# Programs use few shapes, again and again: equal ones are read once and shared.
@lru_cache(maxsize=4096)
def sizes(text: str) -> tuple[Size, ...] | None:
    """``(4096, 1024)``, ``()``, ``[8, 16]`` or bare ``8, s0`` as sizes; None where it is none of these."""
    if text[:1] in ("(", "["):
        if text[-1:] not in (")", "]"):
            return None
        text = text[1:-1]
    return tuple(size(part) for part in split_arguments(text))


def size(text: str) -> Size:
    """A number as a number, anything else as the expression that it is."""
    return int(text) if _INTEGER.match(text) else text
